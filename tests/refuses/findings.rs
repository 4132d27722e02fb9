//! In: sources with something that cannot come. Out: findings that name object, reason and remedy, all at once and at plan time;
//! with --allow-findings the object is left out, the rest comes, and the report says so.

use crate::common::{Pair, unique};

#[test]
fn a_vector_beside_a_value_without_a_binary_form_is_named_where_they_are_in_one_value() {
    let pair = Pair::with(
        "CREATE TYPE \"both\" AS (v vector(1), r regclass); CREATE TYPE held AS (v vector(1));
         CREATE TABLE inside (id int, c \"both\"[]); CREATE TABLE beside (id int, h held, r regclass); CREATE TABLE fine (id int, c held, v vector(1));
         INSERT INTO fine VALUES (1, '([3])', '[5]')",
    );
    let before = pair.target.catalog();
    let words = [
        "public.inside.c",
        "beside it a value that has no binary form",
        "public.beside.h",
        "column r beside it can only go as text (regclass)",
        "--allow-findings",
        "what to do",
    ];
    pair.run(&[]).refused(2, &words);
    assert_eq!(pair.target.catalog(), before);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.tables(), ["public.fine"]);
    let found = pair
        .target
        .rows("SELECT v::real[]::text, (c).v::real[]::text FROM fine");
    assert_eq!(found, ["{5}|{3}"]);
    assert_eq!(pair.target.count("beside"), None);
}

/// The rows name objects, and the target looks the names up when the rows arrive.
#[test]
fn references_to_what_follows_the_rows_or_does_not_come_are_named_before_the_copy() {
    let pair = Pair::with(
        "CREATE SCHEMA left_behind; CREATE TABLE left_behind.other (id int); CREATE TYPE ref AS (c regclass[], n int);
         CREATE TABLE t (id int PRIMARY KEY, v vector(1), c regclass, r ref); CREATE INDEX by_id ON t (id); CREATE TABLE fine (id int, c regclass);
         INSERT INTO t VALUES (1, '[1]', 'by_id', NULL), (2, '[2]', 't', ROW('{t,left_behind.other}', 1)), (3, '[3]', 't_pkey', NULL); INSERT INTO fine VALUES (1, 'fine'), (2, 'pg_class')",
    );
    let before = pair.target.catalog();
    let arguments = ["--schema", "public"];
    let words = [
        "column public.t.c",
        "does not have when the rows arrive: public.by_id, public.t_pkey",
        "column public.t.r: names what the target does not have when the rows arrive: 1 value",
        "set these values after the move",
    ];
    let outcome = pair.run(&arguments);
    outcome.refused(2, &words);
    assert!(
        !outcome.out.contains("public.fine.c:"),
        "{}",
        outcome.everything()
    );
    assert_eq!(pair.target.catalog(), before);
    // The table does not come, and nothing that hangs on it.
    pair.source.exec("CREATE VIEW over AS SELECT id FROM t; CREATE TABLE points (id int PRIMARY KEY, up int REFERENCES t); INSERT INTO points VALUES (1, 2); COMMENT ON TABLE t IS 'left out'; GRANT SELECT ON t TO PUBLIC");
    let outcome = pair.run(&["--schema", "public", "--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["needs public.t, which is left out", "view public.over"]);
    pair.same_answer("SELECT id, up FROM points");
    pair.same_answer("SELECT id, c FROM fine ORDER BY id");
    let there = "SELECT relname FROM pg_class WHERE relname IN ('t', 'over', 'by_id', 't_pkey', 'points') ORDER BY 1";
    assert_eq!(pair.target.rows(there), ["points"]);
    pair.target.exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP EXTENSION IF EXISTS vectors CASCADE");
    pair.source.exec(
        "DROP VIEW over; DROP TABLE points; DELETE FROM t WHERE id <> 2; UPDATE t SET r = NULL",
    );
    pair.copy(&arguments);
    pair.same_answer("SELECT id, c FROM t");
}

/// What a later version brought into a type's grammar, an older target refuses.
#[test]
fn paths_that_an_older_target_cannot_read_are_named_before_the_copy() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, p jsonpath, ps jsonpath[], v vector(1)); INSERT INTO t VALUES (1, '$.a[*] ? (@ > 1)', '{$.b}', '[1]')",
    );
    pair.copy(&[]);
    pair.same_answer("SELECT id, p, ps FROM t");
    let path = "'$.secret.bigint()'";
    let (here, there) = (
        pair.source.try_rows(&format!("SELECT {path}::jsonpath")),
        pair.target.try_rows(&format!("SELECT {path}::jsonpath")),
    );
    if here.is_err() || there.is_ok() {
        println!("skipped: needs a source of PostgreSQL 17 or later and an older target");
        return;
    }
    let pair = Pair::with(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, ps jsonpath[], v vector(1)); INSERT INTO t VALUES (1, ARRAY[{path}::jsonpath], '[1]')"
    ));
    let outcome = pair.run(&[]);
    outcome.refused(
        2,
        &["column public.t.ps: holds paths that the target's PostgreSQL cannot read: 1 value"],
    );
    assert!(
        !outcome.everything().contains("secret"),
        "{}",
        outcome.everything()
    );
}

