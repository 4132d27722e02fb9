//! Older sources with older pgvector, and a newer target: `scripts/servers up all` starts the three clusters beside the usual pair. In:
//! PGV2RS_TEST_SOURCE15, _SOURCE16 and _TARGET17. Not here: what one version's own constructs become; the dialect's tests have that.

mod common;

use common::{Db, Pair, Place, unique};

/// What PostgreSQL 15 and pgvector 0.5.1 know already, with names that were always allowed.
const SCHEMA: &str = r#"
    CREATE SCHEMA "Odd schema";
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE items (id bigserial PRIMARY KEY, name text NOT NULL, feeling mood DEFAULT 'ok', moods mood[], tags text[],
        price numeric(10,2), lasts interval, doc jsonb, embedding vector(3) CHECK (embedding <-> '[0,0,0]' < 10000));
    CREATE TABLE "Odd schema"."T a" (id int GENERATED ALWAYS AS IDENTITY, body text,
        len int GENERATED ALWAYS AS (length(body)) STORED, v vector);
    CREATE TABLE parts (id int, k text, e vector(3), PRIMARY KEY (id, k)) PARTITION BY LIST (k);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
    CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
    INSERT INTO items (name, moods, tags, price, lasts, doc, embedding) SELECT 'n' || g, ARRAY['ok', NULL]::mood[],
        ARRAY['a', 'b'], g / 3.0, '1 day', '{"a": 1}', ARRAY[g, 1, 2]::real[]::vector FROM generate_series(1, 500) g;
    INSERT INTO "Odd schema"."T a" (body, v) SELECT repeat('x', g), '[1,2]' FROM generate_series(1, 50) g;
    INSERT INTO parts SELECT g, chr(97 + g % 3), '[1,2,3]' FROM generate_series(1, 300) g;
    CREATE INDEX ON items USING hnsw (embedding vector_cosine_ops);
    CREATE INDEX ON parts USING ivfflat (e) WITH (lists = 3);
    CREATE VIEW nearest AS SELECT id, embedding <=> '[1,1,1]' AS distance FROM items ORDER BY embedding <=> '[1,1,1]' LIMIT 10;
    CREATE MATERIALIZED VIEW copied AS SELECT id, embedding FROM items;
    CREATE FUNCTION alike(q vector, n int) RETURNS SETOF bigint LANGUAGE sql STABLE AS
        'SELECT id FROM items ORDER BY embedding <=> q LIMIT n';
    CREATE PUBLICATION pub FOR TABLE items;
    CREATE POLICY positive ON items USING (id > 0);
"#;

fn pair(source: &str, target: Place) -> Pair {
    let name = unique("version");
    let pair = Pair {
        source: Db::create(&Place::named(source), &name),
        target: Db::create(&target, &name),
    };
    pair.source.exec("CREATE EXTENSION vector");
    pair.source.exec(SCHEMA);
    pair
}

fn moves_as_ever(source: &str) {
    let pair = pair(source, Place::target());
    pair.copy(&[]);
    pair.same_answer(
        "SELECT id, name, feeling, moods, tags, price, lasts, doc, embedding::real[]::text FROM items ORDER BY id",
    );
    pair.same_answer(
        r#"SELECT id, body, len, v::real[]::text FROM "Odd schema"."T a" ORDER BY id"#,
    );
    pair.same_answer(
        "SELECT tableoid::regclass::text, id, k, e::real[]::text FROM parts ORDER BY id",
    );
    pair.same_answer("SELECT id, round(distance::numeric, 4) FROM nearest ORDER BY distance, id");
    pair.same_answer("SELECT alike('[1,1,1]', 5)");
}

#[test]
fn moves_from_postgresql_15_with_pgvector_0_5() {
    moves_as_ever("PGV2RS_TEST_SOURCE15");
}

#[test]
fn moves_from_postgresql_16_with_pgvector_0_6() {
    moves_as_ever("PGV2RS_TEST_SOURCE16");
}

