//! In: databases with a history: dropped columns, strange settings, other encodings, temporary tables of other people, objects of every
//! kind. Out: the same rows and objects on the target, or a word about what does not come.

use crate::common::db::Db;
use crate::common::{Pair, Place, unique};

#[test]
fn dropped_and_added_columns_leave_no_trace_in_the_rows() {
    let pair = Pair::with(
        "CREATE TABLE t (gone vector(5), id int, also_gone text, g int GENERATED ALWAYS AS (1) STORED, v vector(2)); INSERT INTO t VALUES ('[1,2,3,4,5]', 1, 'x', DEFAULT, '[1,2]');
         ALTER TABLE t DROP COLUMN gone, DROP COLUMN also_gone; ALTER TABLE t ADD COLUMN late text DEFAULT 'd', ADD COLUMN w halfvec(1); INSERT INTO t (id, v, w) VALUES (2, '[3,4]', '[5]')",
    );
    pair.copy(&[]);
    pair.same(
        "SELECT id, g, v::real[], late, w::vector::real[] FROM t ORDER BY id",
        "SELECT id, g, v::real[], late, w::vectors.vector::real[] FROM t ORDER BY id",
    );
}

#[test]
fn partitions_whose_columns_stand_in_another_order_keep_their_rows() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(2), note text) PARTITION BY RANGE (id); CREATE TABLE low (note text, gone int, v vector(2), id int); ALTER TABLE low DROP COLUMN gone;
         ALTER TABLE t ATTACH PARTITION low FOR VALUES FROM (0) TO (10); CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20);
         INSERT INTO t VALUES (1, '[1,2]', 'a'), (11, '[3,4]', 'b')",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT tableoid::regclass, id, v::real[], note FROM t ORDER BY id");
}

#[test]
fn a_bit_index_on_one_partition_speaks_for_the_whole_tree() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, b bit(5)) PARTITION BY RANGE (id); CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20);
         INSERT INTO t VALUES (1, B'10010'), (11, B'01101'); CREATE INDEX ON low USING hnsw (b bit_hamming_ops)",
    );
    pair.copy(&[]);
    pair.same(
        "SELECT id, string_to_array(b::text, NULL)::real[] FROM t ORDER BY id",
        "SELECT id, b::vectors.vector::real[] FROM t ORDER BY id",
    );
}

#[test]
fn a_schema_of_the_users_that_is_named_vectors_comes_beside_the_extension() {
    let pair = Pair::with(
        "CREATE SCHEMA vectors; CREATE TABLE vectors.t (id int, v public.vector(1)); INSERT INTO vectors.t VALUES (1, '[1]')",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[] FROM vectors.t");
}

/// Hurt 17: one huge row exhausts the memory of others (pgloader#327).
#[test]
fn a_row_larger_than_every_buffer_arrives_whole() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(3), note text); INSERT INTO t VALUES (1, '[1,2,3]', 'a'), (2, '[4,5,6]', repeat('0123456789', 2000000)), (3, NULL, 'b')",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[], length(note), md5(note) FROM t ORDER BY id");
}

#[test]
fn temporary_tables_of_other_sessions_are_left_in_peace() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    let other = pair.source.place.session();
    other.exec("CREATE TEMP TABLE theirs (id serial, v vector(1)); INSERT INTO theirs (v) VALUES ('[1]'); CREATE INDEX ON theirs USING hnsw (v vector_l2_ops)");
    let outcome = pair.copy(&[]);
    assert_eq!(outcome.tables(), ["public.t"]);
}

