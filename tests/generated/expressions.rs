//! In: a database with tables over vectors. Out: expressions over them wherever SQL has a place for one: defaults, checks, generated
//! columns, domains, policies, triggers, indexes, statistics; and rows to try on both sides.

use super::database::{Column, Database, Probe, Shape, Table};
use super::names::ident;
use super::random::Rng;
use super::types::{Kind, Type, Vector, Words};
use super::usertypes::named;

/// A table whose vectors are of everyday size.
struct Place {
    sql: String,
    key: String,
    column: String,
    vector: Vector,
    /// Two points among the vectors, and one far away from all of them.
    near: String,
    other: String,
    far: String,
    shape: Shape,
}

pub fn make(database: &mut Database) {
    let mut rng = database.stream("expressions");
    if !database.has("expressions") {
        return;
    }
    domain(database, &mut rng);
    let places: Vec<Place> = database
        .tables
        .iter()
        .filter_map(|t| place(t, &mut rng))
        .collect();
    for place in &places {
        for part in [
            check, default, generated, policy, trigger, index, statistics,
        ] {
            if rng.percent(30) {
                part(database, place, &mut rng);
            }
        }
    }
}

pub fn tame(column: &Column) -> Option<Vector> {
    match column.ty.kind {
        Kind::Vector(v) if v.tame && v.dims.is_some_and(|d| d < 100) => Some(v),
        _ => None,
    }
}

fn place(table: &Table, rng: &mut Rng) -> Option<Place> {
    let column = table.columns.iter().find(|c| tame(c).is_some())?;
    let vector = tame(column)?;
    let key = table.key.as_ref()?;
    let dims = vector.dims?;
    let point = |text: String| format!("'{text}'::{}", column.ty.sql);
    let far = match vector.words {
        Words::Sparsevec => format!("{{1:-30000}}/{dims}"),
        Words::Vector | Words::Halfvec => format!("[{}]", vec!["-30000"; dims].join(",")),
    };
    Some(Place {
        sql: table.sql(),
        key: ident(key),
        column: ident(&column.name),
        vector,
        near: point(vector.text(rng)),
        other: point(vector.text(rng)),
        far: point(far),
        shape: table.shape,
    })
}

/// True for all everyday vectors, not for the one far away.
fn condition(place: &Place, value: &str, rng: &mut Rng) -> String {
    let Place { near, vector, .. } = place;
    let norm = match vector.words {
        Words::Vector => "vector_norm",
        Words::Halfvec | Words::Sparsevec => "l2_norm",
    };
    let dims = vector.dims.unwrap_or(0);
    match rng.below(5) {
        // Squares of everyday distances are larger than this.
        0 => format!("({value} <-> {near}) < 1000"),
        1 => format!("l2_distance({value}, {near}) <= 1000.5::double precision"),
        2 => format!("{norm}({value}) < 1000 OR {value} IS NULL"),
        3 if vector.words != Words::Sparsevec => {
            format!("vector_dims({value}) = {dims} AND ({value} <-> {near}) BETWEEN 0 AND 5000")
        }
        _ => format!(
            "({value} <#> {near}) > '-5000000'::integer AND ({value} <=> {near}) >= 0 AND NOT ({value} <-> {near}) > 2000"
        ),
    }
}

/// A row is refused on both sides, or on none.
fn attempt(database: &mut Database, place: &Place, value: &str) {
    let Place {
        sql, key, column, ..
    } = place;
    let insert = format!(
        "BEGIN; INSERT INTO {sql} ({key}, {column}) OVERRIDING SYSTEM VALUE VALUES (-17, {value}) RETURNING {key}; ROLLBACK"
    );
    let target = translated(database, &insert, place);
    database.probes.push(Probe {
        source: insert,
        target,
    });
}

/// The same literals of PGVecto.rs's types; its sparse vectors count from 0.
fn translated(database: &Database, sql: &str, place: &Place) -> String {
    let dims = place.vector.dims.unwrap_or(0);
    let words = place.vector.words;
    let theirs = match words {
        Words::Vector => "vector",
        Words::Halfvec => "vecf16",
        Words::Sparsevec => "svector",
    };
    sql.replace("{1:-30000}/", "{0:-30000}/").replace(
        &database.member(&format!("{}({dims})", words.name())),
        &format!("vectors.{theirs}({dims})"),
    )
}

fn check(database: &mut Database, place: &Place, rng: &mut Rng) {
    let name = ident(database.fresh("chk"));
    let condition = condition(place, &place.column, rng);
    let state = rng.pick(&["", "", " NOT VALID"]);
    database.add(format!(
        "ALTER TABLE {} ADD CONSTRAINT {name} CHECK ({condition}){state}",
        place.sql
    ));
    attempt(database, place, &place.far);
    attempt(database, place, "NULL");
}

