//! In: --compat-operators and queries in pgvector's words. Out: they run on the target, give what they gave, and use the index.

use crate::common::db::{Role, Session};
use crate::common::run::start_between;
use crate::common::{Pair, Place};

fn items() -> Pair {
    Pair::with(
        "CREATE TABLE items (id int PRIMARY KEY, e vector(3), h halfvec(3), s sparsevec(3), b bit(3));
         INSERT INTO items SELECT i, a::vector, a::halfvec, a::vector::sparsevec, binary_quantize(a::vector)
         FROM (SELECT i, ARRAY[sin(i), cos(i * 2), sin(i * 3)] AS a FROM generate_series(1, 200) i) AS made;
         CREATE INDEX cosine ON items USING hnsw (e vector_cosine_ops); CREATE INDEX dot ON items USING hnsw (h halfvec_ip_ops);
         CREATE INDEX l2 ON items USING hnsw (s sparsevec_l2_ops); CREATE INDEX hamming ON items USING hnsw (b bit_hamming_ops);
         CREATE INDEX jaccard ON items USING hnsw (b bit_jaccard_ops);
         CREATE INDEX quantized ON items USING hnsw ((binary_quantize(e)::bit(3)) bit_hamming_ops)",
    )
}

/// The plan of a query as it was written for pgvector.
fn plan(session: &Session, sql: &str) -> String {
    session.exec("SET enable_seqscan = off; SET enable_sort = off");
    let plan = session.rows(&format!("EXPLAIN (COSTS OFF) {sql}"));
    session.exec("RESET enable_seqscan; RESET enable_sort");
    plan.join("\n")
}

#[test]
fn old_queries_use_the_index() {
    let pair = items();
    pair.copy(&["--compat-operators", "public"]);
    for (sql, index) in [
        (
            "SELECT id FROM items ORDER BY e <=> '[1,2,3]' LIMIT 5",
            "cosine",
        ),
        (
            "SELECT id, e <=> '[1,2,3]'::vector AS d FROM items ORDER BY d LIMIT 5",
            "cosine",
        ),
        (
            "SELECT id FROM items ORDER BY e <=> (SELECT e FROM items WHERE id = 3) LIMIT 5",
            "cosine",
        ),
        (
            "SELECT id FROM items ORDER BY e <=> ARRAY[1,2,3]::vector LIMIT 5",
            "cosine",
        ),
        (
            "SELECT id FROM items ORDER BY h <#> '[1,2,3]' LIMIT 5",
            "dot",
        ),
        (
            "SELECT id FROM items ORDER BY h <#> '[1,2,3]'::halfvec LIMIT 5",
            "dot",
        ),
        (
            "SELECT id FROM items ORDER BY s <-> '{0:1}/3' LIMIT 5",
            "l2",
        ),
        (
            "SELECT id FROM items ORDER BY b <~> '101' LIMIT 5",
            "hamming",
        ),
        (
            "SELECT id FROM items ORDER BY b <~> (SELECT b FROM items WHERE id = 3) LIMIT 5",
            "hamming",
        ),
        (
            "SELECT id FROM items ORDER BY b <%> '101'::bit(3) LIMIT 5",
            "jaccard",
        ),
        (
            "SELECT id FROM items ORDER BY binary_quantize(e)::vectors.bvector(3) <~> binary_quantize('[1,-2,3]'::vector) LIMIT 5",
            "quantized",
        ),
    ] {
        let plan = plan(&pair.target, sql);
        assert!(
            plan.contains(&format!("Index Scan using {index} ")),
            "{sql}\n{plan}"
        );
    }
    pair.target.exec("SET plan_cache_mode = force_generic_plan; PREPARE q(vector) AS SELECT id FROM items ORDER BY e <=> $1 LIMIT 5");
    let generic = plan(&pair.target, "EXECUTE q('[1,2,3]')");
    assert!(generic.contains("Index Scan using cosine "), "{generic}");
}

