//! In: what has hurt the users of other programs that copy databases, each with the report where they say so. Out: none of it happens here.
//! More of these stand beside the matter that they are about, and name the report too.

use crate::ITEMS;
use crate::common::db::Role;
use crate::common::{Pair, Place, run, unique};

/// Hurt 8: a copy of hours that a timeout of the role or the database ends (pgcopydb#900, pgcopydb#344).
#[test]
fn timeouts_of_the_role_and_of_the_database_end_no_copy() {
    let both = [Place::source(), Place::target()];
    let role = Role::create(&both, "SUPERUSER LOGIN PASSWORD 'k9-Impatient'");
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(64)); INSERT INTO t SELECT i, array_fill(i / 7::real, '{64}')::vector FROM generate_series(1, 30000) i",
    );
    let impatient = |place: &Place| Place {
        user: role.name.clone(),
        password: Some("k9-Impatient".into()),
        ..place.clone()
    };
    for db in [&pair.source, &pair.target] {
        for setting in [
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "idle_session_timeout",
        ] {
            for whose in [
                format!("ROLE {}", role.name),
                format!("DATABASE {}", db.place.database),
            ] {
                db.exec(&format!("ALTER {whose} SET {setting} = '20ms'"));
            }
        }
        // Shorter than it takes to lift it.
        let role = &role.name;
        db.exec(&format!("ALTER ROLE {role} SET statement_timeout = '1ms'"));
    }
    let (from, to) = (impatient(&pair.source.place), impatient(&pair.target.place));
    // The timeout is one that ends such a copy: asked for by this session, it does.
    let session = from.session();
    let slow = "SELECT count(*), pg_sleep(0.2) FROM t";
    assert!(
        session
            .try_exec(slow)
            .is_err_and(|e| e.starts_with("57014"))
    );
    let outcome = run::start_between(&from, &to, &["--jobs", "1"]).ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    let digest = "SET statement_timeout = 0; SELECT count(*), md5(string_agg(v::real[]::text, ',' ORDER BY id)) FROM t";
    pair.same_answer(digest);
}

/// Types and operators of an extension are not found, for they stand in a schema that the search_path does not name (pgvector#154).
#[test]
fn types_are_found_whatever_the_search_path_is() {
    let pair = Pair::bare();
    pair.source.exec(
        "CREATE SCHEMA \"Ext ensions\"; CREATE EXTENSION vector SCHEMA \"Ext ensions\"; CREATE SCHEMA app; SET search_path = app, \"Ext ensions\";
         CREATE TABLE t (id int PRIMARY KEY, v vector(2), h halfvec(2), s sparsevec(3)); INSERT INTO t VALUES (1, '[1,2]', '[3,4]', '{1:5}/3'); CREATE INDEX near ON t USING hnsw (v vector_l2_ops)",
    );
    for db in [&pair.source, &pair.target] {
        db.exec(&format!(
            "ALTER DATABASE {} SET search_path = nowhere",
            db.place.database
        ));
    }
    pair.copy(&[]);
    pair.same(
        "SELECT id, v::real[]::text, h::\"Ext ensions\".vector::real[]::text FROM app.t",
        "SELECT id, v::real[]::text, h::vectors.vector::real[]::text FROM app.t",
    );
}

/// A step that nobody needs fails, and with it hours of copying (planetscale/pgcopydb#48).
#[test]
fn an_analyze_that_the_target_refuses_fails_no_run() {
    let pair = Pair::with(ITEMS);
    pair.source.exec(
        "CREATE FUNCTION peevish(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
           $$ BEGIN IF pg_catalog.current_query() ILIKE 'analyze%' THEN RAISE EXCEPTION 'not now'; END IF; RETURN id; END $$;
         CREATE INDEX by_peevish ON items (peevish(id))",
    );
    let outcome = pair.copy(&[]);
    outcome.says(&["ANALYZE", "not now"]);
    assert_eq!(outcome.report()["failed"], serde_json::json!([]));
    assert!(outcome.report()["optional"].to_string().contains("ANALYZE"));
    pair.same_answer("SELECT id, v::real[]::text FROM items ORDER BY id");
}

#[test]
fn a_tablespace_that_the_target_lacks_is_a_note_and_its_tables_come() {
    let pair = Pair::with(ITEMS);
    let name = unique("space");
    let made = pair.source.try_exec(&format!(
        "SET allow_in_place_tablespaces = on; CREATE TABLESPACE \"{name} x\" LOCATION ''"
    ));
    if made.is_err() {
        println!("skipped: the source makes no tablespace without a directory");
        return;
    }
    pair.source.exec(&format!("ALTER TABLE items SET TABLESPACE \"{name} x\"; CREATE TABLE plain (id int); CREATE INDEX by_name ON items (name) TABLESPACE \"{name} x\""));
    let outcome = pair.run(&[]);
    pair.source.exec(&format!("ALTER TABLE items SET TABLESPACE pg_default; DROP INDEX by_name; DROP TABLESPACE \"{name} x\""));
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&[&format!("tablespace \"{name} x\""), "default tablespace"]);
    pair.same_answer("SELECT id, v::real[]::text FROM items ORDER BY id");
    assert_eq!(pair.target.count("plain"), Some(0));
}

#[test]
fn what_the_target_has_of_its_own_that_may_matter_is_said() {
    let mut pair = Pair::with(ITEMS);
    let sorted = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
    pair.target = crate::common::Db::create_as(&Place::target(), &unique("sorted"), sorted);
    pair.target.exec(
        "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER \"See all\" ON ddl_command_end EXECUTE FUNCTION seen()",
    );
    let outcome = pair.copy(&[]);
    outcome.says(&[
        "event trigger \"See all\"",
        "DISABLE",
        "text is sorted by",
        "by libc C on the target",
    ]);
}

#[test]
fn privileges_and_comment_of_the_database_are_said_with_their_statements() {
    let pair = Pair::with(ITEMS);
    let (from, to) = (&pair.source.place.database, &pair.target.place.database);
    let role = Role::odd(&[Place::source()]);
    let grant = format!(
        "REVOKE CONNECT ON DATABASE {from} FROM PUBLIC; GRANT CREATE ON DATABASE {from} TO {} WITH GRANT OPTION; COMMENT ON DATABASE {from} IS 'hush-Hush-3'",
        role.quoted()
    );
    pair.source.exec(&grant);
    let outcome = pair.copy(&[]);
    pair.source.exec(&format!(
        "REVOKE ALL ON DATABASE {from} FROM {}",
        role.quoted()
    ));
    outcome.says(&[
        &format!("REVOKE CONNECT ON DATABASE \"{to}\" FROM PUBLIC; GRANT CREATE ON DATABASE \"{to}\" TO {} WITH GRANT OPTION", role.quoted()),
        "comment on the database",
    ]);
    assert!(!outcome.everything().contains("hush-Hush-3"));
}