/// Settings that would end a long copy, or print values in other words.
#[test]
fn settings_of_the_databases_change_nothing() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, i interval, d timestamptz, f real, b bytea, e text, v vector(2));
         INSERT INTO t VALUES (1, '-1 day 02:03:04', '2024-05-06 07:08:09+00', 0.1, '\\x5c00', E'back\\\\slash', '[0.1,1e-30]'), (2, NULL, NULL, NULL, NULL, 'c\\d', NULL);
         CREATE VIEW w AS SELECT id FROM t WHERE e = E'a\\\\b' OR e = 'c\\d'",
    );
    for db in [&pair.source, &pair.target] {
        let name = &db.place.database;
        for setting in [
            "statement_timeout = '2s'",
            "idle_in_transaction_session_timeout = '50ms'",
            "lock_timeout = '1s'",
            "DateStyle = 'German, DMY'",
            "IntervalStyle = sql_standard",
            "extra_float_digits = -15",
            "bytea_output = escape",
            "TimeZone = 'Asia/Kolkata'",
            "search_path = pg_temp",
            "row_security = off",
            "client_min_messages = error",
            "default_transaction_isolation = serializable",
            "quote_all_identifiers = on",
            "enable_seqscan = off",
            "synchronize_seqscans = on",
            "check_function_bodies = on",
        ] {
            db.exec(&format!("ALTER DATABASE {name} SET {setting}"));
        }
    }
    pair.copy(&[]);
    pair.same_answer("SELECT id, i, d, f, b, e, v::real[]::text FROM t ORDER BY id");
    pair.same_answer("SELECT id FROM w");
}

/// Hurt 16: forced UTF-8 breaks them (pgcopydb#874). Databases of another encoding than UTF-8, the same on both sides. Their bytes are compared, not their characters.
#[test]
fn other_encodings_keep_their_bytes() {
    for (encoding, text) in [
        ("LATIN1", "chr(233) || 'a'"),
        ("SQL_ASCII", "'e' || convert_from('\\xe9ff', 'SQL_ASCII')"),
    ] {
        let make = |server: Place| {
            let name = unique("encoded");
            Db::create_as(
                &server,
                &name,
                &format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"),
            )
        };
        let pair = Pair {
            source: make(Place::source()),
            target: make(Place::target()),
        };
        pair.source.exec(&format!(
            "CREATE EXTENSION vector; CREATE TABLE t (id int PRIMARY KEY, x text, v vector(1)); INSERT INTO t SELECT i, {text} || i, '[1]' FROM generate_series(1, 3) i"
        ));
        pair.copy(&[]);
        pair.same_answer("SELECT id, x::bytea, v::real[] FROM t ORDER BY id");
    }
}

#[test]
fn objects_of_every_other_kind_come_too() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, n int, w text, v vector(1)); CREATE TABLE log (id int);
         CREATE RULE noting AS ON UPDATE TO t DO ALSO INSERT INTO log VALUES (NEW.id); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY visible ON t FOR SELECT USING (n > 0);
         CREATE STATISTICS together ON id, n FROM t; CREATE COLLATION other FROM \"C\"; CREATE TEXT SEARCH CONFIGURATION words (COPY = simple); CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int);
         CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b'; CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = add); CREATE TYPE box2 AS (a int, b text);
         CREATE TYPE span AS RANGE (SUBTYPE = float8); CREATE PROCEDURE nothing() LANGUAGE sql AS ''; CREATE PUBLICATION news FOR TABLE t; CREATE FUNCTION ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION ddl(); ALTER EVENT TRIGGER watching DISABLE; ALTER TABLE t CLUSTER ON t_pkey; ALTER TABLE t ALTER n SET STATISTICS 50; ALTER TABLE t REPLICA IDENTITY FULL;
         CREATE FUNCTION l2_distance(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT abs(a - b)'; INSERT INTO t VALUES (1, 2, 'x', '[3]')",
    );
    pair.copy(&[]);
    let names = "SELECT 'rule', rulename::text FROM pg_rules WHERE schemaname = 'public' UNION ALL SELECT 'policy', policyname FROM pg_policies UNION ALL SELECT 'statistics', stxname FROM pg_statistic_ext \
        UNION ALL SELECT 'collation', collname FROM pg_collation WHERE collnamespace = 'public'::regnamespace UNION ALL SELECT 'words', cfgname FROM pg_ts_config WHERE cfgnamespace = 'public'::regnamespace \
        UNION ALL SELECT 'operator', oprname FROM pg_operator WHERE oprnamespace = 'public'::regnamespace AND oprleft = 'int'::regtype UNION ALL SELECT 'type', typname FROM pg_type WHERE typname IN ('box2', 'span') \
        UNION ALL SELECT 'publication', pubname FROM pg_publication UNION ALL SELECT 'event', evtname || evtenabled::text FROM pg_event_trigger \
        UNION ALL SELECT 'function', p.oid::regprocedure::text FROM pg_proc p WHERE proname IN ('total', 'add', 'nothing', 'ddl') OR p.oid::regprocedure::text = 'l2_distance(integer,integer)' \
        UNION ALL SELECT 'table', relname || relreplident::text || relrowsecurity::text FROM pg_class WHERE relname = 't' AND relkind = 'r' \
        UNION ALL SELECT 'clustered', indexrelid::regclass::text FROM pg_index WHERE indisclustered AND indrelid = 't'::regclass ORDER BY 1, 2";
    pair.same_answer(names);
    assert_eq!(pair.target.count("log"), Some(0));
    pair.same_answer("SELECT id, n, w, v::real[] FROM t");
}