fn default(database: &mut Database, place: &Place, _: &mut Rng) {
    let Place {
        sql,
        key,
        column,
        near,
        ..
    } = place;
    database.add(format!(
        "ALTER TABLE {sql} ALTER COLUMN {column} SET DEFAULT {near}"
    ));
    let x = database.member("vector");
    let insert = |vector: &str| {
        format!(
            "BEGIN; INSERT INTO {sql} ({key}) OVERRIDING SYSTEM VALUE VALUES (-17) RETURNING {column}::{vector}::real[]; ROLLBACK"
        )
    };
    database.probes.push(Probe {
        source: insert(&x),
        target: insert("vectors.vector"),
    });
}

fn generated(database: &mut Database, place: &Place, rng: &mut Rng) {
    let Place {
        sql,
        column,
        near,
        vector,
        shape,
        ..
    } = place;
    // On a partitioned table every partition is written anew; on a parent every child.
    if *shape != Shape::Plain {
        return;
    }
    // Over arrays its table cannot come, and nothing of it.
    if database.arrays {
        return;
    }
    let name = ident(database.fresh("dist"));
    let (ty, expression) = match rng.below(3) {
        0 => ("double precision", format!("{column} <-> {near}")),
        1 if vector.words != Words::Sparsevec => ("integer", format!("vector_dims({column})")),
        _ => (
            "numeric",
            format!("round((cosine_distance({column}, {near}))::numeric, 1)"),
        ),
    };
    // No NaN as numeric from a vector of zeros.
    database.add(format!(
        "ALTER TABLE {sql} ADD COLUMN {name} {ty} GENERATED ALWAYS AS ({expression}) STORED"
    ));
}

fn policy(database: &mut Database, place: &Place, rng: &mut Rng) {
    let name = ident(database.fresh("vpol"));
    let condition = condition(place, &place.column, rng);
    database.add(format!(
        "CREATE POLICY {name} ON {} FOR SELECT USING ({condition})",
        place.sql
    ));
}

fn trigger(database: &mut Database, place: &Place, rng: &mut Rng) {
    let Place { sql, column, .. } = place;
    let function = named(database, "vtf", rng);
    let name = ident(database.fresh("vtrg"));
    database.add(format!("CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $tag$ BEGIN RETURN NULL; END $tag$"));
    let condition = condition(place, &format!("NEW.{column}"), rng);
    database.add(format!("CREATE TRIGGER {name} AFTER UPDATE ON {sql} FOR EACH ROW WHEN ((NEW.{column} <-> OLD.{column}) > 0.5 OR {condition}) EXECUTE FUNCTION {function}()"));
}

fn index(database: &mut Database, place: &Place, rng: &mut Rng) {
    let Place {
        sql,
        key,
        column,
        vector,
        near,
        ..
    } = place;
    let name = ident(database.fresh("eidx"));
    let dims = vector.dims.unwrap_or(0);
    let words = match rng.below(3) {
        0 if vector.words == Words::Vector && place.shape != Shape::Unlogged => {
            format!("USING hnsw ({column} vector_l2_ops) WHERE vector_dims({column}) = {dims}")
        }
        1 => format!("({key}) WHERE ({column} <-> {near}) < 500"),
        _ => format!("(({column} <-> {near}), {key})"),
    };
    database.add(format!("CREATE INDEX {name} ON {sql} {words}"));
}

fn statistics(database: &mut Database, place: &Place, rng: &mut Rng) {
    let Place {
        sql, column, other, ..
    } = place;
    let name = named(database, "vstat", rng);
    database.add(format!(
        "CREATE STATISTICS {name} ON ({column} <-> {other}) FROM {sql}"
    ));
}

fn domain(database: &mut Database, rng: &mut Rng) {
    let vector = Vector {
        words: *rng.pick(&[Words::Vector, Words::Halfvec]),
        dims: Some(3),
        tame: true,
    };
    let base = Type::vector(&database.extension, vector);
    let (name, table) = (named(database, "vdom", rng), named(database, "vdoms", rng));
    let point = format!("'[1,2,3]'::{}", base.sql);
    database.add(format!(
        "CREATE DOMAIN {name} AS {} DEFAULT {point} CONSTRAINT near CHECK ((VALUE <-> {point}) < 1000) CHECK (VALUE IS NULL OR vector_dims(VALUE) = 3)",
        base.sql
    ));
    let (a, b) = (vector.text(rng), vector.text(rng));
    database.add(format!(
        "CREATE TABLE {table} (id integer, v {name}, vs {name}[])"
    ));
    database.add(format!(
        "INSERT INTO {table} VALUES (1, '{a}', ARRAY['{b}'::{name}, NULL]), (2, NULL, '{{}}')"
    ));
    let probe =
        format!("BEGIN; INSERT INTO {table} VALUES (3, '[-30000,1,1]') RETURNING id; ROLLBACK");
    database.probes.push(Probe {
        source: probe.clone(),
        target: probe,
    });
}
