//! In: a database with tables, types and roles. Out: all that hangs on them: comments, owners, grants, default privileges, statistics,
//! settings of columns, publications, sequences at odd values.

use super::database::{Database, Decision, Shape, Table};
use super::names::{ident, literal};
use super::random::Rng;
use super::usertypes::named;

pub fn make(database: &mut Database) {
    let mut rng = database.stream("surroundings");
    let tables = std::mem::take(&mut database.tables);
    if database.has("sequences") {
        sequences(database, &mut rng);
    }
    for table in &tables {
        if database.has("column settings") && rng.percent(50) {
            settings(database, table, &mut rng);
        }
        if database.has("statistics") && rng.percent(50) {
            statistics(database, table, &mut rng);
        }
        if database.has("comments") && rng.percent(60) {
            comments(database, table, &mut rng);
        }
        if !database.roles.is_empty() && rng.percent(70) {
            grants(database, table, &mut rng);
        }
    }
    if database.has("publications") {
        publications(database, &tables, &mut rng);
    }
    if database.has("comments") {
        for ty in database.types.clone() {
            database.add(format!(
                "COMMENT ON TYPE {} IS {}",
                ty.sql,
                remark(&mut rng)
            ));
        }
    }
    if !database.roles.is_empty() {
        owners(database, &mut rng);
    }
    if database.has("large objects") && rng.percent(20) {
        database.add("SELECT lo_from_bytea(0, 'abc')");
        database.decisions.push(Decision {
            object: "large objects".into(),
            asked: true,
            missing: Vec::new(),
        });
    }
    database.tables = tables;
}

fn remark(rng: &mut Rng) -> String {
    literal(rng.pick(&[
        "plain",
        "it's \"quoted\"",
        "two\nlines;\n-- DROP",
        "back\\slash",
        "🦀 $$ ünï",
        "OPERATOR(public.<->) ::vector",
    ]))
}

fn sequences(database: &mut Database, rng: &mut Rng) {
    for _ in 0..rng.between(1, 3) {
        let name = named(database, "seq", rng);
        let words = rng.pick(&[
            "AS smallint MINVALUE -5 MAXVALUE 7 START WITH 3 CYCLE",
            "INCREMENT BY -10 MAXVALUE -1 MINVALUE -9223372036854775808",
            "START WITH 9223372036854775807 MAXVALUE 9223372036854775807",
            "CACHE 20",
        ]);
        let set = match rng.below(3) {
            0 => None,
            n => Some(format!(
                "SELECT setval({}, {}, {})",
                literal(&name),
                ["0", "5", "-1", "1000"][match *words {
                    w if w.starts_with("AS") => rng.below(2),
                    w if w.starts_with("INC") => 2,
                    _ => 3,
                }],
                n == 1
            )),
        };
        let unlogged = if rng.percent(10) { "UNLOGGED " } else { "" };
        database.add(format!("CREATE {unlogged}SEQUENCE {name} {words}"));
        if let Some(set) = set {
            database.add(set);
        }
    }
}

fn settings(database: &mut Database, table: &Table, rng: &mut Rng) {
    let Some(column) = table
        .columns
        .iter()
        .find(|c| ["text", "jsonb", "bytea"].contains(&c.ty.sql.as_str()))
    else {
        return;
    };
    let (sql, column) = (table.sql(), ident(&column.name));
    // Made anew, a child takes its parent's storage and compression: pg_dump itself does not say that it had its own.
    let words = match rng.below(if table.shape == Shape::Plain { 4 } else { 2 }) {
        2 => "SET STORAGE EXTERNAL",
        3 => "SET COMPRESSION pglz",
        1 => "SET STATISTICS 123",
        _ => "SET (n_distinct = -0.5)",
    };
    database.add(format!("ALTER TABLE {sql} ALTER COLUMN {column} {words}"));
    if table.shape == Shape::Plain {
        database.add(format!(
            "ALTER TABLE {sql} SET (toast.autovacuum_enabled = false, parallel_workers = 3)"
        ));
        let identity = rng.pick(&["FULL", "NOTHING", "DEFAULT"]);
        database.add(format!("ALTER TABLE {sql} REPLICA IDENTITY {identity}"));
    }
}