/// They are in no table: whoever moves tables forgets them.
#[test]
fn large_objects_are_not_lost_in_silence() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]'); SELECT lo_from_bytea(0, 'abc')",
    );
    let outcome = pair.run(&["--allow-findings"]);
    let said = outcome.everything().to_lowercase().contains("large object");
    let there = pair
        .target
        .one("SELECT count(*) FROM pg_largeobject_metadata")
        == "1";
    assert!(said || there, "{}", outcome.everything());
}

/// Under an empty search_path, as pg_restore has it, the rows of such a table are refused.
#[test]
fn a_check_that_calls_a_function_by_its_bare_name_takes_the_rows() {
    let pair = Pair::with(
        "CREATE SCHEMA app;
         CREATE FUNCTION app.small(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 10';
         CREATE FUNCTION app.fits(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN small($1); END';
         CREATE TABLE t (id int CHECK (app.fits(id)), v vector(1), twice int GENERATED ALWAYS AS (id * 2) STORED)",
    );
    let database = pair.source.one("SELECT quote_ident(current_database())");
    pair.source.exec(&format!(
        "ALTER DATABASE {database} SET search_path = \"$user\", public, app;
         SET search_path = public, app; INSERT INTO t VALUES (1, '[5]'), (2, NULL)"
    ));
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[]::text, twice FROM t ORDER BY id");
}

/// One after a CREATE INDEX CONCURRENTLY that failed, which pg_dump leaves out, and one whose partitions are not all attached.
#[test]
fn indexes_that_are_not_valid_on_the_source_are_named_and_fail_no_run() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(2)); INSERT INTO t VALUES (1, '[1,2]'); CREATE INDEX half_built ON t USING hnsw (v vector_l2_ops);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half_built'::regclass;
         CREATE TABLE p (id int, v vector(2)) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
         INSERT INTO p VALUES (1, '[1,2]'), (2, '[3,4]'); CREATE INDEX above ON ONLY p USING hnsw (v vector_l2_ops);
         CREATE INDEX below ON p1 USING hnsw (v vector_l2_ops); ALTER INDEX above ATTACH PARTITION below; CREATE INDEX alone ON ONLY p (id)",
    );
    let outcome = pair.copy(&[]);
    outcome.says(&[
        "index public.half_built",
        "index public.above",
        "index public.alone",
        "is not valid on the source",
    ]);
    pair.same_answer("SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid IN ('p'::regclass, 'p1'::regclass, 'p2'::regclass) ORDER BY 1");
    let there = "SELECT to_regclass('half_built') IS NULL";
    assert_eq!(pair.target.one(there), "t");
}

/// REFRESH ran with the session's search_path before PostgreSQL 17.
#[test]
fn a_materialized_view_over_a_function_that_finds_tables_by_their_bare_names_is_filled() {
    let pair = Pair::with(
        "CREATE SCHEMA app; CREATE TABLE app.t (id int, v vector(1)); INSERT INTO app.t VALUES (1, '[1]');
         CREATE FUNCTION app.many() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM app.t); END';
         CREATE MATERIALIZED VIEW app.m AS SELECT app.many(); CREATE UNIQUE INDEX ON app.m (many);
         CREATE OR REPLACE FUNCTION app.many() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t); END';
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app, public', current_database()); END $$",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT many FROM app.m");
}

