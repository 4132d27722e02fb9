//! In: vector indexes of every shape. Out: an index on the target that answers, in the right order: the nearest neighbours by the
//! index are those that the source finds without any. Recall on large data is not the matter here.

use crate::common::Pair;

/// 120 points that no two distances tie for, as a vector of four dimensions.
const POINTS: &str = "CREATE TABLE t (id int PRIMARY KEY, kind text, v vector(4));
    INSERT INTO t SELECT i, 'k' || i % 2, (SELECT array_agg((sin(i * 7 + j) + cos(i * j) * 0.3)::real) FROM generate_series(1, 4) j)::vector FROM generate_series(1, 120) i;
    INSERT INTO t VALUES (1001, 'k1', NULL);";

const PROBE: &str = "[0.31,-0.22,0.57,0.11]";

/// The nearest by the source without an index are those by the target without one; through the named index the target finds them
/// in the same order, but for the one or two in ten that an approximate search may miss: a real HNSW index that two threads
/// built has been seen to lose a point.
fn same_neighbours(pair: &Pair, index: &str, on_source: &str, on_target: &str) {
    pair.source.exec("SET enable_indexscan = off");
    let exact = pair
        .source
        .rows(&on_source.replace("LIMIT 10", "LIMIT 1000"));
    assert!(exact.len() > 10, "{on_source}");
    pair.target.exec("SET vectors.enable_index = off");
    assert_eq!(pair.target.rows(on_target), exact[..10], "{on_target}");
    // All lists and a wide search: whether the index is the right one, not how good its first guess is.
    pair.target.exec(
        "SET vectors.enable_index = on; SET enable_seqscan = off; SET vectors.hnsw_ef_search = 500; SET vectors.ivf_nprobe = 100",
    );
    let plan = pair.target.rows(&format!("EXPLAIN {on_target}")).join("\n");
    assert!(plan.contains(index), "does not use {index}:\n{plan}");
    let found = pair.target.rows(on_target);
    let place = |id: &String| exact.iter().position(|e| e == id);
    let places: Option<Vec<usize>> = found.iter().map(place).collect();
    let places =
        places.unwrap_or_else(|| panic!("{on_target} finds {found:?}, not all on the source"));
    assert!(places.is_sorted(), "out of order: {places:?}");
    let right = places.iter().filter(|p| **p < 10).count();
    assert!(
        places.len() == 10 && right >= 8,
        "{on_target} finds places {places:?}"
    );
}

/// `SELECT id … ORDER BY <expression> <operator> probe LIMIT 10`
fn nearest(from: &str, expression: &str, operator: &str, probe: &str) -> String {
    format!("SELECT id FROM {from} ORDER BY {expression} {operator} {probe} LIMIT 10")
}

fn dense(from: &str, source_operator: &str, target_operator: &str) -> (String, String) {
    let (source, target) = (
        format!("'{PROBE}'::vector"),
        format!("'{PROBE}'::vectors.vector"),
    );
    let from_source = format!("(SELECT * FROM {from} WHERE v IS NOT NULL) q");
    (
        nearest(&from_source, "v", source_operator, &source),
        nearest(
            from,
            "v",
            &format!("OPERATOR(vectors.{target_operator})"),
            &target,
        ),
    )
}

fn definition(pair: &Pair, index: &str) -> String {
    pair.target
        .one(&format!("SELECT pg_get_indexdef('{index}'::regclass)"))
}

fn has(definition: &str, words: &[&str]) {
    for word in words {
        assert!(definition.contains(word), "no {word} in {definition}");
    }
}

#[test]
fn hnsw_indexes_with_their_options_find_the_nearest() {
    let pair = Pair::with(POINTS);
    pair.source.exec(
        "CREATE INDEX by_l2 ON t USING hnsw (v vector_l2_ops) WITH (m = 20, ef_construction = 100);
         CREATE INDEX by_cosine ON t USING hnsw (v vector_cosine_ops)",
    );
    pair.copy(&["--index-threads", "2"]);
    has(
        &definition(&pair, "by_l2"),
        &[
            "USING vectors",
            "vector_l2_ops",
            "m = 20",
            "ef_construction = 100",
            // Few rows: threads would race for the first points of the graph.
            "optimizing_threads = 1",
        ],
    );
    has(
        &definition(&pair, "by_cosine"),
        &["vector_cos_ops", "m = 16", "ef_construction = 64"],
    );
    let (source, target) = dense("t", "<->", "<->");
    same_neighbours(&pair, "by_l2", &source, &target);
    let (source, target) = dense("t", "<=>", "<=>");
    same_neighbours(&pair, "by_cosine", &source, &target);
}