/// The dump gives an inheriting table its parent's columns first, and PostgreSQL's own row types grow: nothing in a value says so.
#[test]
fn row_types_with_other_attributes_or_another_order_on_the_target_are_named_before_the_copy() {
    let pair = Pair::with(
        "CREATE TABLE parent (a text); CREATE TABLE child (c text) INHERITS (parent); ALTER TABLE parent ADD COLUMN b text;
         CREATE TABLE bits (b bit(4)); CREATE INDEX ON bits USING hnsw (b bit_hamming_ops); CREATE VIEW seen AS SELECT b FROM bits;
         CREATE TABLE held (id int, x child[], v vector(1)); CREATE TABLE turned (s seen); CREATE TABLE stats (s pg_stat_user_tables);
         CREATE TYPE pair AS (p parent, r bits, n information_schema.sql_identifier); CREATE TABLE fine (id int, p pair[], s parent, v vector(1));
         INSERT INTO held VALUES (1, ARRAY[ROW('a', 'c', 'b')::child], '[1]'); INSERT INTO turned VALUES (ROW(B'1010')); INSERT INTO child VALUES ('a', 'c', 'b');
         INSERT INTO fine VALUES (1, ARRAY[ROW(ROW('a', 'b'), ROW(B'1010'), 'n')::pair], ROW('a', 'b'), '[1]')",
    );
    let before = pair.target.catalog();
    let words = [
        "column public.held.x: the values of public.child do not name their attributes",
        "attribute 2 is c here and b there",
        "column public.turned.s: the values of public.seen",
        "b has another type there",
        "column public.stats.s: the values of pg_stat_user_tables",
    ];
    let outcome = pair.run(&[]);
    outcome.refused(2, &words);
    assert!(
        !outcome.out.contains("public.fine."),
        "{}",
        outcome.everything()
    );
    assert_eq!(pair.target.catalog(), before);
    pair.copy(&["--allow-findings"]);
    pair.same_answer("SELECT id, (p[1]).p, s, v::real[]::text FROM fine");
    pair.same_answer("SELECT a, b, c FROM child");
}

#[test]
fn access_lists_of_other_roles_and_values_that_no_server_reads_are_named_before_the_copy() {
    let role = unique("role");
    let pair = Pair::with(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, a aclitem[], v vector(1)); CREATE TABLE empty (n pg_node_tree, s pg_ndistinct, id int DEFAULT 1); INSERT INTO empty (id) VALUES (7);
         CREATE TABLE trees AS SELECT adbin FROM pg_attrdef; CREATE ROLE {role}; INSERT INTO t VALUES (1, '{{{role}=r/postgres}}', '[1]'), (2, '{{postgres=r/postgres}}', '[2]')"
    ));
    let before = pair.target.catalog();
    let outcome = pair.run(&[]);
    let words = [
        "column public.t.a: names roles that the target does not have",
        "1 value",
        "column public.trees.adbin: holds what no server takes back",
    ];
    pair.source.exec(&format!(
        "DELETE FROM t WHERE id = 1; DROP TABLE trees; DROP ROLE {role}"
    ));
    outcome.refused(2, &words);
    assert_eq!(pair.target.catalog(), before);
    pair.copy(&[]);
    pair.same_answer("SELECT id, a::text, v::real[]::text FROM t");
    pair.same_answer("SELECT id, n::text, s::text FROM empty");
}

