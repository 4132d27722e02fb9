//! In: vectors of every type. Out: the same numbers on the target, as both servers' own casts to `real[]` print them. It looks
//! at values; indexes over them are in indexes.rs.

use crate::common::{Pair, Place, proxy};

/// (on the source, on the target): one column of `t` as `real[]`, by id.
fn values(column: &str, on_source: &str, on_target: &str) -> (String, String) {
    let sql = |cast: &str| {
        let cast = cast.replace('$', column);
        format!("SELECT id, {cast}::text FROM t ORDER BY id")
    };
    (sql(on_source), sql(on_target))
}

fn same_vectors(pair: &Pair, column: &str) {
    let (source, target) = values(column, "$::real[]", "$::real[]");
    pair.same(&source, &target);
}

fn same_through_vector(pair: &Pair, column: &str) {
    let (source, target) = values(column, "$::vector::real[]", "$::vectors.vector::real[]");
    pair.same(&source, &target);
}

fn same_bits(pair: &Pair, column: &str) {
    let source = "string_to_array($::text, NULL)::real[]";
    let (source, target) = values(column, source, "$::vectors.vector::real[]");
    pair.same(&source, &target);
}

fn type_of(pair: &Pair, table: &str, column: &str) -> String {
    pair.target.one(&format!(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = '{column}'"
    ))
}

#[test]
fn a_vector_column_becomes_vectors_vector_with_the_same_numbers() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(3), free vector);
         INSERT INTO t VALUES (1, '[1,2,3]', '[0.1]'), (2, '[-1.5,0,1e-3]', NULL), (3, NULL, '[1,2,3,4,5]'), (4, NULL, NULL)",
    );
    pair.copy(&[]);
    assert_eq!(type_of(&pair, "t", "v"), "vectors.vector(3)");
    assert_eq!(type_of(&pair, "t", "free"), "vectors.vector");
    same_vectors(&pair, "v");
    same_vectors(&pair, "free");
}

#[test]
fn a_halfvec_column_becomes_vecf16_with_the_same_numbers() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, h halfvec(4), free halfvec);
         INSERT INTO t VALUES (1, '[1,2,3,0.333]', '[0.1,7]'), (2, NULL, NULL);
         INSERT INTO t SELECT i, (SELECT array_agg(sin(i * j)::real)::vector::halfvec FROM generate_series(1, 4) j), NULL FROM generate_series(3, 200) i",
    );
    pair.copy(&[]);
    assert_eq!(type_of(&pair, "t", "h"), "vectors.vecf16(4)");
    same_through_vector(&pair, "h");
    same_through_vector(&pair, "free");
}

#[test]
fn a_sparsevec_column_becomes_svector_with_the_same_places_and_numbers() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, s sparsevec(70));
         INSERT INTO t VALUES (1, '{1:1.5,70:-2}/70'), (2, '{}/70'), (3, NULL), (4, '{35:1e-40}/70')",
    );
    pair.copy(&[]);
    assert_eq!(type_of(&pair, "t", "s"), "vectors.svector(70)");
    same_through_vector(&pair, "s");
    // The texts count from 1 on one side and from 0 on the other.
    let found = pair.target.one("SELECT s::text FROM t WHERE id = 1");
    assert_eq!(found.replace(' ', ""), "{0:1.5,69:-2}/70");
}

#[test]
fn a_bit_column_under_a_hamming_index_becomes_bvector_with_the_same_bits() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, b bit(70));
         INSERT INTO t SELECT i, (SELECT string_agg(((i * j * j) % 7 % 2)::text, '' ORDER BY j) FROM generate_series(1, 70) j)::bit(70) FROM generate_series(1, 50) i;
         INSERT INTO t VALUES (51, repeat('0', 70)::bit(70)), (52, repeat('1', 70)::bit(70)), (53, NULL);
         CREATE INDEX ON t USING hnsw (b bit_hamming_ops)",
    );
    pair.copy(&[]);
    assert_eq!(type_of(&pair, "t", "b"), "vectors.bvector(70)");
    same_bits(&pair, "b");
}

#[test]
fn bits_without_an_index_that_takes_them_for_a_vector_stay_bits() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, flags bit(8), mask varbit, v vector(1));
         INSERT INTO t VALUES (1, B'10100000', B'101', '[1]'), (2, NULL, B'', '[2]'), (3, B'11111111', NULL, '[3]')",
    );
    pair.copy(&[]).says(&["stays a bit string"]);
    assert_eq!(type_of(&pair, "t", "flags"), "bit(8)");
    pair.same_answer("SELECT id, flags::text, mask::text FROM t ORDER BY id");
}

