//! In: settings of the database, of roles in it, of the server. Out: the same on the target, pgvector's own in PGVecto.rs's words; or
//! a note. No value of an application's own setting is ever printed.

use crate::common::db::Role;
use crate::common::{Pair, Place};

const HERE: &str = "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase \
    WHERE d.datname = current_database() AND setrole = 0 ORDER BY 1";

fn set(pair: &Pair, setting: &str) {
    let database = &pair.source.place.database;
    pair.source
        .exec(&format!("ALTER DATABASE {database} SET {setting}"));
}

#[test]
fn settings_of_the_database_are_carried_with_their_quoting() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    pair.source
        .exec(r#"CREATE SCHEMA "Odd, ""one"""; CREATE SCHEMA "it's""#);
    set(
        &pair,
        r#"search_path = "$user", public, "Odd, ""one""", "it's""#,
    );
    set(&pair, "DateStyle = 'ISO, DMY'");
    set(&pair, "statement_timeout = '77s'");
    set(&pair, "app.note = 'it''s \\ \"quoted\"'");
    pair.copy(&[]);
    pair.same_answer(HERE);
    let schemas = "SELECT current_schemas(false)::text, current_setting('statement_timeout')";
    let fresh = (pair.source.place.session(), pair.target.place.session());
    assert_eq!(fresh.0.one(schemas), fresh.1.one(schemas));
}

#[test]
fn query_settings_of_pgvector_become_those_of_pgvecto_rs() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    // The library has to be known before its settings are.
    pair.source.exec("SELECT '[1]'::vector");
    for setting in [
        "hnsw.ef_search = 123",
        "ivfflat.probes = 7",
        "hnsw.iterative_scan = strict_order",
    ] {
        set(&pair, setting);
    }
    let outcome = pair.copy(&[]);
    outcome.says(&["hnsw.iterative_scan", "no counterpart"]);
    let expected = ["vectors.hnsw_ef_search=123", "vectors.ivf_nprobe=7"];
    assert_eq!(pair.target.rows(HERE), expected);
}

#[test]
fn settings_of_a_role_in_the_database_come_where_the_role_is() {
    let both = Role::create(&[Place::source(), Place::target()], "");
    let gone = Role::create(&[Place::source()], "");
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let database = pair.source.place.database.clone();
    for role in [&both.name, &gone.name] {
        pair.source.exec(&format!(
            "ALTER ROLE {role} IN DATABASE {database} SET work_mem = '7MB'"
        ));
    }
    let outcome = pair.copy(&[]);
    outcome.says(&[&gone.name, "the role is not on the target"]);
    let sql = "SELECT setrole::regrole, unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase \
        WHERE d.datname = current_database()";
    assert_eq!(
        pair.target.rows(sql),
        [format!("{}|work_mem=7MB", both.name)]
    );
    pair.target.exec(&format!(
        "ALTER ROLE {} IN DATABASE {database} RESET ALL",
        both.name
    ));
}

#[test]
fn what_a_role_has_in_all_databases_is_said_and_not_done() {
    let role = Role::create(&[Place::source(), Place::target()], "");
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    pair.source.exec(&format!(
        "ALTER TABLE t OWNER TO {0}; SELECT '[1]'::vector; ALTER ROLE {0} SET hnsw.ef_search = 99",
        role.name
    ));
    let outcome = pair.copy(&[]);
    outcome.says(&[
        "hnsw.ef_search",
        &format!("ALTER ROLE {} SET vectors.hnsw_ef_search", role.name),
    ]);
    let sql = format!(
        "SELECT count(*) FROM pg_db_role_setting WHERE setrole = '{}'::regrole",
        role.name
    );
    assert_eq!(pair.target.one(&sql), "0");
}

#[test]
fn an_applications_secret_is_carried_and_never_printed() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    set(&pair, "app.jwt_secret = 'correct horse battery'");
    let outcome = pair.copy(&["-v"]);
    assert!(
        !outcome.everything().contains("battery"),
        "{}",
        outcome.everything()
    );
    assert!(!outcome.report().to_string().contains("battery"));
    assert_eq!(
        pair.target.place.session().one("SHOW app.jwt_secret"),
        "correct horse battery"
    );
}

#[test]
fn a_fence_around_the_source_does_not_close_the_target() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    set(&pair, "default_transaction_read_only = on");
    pair.copy(&[])
        .says(&["default_transaction_read_only", "fence"]);
    pair.target
        .place
        .session()
        .exec("INSERT INTO t VALUES (2, NULL)");
}