#[test]
fn an_ivfflat_index_without_a_named_class_finds_the_nearest() {
    let pair = Pair::with(POINTS);
    pair.source.exec(
        "CREATE INDEX by_l2 ON t USING ivfflat (v) WITH (lists = 7); CREATE INDEX by_product ON t USING ivfflat (v vector_ip_ops) WITH (lists = 3)",
    );
    pair.copy(&[]);
    has(
        &definition(&pair, "by_l2"),
        &["vector_l2_ops", "[indexing.ivf]", "nlist = 7"],
    );
    has(
        &definition(&pair, "by_product"),
        &["vector_dot_ops", "nlist = 3"],
    );
    let (source, target) = dense("t", "<->", "<->");
    same_neighbours(&pair, "by_l2", &source, &target);
    let (source, target) = dense("t", "<#>", "<#>");
    same_neighbours(&pair, "by_product", &source, &target);
}

#[test]
fn options_below_the_targets_range_are_raised_and_said() {
    let pair = Pair::with(POINTS);
    pair.source.exec(
        "CREATE INDEX small ON t USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4)",
    );
    let outcome = pair.copy(&[]);
    has(
        &definition(&pair, "small"),
        &["m = 4", "ef_construction = 10"],
    );
    let findings = outcome.report()["findings"].to_string();
    assert!(findings.contains("small"), "{findings}");
}

#[test]
fn an_index_over_a_halfvec_expression_finds_the_nearest() {
    let pair = Pair::with(POINTS);
    pair.source
        .exec("CREATE INDEX half ON t USING hnsw ((v::halfvec(4)) halfvec_l2_ops)");
    pair.copy(&[]);
    has(
        &definition(&pair, "half"),
        &["vectors.vecf16(4)", "vecf16_l2_ops"],
    );
    let source = nearest("t", "v::halfvec(4)", "<->", &format!("'{PROBE}'::halfvec"));
    let target = nearest(
        "t",
        "v::vectors.vecf16(4)",
        "OPERATOR(vectors.<->)",
        &format!("'{PROBE}'::vectors.vecf16"),
    );
    same_neighbours(&pair, "half", &source, &target);
}

#[test]
fn an_index_over_a_part_of_the_vector_finds_the_nearest() {
    let pair = Pair::with(POINTS);
    pair.source.exec(
        "CREATE INDEX part ON t USING hnsw ((subvector(v, 2, 3)::vector(3)) vector_cosine_ops)",
    );
    pair.copy(&[]);
    has(
        &definition(&pair, "part"),
        &["[1:4]", "vectors.vector(3)", "vector_cos_ops"],
    );
    let source = nearest(
        "t",
        "subvector(v, 2, 3)::vector(3)",
        "<=>",
        "'[1,0.5,-0.3]'::vector",
    );
    let target = nearest(
        "t",
        "(v[1:4])::vectors.vector(3)",
        "OPERATOR(vectors.<=>)",
        "'[1,0.5,-0.3]'::vectors.vector",
    );
    same_neighbours(&pair, "part", &source, &target);
}

