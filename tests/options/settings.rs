//! In: settings of the database, of roles in it, of the server. Out: the same on the target, pgvector's own in PGVecto.rs's words; or
//! a note. No value of an application's own setting is ever printed.

use crate::common::db::Role;
use crate::common::{Pair, Place};

const HERE: &str = "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase \
    WHERE d.datname = current_database() AND setrole = 0";

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
