//! In: SQL as pg_dump writes it, of a database with pgvector or with PGVecto.rs. Out: its tokens in words that both sides share, so
//! that two statements which mean the same are equal. This is the generator's own table of what becomes what.

use super::indexwords;

pub enum Dialect {
    /// In this schema.
    Pgvector(String),
    Pgvectors,
}

impl Dialect {
    /// pg_dump's entries of the extension itself, by their headers.
    pub fn is_the_extension(&self, header: &str) -> bool {
        let its = |name: &str| {
            header.starts_with(&format!("{name}; Type: EXTENSION"))
                || header.starts_with(&format!("EXTENSION {name}; Type: COMMENT"))
        };
        match self {
            Dialect::Pgvector(_) => its("vector"),
            Dialect::Pgvectors => {
                its("vectors")
                    || header.starts_with("vectors; Type: SCHEMA")
                    || header.starts_with("SCHEMA vectors; Type: ACL")
            }
        }
    }

    fn schema(&self) -> &str {
        match self {
            Dialect::Pgvector(schema) => schema,
            Dialect::Pgvectors => "vectors",
        }
    }
}

pub fn normal(text: &str, dialect: &Dialect) -> Vec<String> {
    let tokens = tokens(text);
    let mut words = members(&tokens, dialect);
    unproven(&mut words);
    without(&mut words);
    inherited(&mut words);
    grants(&mut words, dialect);
    indexwords::normal(words)
}

/// A header of pg_dump: names of functions hold the types of their arguments, among names that may hold anything.
pub fn header(text: &str, dialect: &Dialect) -> String {
    let own = dialect.schema();
    let quoted = format!("\"{}\"", own.replace('"', "\"\""));
    let types = MEMBERS[..3].iter();
    types.fold(text.to_string(), |text, (theirs, ours)| {
        let word = match dialect {
            Dialect::Pgvector(_) => ours,
            Dialect::Pgvectors => theirs,
        };
        [
            format!("{own}.{word}"),
            format!("{quoted}.{word}"),
            format!("{quoted}.\"{word}\""),
        ]
        .iter()
        .fold(text, |text, written| text.replace(written, ours))
    })
}

/// Whether an expression over vectors is among these words.
pub fn computes(words: &[String]) -> bool {
    let operators = ["<->", "<=>", "<#>", "<~>", "<%>", "<+>"];
    let vector = |w: &String| w.starts_with("'[") || w.starts_with("'{");
    let has = |w: &String| {
        operators.contains(&w.as_str()) || FUNCTIONS.contains(&w.as_str()) || vector(w)
    };
    words
        .iter()
        .any(|w| has(w) || body(w).is_some_and(|b| computes(&b)))
}

/// PGVecto.rs has no such distance: a sum over arrays stands in its place, which only its answers can be compared by.
pub fn has_taxicab(word: &str) -> bool {
    word.contains("<+>") || word.contains("l1_distance")
}

/// The tokens of a function's body, which is a string in dollars.
fn body(word: &str) -> Option<Vec<String>> {
    let tag = &word[..word.strip_prefix('$')?.find('$')? + 2];
    Some(tokens(word.strip_prefix(tag)?.strip_suffix(tag)?))
}

const FUNCTIONS: [&str; 13] = [
    "l2_distance",
    "inner_product",
    "cosine_distance",
    "vector_dims",
    "vector_norm",
    "l2_norm",
    "l2_normalize",
    "binary_quantize",
    "subvector",
    "avg",
    "sum",
    "hamming_distance",
    "jaccard_distance",
];

/// The words of a statement over vectors without those that its translation may add, drop or move. What the statement means is asked
/// of both sides by rows and probes; here is seen that it is there, on the same columns and with the same numbers.
pub fn loose(words: &[String]) -> Vec<String> {
    let moves = |word: &String| {
        let vector = word.starts_with("'[") || word.starts_with("'{");
        vector || MOVES.contains(&word.as_str()) || FUNCTIONS.contains(&word.as_str())
    };
    const MOVES: [&str; 31] = [
        "AS",
        "(",
        ")",
        "[",
        "]",
        ":",
        ".",
        ",",
        "<->",
        "<=>",
        "<#>",
        "<~>",
        "<%>",
        "-",
        "+",
        "*",
        "/",
        "OPERATOR",
        "sqrt",
        "double",
        "precision",
        "real",
        "pg_catalog",
        "public",
        "vectors",
        "vector",
        "halfvec",
        "sparsevec",
        "float8",
        "float4",
        "0.0",
    ];
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        if let Some(body) = body(word) {
            kept.extend(loose(&body));
        } else if !moves(word) {
            kept.push(word.clone());
        }
    }
    kept.sort();
    kept
}