/// Bits tie often, so the distances are compared, not the ids. No two rows have the same bits: a real server's graph does not
/// reach every one of many equal vectors.
#[test]
fn an_index_over_binary_quantized_vectors_finds_the_same_distances() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(16));
         INSERT INTO t SELECT i, (SELECT array_agg(((i * 40503 % 65536) >> j) % 2 - 0.5) FROM generate_series(0, 15) j)::real[]::vector FROM generate_series(1, 100) i;
         CREATE INDEX signs ON t USING hnsw ((binary_quantize(v)::bit(16)) bit_hamming_ops)",
    );
    pair.copy(&[]);
    has(
        &definition(&pair, "signs"),
        &[
            "vectors.binarize",
            "vectors.bvector(16)",
            "bvector_hamming_ops",
        ],
    );
    let probe = "0101110001010111";
    let list: Vec<String> = probe.chars().map(String::from).collect();
    let source = format!("binary_quantize(v)::bit(16) <~> B'{probe}'");
    let target = format!(
        "vectors.binarize(v)::vectors.bvector(16) OPERATOR(vectors.<->) '[{}]'::vectors.bvector",
        list.join(",")
    );
    let distances = |d: &str| format!("SELECT ({d})::int FROM t ORDER BY {d} LIMIT 10");
    same_neighbours(&pair, "signs", &distances(&source), &distances(&target));
}

#[test]
fn bit_indexes_keep_hamming_and_jaccard_apart() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, b bit(12));
         INSERT INTO t SELECT i, (i * 37 % 4095 + 1)::bit(12) FROM generate_series(1, 80) i;
         CREATE INDEX hamming ON t USING hnsw (b bit_hamming_ops); CREATE INDEX jaccard ON t USING hnsw (b bit_jaccard_ops)",
    );
    pair.copy(&[]);
    has(&definition(&pair, "hamming"), &["bvector_hamming_ops"]);
    has(&definition(&pair, "jaccard"), &["bvector_jaccard_ops"]);
    let probe = "'[1,0,1,1,0,0,1,0,1,1,0,1]'::vectors.bvector";
    let distances =
        |d: &str| format!("SELECT round(({d})::numeric, 4) FROM t ORDER BY {d} LIMIT 10");
    for (index, source, target) in [("hamming", "<~>", "<->"), ("jaccard", "<%>", "<~>")] {
        same_neighbours(
            &pair,
            index,
            &distances(&format!("b {source} B'101100101101'")),
            &distances(&format!("b OPERATOR(vectors.{target}) {probe}")),
        );
    }
}

#[test]
fn indexes_over_halfvec_and_sparsevec_columns_find_the_nearest() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, h halfvec(3), s sparsevec(9));
         INSERT INTO t SELECT i, ('[' || sin(i) || ',' || cos(i * 3) || ',' || i * 0.01 || ']')::halfvec, ('{' || i % 4 + 1 || ':' || i || ',9:' || i % 5 + 1 || '}/9')::sparsevec FROM generate_series(1, 60) i;
         CREATE INDEX half ON t USING hnsw (h halfvec_l2_ops); CREATE INDEX sparse ON t USING hnsw (s sparsevec_l2_ops)",
    );
    pair.copy(&[]);
    has(&definition(&pair, "sparse"), &["svector_l2_ops"]);
    let source = nearest("t", "h", "<->", "'[0.5,0.25,0.125]'::halfvec");
    let target = nearest(
        "t",
        "h",
        "OPERATOR(vectors.<->)",
        "'[0.5,0.25,0.125]'::vectors.vecf16",
    );
    same_neighbours(&pair, "half", &source, &target);
    let source = nearest("t", "s", "<->", "'{2:29.3,9:1.7}/9'::sparsevec");
    let target = nearest(
        "t",
        "s",
        "OPERATOR(vectors.<->)",
        "'{1:29.3,8:1.7}/9'::vectors.svector",
    );
    same_neighbours(&pair, "sparse", &source, &target);
}

#[test]
fn a_partial_index_stays_partial() {
    let pair = Pair::with(POINTS);
    pair.source.exec("CREATE INDEX partial ON t USING hnsw (v vector_l2_ops) WHERE kind = 'k1' AND v IS NOT NULL");
    pair.copy(&[]);
    has(&definition(&pair, "partial"), &["WHERE", "'k1'"]);
    let (source, target) = dense(
        "(SELECT * FROM t WHERE kind = 'k1' AND v IS NOT NULL) t",
        "<->",
        "<->",
    );
    same_neighbours(&pair, "partial", &source, &target);
}