/// Functions whose bodies find others by the database's search_path stand behind a constraint in many ways, and pg_depend names few of them.
#[test]
fn constraints_that_call_functions_of_any_kind_over_rows_have_the_names_that_they_had() {
    let pair = Pair::new();
    pair.source.exec(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app, public', current_database()); END $$; CREATE SCHEMA app; SET search_path = app, public;
         CREATE FUNCTION app.i(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'select $1'; CREATE FUNCTION app.o(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1); end';
         CREATE TABLE app.ex (id int, r int4range, EXCLUDE USING gist (r WITH &&) WHERE (app.o(id) > 0)); INSERT INTO app.ex VALUES (1, '[1,2)'), (2, '[2,3)');
         CREATE TYPE app.num AS (n int);
         CREATE FUNCTION app.lt(app.num, app.num) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1.n) < i($2.n); end'; CREATE FUNCTION app.le(app.num, app.num) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1.n) <= i($2.n); end';
         CREATE FUNCTION app.eq(app.num, app.num) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1.n) = i($2.n); end'; CREATE FUNCTION app.ge(app.num, app.num) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1.n) >= i($2.n); end';
         CREATE FUNCTION app.gt(app.num, app.num) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1.n) > i($2.n); end'; CREATE FUNCTION app.cmp(app.num, app.num) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'begin return btint4cmp(i($1.n), i($2.n)); end';
         CREATE OPERATOR app.< (LEFTARG = app.num, RIGHTARG = app.num, FUNCTION = app.lt); CREATE OPERATOR app.<= (LEFTARG = app.num, RIGHTARG = app.num, FUNCTION = app.le); CREATE OPERATOR app.= (LEFTARG = app.num, RIGHTARG = app.num, FUNCTION = app.eq);
         CREATE OPERATOR app.>= (LEFTARG = app.num, RIGHTARG = app.num, FUNCTION = app.ge); CREATE OPERATOR app.> (LEFTARG = app.num, RIGHTARG = app.num, FUNCTION = app.gt);
         CREATE OPERATOR CLASS app.num_ops DEFAULT FOR TYPE app.num USING btree AS OPERATOR 1 app.<, OPERATOR 2 app.<=, OPERATOR 3 app.=, OPERATOR 4 app.>=, OPERATOR 5 app.>, FUNCTION 1 app.cmp(app.num, app.num);
         CREATE TABLE app.keyed (k app.num, v vector(1)); CREATE UNIQUE INDEX keyed_k ON app.keyed (k app.num_ops); ALTER TABLE app.keyed ADD UNIQUE USING INDEX keyed_k;
         CREATE TABLE app.refers (k app.num, v vector(1)); ALTER TABLE app.refers ADD FOREIGN KEY (k) REFERENCES app.keyed (k);
         INSERT INTO app.keyed SELECT ROW(g)::app.num, '[1]' FROM generate_series(1, 20) g; INSERT INTO app.refers SELECT k, v FROM app.keyed;
         CREATE FUNCTION app.as_int(app.num) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1.n); end'; CREATE CAST (app.num AS int) WITH FUNCTION app.as_int AS IMPLICIT;
         CREATE TABLE app.plain (id int PRIMARY KEY); INSERT INTO app.plain SELECT generate_series(1, 20); CREATE TABLE app.casts (k app.num REFERENCES app.plain (id), v vector(1)); INSERT INTO app.casts SELECT k, v FROM app.keyed;
         CREATE FUNCTION app.apart(int, int) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS 'begin return i($1) - i($2); end'; CREATE TYPE app.span AS RANGE (subtype = int, subtype_diff = app.apart);
         CREATE TABLE app.spans (s app.span, EXCLUDE USING gist (s WITH &&)); INSERT INTO app.spans SELECT app.span(g, g + 1) FROM generate_series(1, 1000) g;
         CREATE TABLE app.parted (k app.num, v vector(1)) PARTITION BY LIST ((app.o((k).n) % 2)); CREATE TABLE app.even PARTITION OF app.parted FOR VALUES IN (0); CREATE TABLE app.odd PARTITION OF app.parted FOR VALUES IN (1);
         CREATE INDEX ON app.parted (k); INSERT INTO app.parted SELECT k, v FROM app.keyed; RESET search_path",
    );
    let outcome = pair.copy(&[]);
    assert!(!outcome.err.contains("WARN"), "{}", outcome.everything());
    pair.same_answer("SELECT conrelid::regclass::text, conname, convalidated FROM pg_constraint WHERE connamespace = 'app'::regnamespace AND contype IN ('x', 'u', 'p', 'f') ORDER BY 1, 2");
    pair.same_answer("SELECT tableoid::regclass, k FROM app.parted ORDER BY (k).n");
}