#[test]
fn an_array_of_vectors_keeps_its_shape_its_nulls_and_its_numbers() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, vs vector(2)[], hs halfvec[], ss sparsevec[]);
         INSERT INTO t VALUES (1, ARRAY['[1,2]','[3,4]']::vector[], ARRAY['[0.5]']::halfvec[], ARRAY['{2:1}/3']::sparsevec[]),
           (2, '{}', NULL, '{}'), (3, NULL, '{}', NULL), (4, ARRAY[NULL,'[5,6]',NULL]::vector[], ARRAY[NULL]::halfvec[], NULL),
           (5, ARRAY[['[1,1]','[2,2]'],['[3,3]','[4,4]']]::vector[], NULL, NULL)",
    );
    pair.source
        .exec("UPDATE t SET vs = '[3:4]={\"[7,8]\",\"[9,9]\"}'::vector[] WHERE id = 2");
    pair.copy(&[]);
    assert_eq!(type_of(&pair, "t", "vs"), "vectors.vector(2)[]");
    pair.same_answer(
        "SELECT id, array_dims(vs), array_dims(hs), array_dims(ss), vs IS NULL, hs IS NULL, ss IS NULL FROM t ORDER BY id",
    );
    let dense =
        "SELECT id, n, e::real[]::text FROM t, unnest(vs) WITH ORDINALITY u(e, n) ORDER BY 1, 2";
    pair.same_answer(dense);
    for column in ["hs", "ss"] {
        let sql = |ty: &str| {
            format!(
                "SELECT id, n, e::{ty}::real[]::text FROM t, unnest({column}) WITH ORDINALITY u(e, n) ORDER BY 1, 2"
            )
        };
        pair.same(&sql("vector"), &sql("vectors.vector"));
    }
}

#[test]
fn the_extremes_of_f32_and_f16_arrive_bit_for_bit() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(6), h halfvec(6));
         INSERT INTO t VALUES
           (1, '[1e-45,-1e-45,1.1754942e-38,1.17549435e-38,3.4028235e38,-3.4028235e38]', '[5.9604645e-08,-5.9604645e-08,6.0975552e-05,6.1035156e-05,65504,-65504]'),
           (2, '[-0,0,1.0000001,0.99999994,16777217,-1.5]', '[-0,0,1.0009766,0.99951172,2048,-1.5]')",
    );
    pair.copy(&[]);
    same_vectors(&pair, "v");
    same_through_vector(&pair, "h");
    let zeros = pair
        .target
        .one("SELECT v::real[]::text FROM t WHERE id = 2");
    assert!(zeros.starts_with("{-0,0,"), "{zeros}");
}

#[test]
fn many_rows_arrive_each_with_its_own_numbers() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(64));
         INSERT INTO t SELECT i, (SELECT array_agg(sin(i * 64 + j)::real) FROM generate_series(1, 64) j)::vector FROM generate_series(1, 20000) i",
    );
    let outcome = pair.copy(&["--jobs", "2"]);
    let table = outcome.table("public.t");
    for count in ["rows", "source_rows", "target_rows"] {
        assert_eq!(table[count], 20000, "{count}");
    }
    pair.same_answer("SELECT count(*), min(id), max(id), md5(string_agg(v::real[]::text, ',' ORDER BY id)) FROM t");
}

#[test]
fn long_vectors_that_the_source_keeps_out_of_line_arrive_whole() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(16000), note text);
         INSERT INTO t SELECT i, (SELECT array_agg(cos(i * j)::real) FROM generate_series(1, 16000) j)::vector, repeat('x', i * 100000) FROM generate_series(1, 12) i",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, md5(v::real[]::text), md5(note) FROM t ORDER BY id");
}

/// Each of them asks for more than all that is allowed, and four jobs for it at once: none waits for ever.
#[test]
fn rows_that_are_longer_than_the_memory_allowed_arrive_whole() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(3), page char(5000), note text);
         ALTER TABLE t ALTER page SET STORAGE PLAIN, ALTER note SET STORAGE EXTERNAL;
         INSERT INTO t SELECT i, ARRAY[i, 0, 1]::vector, 'fills one', repeat(md5(i::text), 100000) FROM generate_series(1, 12) i",
    );
    let outcome = pair.copy(&[
        "--memory",
        "1MB",
        "--jobs",
        "4",
        "--verify",
        "full",
        "--stall-timeout",
        "30s",
    ]);
    let slices = outcome.table("public.t")["slices"].as_u64();
    assert!(slices.is_some_and(|slices| slices >= 4), "{slices:?}");
    pair.same_answer("SELECT id, v::real[]::text, md5(note) FROM t ORDER BY id");
}

