//! In: a database with tables and rows. Out: keys, foreign keys to others and in circles, checks and exclusions, in every state that a
//! constraint can be in. Rows are changed first, so that no trigger waits while a constraint is made.

use super::database::{Database, Decision, Shape, Table};
use super::names::ident;
use super::random::Rng;
use super::usertypes;

/// A table that has a key: its name, its key, its key's type.
struct Keyed {
    sql: String,
    name: String,
    key: String,
    ty: String,
    shape: Shape,
}

pub fn make(database: &mut Database) {
    let mut rng = database.stream("constraints");
    let keyed: Vec<Keyed> = database
        .tables
        .iter()
        .filter(|t| !matches!(t.shape, Shape::Partitioned | Shape::Leaf))
        .filter_map(|t| {
            let key = t.key.as_ref()?;
            let column = t.columns.iter().find(|c| c.name == *key)?;
            Some(Keyed {
                sql: t.sql(),
                name: t.name.clone(),
                key: ident(key),
                ty: column.ty.sql.clone(),
                shape: t.shape,
            })
        })
        .collect();
    let unique: Vec<&Keyed> = keyed.iter().filter(|_| rng.percent(60)).collect();
    let references = references(database, &unique, &mut rng);
    for table in &unique {
        key(database, table, &mut rng);
    }
    for reference in references {
        database.add(reference);
    }
    for table in &keyed {
        checks(database, table, &mut rng);
        exclusion(database, table, &mut rng);
        newer(database, table, &mut rng);
    }
    trees(database, &mut rng);
}

fn key(database: &mut Database, table: &Keyed, rng: &mut Rng) {
    let name = ident(database.fresh("key"));
    let Keyed { sql, key, .. } = table;
    // A foreign key needs one that is not deferrable.
    let words = rng.pick(&[
        "PRIMARY KEY",
        "PRIMARY KEY",
        "UNIQUE",
        "UNIQUE NULLS NOT DISTINCT",
    ]);
    let options = rng.pick(&["", "", " WITH (fillfactor = 50)"]);
    database.add(format!(
        "ALTER TABLE {sql} ADD CONSTRAINT {name} {words} ({key}){options}"
    ));
    if rng.percent(20) {
        let name = ident(database.fresh("ukey"));
        database.add(format!(
            "ALTER TABLE {sql} ADD CONSTRAINT {name} UNIQUE ({key}) DEFERRABLE INITIALLY DEFERRED"
        ));
    }
    if rng.percent(10) {
        database.add(format!("ALTER TABLE {sql} CLUSTER ON {name}"));
    }
    if rng.percent(10) && *words == "PRIMARY KEY" {
        database.add(format!(
            "ALTER TABLE {sql} REPLICA IDENTITY USING INDEX {name}"
        ));
    }
}

