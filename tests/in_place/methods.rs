//! Every type by either method: values bit for bit by the casts, and all that stood on the columns.

use super::{Both, METHODS};

/// Each type with values at the edges of it, NULL among them, and an index where there is one.
const TYPES: &str = "CREATE TABLE t (id int PRIMARY KEY, v vector(3) NOT NULL, h halfvec(3), b bit(70), f bit(8), x varbit, s sparsevec(100000), note text);
    INSERT INTO t SELECT i, ARRAY[i, -i, i / 7.0]::real[]::vector, ARRAY[i, -i, i / 7.0]::real[]::vector::halfvec, \
      (i * 7919)::bit(70), i::bit(8), i::bit(5)::varbit, ('{1:' || i + 0.5 || ',77:-2.5,100000:1e-40}/100000')::sparsevec, 'n' || i FROM generate_series(1, 300) i;
    INSERT INTO t VALUES (1001, '[-0,1e-45,65504]', '[-0,6e-8,65504]', B'0'::bit(70), B'10000001', B'1', '{}/100000', NULL),
      (1002, '[0,0,0]', NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE INDEX t_v ON t USING hnsw (v vector_cosine_ops) WITH (m = 8, ef_construction = 20);
    CREATE INDEX t_h ON t USING hnsw (h halfvec_l2_ops) WHERE h IS NOT NULL; CREATE INDEX t_b ON t USING hnsw (b bit_hamming_ops);
    CREATE INDEX t_v_ivf ON t USING ivfflat (v vector_l2_ops) WITH (lists = 3); CREATE INDEX t_note ON t (note);
    CREATE INDEX t_expression ON t USING hnsw ((v::halfvec(3)) halfvec_l2_ops); CREATE INDEX t_partial ON t (id) WHERE v IS NOT NULL;";

/// What each value is, said by casts: the columns of both types in the same words.
const BEFORE: &str = "SELECT id, v::real[], h::real[], array_to_string(string_to_array(b::text, NULL), ' '), f, array_to_string(string_to_array(x::text, NULL), ' '), s::text, note FROM t ORDER BY id";
const AFTER: &str = "SELECT id, v::real[], h::vectors.vector::real[], array_to_string(b::vectors.vector::real[]::int[], ' '), f, array_to_string(x::vectors.vector::real[]::int[], ' '), \
    CASE WHEN s IS NOT NULL THEN (SELECT concat('{', string_agg((split_part(e, ':', 1)::int + 1) || ':' || split_part(e, ':', 2)::real, ',' ORDER BY n), '}/100000') \
      FROM unnest(string_to_array(replace(btrim(split_part(s::text, '/', 1), '{}'), ' ', ''), ',')) WITH ORDINALITY u(e, n)) END, note FROM t ORDER BY id";

#[test]
fn every_type_becomes_what_the_casts_say_with_its_indexes() {
    for method in METHODS {
        let both = Both::with(TYPES);
        let expected = both.rows(BEFORE);
        let map = ["--map", "public.t.x=bvector"];
        let outcome = both.change(&[method, &map].concat());
        let found = both.rows(AFTER);
        for (e, f) in expected.iter().zip(&found) {
            assert_eq!(e, f, "{method:?}");
        }
        assert_eq!(expected.len(), found.len());
        for (column, ty) in [
            ("v", "vectors.vector(3)"),
            ("h", "vectors.vecf16(3)"),
            ("b", "vectors.bvector(70)"),
            ("f", "bit(8)"),
            ("x", "vectors.bvector"),
            ("s", "vectors.svector(100000)"),
        ] {
            assert_eq!(both.type_of("t", column), ty, "{method:?} {column}");
        }
        let indexes = [
            "t_b|vectors|t",
            "t_expression|vectors|t",
            "t_h|vectors|t",
            "t_note|btree|t",
            "t_partial|btree|t",
            "t_pkey|btree|t",
            "t_v_ivf|vectors|t",
            "t_v|vectors|t",
        ];
        let mut found = both.indexes("t");
        found.sort();
        assert_eq!(found, indexes, "{method:?}");
        assert_eq!(both.one("SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"), "t");
        // The sign of a zero is kept.
        assert_eq!(
            both.one("SELECT v::real[]::text FROM t WHERE id = 1001"),
            "{-0,1e-45,65504}"
        );
        let nearest = "SET enable_seqscan = off; SELECT id FROM t ORDER BY v OPERATOR(vectors.<->) '[7,-7,1]' LIMIT 1";
        assert_eq!(both.rows(nearest), ["7"]);
        assert_eq!(outcome.report()["tables"][0]["verified_rows"], 302);
        assert_eq!(outcome.report()["verified"], true);
        both.assert_tidy();
        // Again there is nothing to do.
        both.change(method)
            .says(&["no column of pgvector's types is left"]);
        both.ledger_says("status")
            .says(&["public.t in place by", "done"]);
        both.ledger_says("clean").says(&["forgotten"]);
    }
}

#[test]
fn what_stands_on_a_column_stands_on_it_after() {
    for method in METHODS {
        let role = super::common::db::Role::create(&[super::Place::target()], "");
        let both = Both::with(&format!(
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v vector(2) NOT NULL DEFAULT '[1,-0]', h halfvec(2) DEFAULT NULL, s sparsevec(4) DEFAULT '{{1:2}}/4', n int DEFAULT 7);
             COMMENT ON COLUMN t.v IS 'it''s what it is'; ALTER TABLE t ALTER v SET STATISTICS 77; ALTER TABLE t ALTER v SET STORAGE MAIN; ALTER TABLE t ALTER v SET (n_distinct = -0.5);
             GRANT SELECT (v), UPDATE (v) ON t TO {0}; GRANT INSERT (h) ON t TO {0} WITH GRANT OPTION;
             INSERT INTO t (n) VALUES (1), (2); CREATE INDEX near ON t USING hnsw (v vector_l2_ops); COMMENT ON INDEX near IS 'an index';",
            role.quoted()
        ));
        both.change(method);
        let column = |what: &str| {
            both.one(&format!(
                "SELECT {what} FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'"
            ))
        };
        assert_eq!(column("attnotnull"), "t");
        assert_eq!(column("attstattarget"), "77");
        assert_eq!(column("attstorage"), "m");
        assert_eq!(column("attoptions"), "{n_distinct=-0.5}");
        assert_eq!(
            column("col_description(attrelid, attnum)"),
            "it's what it is"
        );
        assert_eq!(
            both.one("SELECT obj_description('near'::regclass)"),
            "an index"
        );
        let may = |privilege: &str, column: &str| {
            both.one(&format!(
                "SELECT has_column_privilege('{}', 't', '{column}', '{privilege}')",
                role.name
            ))
        };
        assert_eq!(
            (may("SELECT", "v"), may("UPDATE", "v"), may("SELECT", "h")),
            ("t".into(), "t".into(), "f".into())
        );
        assert_eq!(may("INSERT WITH GRANT OPTION", "h"), "t");
        both.exec("INSERT INTO t (n) VALUES (3)");
        let new = both.one("SELECT v::real[], h, s::vectors.vector::real[] FROM t WHERE n = 3");
        assert_eq!(new, "{1,-0}|NULL|{2,0,0,0}");
        both.assert_tidy();
    }
}

