//! In: a database. Out: extensions that come with PostgreSQL's sources and are not on the target's server, objects that cannot be without
//! them, and a table beside these that can. The plan names each extension; all that needs it is missing on the target, and nothing else.

use super::database::{Database, Decision};
use super::names::{ident, literal};
use super::random::Rng;
use super::usertypes;

struct Known {
    name: &'static str,
    /// A type of it, with a value.
    ty: Option<(&'static str, &'static str)>,
    /// A condition over `#`, a text, and `§`, where the extension lives.
    condition: Option<&'static str>,
    /// An index over the columns `id`, an integer, and `note`, a text.
    index: Option<&'static str>,
}

const KNOWN: [Known; 9] = [
    known(
        "hstore",
        Some(("hstore", "a=>1, b=>NULL")),
        Some("§.hstore('a', #) IS NOT NULL"),
        None,
    ),
    known(
        "citext",
        Some(("citext", "Abc")),
        Some("#::§.citext OPERATOR(§.=) 'a'"),
        None,
    ),
    known("ltree", Some(("ltree", "a.b.c")), None, None),
    known(
        "cube",
        Some(("cube", "(1,2),(3,4)")),
        Some("(§.cube(1) OPERATOR(§.<->) §.cube(length(#))) >= 0"),
        None,
    ),
    known("seg", Some(("seg", "1 .. 2")), None, None),
    known("isn", Some(("isbn", "978-0-393-04002-9")), None, None),
    known(
        "pg_trgm",
        None,
        Some("(# OPERATOR(§.<->) 'abc') < 2"),
        Some("USING gin (note §.gin_trgm_ops)"),
    ),
    known(
        "fuzzystrmatch",
        None,
        Some("§.levenshtein(#, 'abc') >= 0"),
        None,
    ),
    known("btree_gist", None, None, Some("USING gist (id, note)")),
];

const fn known(
    name: &'static str,
    ty: Option<(&'static str, &'static str)>,
    condition: Option<&'static str>,
    index: Option<&'static str>,
) -> Known {
    Known {
        name,
        ty,
        condition,
        index,
    }
}

pub fn make(database: &mut Database) {
    if !database.has("contrib") {
        return;
    }
    let mut rng = database.stream("contrib");
    for known in rng.some(&KNOWN, 30) {
        let schema = ident(rng.pick(&database.schemas));
        database.add(format!("CREATE EXTENSION {} SCHEMA {schema}", known.name));
        let mut lost = Lost(vec![
            ("EXTENSION".into(), known.name.into()),
            ("COMMENT".into(), format!("EXTENSION {}", known.name)),
        ]);
        let (kept, kept_name) = place(database, "kept", &mut rng);
        beside(
            database,
            known,
            &schema,
            (&kept, &kept_name),
            &mut lost,
            &mut rng,
        );
        if let Some((ty, value)) = known.ty {
            let value = format!("{}::{schema}.{ty}", literal(value));
            typed(
                database,
                &format!("{schema}.{ty}"),
                &value,
                (&kept, &kept_name),
                &mut lost,
                &mut rng,
            );
        }
        database.decisions.push(Decision {
            asked: true,
            object: format!("extension {}", known.name),
            missing: lost.0,
        });
    }
}

/// What needs the extension: types and names of pg_dump's entries.
struct Lost(Vec<(String, String)>);

impl Lost {
    fn add(&mut self, kind: &str, name: impl Into<String>) {
        let name = name.into();
        // Default privileges.
        let acl = match kind {
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" => {
                vec![format!("TABLE {}", ident(&name)), format!("TABLE {name}")]
            }
            "TYPE" | "DOMAIN" => vec![format!("TYPE {}", ident(&name)), format!("TYPE {name}")],
            "FUNCTION" => vec![format!("FUNCTION {name}")],
            _ => Vec::new(),
        };
        self.0
            .extend(acl.into_iter().map(|name| ("ACL".into(), name)));
        self.0.push((kind.into(), name));
    }
}

/// A new name, in full and alone.
fn place(database: &mut Database, stem: &str, rng: &mut Rng) -> (String, String) {
    let schema = rng.pick(&database.schemas).clone();
    let name = database.fresh(stem);
    (format!("{}.{}", ident(&schema), ident(&name)), name)
}