#[test]
fn old_functions_give_the_numbers_of_pgvector() {
    let pair = items();
    pair.copy(&["--compat-operators", "public"]);
    let query = "'[0.5,-1,2]'";
    for (name, of) in [("e", "vector"), ("h", "halfvec")] {
        for sql in [
            format!("l2_distance({name}, {query})"),
            format!("inner_product({name}, {query})"),
            format!("cosine_distance({name}, {query})"),
            format!("l1_distance({name}, {query})"),
            format!("{name} <+> {query}"),
            format!("1 - ({name} <=> {query})"),
            format!("{name} <#> {query}::{of}"),
            format!("sqrt({name} <-> {name})"),
            format!("vector_dims({name})"),
            // In half precision the last digits are each server's own.
            format!("abs(l2_norm(l2_normalize({name}::halfvec)) - 1) < 0.002"),
            format!("l2_distance(subvector({name}, 2, 9), '[1,1]')"),
            format!("l2_distance({name}, ARRAY[1,2,3]::{of})"),
        ] {
            let sql = format!("SELECT id, {sql} FROM items ORDER BY id");
            pair.alike(&sql, &sql);
        }
    }
    for sql in [
        "vector_norm(e)",
        "l2_distance(l2_normalize(e), '[0.5,-1,2]')",
        "l2_norm(h)",
        "l2_norm(s)",
        "l2_distance(s, s)",
        "inner_product(s, s)",
        "l1_distance(s, l2_normalize(s))",
        "b <~> '101'",
        "'110'::bit(3) <~> b",
        "hamming_distance(b, '101'::bit(3))",
        "jaccard_distance(b, '011')",
        "B'1100' <~> B'1010'",
        "B'1100' <%> B'1010'",
        "length(b)",
        "hamming_distance(binary_quantize(e)::bit(3), b)",
    ] {
        let sql = format!("SELECT id, {sql} FROM items ORDER BY id");
        pair.alike(&sql, &sql);
    }
    let aggregates = "SELECT l2_distance(avg(e), '[0,0,0]'), l2_distance(sum(e), '[0,0,0]'), count(e) FROM items";
    pair.alike(aggregates, aggregates);
    let zero = "SELECT l2_distance(l2_normalize('[0,0]'::vector), '[0,0]')";
    pair.same_answer(zero);
    let dims = pair
        .target
        .try_rows("SELECT l1_distance('[1,2]'::vector, '[1,2,3]'::vector)");
    assert!(
        dims.is_err(),
        "vectors of different dimensions have no distance"
    );
}

#[test]
fn a_value_of_arrays_is_still_compared_and_still_stored() {
    let pair = items();
    pair.copy(&["--compat-operators", "public"]);
    assert_eq!(
        pair.target
            .one("SELECT ARRAY[1]::real[] = ARRAY[1]::real[]"),
        "t"
    );
    pair.target.exec("INSERT INTO items (id, e, h, b) VALUES (1000, ARRAY[1,2,3]::float8[], ARRAY[1,2,3]::real[], B'101')");
    let stored = "SELECT e::text, h::real[], b::bit(3) FROM items WHERE id = 1000";
    assert_eq!(pair.target.one(stored), "[1, 2, 3]|{1,2,3}|101");
    assert_eq!(
        pair.target
            .one("SELECT count(*) FROM items WHERE id = 1000 AND b = '101'"),
        "1"
    );
}