/// Up to PostgreSQL 16 what an index or a materialized view calls finds others by the session's search_path.
#[test]
fn indexes_and_materialized_views_over_functions_that_name_others_barely_move() {
    let pair = Pair {
        source: Db::create(&Place::named("PGV2RS_TEST_SOURCE16"), &unique("version")),
        target: Db::create(&Place::target(), &unique("version")),
    };
    pair.source.exec(
        "CREATE EXTENSION vector; CREATE TABLE t (id int PRIMARY KEY, a text, v vector(2)); INSERT INTO t VALUES (1, 'A', '[3,4]'), (2, 'B', '[5,12]');
         CREATE FUNCTION low(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT pg_catalog.lower($1)'; CREATE FUNCTION inlined(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT low($1)';
         CREATE FUNCTION called(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN low($1); END'; CREATE FUNCTION counted(int) RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t WHERE id <= $1); END';
         CREATE INDEX one ON t (inlined(a)); CREATE INDEX two ON t (id) WHERE called(a) > 'a'; ALTER TABLE t ADD EXCLUDE USING btree (called(a) WITH =);
         CREATE INDEX near ON t USING hnsw (v vector_l2_ops);
         CREATE MATERIALIZED VIEW m AS SELECT id, counted(id) AS n FROM t; CREATE UNIQUE INDEX three ON m (called(n::text))",
    );
    let outcome = pair.copy(&[]);
    assert!(!outcome.err.contains("WARN"), "{}", outcome.everything());
    pair.same_answer("SELECT id, n FROM m ORDER BY id");
    pair.same_answer("SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid IN ('t'::regclass, 'm'::regclass) ORDER BY 1");
}

/// The planner looks at the expressions of a table's indexes whatever is asked of it; what is printed keeps its full names all the same.
#[test]
fn tables_that_are_read_by_queries_may_have_indexes_over_functions_that_name_others_barely() {
    for source in ["PGV2RS_TEST_SOURCE15", "PGV2RS_TEST_SOURCE16"] {
        let pair = Pair {
            source: Db::create(&Place::named(source), &unique("version")),
            target: Db::create(&Place::target(), &unique("version")),
        };
        pair.source.exec(
            "CREATE EXTENSION vector; CREATE SCHEMA app; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app, public', current_database()); END $$;
             SET search_path = app, public; CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd');
             CREATE FUNCTION low(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'; CREATE FUNCTION low2(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT low($1)';
             CREATE TABLE named (id int PRIMARY KEY, a text, c regclass, v vector(1)); CREATE INDEX ON named (low2(a)); INSERT INTO named VALUES (1, 'A', 'named', '[1]'), (2, 'B', 'pg_class', NULL), (3, NULL, NULL, '[3]');
             CREATE TABLE nobody (a text, c regclass, v vector(1)); CREATE INDEX ON nobody (low2(a));
             CREATE TABLE tree (a text, m mood, c regclass, v vector(1)) PARTITION BY HASH (m); CREATE TABLE tree0 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE tree1 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 1);
             CREATE INDEX ON tree (low2(a)); INSERT INTO tree SELECT m::text, m, 'tree', '[2]' FROM unnest(enum_range(NULL::mood)) m;
             CREATE TABLE half (a text, m mood, v vector(1)) PARTITION BY HASH (m); CREATE TABLE half0 PARTITION OF half FOR VALUES WITH (MODULUS 1, REMAINDER 0); CREATE INDEX ON half (low2(a)); INSERT INTO half VALUES ('x', 'a', '[1]');
             CREATE TABLE computed (id int, a text, twice int GENERATED ALWAYS AS (id * 2) STORED, v vector(1)); CREATE INDEX ON computed (low2(a)); INSERT INTO computed VALUES (1, 'A', DEFAULT, '[1]')",
        );
        let outcome = pair.copy(&[]);
        assert!(!outcome.err.contains("WARN"), "{}", outcome.everything());
        pair.target.exec("SET search_path = app, public");
        pair.same_answer("SELECT id, a, c, v::real[] FROM app.named ORDER BY id");
        pair.same_answer("SELECT a, m, c, v::real[] FROM app.tree ORDER BY a");
        pair.same_answer("SELECT a, m, v::real[] FROM app.half");
        pair.same_answer("SELECT id, a, twice, v::real[] FROM app.computed");
        pair.same_answer("SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indexrelid::regclass::text LIKE '%low%' ORDER BY 1");
        assert_eq!(pair.verify(&[]).code, 0);
        // A second look, at both sides with their indexes, that has to find the row that differs.
        pair.target
            .exec("UPDATE app.named SET c = 'app.tree' WHERE id = 1");
        let outcome = pair.verify(&[]);
        assert_eq!(outcome.code, 1, "{}", outcome.everything());
        outcome.says(&["different: id = 1"]);
    }
}

/// The stand-in is not built for PostgreSQL 17, so the newest target is tried without an extension.
#[test]
fn moves_to_postgresql_17_as_real_arrays() {
    let pair = pair("PGV2RS_TEST_SOURCE", Place::named("PGV2RS_TEST_TARGET17"));
    pair.source.exec("DROP VIEW nearest; DROP FUNCTION alike; ALTER TABLE items DROP CONSTRAINT items_embedding_check");
    pair.copy(&["--format", "real-array", "--allow-findings"]);
    pair.same(
        "SELECT id, moods, lasts, embedding::real[]::text FROM items ORDER BY id",
        "SELECT id, moods, lasts, embedding::text FROM items ORDER BY id",
    );
    pair.same_answer(
        "SELECT id, body, len, v::real[]::text FROM \"Odd schema\".\"T a\" ORDER BY id",
    );
}

/// Types of PostgreSQL's own extensions: some in binary with OIDs of their cluster inside, some as text only.
#[test]
fn types_and_indexes_of_contrib_come_with_their_rows() {
    let pair = Pair {
        source: Db::create(&Place::source(), &unique("contrib")),
        target: Db::create(&Place::named("PGV2RS_TEST_TARGET17"), &unique("contrib")),
    };
    pair.source.exec(
        "CREATE EXTENSION vector; CREATE SCHEMA \"Ext\"; CREATE EXTENSION hstore; CREATE EXTENSION citext SCHEMA \"Ext\"; CREATE EXTENSION ltree; CREATE EXTENSION cube; CREATE EXTENSION isn;
         CREATE EXTENSION seg SCHEMA \"Ext\"; CREATE EXTENSION intarray; CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gist; CREATE EXTENSION earthdistance",
    );
    // A type, and two values of it.
    let types = [
        ("hstore", r#"a=>1, b=>NULL, "c \"d"=>é"#, ""),
        ("\"Ext\".citext", "ABC é", ""),
        ("ltree", "a.B.c_1", "x"),
        ("lquery", "a.*{1,2}.!b|c", "*"),
        ("ltxtquery", "a & !b*@", "c"),
        ("cube", "(1,2),(3,-4.5)", "(0)"),
        ("isbn13", "978-0-393-04002-9", "978-0-393-04002-9!"),
        ("ean13", "9780393040029", "4006381333931"),
        ("issn", "1436-4522", "0000-0000"),
        ("\"Ext\".seg", "1.50 .. 2.500", "<0.00 .. 1"),
        ("query_int", "1 & (2|!3)", "7"),
        ("earth", "(6378168,0,0)", "(0,6378168,0)"),
    ];
    let mut queries = Vec::new();
    for (i, (ty, one, other)) in types.iter().enumerate() {
        let (one, other) = (one.replace('\'', "''"), other.replace('\'', "''"));
        pair.source.exec(&format!(
            "CREATE DOMAIN d{i} AS {ty} CHECK (VALUE IS NULL OR length(VALUE::text) >= 0); CREATE TYPE c{i} AS (n int, one {ty}, many {ty}[], d d{i}, m money);
             CREATE TABLE t{i} (id int PRIMARY KEY, one {ty}, many {ty}[], d d{i}, ds d{i}[], c c{i}, cs c{i}[], v vector(2), note text DEFAULT 'x');
             INSERT INTO t{i} SELECT g, w.x, ARRAY[[w.x, NULL], [w.x, w.x]], w.x::d{i}, ARRAY[w.x]::d{i}[], ROW(g, w.x, ARRAY[w.x, NULL], w.x::d{i}, '1.5'::money)::c{i}, ARRAY[ROW(g, w.x, '{{}}'::{ty}[], NULL::d{i}, NULL::money)::c{i}, NULL], ARRAY[g, g / 3.0]::vector
               FROM (VALUES (1, '{one}'::{ty}), (2, '{other}'), (3, NULL)) w(g, x);
             INSERT INTO t{i} (id) VALUES (4)"
        ));
        queries.push(format!("SELECT id, one::text, many::text, array_dims(many), d::text, ds::text, c::text, cs::text, v::real[]::text, note FROM t{i} ORDER BY id"));
    }
    pair.source.exec(
        "CREATE TABLE words (id int PRIMARY KEY, w text, c \"Ext\".citext UNIQUE, h hstore, p ltree, i int[], at int, during int4range, v vector(2), EXCLUDE USING gist (at WITH =, during WITH &&));
         INSERT INTO words SELECT g, 'word ' || g, ('C' || g)::\"Ext\".citext, hstore('k', g::text), ('a.n' || g)::ltree, ARRAY[g, g + 1], g % 3, int4range(g, g + 1), ARRAY[g, 1]::vector FROM generate_series(1, 200) g;
         CREATE INDEX trigrams ON words USING gin (w gin_trgm_ops); CREATE INDEX near ON words USING gist (w gist_trgm_ops(siglen=32)); CREATE INDEX keys ON words USING gin (h); CREATE INDEX paths ON words USING gist (p);
         CREATE INDEX ints ON words USING gist (i gist__int_ops); CREATE INDEX lower ON words (lower(c)); CREATE INDEX far ON words USING gist (ll_to_earth(at, at)); ALTER TABLE words ADD CHECK (h OPERATOR(public.?) 'k')",
    );
    let outcome = pair.copy(&["--format", "real-array"]);
    assert!(!outcome.err.contains("WARN"), "{}", outcome.everything());
    for query in queries {
        pair.same_answer(&query);
    }
    pair.same_answer("SELECT id, w, c, h, p, i, at, during, v::real[] FROM words ORDER BY id");
    pair.same_answer("SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'words'::regclass ORDER BY 1");
    for side in [&pair.source, &pair.target] {
        side.exec("SET search_path = public, \"Ext\"; SET enable_seqscan = off");
    }
    pair.same_answer("SELECT id FROM words WHERE c = 'c7' AND i @@ '7 & 8' AND h @> 'k=>7' AND p ~ 'a.*' AND w % 'word 7'");
    let there = "INSERT INTO words (id, at, during) VALUES (0, 1, '[1,2)')";
    assert!(
        pair.target
            .try_exec(there)
            .is_err_and(|e| e.starts_with("23P01"))
    );
}
