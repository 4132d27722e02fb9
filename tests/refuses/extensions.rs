//! In: sources with extensions that the target cannot have. Out: one finding for each, with its package; what hangs on them is left out with
//! them, and everything else comes.

use crate::common::Pair;

/// Whether the target has none of the contrib modules that these tests need.
fn target_is_bare(pair: &Pair) -> bool {
    let sql = "SELECT count(*) FROM pg_available_extensions WHERE name IN ('hstore', 'pg_trgm')";
    let bare = pair.target.one(sql) == "0";
    if !bare {
        println!("skipped: the target has hstore or pg_trgm");
    }
    bare
}

#[test]
fn an_extension_that_the_target_lacks_is_one_finding_and_takes_with_it_only_what_needs_it() {
    let pair = Pair::with(
        "CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; COMMENT ON EXTENSION pg_trgm IS 'x';
         CREATE TABLE bags (id int PRIMARY KEY, h hstore, v vector(1)); CREATE TABLE words (id int PRIMARY KEY, bag int REFERENCES bags, w text, v vector(1)); INSERT INTO bags VALUES (1, 'a=>1', '[1]'); INSERT INTO words VALUES (1, 1, 'word', '[2]');
         CREATE INDEX like_it ON words USING gin (w gin_trgm_ops); CREATE INDEX near ON words USING hnsw (v vector_l2_ops); CREATE VIEW over_bags AS SELECT id FROM bags; CREATE VIEW over_words AS SELECT id, w FROM words;
         CREATE FUNCTION first_key(h hstore) RETURNS text LANGUAGE sql AS 'SELECT ''x'''; COMMENT ON FUNCTION first_key IS 'y'; CREATE DOMAIN bag AS hstore; COMMENT ON TABLE bags IS 'z'; GRANT SELECT ON bags TO PUBLIC",
    );
    if !target_is_bare(&pair) {
        return;
    }
    let before = pair.target.catalog();
    let words = [
        "2 undecided findings",
        "extension hstore",
        "extension pg_trgm",
        "postgresql-contrib",
        "public.bags, public.over_bags",
        "left out: it needs the extension pg_trgm",
    ];
    pair.run(&[]).refused(2, &words);
    assert_eq!(pair.target.catalog(), before);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    assert_eq!(outcome.tables(), ["public.words"]);
    pair.same_answer("SELECT id, bag, w, v::real[]::text FROM words");
    pair.same_answer("SELECT id FROM over_words");
    let made =
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
    assert_eq!(
        pair.target.rows(made),
        ["near", "over_words", "words", "words_pkey"]
    );
}

/// Default privileges reach an extension's members when it is made, and pg_dump writes each of them.
#[test]
fn privileges_on_members_of_an_extension_that_the_target_lacks_go_with_it() {
    let pair = Pair::with(
        "CREATE SCHEMA \"new\nline\"; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO pg_monitor;
         CREATE EXTENSION hstore SCHEMA \"new\nline\"; CREATE EXTENSION pg_trgm; CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]');
         CREATE FUNCTION mine(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    );
    if !target_is_bare(&pair) {
        return;
    }
    let words = [
        "2 undecided findings",
        "extension hstore",
        "extension pg_trgm",
    ];
    pair.run(&[]).refused(2, &words);
    let name = pair.source.one("SELECT quote_ident(current_database())");
    pair.source.exec(&format!(
        "ALTER DATABASE {name} SET quote_all_identifiers = on"
    ));
    pair.run(&[]).refused(2, &words);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    pair.same_answer("SELECT proacl FROM pg_proc WHERE proname = 'mine'");
}

#[test]
fn an_extension_that_nothing_selected_needs_is_no_matter() {
    let pair = Pair::with(
        "CREATE EXTENSION hstore; CREATE TABLE bags (h hstore); CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')",
    );
    if target_is_bare(&pair) {
        let outcome = pair.copy(&["--table", "t"]);
        assert!(
            !outcome.everything().contains("hstore"),
            "{}",
            outcome.everything()
        );
    }
}

/// What an extension has made itself needs it too, and is nobody's.
#[test]
fn an_extension_that_nothing_needs_is_said_to_be_so() {
    let pair = Pair::with("CREATE EXTENSION pg_trgm; CREATE TABLE t (id int, v vector(1))");
    if !target_is_bare(&pair) {
        return;
    }
    pair.run(&[])
        .refused(2, &["extension pg_trgm", "nothing that comes needs it"]);
}

#[test]
fn a_collation_that_the_target_lacks_is_named_with_what_uses_it() {
    let pair = Pair::with(
        "CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]'); CREATE TABLE plain (w text COLLATE \"C\", x text)",
    );
    let there = |db: &crate::common::Db| {
        db.one("SELECT count(*) FROM pg_collation WHERE collname = 'pg_c_utf8'") == "1"
    };
    if !there(&pair.source) || there(&pair.target) {
        println!("skipped: needs a source with pg_c_utf8 (PostgreSQL 17) and an older target");
        return;
    }
    pair.source.exec("CREATE TABLE sorted (id int, w text COLLATE pg_c_utf8); CREATE INDEX by_x ON plain (x COLLATE pg_c_utf8)");
    let words = [
        "collation pg_c_utf8",
        "used by public.plain, public.sorted",
        "pg_import_system_collations",
    ];
    pair.run(&[]).refused(2, &words);
    let outcome = pair.run(&["--allow-findings"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.tables(), ["public.plain", "public.t"]);
    let whole = Pair {
        source: pair.source,
        target: crate::common::Db::create(
            &crate::common::Place::target(),
            &crate::common::unique("whole"),
        ),
    };
    whole
        .target
        .exec("CREATE COLLATION pg_catalog.pg_c_utf8 (locale = 'C.UTF-8')");
    whole.copy(&[]);
}

#[test]
fn rows_that_users_keep_in_an_extensions_tables_are_not_lost_in_silence() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    // A member that counts as configuration, as PostGIS's spatial_ref_sys does.
    pair.source.exec("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1); ALTER EXTENSION plpgsql ADD TABLE kept;
        UPDATE pg_extension SET extconfig = ARRAY['kept'::regclass::oid], extcondition = ARRAY['WHERE id > 0'] WHERE extname = 'plpgsql'");
    pair.run(&[]).refused(
        2,
        &["extension plpgsql", "public.kept", "pg_dump --data-only"],
    );
    pair.source.exec("UPDATE kept SET id = 0");
    pair.copy(&[]);
}
