//! What the program is told of roles and of the types of columns. In: a database with its roles. Out: the arguments, and the entries of the source's dump as they are
//! to be on the target by them.

use super::database::{Column, Database, Shape, Table};
use super::names::ident;
use super::tables::fill;
use super::types::{Type, Vector, Words};
use super::words::{bare, unquoted};

#[derive(Default)]
pub struct Wishes {
    /// Names on the source and on the target, where no role has the old one.
    pub renamed: Vec<(String, String)>,
    pub no_owner: bool,
    pub no_privileges: bool,
    /// Table, column, and the type that it becomes.
    mapped: Vec<(String, String, &'static str)>,
}

pub fn make(database: &mut Database) {
    let mut rng = database.stream("wishes");
    if database.has("renamed roles") {
        for role in database.roles.clone() {
            if rng.percent(60) {
                let to = format!("{role}{}", rng.pick(&["_new", " \"New\"", "=x", "'"]));
                database.arguments.push("--role-map".into());
                let argument = format!("{}={}", ident(&role), ident(&to));
                database.arguments.push(argument);
                database.wishes.renamed.push((role, to));
            }
        }
    }
    if database.has("no owners") && rng.percent(40) {
        database.wishes.no_owner = true;
        database.arguments.push("--no-owner".into());
    }
    if database.has("no privileges") && rng.percent(40) {
        database.wishes.no_privileges = true;
        database.arguments.push("--no-privileges".into());
    }
}

/// What --map may say of each type.
const MAPS: [(&str, &[&str]); 4] = [
    ("vector", &["vecf16", "bvector", "real[]", "vector"]),
    ("halfvec", &["vector", "bvector", "real[]"]),
    ("sparsevec", &["real[]"]),
    ("bit", &["bvector", "real[]"]),
];

/// A table whose columns become other types than usual.
pub fn maps(database: &mut Database) {
    if !database.has("maps") || database.arrays {
        return;
    }
    let mut rng = database.stream("maps");
    let (schema, name) = (
        rng.pick(&database.schemas).clone(),
        database.fresh("mapped"),
    );
    let mut columns: Vec<Column> = Vec::new();
    for _ in 0..rng.between(1, 5) {
        let (from, to) = rng.pick(&MAPS);
        let ty = match Words::ALL.into_iter().find(|w| w.name() == *from) {
            Some(words) => Type::vector(
                &database.extension,
                Vector {
                    words,
                    dims: Some(rng.between(1, 70)),
                    tame: true,
                },
            ),
            None => Type::named("bit(11)"),
        };
        let column = database.fresh("m");
        let to = *rng.pick(to);
        if rng.percent(85) {
            let path = [&schema, &name, &column].map(ident).join(".");
            database.arguments.push("--map".into());
            database.arguments.push(format!("{path}={to}"));
            let mapped = (name.clone(), column.clone(), to);
            database.wishes.mapped.push(mapped);
        }
        columns.push(Column {
            name: column,
            ty,
            not_null: rng.percent(10),
            counted: false,
            written: true,
        });
    }
    let mut table = Table {
        schema,
        name,
        columns,
        key: None,
        rows: 0,
        shape: Shape::Plain,
    };
    let words: Vec<String> = table
        .columns
        .iter()
        .map(|c| {
            let null = if c.not_null { " NOT NULL" } else { "" };
            format!("{} {}{null}", ident(&c.name), c.ty.sql)
        })
        .collect();
    database.add(format!(
        "CREATE TABLE {} ({})",
        table.sql(),
        words.join(", ")
    ));
    let count = rng.between(1, 20);
    fill(database, &mut table, count, &mut rng);
}

impl Wishes {
    pub fn on_target(&self, role: &str) -> String {
        let renamed = self.renamed.iter().find(|(old, _)| old == role);
        renamed.map_or(role, |(_, new)| new).to_string()
    }

    /// A header of the source's dump; None for an entry that does not come. `user` makes all that is made on the target.
    pub fn header(&self, header: &str, user: &str) -> Option<String> {
        let defaults = header.contains("; Type: DEFAULT ACL; ");
        if self.no_privileges && (defaults || header.contains("; Type: ACL; ")) {
            return None;
        }
        let Some((start, owner)) = header.rsplit_once("; Owner: ") else {
            return Some(header.into());
        };
        // Default privileges are of a role, and nobody's own.
        let nobodys = ["-", "pg_database_owner"].contains(&owner);
        let owner = match self.no_owner && !nobodys && !defaults {
            true => user.to_string(),
            false => self.on_target(owner),
        };
        Some(format!("{start}; Owner: {owner}"))
    }

    /// The words of an entry.
    pub fn words(&self, words: &mut Vec<String>, header: &str, user: &str) {
        for (table, column, to) in &self.mapped {
            if header.starts_with(&format!(
                "{}; Type: TABLE; ",
                table.replace(['\n', '\r'], " ")
            )) {
                becomes(words, column, to);
            }
        }
        for word in words.iter_mut() {
            let name = unquoted(word);
            if let Some((_, new)) = self.renamed.iter().find(|(old, _)| *old == name) {
                *word = bare(&ident(new));
            }
        }
        for at in 2..words.len() {
            if self.no_owner && words[at - 2] == "OWNER" && words[at - 1] == "TO" {
                words[at] = bare(&ident(user));
            }
        }
    }
}

/// In pgvector's words, as all types of the target are compared.
fn becomes(words: &mut Vec<String>, column: &str, to: &str) {
    let ty = |word: &String| MAPS.iter().any(|(from, _)| from == word);
    let place = (1..words.len()).find(|at| unquoted(&words[at - 1]) == column && ty(&words[*at]));
    let Some(at) = place else { return };
    match to {
        // Type, parenthesis, number, parenthesis.
        "real[]" => {
            words.splice(at..at + 4, ["real", "[", "]"].map(String::from));
        }
        "vecf16" => words[at] = "halfvec".into(),
        "bvector" => words[at] = "bit".into(),
        _ => words[at] = "vector".into(),
    }
}