fn statistics(database: &mut Database, table: &Table, rng: &mut Rng) {
    let fit = |ty: &super::types::Type| ty.has_order();
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|c| c.written && fit(&c.ty))
        .map(|c| ident(&c.name))
        .collect();
    let name = named(database, "stat", rng);
    let sql = table.sql();
    if let Some(key) = &table.key {
        let key = ident(key);
        if columns.len() >= 2 && rng.percent(60) {
            let kinds = rng.pick(&["", " (ndistinct)", " (mcv, dependencies)"]);
            database.add(format!(
                "CREATE STATISTICS {name}{kinds} ON {}, {} FROM {sql}",
                columns[0], columns[1]
            ));
        } else {
            database.add(format!(
                "CREATE STATISTICS {name} ON ({key} % 5) FROM {sql}"
            ));
        }
        database.add(format!("ALTER STATISTICS {name} SET STATISTICS 55"));
    }
}

fn comments(database: &mut Database, table: &Table, rng: &mut Rng) {
    let sql = table.sql();
    database.add(format!("COMMENT ON TABLE {sql} IS {}", remark(rng)));
    for column in rng.some(&table.columns, 40) {
        database.add(format!(
            "COMMENT ON COLUMN {sql}.{} IS {}",
            ident(&column.name),
            remark(rng)
        ));
    }
    database.add(format!(
        "COMMENT ON SCHEMA {} IS {}",
        ident(&table.schema),
        remark(rng)
    ));
}

fn grants(database: &mut Database, table: &Table, rng: &mut Rng) {
    let role = ident(rng.pick(&database.roles));
    let (sql, schema) = (table.sql(), ident(&table.schema));
    database.add(format!("GRANT USAGE ON SCHEMA {schema} TO {role}"));
    let words = rng.pick(&[
        "SELECT",
        "ALL",
        "SELECT, INSERT, TRUNCATE",
        "MAINTAIN, SELECT",
    ]);
    let option = rng.pick(&["", " WITH GRANT OPTION"]);
    database.add(format!("GRANT {words} ON {sql} TO {role}{option}"));
    if let Some(column) = table.columns.first() {
        database.add(format!(
            "GRANT SELECT ({0}), UPDATE ({0}) ON {sql} TO PUBLIC",
            ident(&column.name)
        ));
    }
}

fn owners(database: &mut Database, rng: &mut Rng) {
    let roles = database.roles.clone();
    if database.has("owners") {
        let tables: Vec<String> = database
            .tables
            .iter()
            .filter(|t| t.shape == Shape::Plain)
            .map(Table::sql)
            .collect();
        for sql in tables {
            if rng.percent(40) {
                database.add(format!(
                    "ALTER TABLE {sql} OWNER TO {}",
                    ident(rng.pick(&roles))
                ));
            }
        }
        for ty in database.types.clone() {
            if rng.percent(30) && matches!(ty.kind, super::types::Kind::Enum(_)) {
                database.add(format!(
                    "ALTER TYPE {} OWNER TO {}",
                    ty.sql,
                    ident(rng.pick(&roles))
                ));
                database.add(format!("REVOKE USAGE ON TYPE {} FROM PUBLIC", ty.sql));
            }
        }
    }
    if database.has("default privileges") {
        let role = ident(rng.pick(&roles));
        let schema = ident(rng.pick(&database.schemas));
        for words in [
            format!("IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}"),
            "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC".to_string(),
            format!("FOR ROLE {role} GRANT USAGE ON SEQUENCES TO PUBLIC"),
            format!("GRANT USAGE ON TYPES TO {role} WITH GRANT OPTION"),
        ] {
            if rng.percent(50) {
                database.add(format!("ALTER DEFAULT PRIVILEGES {words}"));
            }
        }
    }
}