#[test]
fn they_go_where_they_are_wanted_whatever_its_name() {
    let pair = items();
    pair.copy(&["--compat-operators", r#""It's ""Odd""""#]);
    let sql = r#"SET search_path = public, "It's ""Odd"""; SELECT id FROM items ORDER BY e <=> '[1,2,3]'::vector LIMIT 1"#;
    assert_eq!(pair.target.rows(sql).len(), 1);
    let reset = "SET search_path = public; SELECT id FROM items ORDER BY e <=> '[1,2,3]' LIMIT 1";
    assert!(pair.target.try_rows(reset).is_err());
}

#[test]
fn a_role_that_does_not_own_the_types_makes_all_but_the_casts() {
    let role = Role::create(
        &[Place::source(), Place::target()],
        "LOGIN PASSWORD 'only for this test'",
    );
    let pair = items();
    let mut target = pair.target.place.clone();
    pair.source.exec(&format!(
        "GRANT USAGE ON SCHEMA public TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {0}",
        role.name
    ));
    pair.target.exec(&format!(
        "CREATE EXTENSION vectors; GRANT USAGE ON SCHEMA vectors TO {0}; GRANT CREATE ON DATABASE {1} TO {0}; GRANT CREATE ON SCHEMA public TO {0}",
        role.name, target.database
    ));
    target.user = role.name.clone();
    target.password = Some("only for this test".into());
    let outcome = start_between(
        &pair.source.place,
        &target,
        &["--no-owner", "--compat-operators", "public"],
    )
    .ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["gets no casts", "CREATE CAST (vectors.bvector AS"]);
    let session = target.session();
    for (sql, index) in [
        (
            "SELECT id FROM items ORDER BY e <=> '[1,2,3]'::vector LIMIT 5",
            "cosine",
        ),
        (
            "SELECT id FROM items ORDER BY b <~> '101' LIMIT 5",
            "hamming",
        ),
    ] {
        let plan = plan(&session, sql);
        assert!(
            plan.contains(&format!("Index Scan using {index} ")),
            "{sql}\n{plan}"
        );
    }
    // What the note says to run is all that was missing.
    let by_hand = outcome
        .out
        .lines()
        .find_map(|l| l.split_once("after the run: "))
        .map(|(_, sql)| sql.to_string());
    pair.target
        .exec(&by_hand.expect("the casts, to be made by hand"));
    session.exec("SELECT b <~> (SELECT b FROM items LIMIT 1), ARRAY[1,2]::vector FROM items");
}

#[test]
fn tables_that_are_there_already_get_them_too() {
    let pair = items();
    pair.target.exec(
        "CREATE EXTENSION vectors;
         CREATE TABLE items (id int PRIMARY KEY, e vectors.vector(3), h vectors.vecf16(3), s vectors.svector(3), b vectors.bvector(3))",
    );
    pair.copy(&[
        "--schema-source",
        "existing",
        "--compat-operators",
        "public",
    ]);
    let sql =
        "SELECT id, cosine_distance(e, '[1,2,3]') FROM items ORDER BY e <=> '[1,2,3]' LIMIT 5";
    pair.alike(sql, sql);
}

#[test]
fn names_that_are_taken_are_left_as_they_are_and_said() {
    let pair = Pair::bare();
    pair.source.exec("CREATE SCHEMA lib; CREATE EXTENSION vector SCHEMA lib; CREATE TABLE vector (id int, v lib.vector(3)); INSERT INTO vector VALUES (1, '[1,2,3]')");
    pair.target.exec(
        "CREATE EXTENSION vectors;
         CREATE FUNCTION mine(vectors.vector, vectors.vector) RETURNS real LANGUAGE sql AS 'SELECT 42::real';
         CREATE OPERATOR <=> (FUNCTION = mine, LEFTARG = vectors.vector, RIGHTARG = vectors.vector)",
    );
    let outcome = pair.copy(&["--compat-operators", "public"]);
    outcome.says(&[
        "left as they are",
        r#""public".<=>(vectors.vector,vectors.vector)"#,
        r#""public".vector"#,
    ]);
    assert_eq!(
        pair.target
            .one("SELECT v <=> '[1,2,3]', v <-> '[1,2,4]' FROM vector"),
        "42|1"
    );
}

#[test]
fn what_it_cannot_keep_is_said_and_where_it_cannot_be_is_refused() {
    let pair = items();
    pair.run(&["--compat-operators", "public", "--dry-run"])
        .says(&["<-> is the squared distance", "svector counts from 0"]);
    let outcome = pair.run(&["--compat-operators", "public", "--format", "real-array"]);
    outcome.refused(2, &["--compat-operators", "real-array"]);
    pair.run(&["--compat-operators", "vectors"])
        .refused(2, &["ambiguous"]);
}
