//! In: a database with tables and types. Out: functions in every language and shape, procedures, aggregates, operators, casts, text
//! search configurations, collations; and functions over vectors, with the questions to ask them on both sides.

use super::database::{Database, Probe};
use super::names::{ident, literal};
use super::random::Rng;
use super::types::{Type, Vector, Words};
use super::usertypes::named;

type Part = fn(&mut Database, &mut Rng);

pub fn make(database: &mut Database) {
    let mut rng = database.stream("routines");
    let parts: [(&str, Part); 7] = [
        ("sql functions", sql_functions),
        ("plpgsql functions", plpgsql),
        ("aggregates", aggregates),
        ("procedures", procedures),
        ("text search", text_search),
        ("casts", casts),
        ("foreign data", foreign),
    ];
    for (feature, part) in parts {
        if database.has(feature) {
            part(database, &mut rng);
        }
    }
    if database.has("vector functions") {
        over_vectors(database, &mut rng);
    }
}

/// An answer that must be the same; the text is SQL for both sides.
fn probe(database: &mut Database, sql: String) {
    database.probes.push(Probe {
        source: sql.clone(),
        target: sql,
    });
}

fn sql_functions(database: &mut Database, rng: &mut Rng) {
    let name = named(database, "add", rng);
    database.add(format!(
        "CREATE FUNCTION {name}(\"a b\" integer, b integer DEFAULT 2) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 7 AS $x$ SELECT \"a b\" + b /* it's $y$ */ $x$"
    ));
    // The same name with other arguments.
    database.add(format!("CREATE FUNCTION {name}(VARIADIC numeric[]) RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC SELECT sum(n) FROM unnest($1) n; SELECT 1; END"));
    probe(
        database,
        format!("SELECT {name}(1), {name}(1, 5), {name}(1.5, 2.5)"),
    );
    database.add(format!(
        "COMMENT ON FUNCTION {name}(integer, integer) IS 'it''s'"
    ));
    database.add(format!(
        "REVOKE ALL ON FUNCTION {name}(integer, integer) FROM PUBLIC"
    ));
    if let Some(role) = database.roles.first() {
        let role = ident(role);
        database.add(format!(
            "GRANT EXECUTE ON FUNCTION {name}(integer, integer) TO {role}"
        ));
        database.add(format!("ALTER FUNCTION {name}(numeric[]) OWNER TO {role}"));
    }
    let name = named(database, "many", rng);
    database.add(format!(
        "CREATE FUNCTION {name}(IN n integer, OUT a integer, OUT b text) RETURNS SETOF record LANGUAGE sql ROWS 5 SET search_path = pg_catalog, \"$user\" SET work_mem = '8MB' AS {}",
        literal("SELECT i, 'it''s \\ ' || i FROM generate_series(1, n) i")
    ));
    probe(database, format!("SELECT * FROM {name}(3)"));
    let types: Vec<Type> = database
        .types
        .iter()
        .filter(|t| !t.holds_vector())
        .cloned()
        .collect();
    if let Some(ty) = types.first() {
        let name = named(database, "same", rng);
        database.add(format!(
            "CREATE FUNCTION {name}(x {0}) RETURNS {0} LANGUAGE sql RETURN x",
            ty.sql
        ));
        let value = ty.value(rng);
        probe(database, format!("SELECT {name}({value})::text"));
    }
}

fn plpgsql(database: &mut Database, rng: &mut Rng) {
    let name = named(database, "fn", rng);
    database.add(format!(
        "CREATE FUNCTION {name}(n integer) RETURNS TABLE (i integer, t text) LANGUAGE plpgsql SECURITY DEFINER AS $body$\nDECLARE s text := 'o''k \\ $$';\nBEGIN\n  -- a comment with a quote '\n  FOR i IN 1..n LOOP\n    t := s || i;     RETURN NEXT;\n  END LOOP;\nEND\n$body$"
    ));
    probe(database, format!("SELECT t FROM {name}(3)"));
}

fn aggregates(database: &mut Database, rng: &mut Rng) {
    let name = named(database, "total", rng);
    database.add(format!("CREATE AGGREGATE {name} (integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '5', COMBINEFUNC = int4pl, PARALLEL = SAFE, SORTOP = <)"));
    probe(
        database,
        format!("SELECT {name}(i) FROM generate_series(1, 4) i"),
    );
    let schema = ident(rng.pick(&database.schemas));
    let function = named(database, "opf", rng);
    database.add(format!("CREATE FUNCTION {function}(a integer, b text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT a = length(b)'"));
    database.add(format!("CREATE OPERATOR {schema}.=#= (LEFTARG = integer, RIGHTARG = text, FUNCTION = {function}, RESTRICT = eqsel, JOIN = eqjoinsel)"));
    database.add(format!(
        "CREATE OPERATOR {schema}.<+> (LEFTARG = integer, RIGHTARG = text, FUNCTION = {function})"
    ));
    probe(
        database,
        format!("SELECT 3 OPERATOR({schema}.=#=) 'abc', 3 OPERATOR({schema}.<+>) 'ab'"),
    );
    // The names of pgvector's, over other types.
    let name = format!("{schema}.l2_distance");
    database.add(format!("CREATE FUNCTION {name}(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT abs(a - b)'"));
    probe(database, format!("SELECT {name}(1, 5)"));
    let class = named(database, "ops", rng);
    database.add(format!("CREATE OPERATOR CLASS {class} FOR TYPE integer USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer)"));
}