fn publications(database: &mut Database, tables: &[Table], rng: &mut Rng) {
    let plain: Vec<&Table> = tables
        .iter()
        .filter(|t| t.shape == Shape::Plain && t.key.is_some())
        .collect();
    let name = ident(database.fresh("pub"));
    let schema = ident(rng.pick(&database.schemas));
    let words = match (plain.first(), rng.below(4)) {
        (Some(table), 0) => format!(
            "FOR TABLE {} WITH (publish = 'insert, truncate')",
            table.sql()
        ),
        (Some(table), 1) => {
            let key = table.key.as_deref().map(ident).unwrap_or_default();
            format!(
                "FOR TABLE {} ({key}) WHERE ({key} > 5) WITH (publish = 'insert')",
                table.sql()
            )
        }
        (_, 2) => format!("FOR TABLES IN SCHEMA {schema}"),
        _ => "FOR ALL TABLES WITH (publish_via_partition_root = true)".into(),
    };
    database.add(format!("CREATE PUBLICATION {name} {words}"));
    if rng.percent(40) {
        database.add(format!("COMMENT ON PUBLICATION {name} IS {}", remark(rng)));
    }
}

/// What feeds from other servers or publishes to them. Subscriptions and user mappings hold secrets: findings that show none of them.
pub fn distant(database: &mut Database) {
    let mut rng = database.stream("distant");
    if database.has("subscriptions") && rng.percent(50) {
        let (name, secret) = (database.fresh("sub"), format!("hush-{}", rng.next()));
        let feed = ident(database.fresh("pub"));
        database.add(format!(
            "CREATE SUBSCRIPTION {} CONNECTION 'host=nowhere password={secret}' PUBLICATION {feed} WITH (connect = false)",
            ident(&name)
        ));
        database.decisions.push(Decision {
            asked: true,
            object: name.clone(),
            missing: vec![("SUBSCRIPTION".into(), name)],
        });
        database.secrets.push(secret);
    }
    if database.has("user mappings") {
        let (wrapper, server) = (ident(database.fresh("fdw")), database.fresh("server"));
        let table = named(database, "away", &mut rng);
        let secret = format!("hush-{}", rng.next());
        let quoted = ident(&server);
        let vector = database.member("vector(3)");
        database.add(format!("CREATE FOREIGN DATA WRAPPER {wrapper}"));
        database.add(format!(
            "CREATE SERVER {quoted} FOREIGN DATA WRAPPER {wrapper} OPTIONS (host 'h', password '{secret}-server')"
        ));
        database.add(format!("CREATE FOREIGN TABLE {table} (id integer, v {vector} OPTIONS (x 'y'), CHECK (id > 0)) SERVER {quoted} OPTIONS (token '{secret}-table')"));
        let mut users = vec!["public".to_string()];
        users.extend(database.roles.first().cloned());
        for user in users {
            let name = match user.as_str() {
                "public" => "PUBLIC".into(),
                role => ident(role),
            };
            database.add(format!(
                "CREATE USER MAPPING FOR {name} SERVER {quoted} OPTIONS (user 'u', password '{secret}')"
            ));
            let object = format!("USER MAPPING {user} SERVER {server}");
            database.decisions.push(Decision {
                asked: true,
                object: object.clone(),
                missing: vec![("USER MAPPING".into(), object)],
            });
        }
        database.secrets.push(secret);
    }
    if database.has("generated columns published") && rng.percent(50) {
        let name = database.fresh("pub");
        database.add(format!(
            "CREATE PUBLICATION {} FOR ALL TABLES WITH (publish_generated_columns = stored)",
            ident(&name)
        ));
        database.decisions.push(Decision {
            asked: true,
            object: name.clone(),
            missing: vec![("PUBLICATION".into(), name)],
        });
    }
}