#[test]
fn an_l1_index_is_a_finding_and_the_rows_come_without_it() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]'); CREATE INDEX by_l1 ON t USING hnsw (v vector_l1_ops);
         CREATE INDEX by_l2 ON t USING hnsw (v vector_l2_ops)",
    );
    pair.run(&[])
        .refused(2, &["by_l1", "l1", "--allow-findings"]);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT id, v::real[]::text FROM t");
    let indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1";
    assert_eq!(pair.target.rows(indexes), ["by_l2", "t_pkey"]);
    assert!(outcome.report()["findings"].to_string().contains("by_l1"));
}

/// What PGVecto.rs cannot say is named, and nothing else is: it is never applied in pgvector's words, and never silently dropped.
#[test]
fn expressions_without_an_equal_are_findings_and_the_others_move() {
    let pair = Pair::with(
        "CREATE TABLE defaults (id int, v vector(2) DEFAULT '[1,2]'); INSERT INTO defaults VALUES (1);
         CREATE TABLE checks (id int, v vector(2) CHECK (v <-> '[0,0]' < 5), CONSTRAINT taxi CHECK (v <+> '[0,0]' < 9)); INSERT INTO checks VALUES (1, '[2,4]');
         CREATE TABLE fine (id int, v vector(1)); INSERT INTO fine VALUES (1, '[5]'), (2, '[3]');
         CREATE VIEW distances AS SELECT id, v <-> '[0]' AS d FROM fine; CREATE VIEW taxis AS SELECT v <+> '[0]' AS d FROM fine;
         CREATE FUNCTION nearest() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT id FROM fine ORDER BY v <-> '[0]' LIMIT 1; END",
    );
    let before = pair.target.catalog();
    pair.run(&[]).refused(2, &["constraint taxi"]);
    assert_eq!(pair.target.catalog(), before);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT v::real[]::text FROM defaults");
    pair.same_answer("SELECT v::real[]::text FROM checks");
    pair.same_answer("SELECT id, d FROM distances ORDER BY id");
    pair.same_answer("SELECT d FROM taxis ORDER BY d");
    pair.same_answer("SELECT nearest()");
}

/// PGVecto.rs has no equality: neither a key nor a B-tree over a vector can be made there.
#[test]
fn a_key_or_a_b_tree_over_a_vector_is_a_finding() {
    let pair = Pair::with(
        "CREATE TABLE keyed (v vector(2) PRIMARY KEY); INSERT INTO keyed VALUES ('[1,2]'); CREATE TABLE t (id int PRIMARY KEY, v vector(2)); INSERT INTO t VALUES (1, '[1,2]');
         CREATE INDEX ordered ON t (v, id); CREATE UNIQUE INDEX single ON t (v)",
    );
    let before = pair.target.catalog();
    pair.run(&[])
        .refused(2, &["keyed_pkey", "ordered", "single"]);
    assert_eq!(pair.target.catalog(), before);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT v::real[]::text FROM keyed");
    pair.same_answer("SELECT id, v::real[]::text FROM t");
}

#[test]
fn an_index_on_an_unlogged_table_is_a_finding() {
    let pair = Pair::with(
        "CREATE UNLOGGED TABLE t (id int, v vector(2)); INSERT INTO t VALUES (1, '[1,2]'); CREATE INDEX near ON t USING hnsw (v vector_l2_ops)",
    );
    pair.run(&[]).refused(2, &["near", "UNLOGGED"]);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT id, v::real[]::text FROM t");
}

#[test]
fn a_map_that_names_nothing_is_refused() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let before = pair.target.catalog();
    pair.run(&["--map", "public.t.w=vecf16"])
        .refused(2, &["--map public.t.w", "no such column"]);
    pair.run(&["--map", "public.t.id=vecf16"])
        .refused(2, &["public.t.id", "not a vector"]);
    pair.run(&["--map", "public.t.v=svector"])
        .refused(2, &["public.t.v", "no conversion"]);
    pair.run(&["--map", "v=vecf16"])
        .refused(2, &["three parts"]);
    pair.run(&["--map", "public.t.v=int4"])
        .refused(2, &["no such type"]);
    assert_eq!(pair.target.catalog(), before);
}

#[test]
fn a_pattern_that_matches_nothing_is_refused() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let before = pair.target.catalog();
    let absent = unique("absent");
    for option in ["--table", "--schema", "--exclude-table"] {
        pair.run(&[option, &absent])
            .refused(2, &[option, &absent, "matches"]);
    }
    pair.run(&["--table", "a.b.c"]).refused(2, &["a.b.c"]);
    assert_eq!(pair.target.catalog(), before);
}

