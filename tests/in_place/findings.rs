//! What hangs on a column, or is in the way, is said before anything is written, with what to do.

use super::{Both, METHODS};

/// The table, the finding's words, and what of it must be said to do.
const IN_THE_WAY: [(&str, &[&str]); 12] = [
    (
        "CREATE VIEW seen AS SELECT id, v <-> '[1,2]' AS d FROM t",
        &[
            "view public.seen",
            "hangs on column v",
            "DROP VIEW public.seen",
            "CREATE VIEW public.seen AS",
        ],
    ),
    (
        "CREATE MATERIALIZED VIEW kept AS SELECT v FROM t",
        &["materialized view public.kept", "DROP MATERIALIZED VIEW"],
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT short CHECK (vector_dims(v) = 2)",
        &[
            "constraint short on table public.t",
            "DROP CONSTRAINT short",
            "ADD CONSTRAINT short",
        ],
    ),
    (
        "ALTER TABLE t ADD COLUMN norm float8 GENERATED ALWAYS AS (vector_norm(v)) STORED",
        &["hangs on column v"],
    ),
    (
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(v) FROM public.t; END",
        &["function public.f()"],
    ),
    (
        "CREATE POLICY own ON t USING (v IS NOT NULL)",
        &["policy own", "DROP POLICY own ON public.t"],
    ),
    (
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER of_v BEFORE UPDATE OF v ON t FOR EACH ROW EXECUTE FUNCTION g()",
        &["trigger of_v", "DROP TRIGGER of_v"],
    ),
    (
        "CREATE PUBLICATION p FOR TABLE t",
        &["published by p", "DROP TABLE"],
    ),
    (
        "ALTER TABLE t ALTER v SET DEFAULT array_fill(random()::real, ARRAY[2])::vector",
        &["default that is more than a value"],
    ),
    (
        "CREATE INDEX one ON t USING hnsw (v vector_l1_ops)",
        &["index public.one", "L1"],
    ),
    (
        "CREATE DOMAIN d AS vector(2); ALTER TABLE t ADD COLUMN w d",
        &["column public.t.w", "domain"],
    ),
    (
        "ALTER TABLE t ADD COLUMN w vector(2)[]",
        &["column public.t.w", "arrays of vectors"],
    ),
];

#[test]
fn what_hangs_on_a_column_is_found_before_anything_is_written() {
    for (sql, words) in IN_THE_WAY {
        let both = Both::with(
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]'); CREATE TABLE other (v vector(1))",
        );
        both.exec(sql);
        let (dump, catalog) = (both.dump(), both.catalog());
        for method in METHODS {
            both.run(method)
                .refused(2, &[words, &["nothing was written"]].concat());
        }
        assert_eq!((dump, catalog), (both.dump(), both.catalog()), "{sql}");
        // Others change; an index alone is no reason to leave its table.
        both.change(&["--allow-findings"]);
        assert_eq!(both.type_of("other", "v"), "vectors.vector(1)", "{sql}");
        let left = if sql.contains("_l1_ops") {
            "vectors.vector(2)"
        } else {
            "vector(2)"
        };
        assert_eq!(both.type_of("t", "v"), left, "{sql}");
    }
}

#[test]
fn a_trigger_that_sorts_behind_is_a_finding() {
    let both = Both::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := NULL; RETURN NEW; END';
         CREATE TRIGGER \"~~last\" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()",
    );
    both.run(&[])
        .refused(2, &["fires after this program's (~~last)", "ALTER TRIGGER"]);
    both.exec("ALTER TRIGGER \"~~last\" ON t RENAME TO first; INSERT INTO t VALUES (1, '[1,2]')");
    both.change(&[]);
    assert_eq!(both.one("SELECT v FROM t"), "NULL");
}

#[test]
fn a_table_with_an_index_of_pgvecto_rs_is_not_rewritten() {
    let both = Both::with(
        "CREATE TABLE t (v vector(2), w vectors.vector(2)); CREATE INDEX new ON t USING vectors (w vectors.vector_l2_ops)",
    );
    both.run(METHODS[1])
        .refused(2, &["indexes of PGVecto.rs already (new)", "add-column"]);
    both.change(METHODS[0]);
    assert_eq!(both.indexes("t"), ["new|vectors|t"]);
}

#[test]
fn without_pgvecto_rs_or_the_right_role_the_plan_says_what_is_lacking() {
    let role = super::common::db::Role::create(
        &[super::Place::target()],
        "LOGIN PASSWORD 'in-place-secret'",
    );
    let both = Both::with("CREATE TABLE t (v vector(2))");
    let mut place = both.place.clone();
    (place.user, place.password) = (role.name.clone(), Some("in-place-secret".into()));
    let to = place.connection_string();
    let outcome = super::start(
        &["in-place", "--target", &to],
        &[],
        vec!["in-place-secret".into()],
    )
    .ended();
    outcome.refused(2, &["is not the role's own", "USAGE ON SCHEMA vectors"]);
    both.exec("DROP EXTENSION vectors");
    // It is made where it may be.
    both.change(&[]);
    assert_eq!(both.type_of("t", "v"), "vectors.vector(2)");
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let both = Both::with("CREATE TABLE t (v vector(2))");
    both.run(&["--map", "public.t.nope=vecf16"])
        .refused(2, &["--map public.t.nope"]);
    both.run(&["--table", "nope"])
        .refused(2, &["nothing on the", "matches"]);
    both.run(&["--dry-run", "--output", "sql"])
        .refused(2, &["no script"]);
    both.run(&["--undo"]).refused(2, &["no table"]);
    assert_eq!(both.type_of("t", "v"), "vector(2)");
}