/// A table that comes, without those of its indexes, policies and triggers that cannot.
fn beside(
    database: &mut Database,
    known: &Known,
    schema: &str,
    (kept, name): (&str, &str),
    lost: &mut Lost,
    rng: &mut Rng,
) {
    let vector = usertypes::vector(database, rng);
    database.add(format!(
        "CREATE TABLE {kept} (id integer PRIMARY KEY, note text, other integer, v {})",
        vector.sql
    ));
    for id in 0..rng.between(1, 4) {
        let v = vector.maybe(rng, 20);
        database.add(format!(
            "INSERT INTO {kept} VALUES ({id}, 'n{id}', {id}, {v})"
        ));
    }
    if let Some(index) = known.index {
        let index_name = database.fresh("idx");
        database.add(format!(
            "CREATE INDEX {} ON {kept} {}",
            ident(&index_name),
            index.replace('§', schema)
        ));
        lost.add("INDEX", index_name);
    }
    let Some(condition) = known.condition else {
        return;
    };
    let condition = |column: &str| condition.replace('#', column).replace('§', schema);
    if rng.percent(50) {
        let (view, view_name) = place(database, "view", rng);
        let (over, over_name) = place(database, "over", rng);
        database.add(format!(
            "CREATE VIEW {view} AS SELECT id FROM {kept} WHERE {}",
            condition("note")
        ));
        database.add(format!(
            "CREATE MATERIALIZED VIEW {over} AS SELECT id AS i FROM {view}"
        ));
        lost.add("VIEW", view_name);
        lost.add("MATERIALIZED VIEW", over_name.clone());
        lost.add("MATERIALIZED VIEW DATA", over_name);
    }
    if rng.percent(50) {
        let index = database.fresh("idx");
        database.add(format!(
            "CREATE INDEX {} ON {kept} (id) WHERE {}",
            ident(&index),
            condition("note")
        ));
        lost.add("INDEX", index);
    }
    if rng.percent(50) {
        let policy = database.fresh("pol");
        database.add(format!(
            "CREATE POLICY {} ON {kept} USING ({})",
            ident(&policy),
            condition("note")
        ));
        lost.add("POLICY", format!("{name} {policy}"));
    }
    if rng.percent(50) {
        let trigger = database.fresh("trg");
        database.add(format!(
            "CREATE TRIGGER {} BEFORE UPDATE ON {kept} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            ident(&trigger),
            condition("NEW.note")
        ));
        lost.add("TRIGGER", format!("{name} {trigger}"));
    }
    if rng.percent(50) {
        let (table, checked) = place(database, "checked", rng);
        database.add(format!(
            "CREATE TABLE {table} (note text CHECK ({}))",
            condition("note")
        ));
        database.add(format!("INSERT INTO {table} VALUES ('a')"));
        lost.add("TABLE", checked);
    }
}

/// Tables, types and functions that hold a type of the extension, and what hangs on them.
fn typed(
    database: &mut Database,
    ty: &str,
    value: &str,
    (kept, kept_name): (&str, &str),
    lost: &mut Lost,
    rng: &mut Rng,
) {
    let (table, name) = place(database, "needs", rng);
    let vector = database.member("vector(2)");
    let [key, fk] = ["key", "fk"].map(|stem| database.fresh(stem));
    database.add(format!("CREATE TABLE {table} (id integer CONSTRAINT {} PRIMARY KEY, x {ty} DEFAULT {value}, xs {ty}[], v {vector})", ident(&key)));
    database.add(format!("INSERT INTO {table} VALUES (1, {value}, ARRAY[{value}, NULL], '[1,2]'), (2, DEFAULT, NULL, NULL)"));
    database.add(format!("COMMENT ON TABLE {table} IS 'left out'"));
    database.add(format!(
        "ALTER TABLE {kept} ADD CONSTRAINT {} FOREIGN KEY (other) REFERENCES {table} NOT VALID",
        ident(&fk)
    ));
    lost.add("TABLE", name.clone());
    for quoted in [name.clone(), ident(&name)] {
        lost.add("COMMENT", format!("TABLE {quoted}"));
    }
    lost.add("CONSTRAINT", format!("{name} {key}"));
    lost.add("INDEX", key);
    lost.add("FK CONSTRAINT", format!("{kept_name} {fk}"));
    if rng.percent(50) {
        let index = database.fresh("vidx");
        database.add(format!(
            "CREATE INDEX {} ON {table} USING hnsw (v {})",
            ident(&index),
            database.member("vector_l2_ops")
        ));
        lost.add("INDEX", index);
    }
    if rng.percent(50) {
        let (made, made_name) = place(database, "makes", rng);
        database.add(format!(
            "CREATE FUNCTION {made}(integer) RETURNS {ty} LANGUAGE sql AS $f$ SELECT {value} $f$"
        ));
        for quoted in [ident(&made_name), made_name] {
            lost.add("FUNCTION", format!("{quoted}(integer)"));
        }
    }
    for kind in ["TYPE", "DOMAIN"] {
        if rng.percent(50) {
            let (made, made_name) = place(database, "holds", rng);
            let (table, table_name) = place(database, "held", rng);
            database.add(match kind {
                "TYPE" => format!("CREATE TYPE {made} AS (n integer, x {ty})"),
                _ => format!("CREATE DOMAIN {made} AS {ty} CHECK (VALUE IS NOT NULL)"),
            });
            database.add(format!(
                "CREATE TABLE {table} (id integer, held {made}[], v {vector})"
            ));
            database.add(format!("INSERT INTO {table} VALUES (1, '{{}}', '[1,2]')"));
            lost.add(kind, made_name);
            lost.add("TABLE", table_name);
        }
    }
}
