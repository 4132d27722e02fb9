//! In: vectors inside composites, and domains over vectors inside those. Out: the vectors that they should be, in composites of the same
//! names; and the row of a broken one.

use crate::common::Pair;

#[test]
fn vectors_inside_composites_are_converted_and_checked() {
    let pair = Pair::with(
        "CREATE TYPE held AS (n int, e vector(2), h halfvec(2), s sparsevec(3), es vector[], b bit(3)); CREATE DOMAIN unit AS vector(2);
         CREATE TYPE outer_held AS (one held, many held[], u unit, us unit[]); CREATE DOMAIN whole AS held;
         CREATE TABLE t (id int PRIMARY KEY, h held, o outer_held, os outer_held[], w whole, ws whole[], u unit, us unit[]);
         INSERT INTO t VALUES
          (1, '(1,\"[1,-0.5]\",\"[0.1,65504]\",\"{1:1,3:-2}/3\",\"{\"\"[1]\"\",NULL,\"\"[2,3]\"\"}\",101)', NULL, NULL, '(2,\"[3,4]\",,,,)', NULL, '[5,6]', ARRAY['[7,8]'::unit, NULL]),
          (2, '(,,,,,)', NULL, '{}', NULL, '{}', NULL, '{}'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
         UPDATE t SET o = ROW(h, ARRAY[h, NULL], u, us), ws = ARRAY[w], os = ARRAY[ROW(h, NULL, NULL, NULL)::outer_held] WHERE id = 1",
    );
    pair.copy(&[]);
    let read = |schema: &str, half: &str, sparse: &str| {
        format!(
            "SELECT id, (h).n, (h).e::real[]::text, ((h).h{half}::real[])::text, (h).s{sparse}::real[]::text, array_length((h).es, 1),
               (h).es[3]::real[]::text, (h).b, ((o).one).e::real[]::text, ((o).many[1]).e::real[]::text, (o).u::real[]::text, (o).us[1]::real[]::text,
               (os[1].one).e::real[]::text, (w).e::real[]::text, (ws[1]).e::real[]::text, u::real[]::text, us[1]::real[]::text,
               (h).es[2] IS NULL, pg_typeof((h).es)::text = '{schema}vector[]' FROM t ORDER BY id"
        )
    };
    pair.same(
        &read("", "::vector", "::vector"),
        &read("vectors.", "::vectors.vector", "::vectors.vector"),
    );
}

#[test]
fn a_vector_of_other_dimensions_inside_a_composite_is_refused_at_its_row() {
    let pair = Pair::with(
        "CREATE TYPE held AS (e vector(2)); CREATE TABLE t (id int PRIMARY KEY, h held[]); INSERT INTO t VALUES (1, ARRAY['(\"[1,2]\")'::held]), (5, ARRAY[NULL, '(\"[1,2]\")'::held])",
    );
    pair.source.exec(
        "UPDATE pg_attribute SET atttypmod = 3 WHERE attname = 'e' AND attrelid = (SELECT typrelid FROM pg_type WHERE typname = 'held')",
    );
    let words = [
        "row 1 (id = 1)",
        "column h",
        "the vector has 2 dimensions, the column 3",
    ];
    pair.run(&[]).refused(3, &words);
}

#[test]
fn composites_with_vectors_become_ones_with_real_arrays_where_asked() {
    let pair = Pair::with(
        "CREATE TYPE held AS (n int, e vector(2), s sparsevec(3)); CREATE DOMAIN unit AS vector(2); CREATE TABLE t (id int PRIMARY KEY, h held, hs held[], us unit[]);
         INSERT INTO t VALUES (1, '(1,\"[1,-0.5]\",\"{2:1}/3\")', NULL, ARRAY['[7,8]'::unit, NULL]); UPDATE t SET hs = ARRAY[h, NULL]",
    );
    pair.copy(&["--format", "real-array"]);
    let found = "SELECT (h).e::text, (h).s::text, (hs[1]).e::text, pg_typeof((h).e), us[1]::text, us[2] IS NULL FROM t";
    assert_eq!(
        pair.target.rows(found),
        ["{1,-0.5}|{0,1,0}|{1,-0.5}|real[]|{7,8}|t"]
    );
}

#[test]
fn indexes_and_views_over_columns_of_a_domain_know_that_it_is_a_vector() {
    let pair = Pair::with(
        "CREATE DOMAIN emb AS vector(3); CREATE DOMAIN unit AS emb CHECK (VALUE IS NOT NULL);
         CREATE TABLE t (id int PRIMARY KEY, e emb, u unit DEFAULT '[1,0,0]', v vector(2) DEFAULT '[1,0]', CHECK (e <-> '[0,0,0]' < 1000));
         INSERT INTO t (id, e, u) SELECT i, ARRAY[i,1,2]::vector, ARRAY[i,3,4]::vector FROM generate_series(1, 100) i;
         CREATE INDEX near ON t USING hnsw ((e::vector(3)) vector_l2_ops); CREATE INDEX alike ON t USING hnsw ((u::vector(3)) vector_cosine_ops);
         CREATE VIEW shown AS SELECT id, e <-> '[1,1,1]' AS far, vector_dims(u) AS dims FROM t",
    );
    let outcome = pair.copy(&[]);
    assert_eq!(
        outcome.report()["indexes"].as_array().map(Vec::len),
        Some(3),
        "{}",
        outcome.everything()
    );
    pair.same(
        "SELECT id, e::real[]::text, u::real[]::text FROM t ORDER BY id",
        "SELECT id, e::real[]::text, u::real[]::text FROM t ORDER BY id",
    );
    pair.same_answer("SELECT id, round(far::numeric, 4), dims FROM shown ORDER BY id");
    let used = "EXPLAIN SELECT id FROM t ORDER BY e::vectors.vector(3) OPERATOR(vectors.<->) '[1,1,1]' LIMIT 5";
    pair.target.exec("SET enable_seqscan = off");
    assert!(
        pair.target
            .rows(used)
            .iter()
            .any(|line| line.contains("near"))
    );
}

/// The row type of a table changes with the table's columns, whatever those become.
#[test]
fn values_of_a_tables_row_type_follow_the_columns_of_the_table() {
    let pair = Pair::with(
        "CREATE TABLE base (id int, v vector(2), w vector(2), b bit(5), c bit(5)); CREATE INDEX ON base USING hnsw (b bit_hamming_ops);
         CREATE TABLE log (id int PRIMARY KEY, was base, lines base[]); INSERT INTO base VALUES (1, '[1,2]', '[0.1,-4]', B'10101', B'11000');
         INSERT INTO log SELECT 7, base, ARRAY[base, NULL] FROM base",
    );
    pair.copy(&["--map", "public.base.w=vecf16"]);
    let found = "SELECT (was).v::real[]::text, (was).w::text, (was).b::text, (was).c, (lines[1]).b::text, lines[2] IS NULL FROM log";
    assert_eq!(
        pair.target.rows(found),
        ["{1,2}|[0.099975586, -4]|[1, 0, 1, 0, 1]|11000|[1, 0, 1, 0, 1]|t"]
    );
}