fn procedures(database: &mut Database, rng: &mut Rng) {
    let name = named(database, "proc", rng);
    database.add(format!("CREATE PROCEDURE {name}(INOUT a integer, b text[] DEFAULT ARRAY['x,y', NULL]) LANGUAGE plpgsql AS $_$ BEGIN a := a + cardinality(b); END $_$"));
    probe(database, format!("CALL {name}(4)"));
}

fn text_search(database: &mut Database, rng: &mut Rng) {
    let dictionary = named(database, "dict", rng);
    let config = named(database, "cfg", rng);
    database.add(format!(
        "CREATE TEXT SEARCH DICTIONARY {dictionary} (TEMPLATE = simple, ACCEPT = false)"
    ));
    database.add(format!(
        "CREATE TEXT SEARCH CONFIGURATION {config} (COPY = simple)"
    ));
    database.add(format!("ALTER TEXT SEARCH CONFIGURATION {config} ALTER MAPPING FOR asciiword WITH {dictionary}, simple"));
    let collation = named(database, "coll", rng);
    database.add(format!("CREATE COLLATION {collation} FROM \"C\""));
    let table = named(database, "collated", rng);
    database.add(format!("CREATE TABLE {table} (a text COLLATE {collation}, b text COLLATE \"POSIX\", c tsvector GENERATED ALWAYS AS (to_tsvector({}::regconfig, b)) STORED)", literal(&config)));
    database.add(format!(
        "INSERT INTO {table} VALUES ('a', 'The words'), ('B', NULL)"
    ));
    let index = ident(database.fresh("idx"));
    database.add(format!(
        "CREATE INDEX {index} ON {table} (a, b COLLATE \"C\" DESC)"
    ));
}

fn casts(database: &mut Database, rng: &mut Rng) {
    let ty = named(database, "pairtype", rng);
    let function = named(database, "castf", rng);
    database.add(format!("CREATE TYPE {ty} AS (a integer, b integer)"));
    database.add(format!("CREATE FUNCTION {function}({ty}) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a * ($1).b'"));
    database.add(format!(
        "CREATE CAST ({ty} AS integer) WITH FUNCTION {function}({ty}) AS ASSIGNMENT"
    ));
    probe(database, format!("SELECT (ROW(3, 4)::{ty})::integer"));
}

/// A wrapper without a handler holds no rows, and needs no library.
fn foreign(database: &mut Database, rng: &mut Rng) {
    let wrapper = ident(database.fresh("fdw"));
    let server = ident(database.fresh("server"));
    let table = named(database, "ft", rng);
    database.add(format!(
        "CREATE FOREIGN DATA WRAPPER {wrapper} OPTIONS (a 'it''s')"
    ));
    database.add(format!("CREATE SERVER {server} TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER {wrapper} OPTIONS (host 'h', \"odd key\" 'v')"));
    database.add(format!("CREATE FOREIGN TABLE {table} (a integer OPTIONS (x 'y') NOT NULL, b text) SERVER {server} OPTIONS (t 'u')"));
}

fn over_vectors(database: &mut Database, rng: &mut Rng) {
    let vector = Vector {
        words: Words::Vector,
        dims: Some(3),
        tame: true,
    };
    let (a, b) = (vector.text(rng), vector.text(rng));
    let full = database.member("vector");
    let bodies = [
        ("double precision", "SELECT 1 - ($1 <=> $2)"),
        ("double precision", "SELECT $1 <-> $2"),
        ("double precision", "SELECT l2_distance($1, $2)"),
        (
            "double precision",
            "SELECT cosine_distance($1, $2) + inner_product($1, $2)",
        ),
        ("boolean", "SELECT ($1 <-> $2) < 5.5"),
        ("integer", "SELECT vector_dims($1)"),
    ];
    let (result, body) = *rng.pick(&bodies);
    let name = named(database, "vf", rng);
    let language = match rng.below(3) {
        0 => format!("LANGUAGE sql IMMUTABLE AS $q${body}$q$"),
        1 => format!("LANGUAGE sql IMMUTABLE BEGIN ATOMIC {body}; END"),
        _ => format!("LANGUAGE plpgsql AS $q$ BEGIN RETURN ({body}); END $q$"),
    };
    database.add(format!(
        "CREATE FUNCTION {name}({full}, {full}) RETURNS {result} {language}"
    ));
    database.probes.push(Probe {
        source: format!("SELECT {name}('{a}'::{full}, '{b}'::{full})"),
        target: format!("SELECT {name}('{a}'::vectors.vector, '{b}'::vectors.vector)"),
    });
}