/// pgvector's own advice for a column that holds vectors of several lengths.
#[test]
fn indexes_over_one_length_each_of_a_column_with_several_find_the_nearest() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, model int, v vector);
         INSERT INTO t SELECT i, 2 + i % 2, (SELECT array_agg(sin(i * 3 + j)::real) FROM generate_series(1, 2 + i % 2) j)::vector FROM generate_series(1, 80) i;
         CREATE INDEX of_two ON t USING hnsw ((v::vector(2)) vector_l2_ops) WHERE model = 2; CREATE INDEX of_three ON t USING hnsw ((v::vector(3)) vector_cosine_ops) WHERE model = 3",
    );
    pair.copy(&[]);
    let query = |from: &str, ty: &str, operator: &str, probe: &str| {
        let key = from.replace("$", ty);
        format!("SELECT id FROM t WHERE {key} {operator} '{probe}'::{ty} LIMIT 10")
    };
    let two = "model = 2 ORDER BY (v::$(2))";
    same_neighbours(
        &pair,
        "of_two",
        &query(two, "vector", "<->", "[0.3,-0.1]"),
        &query(two, "vectors.vector", "OPERATOR(vectors.<->)", "[0.3,-0.1]"),
    );
    let three = "model = 3 ORDER BY (v::$(3))";
    same_neighbours(
        &pair,
        "of_three",
        &query(three, "vector", "<=>", "[0.3,-0.1,0.7]"),
        &query(
            three,
            "vectors.vector",
            "OPERATOR(vectors.<=>)",
            "[0.3,-0.1,0.7]",
        ),
    );
}

#[test]
fn an_index_on_a_partitioned_table_covers_every_leaf() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(4)) PARTITION BY RANGE (id); CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (60);
         CREATE TABLE high PARTITION OF t FOR VALUES FROM (60) TO (1000);
         INSERT INTO t SELECT i, (SELECT array_agg((sin(i * 7 + j) + cos(i * j) * 0.3)::real) FROM generate_series(1, 4) j)::vector FROM generate_series(1, 120) i;
         CREATE INDEX whole ON t USING hnsw (v vector_l2_ops)",
    );
    pair.copy(&[]);
    pair.same_answer(
        "SELECT relid::text, parentrelid, isleaf FROM pg_partition_tree('whole') ORDER BY 1",
    );
    assert_eq!(
        pair.target
            .one("SELECT indisvalid FROM pg_index WHERE indexrelid = 'whole'::regclass"),
        "t"
    );
    let (source, target) = dense("t", "<->", "<->");
    same_neighbours(&pair, "low_v_idx", &source, &target);
    same_neighbours(&pair, "high_v_idx", &source, &target);
}

#[test]
fn an_index_on_a_materialized_view_is_built_after_the_view_is_filled() {
    let pair = Pair::with(POINTS);
    pair.source.exec("CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t WHERE v IS NOT NULL; CREATE INDEX on_view ON m USING hnsw (v vector_l2_ops)");
    pair.copy(&[]);
    let (source, target) = dense("m", "<->", "<->");
    same_neighbours(&pair, "on_view", &source, &target);
}

#[test]
fn ordinary_indexes_beside_the_vectors_are_as_they_were() {
    let pair = Pair::with(POINTS);
    pair.source.exec(
        "CREATE INDEX ON t (kind DESC NULLS LAST, id) INCLUDE (kind) WHERE id > 3; CREATE INDEX ON t USING hash (kind); CREATE INDEX ON t (lower(kind));
         CREATE UNIQUE INDEX ON t (id, kind); ALTER TABLE t ADD COLUMN j jsonb; CREATE INDEX ON t USING gin (j)",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT indexdef FROM pg_indexes WHERE tablename = 't' ORDER BY 1");
}

#[test]
fn a_vector_index_over_a_materialized_view_without_data_is_not_called_broken() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]');
         CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t WITH NO DATA; CREATE INDEX near ON m USING hnsw (v vector_l2_ops)",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT relispopulated FROM pg_class WHERE relname = 'm'");
    pair.target.exec("REFRESH MATERIALIZED VIEW m");
    let nearest = "SELECT id FROM m ORDER BY v OPERATOR(vectors.<->) '[1,2]' LIMIT 1";
    assert_eq!(pair.target.one(nearest), "1");
}