/// Names of the extensions' members: PGVecto.rs's, and pgvector's.
const MEMBERS: [(&str, &str); 19] = [
    ("vector", "vector"),
    ("vecf16", "halfvec"),
    ("svector", "sparsevec"),
    ("bvector", "bit"),
    ("vector_l2_ops", "vector_l2_ops"),
    ("vector_dot_ops", "vector_ip_ops"),
    ("vector_cos_ops", "vector_cosine_ops"),
    ("vecf16_l2_ops", "halfvec_l2_ops"),
    ("vecf16_dot_ops", "halfvec_ip_ops"),
    ("vecf16_cos_ops", "halfvec_cosine_ops"),
    ("svector_l2_ops", "sparsevec_l2_ops"),
    ("svector_dot_ops", "sparsevec_ip_ops"),
    ("svector_cos_ops", "sparsevec_cosine_ops"),
    ("bvector_hamming_ops", "bit_hamming_ops"),
    ("bvector_jaccard_ops", "bit_jaccard_ops"),
    ("binarize", "binary_quantize"),
    ("subvector", "subvector"),
    ("vector_dims", "vector_dims"),
    ("vector_norm", "vector_norm"),
];

/// `schema.member` becomes the member in pgvector's words, `OPERATOR(schema.<->)` the operator.
fn members(tokens: &[String], dialect: &Dialect) -> Vec<String> {
    let own = dialect.schema();
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is = |i: usize, word: &str| tokens.get(at + i).is_some_and(|t| t == word);
        let owned = |i: usize| tokens.get(at + i).is_some_and(|t| unquoted(t) == own);
        if token == "OPERATOR" && is(1, "(") && owned(2) && is(3, ".") && is(5, ")") {
            words.push(tokens[at + 4].clone());
            at += 6;
        } else if let (true, Some(member)) = (owned(0) && is(1, "."), tokens.get(at + 2)) {
            match theirs(&unquoted(member), dialect) {
                Some(word) => {
                    bits(&mut words, word);
                    words.push(word.to_string());
                }
                None => words.extend_from_slice(&tokens[at..at + 3]),
            }
            at += 3;
        } else {
            words.push(token.clone());
            at += 1;
        }
    }
    words
}

/// A member of the extension, in pgvector's words.
fn theirs(member: &str, dialect: &Dialect) -> Option<&'static str> {
    let known = MEMBERS.iter().find(|(theirs, ours)| match dialect {
        // pgvector has no bit of its own.
        Dialect::Pgvector(_) => *ours == member && member != "bit",
        Dialect::Pgvectors => *theirs == member,
    });
    let function = FUNCTIONS.iter().find(|f| **f == member);
    known.map(|(_, ours)| *ours).or(function.copied())
}

/// A literal of bits before its type, `'[1, 0]'::vectors.bvector`, is '10' in pgvector's words.
fn bits(words: &mut [String], member: &str) {
    let literal = words
        .len()
        .checked_sub(3)
        .filter(|i| words[*i].starts_with("'["));
    if let (Some(i), "bit") = (literal, member) {
        words[i].retain(|c| c == '\'' || c == '0' || c == '1');
    }
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
            if let Dialect::Pgvector(_) = dialect {
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

pub fn unquoted(token: &str) -> String {
    match token.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => token.to_string(),
    }
}

/// Words, quoted names, strings, dollar-quoted strings, operators, and single characters.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => quoted(rest, first),
            '$' => dollar(rest).unwrap_or(1),
            c if is_word(c) => span(rest, |c| is_word(c) || c == '$'),
            c if is_operator(c) => span(rest, is_operator),
            c => c.len_utf8(),
        };
        tokens.push(bare(&rest[..length]));
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Names are quoted more often where quote_all_identifiers is on.
pub fn bare(token: &str) -> String {
    let inner = unquoted(token);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match inner.starts_with(|c: char| c.is_ascii_lowercase()) && inner.chars().all(plain) {
        true => inner,
        false => token.to_string(),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(c)
}

fn span(text: &str, part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !part(c)).unwrap_or(text.len())
}

/// Up to the quote that ends it; two of them stand for one.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn dollar(text: &str) -> Option<usize> {
    let end = text[1..].find(|c: char| !is_word(c))? + 1;
    let tag = text[..=end].strip_suffix('$').map(|_| &text[..=end])?;
    let close = text[tag.len()..].find(tag)?;
    Some(tag.len() * 2 + close)
}