/// The plan measures what an old index costs the fill, and its advice leaves out that cost.
#[test]
fn a_dry_run_writes_nothing_and_says_what_the_old_index_costs() {
    let both = Both::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(16)); INSERT INTO t SELECT i, (SELECT array_agg(random()) FROM generate_series(1, 16) WHERE i > 0)::vector FROM generate_series(1, 3000) i;
         CREATE INDEX near ON t USING hnsw (v vector_l2_ops); ANALYZE t",
    );
    let (dump, catalog) = (both.dump(), both.catalog());
    let outcome = both.change(&["--dry-run"]);
    outcome.says(&[
        "public.t",
        "v: public.vector(16) -> vectors.vector(16)",
        "--drop-old-index",
        "measured on 500 of about 3000 rows",
        "USING vectors",
    ]);
    both.change(&["--dry-run", "--method", "alter-type"])
        .says(&["ACCESS EXCLUSIVE lock is held for about"]);
    both.run(&["--method", "alter-type"])
        .refused(2, &["--yes", "nothing was written"]);
    assert_eq!(dump, both.dump());
    assert_eq!(catalog, both.catalog());
    let json = both.change(&["--dry-run", "--output", "json"]);
    let plan: serde_json::Value =
        serde_json::from_str(&json.out).unwrap_or_else(|e| panic!("{e}\n{}", json.out));
    assert_eq!(
        plan["tables"][0]["indexes"][0]["index"],
        "index public.near"
    );
    // The advice followed.
    both.change(&["--drop-old-index"]);
    assert_eq!(both.indexes("t"), ["near|vectors|t", "t_pkey|btree|t"]);
}

#[test]
fn a_map_chooses_the_type_and_what_is_too_large_for_it_is_refused() {
    for method in METHODS {
        let both = Both::with(
            "CREATE TABLE t (id int PRIMARY KEY, v vector(2), h halfvec(2), s sparsevec(3)); INSERT INTO t VALUES (1, '[1,65504]', '[1,-0]', '{2:5}/3')",
        );
        let map = [
            "--map",
            "public.t.v=vecf16",
            "--map",
            "public.t.h=real[]",
            "--map",
            "public.t.s=real[]",
        ];
        both.change(&[method, &map].concat());
        assert_eq!(
            both.one("SELECT v::vectors.vector::real[], h, s FROM t"),
            "{1,65504}|{1,-0}|{0,5,0}"
        );
        assert_eq!(both.type_of("t", "h"), "real[]");

        // Wherever the row is: before anything is written, and by its key, not its value.
        let both = Both::with(
            "CREATE TABLE t (id int, \"K ey\" text, v vector(2), PRIMARY KEY (id, \"K ey\")); INSERT INTO t SELECT i, 'k', (CASE i WHEN 900 THEN '[1,65520]' ELSE '[1,2]' END)::vector \
             FROM generate_series(1, 1000) i",
        );
        let dump = both.dump();
        let outcome = both.run(&[method, &["--map", "public.t.v=vecf16"]].concat());
        outcome.refused(
            2,
            &[
                "a value has no form in vectors.vecf16(2)",
                "id 900, \"K ey\" k",
                "nothing was written",
            ],
        );
        assert!(
            !outcome.everything().contains("65520"),
            "{}",
            outcome.everything()
        );
        assert_eq!(dump, both.dump());
        if method == super::SHADOW {
            continue;
        }
        let both = Both::with("CREATE TABLE t (b varbit); INSERT INTO t VALUES (B'101'), (B'')");
        both.run(&[method, &["--map", "public.t.b=bvector"]].concat())
            .refused(2, &["no form in vectors.bvector", "ctid (0,2)"]);
    }
}
