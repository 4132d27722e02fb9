//! In: the words of a statement. Out: the same, whichever version of PostgreSQL made it: what 18 says otherwise than 16, or what a schema
//! says otherwise when it is made anew.

use super::words::Dialect;

pub fn normal(words: &mut Vec<String>, dialect: &Dialect) {
    unproven(words);
    without(words);
    inherited(words);
    grants(words, dialect);
}

/// NOT NULL that is not proven: before 18 only a check can be that.
fn unproven(words: &mut Vec<String>) {
    for at in 0..words.len() {
        let is = |i: usize, word: &str| words.get(at + i).is_some_and(|w| w == word);
        if is(0, "CONSTRAINT") && is(2, "NOT") && is(3, "NULL") && is(5, "NOT") && is(6, "VALID") {
            let column = words[at + 4].clone();
            let check =
                ["CHECK", "(", "(", &column, "IS", "NOT", "NULL", ")", ")"].map(String::from);
            words.splice(at + 2..at + 5, check);
        }
    }
}

/// Where a table was made a child later its columns stood in an order of their own; made anew those of its parents come first.
fn inherited(words: &mut Vec<String>) {
    let list = |w: &[String]| w[0] == ")" && w[1] == "INHERITS";
    let (Some(start), Some(end)) = (
        words.iter().position(|w| w == "("),
        words.windows(2).position(list),
    ) else {
        return;
    };
    let (mut depth, mut columns) = (0, vec![Vec::new()]);
    for word in &words[start + 1..end] {
        depth += i32::from("([".contains(word.as_str())) - i32::from(")]".contains(word.as_str()));
        match word.as_str() {
            "," if depth == 0 => columns.push(Vec::new()),
            _ => columns.last_mut().expect("there is one").push(word.clone()),
        }
    }
    columns.sort();
    let sorted = columns.join(&",".to_string());
    words.splice(start + 1..end, sorted);
}

/// What the versions of the servers say differently, or not at all.
fn without(words: &mut Vec<String>) {
    let mut kept: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let rest = &words[at..];
        let is = |i: usize, word: &str| rest.get(i).is_some_and(|w| w == word);
        // Compared by the catalog's flag: 18 has names for them, and inherits them differently.
        let skipped = if is(0, "CONSTRAINT") && is(2, "NOT") && is(3, "NULL") {
            4
        } else if is(0, "NOT") && is(1, "NULL") && kept.last().is_none_or(|w| w != "IS") {
            2
        // Virtual on 18, stored before.
        } else if is(0, "STORED") && kept.last().is_some_and(|w| w == ")") {
            1
        } else {
            0
        };
        if skipped == 0 {
            kept.push(rest[0].clone());
        }
        at += skipped.max(1);
    }
    *words = kept;
}

/// The privilege MAINTAIN came with 17: ALL is one more than before.
fn grants(words: &mut Vec<String>, dialect: &Dialect) {
    const BEFORE: [&str; 7] = [
        "SELECT",
        "INSERT",
        "REFERENCES",
        "DELETE",
        "TRIGGER",
        "TRUNCATE",
        "UPDATE",
    ];
    let mut statements: Vec<Vec<String>> = Vec::new();
    for statement in words.split(|w| w == ";") {
        let mut statement = statement.to_vec();
        let privileges = statement
            .iter()
            .position(|w| w == "ON")
            .filter(|_| statement[0] == "GRANT" || statement[0] == "REVOKE");
        if let Some(on) = privileges {
            let mut list: Vec<&str> = statement[1..on].iter().map(String::as_str).collect();
            list.retain(|w| *w != ",");
            if let Dialect::Pgvector(..) = dialect {
                list.retain(|w| *w != "MAINTAIN");
            }
            if list.is_empty() {
                continue;
            }
            if BEFORE.iter().all(|w| list.contains(w)) && list.len() == BEFORE.len() {
                list = vec!["ALL"];
            }
            let list: Vec<String> = list.into_iter().map(String::from).collect();
            statement.splice(1..on, list);
        }
        statements.push(statement);
    }
    *words = statements.join(&";".to_string());
}