/// The source's PostgreSQL is newer: nobody has to decide about what the target has never heard of. What it knows and refuses is asked.
#[test]
fn a_setting_that_the_target_does_not_know_stays_behind_with_a_note() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    let role = Role::create(&[Place::source(), Place::target()], "");
    let known = "SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'transaction_timeout')";
    assert_eq!(
        (pair.source.one(known), pair.target.one(known)),
        ("t".into(), "f".into())
    );
    set(&pair, "transaction_timeout = '1h'");
    set(&pair, "work_mem = '5MB'");
    pair.source.exec(&format!(
        "ALTER ROLE {} IN DATABASE {} SET transaction_timeout = '2h'",
        role.name, pair.source.place.database
    ));
    pair.copy(&[]).says(&[
        "setting transaction_timeout of the database",
        &format!(
            "setting transaction_timeout of role {} in the database",
            role.name
        ),
        "unrecognized configuration parameter",
        "it is left out",
    ]);
    assert_eq!(pair.target.place.session().one("SHOW work_mem"), "5MB");
}

/// The target would take the setting, and then refuse every connection.
#[test]
fn a_library_that_the_target_lacks_is_found_before_it_closes_the_database() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    let database = &pair.source.place.database;
    // Of a role that does not log in: with it for all, the source could be reached no more.
    let role = Role::create(&[Place::source(), Place::target()], "");
    pair.source.exec(&format!(
        "ALTER ROLE {} IN DATABASE {database} SET session_preload_libraries = 'no_such_library'",
        role.name
    ));
    pair.run(&[])
        .refused(2, &["session_preload_libraries", "no_such_library"]);
    pair.copy(&["--allow-findings"]);
    let sql = "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()";
    assert_eq!(pair.target.one(sql), "0");
}

/// What a database sets for its applications must change nothing of how it is read, nor of how the target is written later.
#[test]
fn no_setting_of_the_database_changes_what_is_read_or_written() {
    let pair = Pair::with(
        r#"CREATE TYPE mood AS ENUM ('a', 'NULL'); CREATE TABLE "T t" (id int PRIMARY KEY, v vector(2), h halfvec(2)[], d date, i interval, ts timestamptz, f float8, by bytea, a text[], m mood[], x text DEFAULT 'a\b''c', CHECK (x <> 'q\'), CHECK (v <=> '[1,2]' < 3));
           INSERT INTO "T t" SELECT n, ARRAY[n, 1 / 3.0]::vector, ARRAY['[1,2]'::halfvec], '2024-03-01'::date + n, n * interval '1 day 2 hours', '2024-06-01 12:00+02', n / 3.0, decode('00ff5c27', 'hex'), ARRAY[NULL, 'NULL', 'x\y'], ARRAY['NULL'::mood] FROM generate_series(1, 20) n;
           CREATE INDEX near ON "T t" USING hnsw (v vector_cosine_ops); CREATE VIEW w AS SELECT id, v <-> '[1,2]' AS d FROM "T t";
           CREATE FUNCTION f(q vector) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT x FROM "T t" ORDER BY v <=> q LIMIT 1); END $$;
           CREATE TABLE p (id int, e mood) PARTITION BY LIST (e); CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('NULL')"#,
    );
    for setting in [
        "quote_all_identifiers = on",
        "standard_conforming_strings = off",
        "backslash_quote = off",
        "DateStyle = 'German'",
        "IntervalStyle = 'sql_standard'",
        "TimeZone = 'Asia/Kathmandu'",
        "extra_float_digits = -10",
        "bytea_output = escape",
        "array_nulls = off",
        "transform_null_equals = on",
        "search_path = nowhere",
        "row_security = off",
        "synchronize_seqscans = on",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "default_transaction_read_only = on",
        "enable_seqscan = off",
        "client_encoding = 'LATIN1'",
        "client_min_messages = error",
        "check_function_bodies = on",
        "lc_messages = 'C'",
        "default_toast_compression = pglz",
        "xmloption = document",
    ] {
        set(&pair, setting);
    }
    pair.copy(&[]);
    let plain = "SET quote_all_identifiers = off; SET search_path = public; SET standard_conforming_strings = on; SET statement_timeout = 0";
    pair.target.exec(plain);
    pair.same_answer(
        r#"SELECT id, v::real[]::text, d, i, ts, f, by, a, m, x FROM "T t" ORDER BY id"#,
    );
    pair.same_answer("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conname LIKE '%x_check' ORDER BY conname");
    pair.same_answer("SELECT tableoid::regclass FROM p UNION SELECT 'p1'");
    pair.alike("SELECT * FROM w ORDER BY id", "SELECT * FROM w ORDER BY id");
    assert_eq!(pair.target.one("SELECT f('[1,2]')"), r"a\b'c");
    let carried = format!(
        "SELECT s FROM ({HERE}) AS here(s) WHERE s NOT LIKE 'default_transaction_read_only%'"
    );
    pair.same_answer(&carried);
}
