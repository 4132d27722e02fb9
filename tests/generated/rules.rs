//! In: a database with tables and rows. Out: what would act on rows if it were awake while they are copied: triggers, rules, policies,
//! event triggers. Some write to a log, whose rows are compared like any other.

use super::database::{Database, Shape, Table};
use super::names::ident;
use super::random::Rng;
use super::usertypes::named;

pub fn make(database: &mut Database) {
    let mut rng = database.stream("rules");
    let tables = std::mem::take(&mut database.tables);
    if database.has("triggers") {
        triggers(database, &tables, &mut rng);
    }
    for table in &tables {
        if database.has("rewrite rules") && rng.percent(40) {
            rule(database, table, &mut rng);
        }
        if database.has("policies") && rng.percent(50) {
            policy(database, table, &mut rng);
        }
    }
    database.tables = tables;
}

fn triggers(database: &mut Database, tables: &[Table], rng: &mut Rng) {
    let log = named(database, "log", rng);
    database.add(format!("CREATE TABLE {log} (id serial, what text)"));
    database.add(format!("INSERT INTO {log} (what) VALUES ('before')"));
    let noting = named(database, "noting", rng);
    database.add(format!("CREATE FUNCTION {noting}() RETURNS trigger LANGUAGE plpgsql AS $tag$ BEGIN INSERT INTO {log} (what) VALUES (TG_OP || TG_NAME || coalesce(TG_ARGV[0], '')); RETURN NULL; END $tag$"));
    let refusing = named(database, "refusing", rng);
    database.add(format!("CREATE FUNCTION {refusing}() RETURNS trigger LANGUAGE plpgsql AS $tag$ BEGIN RAISE EXCEPTION 'no row may come'; END $tag$"));
    for table in tables {
        if rng.percent(30) {
            continue;
        }
        let (sql, name) = (table.sql(), database.fresh("trg"));
        let name = ident(&name);
        let whole = matches!(table.shape, Shape::Partitioned);
        let words = match rng.below(6) {
            0 => format!(
                "TRIGGER {name} BEFORE INSERT OR UPDATE ON {sql} FOR EACH ROW EXECUTE FUNCTION {refusing}('a', 'it''s')"
            ),
            1 => format!(
                "TRIGGER {name} AFTER INSERT OR DELETE OR TRUNCATE ON {sql} FOR EACH STATEMENT EXECUTE FUNCTION {noting}()"
            ),
            2 if !whole && table.shape != Shape::Leaf && table.shape != Shape::Inherits => format!(
                "TRIGGER {name} AFTER INSERT ON {sql} REFERENCING NEW TABLE AS \"new rows\" FOR EACH STATEMENT EXECUTE FUNCTION {noting}('x')"
            ),
            3 => format!(
                "CONSTRAINT TRIGGER {name} AFTER INSERT ON {sql} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {refusing}()"
            ),
            _ => match &table.key {
                Some(key) => format!(
                    "TRIGGER {name} AFTER INSERT OR UPDATE OF {0} ON {sql} FOR EACH ROW WHEN (NEW.{0} > 0) EXECUTE FUNCTION {noting}('when')",
                    ident(key)
                ),
                None => continue,
            },
        };
        database.add(format!("CREATE {words}"));
        if rng.percent(50) {
            let state = rng.pick(&["DISABLE", "ENABLE ALWAYS", "ENABLE REPLICA"]);
            database.add(format!("ALTER TABLE {sql} {state} TRIGGER {name}"));
        }
    }
}

fn rule(database: &mut Database, table: &Table, rng: &mut Rng) {
    let name = ident(database.fresh("rule"));
    let sql = table.sql();
    let words = match (&table.key, rng.below(3)) {
        (Some(key), 0) => format!(
            "ON INSERT TO {sql} WHERE NEW.{} > 5 DO INSTEAD NOTHING",
            ident(key)
        ),
        (_, 1) => format!("ON DELETE TO {sql} DO ALSO NOTIFY \"a channel\""),
        _ => format!("ON UPDATE TO {sql} DO INSTEAD SELECT 1"),
    };
    database.add(format!("CREATE RULE {name} AS {words}"));
    if rng.percent(20) {
        database.add(format!("ALTER TABLE {sql} DISABLE RULE {name}"));
    }
}

fn policy(database: &mut Database, table: &Table, rng: &mut Rng) {
    let sql = table.sql();
    database.add(format!("ALTER TABLE {sql} ENABLE ROW LEVEL SECURITY"));
    if rng.percent(50) {
        database.add(format!("ALTER TABLE {sql} FORCE ROW LEVEL SECURITY"));
    }
    for _ in 0..rng.between(1, 2) {
        let name = ident(database.fresh("pol"));
        let role = match database.roles.first() {
            Some(role) if rng.percent(50) => format!(" TO {}", ident(role)),
            _ => String::new(),
        };
        let using = match &table.key {
            Some(key) => format!("{} % 2 = 0", ident(key)),
            None => "current_user = 'somebody'::name".into(),
        };
        let words = match rng.below(3) {
            0 => format!("AS RESTRICTIVE FOR SELECT{role} USING (false)"),
            1 => format!("FOR INSERT{role} WITH CHECK ({using})"),
            _ => format!("FOR ALL{role} USING ({using}) WITH CHECK (true)"),
        };
        database.add(format!("CREATE POLICY {name} ON {sql} {words}"));
    }
}

/// It would write to the log at every statement that makes an object: the last thing that is made.
pub fn watch(database: &mut Database) {
    let mut rng = database.stream("event triggers");
    if !database.has("event triggers") {
        return;
    }
    let log = named(database, "ddl", &mut rng);
    let function = named(database, "watch", &mut rng);
    database.add(format!("CREATE TABLE {log} (what text)"));
    database.add(format!("CREATE FUNCTION {function}() RETURNS event_trigger LANGUAGE plpgsql AS $tag$ BEGIN INSERT INTO {log} VALUES (tg_tag); END $tag$"));
    let event = rng.pick(&[
        "ddl_command_start",
        "ddl_command_end",
        "sql_drop",
        "table_rewrite",
    ]);
    let tags = match *event {
        "ddl_command_end" => {
            " WHEN TAG IN ('CREATE TABLE', 'CREATE INDEX', 'ALTER TABLE', 'GRANT')"
        }
        _ => "",
    };
    let name = ident(database.fresh("evt"));
    database.add(format!(
        "CREATE EVENT TRIGGER {name} ON {event}{tags} EXECUTE FUNCTION {function}()"
    ));
}