#[test]
fn the_usage_page_explains_every_option() {
    let pair = Pair::new();
    let outcome = pair.run(&["--help"]);
    assert_eq!(outcome.code, 0);
    for option in [
        "--source",
        "--target",
        "--schema",
        "--table",
        "--exclude-table",
        "--map",
        "--format",
        "--jobs",
        "--index-jobs",
        "--index-threads",
        "--schema-source",
        "--dry-run",
        "--verify",
        "--report",
        "--pg-dump",
        "--allow-findings",
        "--log-format",
        "--overflow",
        "--role-map",
        "--no-owner",
        "--no-privileges",
        "--output",
        "PGV2RS_SOURCE",
    ] {
        assert!(outcome.out.contains(option), "{option}\n{}", outcome.out);
    }
    assert_eq!(pair.run(&["--no-such-option"]).code, 2);
    assert_eq!(pair.run(&["--jobs", "0"]).code, 2);
}

#[test]
fn words_that_an_older_target_cannot_even_read_are_found_in_the_rehearsal() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(1)); INSERT INTO t VALUES (1, '[5]');
         CREATE FUNCTION bump() RETURNS SETOF int BEGIN ATOMIC
             UPDATE t SET id = id RETURNING WITH (OLD AS before) before.id; END",
    );
    let before = pair.target.catalog();
    pair.run(&[]).refused(
        2,
        &["FUNCTION public.bump", "the target refuses it", "syntax"],
    );
    assert_eq!(pair.target.catalog(), before);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT id, v::real[]::text FROM t");
}

/// Steps are tried a hundred at a time.
#[test]
fn what_the_target_refuses_is_found_among_many() {
    let newer = "RETURNS SETOF int BEGIN ATOMIC UPDATE t SET id = id RETURNING WITH (OLD AS before) before.id; END";
    let refused = ["f040", "f140", "f141", "f290"];
    let bodies = refused.map(|f| format!("DROP FUNCTION {f}; CREATE FUNCTION {f}() {newer};"));
    let pair = Pair::with(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(1)); INSERT INTO t VALUES (1, '[5]');
         DO $$ BEGIN FOR i IN 1..300 LOOP
            EXECUTE format('CREATE FUNCTION f%s() RETURNS int LANGUAGE sql AS %L', to_char(i, 'fm000'), 'SELECT ' || i);
         END LOOP; END $$; {}",
        bodies.join(" ")
    ));
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    let all = (1..=300).map(|i| format!("f{i:03}"));
    let found: Vec<String> = all
        .filter(|f| outcome.out.contains(&format!("FUNCTION public.{f}")))
        .collect();
    assert_eq!(found, refused, "{}", outcome.out);
    let there = "SELECT proname, prosrc FROM pg_proc WHERE proname ~ '^f[0-9]{3}$'";
    let others = format!("{there} AND proname NOT IN ('f040', 'f140', 'f141', 'f290') ORDER BY 1");
    pair.same(&others, &format!("{there} ORDER BY 1"));
}

#[test]
fn a_body_in_sql_that_only_the_source_understands_is_found_before_anything_is_written() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(1)); INSERT INTO t VALUES (1, '[5]');
         CREATE FUNCTION public.newer(x int) RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.uuidv7()::text';
         CREATE FUNCTION public.fine(x int) RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM t';
         SET check_function_bodies = off;
         CREATE FUNCTION public.wrong_anyway() RETURNS int LANGUAGE sql AS 'SELECT nothing FROM nowhere'",
    );
    let before = pair.target.catalog();
    let outcome = pair.run(&[]);
    outcome.refused(2, &["function public.newer(integer)", "uuidv7"]);
    assert!(
        !outcome.out.contains("public.fine"),
        "{}",
        outcome.everything()
    );
    assert!(
        !outcome.out.contains("wrong_anyway"),
        "{}",
        outcome.everything()
    );
    assert_eq!(pair.target.catalog(), before);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT fine(1)");
}

#[test]
fn an_empty_search_path_of_the_database_is_one_too() {
    let pair = Pair::with(
        "CREATE FUNCTION public.one() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[5]')",
    );
    let database = pair.source.one("SELECT quote_ident(current_database())");
    pair.source
        .exec(&format!("ALTER DATABASE {database} SET search_path = ''"));
    pair.copy(&[]);
    pair.same_answer("SELECT id, v::real[]::text FROM public.t");
}
