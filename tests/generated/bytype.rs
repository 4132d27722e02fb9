//! In: a database. Out: tables of the types that COPY cannot carry in binary between clusters: those that hold an OID, and those
//! without a binary form, with a vector beside them.

use super::database::Database;
use super::names::{ident, literal};
use super::random::Rng;
use super::usertypes::named;

pub fn make(database: &mut Database) {
    let mut rng = database.stream("by type");
    if database.has("regclass column") {
        names(database, &mut rng);
    }
    if database.has("no binary form") {
        texts(database, &mut rng);
    }
}

/// `regclass` and its kin, of objects that are on both servers and of this database's own.
fn names(database: &mut Database, rng: &mut Rng) {
    // The text stays, and with it the name of a role that the target may not have.
    let renamed = |role: &&String| database.wishes.on_target(role) == **role;
    let roles = database.roles.iter().filter(renamed);
    let mut columns = vec![
        ("regtype", vec!["integer[]".to_string(), "-".into()]),
        ("regproc", vec!["pg_catalog.now".into()]),
        (
            "regprocedure",
            vec!["pg_catalog.abs(integer)".into(), "-".into()],
        ),
        ("regoper", vec!["pg_catalog.||/".into()]),
        ("regoperator", vec!["pg_catalog.+(integer,integer)".into()]),
        ("regclass", vec!["pg_catalog.pg_class".into(), "-".into()]),
        ("regnamespace", vec!["pg_catalog".into()]),
        (
            "regconfig",
            vec!["pg_catalog.english".into(), "pg_catalog.simple".into()],
        ),
        ("regdictionary", vec!["pg_catalog.simple".into()]),
        ("regcollation", vec!["pg_catalog.\"C\"".into()]),
        ("regrole", roles.map(ident).collect()),
    ];
    if let Some(table) = database.tables.first() {
        columns[5].1.push(table.sql());
    }
    if let Some(ty) = database.types.first() {
        columns[0].1.push(ty.sql.clone());
    }
    columns[6].1.extend(database.schemas.iter().map(ident));
    columns.retain(|(_, values)| !values.is_empty() && rng.percent(50));
    let table = named(database, "names", rng);
    let vector = database.member("vector(2)");
    let words: Vec<String> = columns
        .iter()
        .map(|(ty, _)| format!(", c_{ty} {ty}, a_{ty} {ty}[]"))
        .collect();
    database.add(format!(
        "CREATE TABLE {table} (id integer, v {vector}{})",
        words.concat()
    ));
    for id in 0..rng.between(1, 4) {
        let values = columns.iter().map(|(ty, values)| {
            let mut one = || format!("{}::{ty}", literal(rng.pick(values)));
            format!(", {}, ARRAY[{}, NULL]", one(), one())
        });
        let values: String = values.collect();
        database.add(format!(
            "INSERT INTO {table} VALUES ({id}, '[1e-30,{id}]'{values})"
        ));
    }
}

/// A type like text without SEND and RECEIVE, access privileges, and every form of a vector beside them.
fn texts(database: &mut Database, rng: &mut Rng) {
    let ty = named(database, "plaintext", rng);
    let (input, output) = (
        named(database, "textin", rng),
        named(database, "textout", rng),
    );
    database.add(format!("CREATE TYPE {ty}"));
    database.add(format!("CREATE FUNCTION {input}(cstring) RETURNS {ty} LANGUAGE internal IMMUTABLE STRICT AS 'textin'"));
    database.add(format!("CREATE FUNCTION {output}({ty}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'"));
    database.add(format!(
        "CREATE TYPE {ty} (INPUT = {input}, OUTPUT = {output}, LIKE = text)"
    ));
    let table = named(database, "texts", rng);
    let member = |name: &str| database.member(name);
    let columns = [
        format!("t {ty}"),
        format!("ts {ty}[]"),
        "acl aclitem".into(),
        format!("v {}", member("vector(3)")),
        format!("h {}", member("halfvec(3)")),
        format!("s {}", member("sparsevec(5)")),
        format!(
            "vs {}{}",
            member("vector"),
            ["[]", ""][usize::from(database.arrays)]
        ),
        "j jsonb".into(),
    ];
    let columns = columns.join(", ");
    database.add(format!("CREATE TABLE {table} (id integer, {columns})"));
    let odd = ["", "\\N", "\\.", "a\tb\nc\\d", "'\"", "NULL", "é🦀"];
    for id in 0..rng.between(1, 6) {
        let text = literal(rng.pick(&odd));
        let number = rng.pick(&["1e-45", "-0", "3.4028235e38", "0.1", "16777217", "-1.5e-10"]);
        database.add(format!(
            "INSERT INTO {table} VALUES ({id}, {text}::{ty}, ARRAY[{text}::{ty}, NULL], '=r/postgres', '[{number},1,-2.5]', '[65504,5.96e-8,-0]', '{{1:0.1,5:-7}}/5', {}, '{{\"a\": [\"\\\\\"]}}')",
            match database.arrays {
                true => format!("'[{number}]'"),
                false => format!("ARRAY['[{number}]'::{}, NULL]", database.member("vector")),
            }
        ));
    }
    database.add(format!("INSERT INTO {table} (id) VALUES (NULL)"));
}
