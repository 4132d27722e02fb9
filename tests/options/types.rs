//! In: --map, --format, --overflow. Out: the types and the values that columns become. Which tables come is in selection.rs.

use crate::ITEMS;
use crate::common::db::Db;
use crate::common::{Pair, Place, run, unique};

fn types(db: &Db, table: &str) -> Vec<String> {
    db.rows(&format!(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum"
    ))
}

#[test]
fn map_chooses_the_type_of_a_column() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, a vector(4), b vector(4), c vector(4), d halfvec(4), e halfvec(4), f halfvec(4), g bit(70), h sparsevec(4), i vector(4));
         INSERT INTO t SELECT i, v, v, v, v, v, v, (i * 12345)::bit(70), v::sparsevec, v FROM (SELECT i, (SELECT array_agg((sin(i * j) * i)::real) FROM generate_series(1, 4) j)::vector AS v FROM generate_series(1, 90) i) q;
         INSERT INTO t (id) VALUES (91); INSERT INTO t (id, a, b) VALUES (92, '[-0,0,1e-9,65504]', '[-0,0,1e-9,-1]')",
    );
    let maps = [
        "a=vecf16",
        "b=bvector",
        "c=real[]",
        "d=vector",
        "e=bvector",
        "f=real[]",
        "g=bvector",
        "h=real[]",
    ];
    let maps: Vec<String> = maps.iter().map(|m| format!("public.t.{m}")).collect();
    let arguments: Vec<&str> = maps.iter().flat_map(|m| ["--map", m.as_str()]).collect();
    pair.copy(&arguments).says(&["asked for by --map"]);
    let expected = [
        "id integer",
        "a vectors.vecf16(4)",
        "b vectors.bvector(4)",
        "c real[]",
        "d vectors.vector(4)",
        "e vectors.bvector(4)",
        "f real[]",
        "g vectors.bvector(70)",
        "h real[]",
        "i vectors.vector(4)",
    ];
    assert_eq!(types(&pair.target, "t"), expected);
    let bits = |b: &str| format!("string_to_array(({b})::text, NULL)::real[]");
    let casts = [
        (
            "a::halfvec::vector::real[]".into(),
            "a::vectors.vector::real[]",
        ),
        (bits("binary_quantize(b)"), "b::vectors.vector::real[]"),
        ("c::real[]".into(), "c"),
        ("d::vector::real[]".into(), "d::real[]"),
        (bits("binary_quantize(e)"), "e::vectors.vector::real[]"),
        ("f::vector::real[]".into(), "f"),
        (bits("g"), "g::vectors.vector::real[]"),
        ("h::vector::real[]".into(), "h"),
        ("i::real[]".into(), "i::real[]"),
    ];
    for (source, target) in casts {
        let sql = |cast: &str| format!("SELECT id, ({cast})::text FROM t ORDER BY id");
        pair.same(&sql(&source), &sql(target));
    }
}

#[test]
fn map_of_a_partitioned_table_holds_for_its_partitions() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(2)) PARTITION BY RANGE (id); CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
         CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20); INSERT INTO t VALUES (1, '[1,2]'), (11, '[3,4]')",
    );
    pair.copy(&["--map", "public.t.v=vecf16"]);
    for table in ["t", "low", "high"] {
        assert_eq!(
            types(&pair.target, table),
            ["id integer", "v vectors.vecf16(2)"]
        );
    }
    pair.same(
        "SELECT id, tableoid::regclass, v::real[] FROM t ORDER BY id",
        "SELECT id, tableoid::regclass, v::vectors.vector::real[] FROM t ORDER BY id",
    );
}

/// The target is a database of the source's own server: the extension could not even be installed there.
#[test]
fn format_real_array_needs_no_extension_on_the_target() {
    let pair = Pair::with(ITEMS);
    pair.source.exec(
        "ALTER TABLE items ADD COLUMN h halfvec(2), ADD COLUMN s sparsevec(3), ADD COLUMN flags bit(3);
         UPDATE items SET h = '[0.5,0.25]', s = '{2:7}/3', flags = B'101'; CREATE INDEX near ON items USING hnsw (v vector_l2_ops)",
    );
    let plain = Db::create(&Place::source(), &unique("plain"));
    let run = |more: &[&str]| {
        let arguments = [&["--format", "real-array"], more].concat();
        run::start_between(&pair.source.place, &plain.place, &arguments).ended()
    };
    run(&[]).refused(2, &["near", "--allow-findings"]);
    let outcome = run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    assert!(outcome.report()["findings"].to_string().contains("near"));
    let expected = [
        "id integer",
        "name text",
        "v real[]",
        "h real[]",
        "s real[]",
        "flags bit(3)",
    ];
    assert_eq!(types(&plain, "items"), expected);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'vectors'";
    assert_eq!(plain.one(schemas), "0");
    assert_eq!(
        plain.one("SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql'"),
        "0"
    );
    let on_source = "SELECT id, name, v::real[], h::vector::real[], s::vector::real[], flags FROM items ORDER BY id";
    assert_eq!(
        plain.rows("SELECT id, name, v, h, s, flags FROM items ORDER BY id"),
        pair.source.rows(on_source)
    );
}

/// 300 rows that were read together leave in some thirty parts.
#[test]
fn format_real_array_of_sparse_vectors_that_grow_thousands_of_times() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, s sparsevec(16000));
         INSERT INTO t SELECT i, format('{%s:%s,%s:1.5}/16000', i, i, 16000 - i)::sparsevec FROM generate_series(1, 300) i",
    );
    let outcome = pair.copy(&["--format", "real-array", "--verify", "full"]);
    assert_eq!(outcome.table("public.t")["target_rows"], 300);
    let on_source = "SELECT id, md5(s::vector::real[]::text) FROM t ORDER BY id";
    let on_target = "SELECT id, md5(s::text) FROM t ORDER BY id";
    assert_eq!(pair.target.rows(on_target), pair.source.rows(on_source));
}

/// NULL would be neither above the threshold nor below it.
#[test]
fn format_real_array_keeps_the_cosine_of_a_vector_of_zeros() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[0,0]'), (2, '[1,0]'), (3, '[0,2]'), (4, NULL);
         CREATE VIEW near AS SELECT id, v <=> '[1,0]' AS d FROM t; CREATE VIEW away AS SELECT id FROM t WHERE (v <=> '[1,0]') > 0.5;
         CREATE VIEW likeness AS SELECT id, 1 - cosine_distance(v, '[1,0]') AS s FROM t",
    );
    pair.copy(&["--format", "real-array"]);
    for query in [
        "SELECT id, d FROM near ORDER BY d, id",
        "SELECT id FROM away ORDER BY id",
        "SELECT id, s FROM likeness ORDER BY id",
    ] {
        pair.same_answer(query);
    }
}

#[test]
fn overflow_saturates_or_becomes_infinity_where_asked() {
    for (policy, large, small) in [
        ("saturate", "65504", "-65504"),
        ("infinity", "Infinity", "-Infinity"),
    ] {
        let pair = Pair::with(
            "CREATE TABLE t (id int PRIMARY KEY, v vector(4)); INSERT INTO t VALUES (1, '[65519.996,65520,-3e38,1]'), (2, '[1,2,3,4]')",
        );
        pair.copy(&["--map", "public.t.v=vecf16", "--overflow", policy]);
        let found = pair
            .target
            .one("SELECT v::vectors.vector::real[]::text FROM t WHERE id = 1");
        assert_eq!(found, format!("{{65504,{large},{small},1}}"));
    }
}