#[test]
fn empty_tables_and_tables_without_columns_come_too() {
    let pair = Pair::with(
        "CREATE TABLE nothing (id int, v vector(3)); CREATE TABLE no_columns (); CREATE TABLE four ();
         INSERT INTO four SELECT FROM generate_series(1, 4); CREATE TABLE only_generated (g int GENERATED ALWAYS AS (7) STORED);
         INSERT INTO only_generated DEFAULT VALUES; INSERT INTO only_generated DEFAULT VALUES",
    );
    pair.copy(&[]);
    let counts = ["nothing", "no_columns", "four", "only_generated"].map(|t| pair.target.count(t));
    assert_eq!(counts, [Some(0), Some(0), Some(4), Some(2)]);
    assert_eq!(pair.target.rows("SELECT g FROM only_generated"), ["7", "7"]);
}

#[test]
fn pgvector_in_a_schema_of_its_own_is_found_there() {
    for schema in ["extensions", "\"My Ext\""] {
        let pair = Pair::bare();
        pair.source.exec(&format!(
            "CREATE SCHEMA {schema}; CREATE EXTENSION vector SCHEMA {schema}; SET search_path = public, {schema};
             CREATE TABLE t (id int PRIMARY KEY, v vector(2), h halfvec(2), s sparsevec(4), b bit(9), a vector[]);
             INSERT INTO t VALUES (1, '[1,2]', '[3,4]', '{{2:5}}/4', B'101000001', ARRAY['[1]'::vector]), (2, NULL, NULL, NULL, NULL, NULL);
             CREATE INDEX i ON t USING hnsw (v vector_l2_ops); CREATE INDEX j ON t USING hnsw (b bit_hamming_ops)"
        ));
        pair.copy(&[]);
        same_vectors(&pair, "v");
        same_through_vector(&pair, "h");
        same_through_vector(&pair, "s");
        same_bits(&pair, "b");
        let indexes = "SELECT relname FROM pg_class WHERE relname IN ('i', 'j') ORDER BY 1";
        pair.same_answer(indexes);
    }
}

#[test]
fn a_domain_over_a_vector_stays_a_domain_over_the_new_type() {
    let pair = Pair::with(
        "CREATE DOMAIN embedding AS vector(3) NOT NULL; CREATE DOMAIN inner_one AS halfvec(2); CREATE DOMAIN outer_one AS inner_one;
         CREATE TABLE t (id int PRIMARY KEY, v embedding, h outer_one);
         INSERT INTO t VALUES (1, '[1,2,3]', '[0.5,0.25]'), (2, '[4,5,6]', NULL)",
    );
    pair.copy(&[]);
    assert_eq!(type_of(&pair, "t", "v"), "embedding");
    let base = "SELECT typname, format_type(typbasetype, typtypmod) FROM pg_type WHERE typname IN ('embedding', 'inner_one', 'outer_one') ORDER BY 1";
    let expected = [
        "embedding|vectors.vector(3)",
        "inner_one|vectors.vecf16(2)",
        "outer_one|inner_one",
    ];
    assert_eq!(pair.target.rows(base), expected);
    same_vectors(&pair, "v");
    same_through_vector(&pair, "h");
}

/// What every other test relies on: a value that is not the same is seen. One number changes on the way to the target.
#[test]
fn the_oracle_of_these_tests_sees_one_changed_bit() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1234.5,77.25]')",
    );
    let number = |x: f32| x.to_le_bytes().to_vec();
    let old = [number(1234.5), number(77.25)].concat();
    let new = [number(1234.5), number(77.25001)].concat();
    let target: Place = proxy::before(&pair.target.place, proxy::Mischief::Replace(old, new));
    let arguments = ["--verify", "none"];
    let ended = crate::common::run::start_between(&pair.source.place, &target, &arguments).ended();
    assert_eq!(ended.code, 0, "{}", ended.everything());
    let sql = "SELECT id, v::real[]::text FROM t";
    assert_eq!(pair.source.rows(sql), ["1|{1234.5,77.25}"]);
    assert_ne!(pair.source.rows(sql), pair.target.rows(sql));
}