/// Columns for foreign keys, filled; the constraints are returned, to be made after all rows are changed.
fn references(database: &mut Database, tables: &[&Keyed], rng: &mut Rng) -> Vec<String> {
    let mut constraints = Vec::new();
    if tables.is_empty() || !database.has("foreign keys") {
        return constraints;
    }
    // Each refers to the next, the last to the first: circles, and tables that refer to themselves.
    for (at, table) in tables.iter().enumerate() {
        let to = if rng.percent(40) {
            table
        } else {
            &tables[(at + 1) % tables.len()]
        };
        // UNLOGGED tables and logged ones cannot refer to each other.
        if (to.shape == Shape::Unlogged) != (table.shape == Shape::Unlogged) {
            continue;
        }
        let column = ident(database.fresh("ref"));
        database.add(format!(
            "ALTER TABLE {} ADD COLUMN {column} {}",
            table.sql, to.ty
        ));
        let valid = rng.percent(80);
        let value = match valid {
            true => format!("(SELECT max({}) FROM ONLY {})", to.key, to.sql),
            false => "-99".into(),
        };
        database.add(format!("UPDATE ONLY {} SET {column} = {value}", table.sql));
        let action = rng.pick(&[
            "",
            " ON DELETE CASCADE",
            " ON UPDATE CASCADE ON DELETE SET NULL",
            " MATCH FULL ON DELETE RESTRICT",
        ]);
        let time = rng.pick(&["", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"]);
        let valid = if valid { "" } else { " NOT VALID" };
        constraints.push(format!(
            "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({column}) REFERENCES {} ({}){action}{time}{valid}",
            table.sql,
            ident(database.fresh("fk")),
            to.sql,
            to.key
        ));
    }
    constraints
}

fn checks(database: &mut Database, table: &Keyed, rng: &mut Rng) {
    let Keyed { sql, key, .. } = table;
    if !database.has("late checks") || !rng.percent(60) {
        return;
    }
    let name = ident(database.fresh("chk"));
    let (check, state) = *rng.pick(&[
        ("> -1000", ""),
        ("> 1000000", " NOT VALID"),
        ("<> 17 OR true", " NO INHERIT"),
        ("IS NOT NULL", ""),
    ]);
    database.add(format!(
        "ALTER TABLE {sql} ADD CONSTRAINT {name} CHECK ({key} {check}){state}"
    ));
}

fn exclusion(database: &mut Database, table: &Keyed, rng: &mut Rng) {
    let Keyed { sql, key, .. } = table;
    if !database.has("exclusion") || !rng.percent(40) {
        return;
    }
    let name = ident(database.fresh("excl"));
    let words = rng.pick(&[
        "USING gist (int8range(#, #, '[]') WITH &&)",
        "USING btree (# WITH =) WHERE (# > 2)",
        "USING gist (int8range(#::bigint * 10, #::bigint * 10 + 5) WITH &&) DEFERRABLE INITIALLY DEFERRED",
        "USING hash (# WITH =)",
    ]);
    database.add(format!(
        "ALTER TABLE {sql} ADD CONSTRAINT {name} EXCLUDE {}",
        words.replace('#', key)
    ));
}

/// What only the newer server has.
fn newer(database: &mut Database, table: &Keyed, rng: &mut Rng) {
    let Keyed {
        sql, key, name: of, ..
    } = table;
    if database.has("not enforced") && rng.percent(30) {
        let name = database.fresh("ne");
        database.add(format!(
            "ALTER TABLE {sql} ADD CONSTRAINT {} CHECK ({key} < -5) NOT ENFORCED",
            ident(&name)
        ));
        database.decisions.push(Decision {
            object: name.clone(),
            asked: false,
            missing: vec![("CHECK CONSTRAINT".into(), format!("{of} {name}"))],
        });
    }
    if database.has("named not null") && rng.percent(40) {
        let column = ident(database.fresh("nn"));
        let name = ident(database.fresh("name"));
        database.add(format!(
            "ALTER TABLE {sql} ADD COLUMN {column} integer DEFAULT 5 CONSTRAINT {name} NOT NULL"
        ));
    }
}

/// Keys of partition trees hold the partition key: these have it.
fn trees(database: &mut Database, rng: &mut Rng) {
    let roots: Vec<(String, String, String)> = database
        .tables
        .iter()
        .filter(|t| t.shape == Shape::Partitioned)
        .map(|t| {
            (
                t.sql(),
                ident(&t.columns[0].name),
                ident(&t.columns[1].name),
            )
        })
        .collect();
    for (sql, id, other) in roots {
        let by_expression = database
            .script
            .iter()
            .any(|s| s.contains("PARTITION BY LIST ((("));
        if rng.percent(50) && !by_expression {
            let name = ident(database.fresh("pkey"));
            database.add(format!(
                "ALTER TABLE {sql} ADD CONSTRAINT {name} PRIMARY KEY ({id}, {other})"
            ));
        }
        if rng.percent(30) {
            let name = ident(database.fresh("chk"));
            database.add(format!(
                "ALTER TABLE {sql} ADD CONSTRAINT {name} CHECK ({id} > -5)"
            ));
        }
    }
}

/// Keys over time, which only 18 has: in tables of their own, whose ranges do not overlap.
pub fn over_time(database: &mut Database) {
    if !database.has("keys over time") {
        return;
    }
    let mut rng = database.stream("keys over time");
    let mut place = |stem: &str| {
        let (schema, name) = (rng.pick(&database.schemas).clone(), database.fresh(stem));
        (format!("{}.{}", ident(&schema), ident(&name)), name)
    };
    let ((booked, booked_name), (stays, stays_name)) = (place("booked"), place("stays"));
    let names = ["pk", "uk", "fk"].map(|stem| database.fresh(stem));
    let [pk, uk, fk] = names.each_ref().map(ident);
    let vector = usertypes::vector(database, &mut rng);
    let ty = &vector.sql;
    database.add(format!("CREATE TABLE {booked} (room int4range, during daterange, v {ty}, CONSTRAINT {pk} PRIMARY KEY (room, during WITHOUT OVERLAPS))"));
    database.add(format!("CREATE TABLE {stays} (room int4range, during daterange, v {ty}, CONSTRAINT {uk} UNIQUE (room, during WITHOUT OVERLAPS), CONSTRAINT {fk} FOREIGN KEY (room, PERIOD during) REFERENCES {booked} (room, PERIOD during))"));
    for room in 0..rng.between(1, 5) {
        let during = "daterange('2024-01-01', '2024-03-01')";
        let vector = vector.maybe(&mut rng, 20);
        database.add(format!(
            "INSERT INTO {booked} VALUES (int4range({room}, {room}, '[]'), {during}, {vector})"
        ));
        database.add(format!("INSERT INTO {stays} SELECT room, during * '[2024-01-05,2024-02-05)', v FROM {booked} WHERE room @> {room}"));
    }
    for (kind, table, name) in [
        ("CONSTRAINT", &booked_name, &names[0]),
        ("CONSTRAINT", &stays_name, &names[1]),
        ("FK CONSTRAINT", &stays_name, &names[2]),
    ] {
        database.decisions.push(Decision {
            asked: true,
            object: name.clone(),
            // Of a key its index too.
            missing: vec![
                (kind.into(), format!("{table} {name}")),
                ("INDEX".into(), name.clone()),
            ],
        });
    }
}

/// NOT NULL that nobody has proven, and foreign keys that nobody enforces: 18 again.
pub fn unproven(database: &mut Database) {
    let mut rng = database.stream("unproven");
    let plain = |t: &&Table| matches!(t.shape, Shape::Plain | Shape::Unlogged) && t.rows > 0;
    let tables: Vec<(String, String)> = database
        .tables
        .iter()
        .filter(plain)
        .map(|t| (t.sql(), t.name.clone()))
        .collect();
    for (sql, of) in tables {
        if database.has("unproven not null") && rng.percent(30) {
            let (column, name) = (ident(database.fresh("late")), ident(database.fresh("nn")));
            database.add(format!("ALTER TABLE {sql} ADD COLUMN {column} integer"));
            database.add(format!(
                "ALTER TABLE {sql} ADD CONSTRAINT {name} NOT NULL {column} NOT VALID"
            ));
            // For the rows that are tried on both sides.
            database.add(format!(
                "ALTER TABLE {sql} ALTER COLUMN {column} SET DEFAULT 1"
            ));
        }
        if database.has("not enforced keys") && rng.percent(30) {
            let (column, other) = (ident(database.fresh("ref")), ident(database.fresh("k")));
            let name = database.fresh("fk");
            database.add(format!("ALTER TABLE {sql} ADD COLUMN {column} integer DEFAULT 7, ADD COLUMN {other} integer UNIQUE"));
            database.add(format!("ALTER TABLE {sql} ADD CONSTRAINT {} FOREIGN KEY ({column}) REFERENCES {sql} ({other}) NOT ENFORCED", ident(&name)));
            database.decisions.push(Decision {
                asked: false,
                object: name.clone(),
                missing: vec![("FK CONSTRAINT".into(), format!("{of} {name}"))],
            });
        }
    }
}
