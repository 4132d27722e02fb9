//! In: servers and programs that are not as they must be. Out: the side, the reason and the remedy, before anything is written.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::common::db::{Db, Role};
use crate::common::run::{self, Outcome};
use crate::common::{Pair, Place, proxy, unique};

const SECRET: &str = "k7-Distinctive-Passw0rd";

/// A run that must leave the target as it was.
fn refused_untouched(pair: &Pair, run: impl FnOnce() -> Outcome, code: i32, words: &[&str]) {
    let before = pair.target.catalog();
    run().refused(code, words);
    assert_eq!(pair.target.catalog(), before);
}

fn with_secret(place: &Place) -> Place {
    Place {
        password: Some(SECRET.into()),
        ..place.clone()
    }
}

#[test]
fn an_unreachable_source_is_exit_code_3_and_names_the_place() {
    let pair = Pair::new();
    let nobody = with_secret(&pair.source.place.through(proxy::closed_port()));
    let place = format!("127.0.0.1:{}", nobody.port);
    let run = || run::start_between(&nobody, &pair.target.place, &[]).ended();
    refused_untouched(
        &pair,
        run,
        3,
        &["error: source:", &place, "remedy:", "refused"],
    );
}

#[test]
fn an_unreachable_target_is_exit_code_4_and_names_the_place() {
    let pair = Pair::new();
    let nobody = with_secret(&pair.target.place.through(proxy::closed_port()));
    let place = format!("127.0.0.1:{}", nobody.port);
    let outcome = run::start_between(&pair.source.place, &nobody, &[]).ended();
    outcome.refused(4, &["error: target:", &place, "remedy:"]);
}

/// A server that answers every login as PostgreSQL answers a wrong password, for clusters that ask for none.
fn server_that_refuses_passwords() -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut greeting = [0; 1024];
            let _ = client.read(&mut greeting);
            // An SSLRequest comes first where TLS is preferred.
            if greeting[4..8] == 80877103_u32.to_be_bytes() {
                let _ = client.write_all(b"N");
                let _ = client.read(&mut greeting);
            }
            let _ = client.write_all(b"R\0\0\0\x08\0\0\0\x03");
            let _ = client.read(&mut greeting);
            let fields =
                b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"app\"\0\0";
            let length = u32::try_from(fields.len() + 4).unwrap_or(0);
            let _ = client.write_all(&[b"E", &length.to_be_bytes()[..], fields].concat());
        }
    });
    Place {
        host: "127.0.0.1".into(),
        port,
        user: "app".into(),
        password: Some(SECRET.into()),
        database: "shop".into(),
    }
}

#[test]
fn a_wrong_password_is_refused_by_the_side_that_refuses_it_and_never_printed() {
    let pair = Pair::new();
    let wrong = |place: &Place| {
        let real = with_secret(place);
        match real.connect() {
            Err(_) => real,
            Ok(_) => server_that_refuses_passwords(),
        }
    };
    let from = wrong(&pair.source.place);
    let run = || run::start_between(&from, &pair.target.place, &["-v"]).ended();
    refused_untouched(
        &pair,
        run,
        3,
        &["error: source:", "28P01", "password", "remedy:"],
    );
    let to = wrong(&pair.target.place);
    let outcome = run::start_between(&pair.source.place, &to, &["-v"]).ended();
    outcome.refused(4, &["error: target:", "28P01", "remedy:"]);
}

#[test]
fn a_connection_string_that_cannot_be_read_is_not_repeated() {
    let pair = Pair::new();
    let to = pair.target.place.connection_string();
    let bad = format!("postgresql://app:{SECRET}@host:noport/db");
    let ends = ["--source", bad.as_str(), "--target", to.as_str()];
    let outcome = run::start(&ends, &[], vec![SECRET.into()]).ended();
    outcome.refused(2, &["source", "remedy:"]);
}

#[test]
fn a_database_that_does_not_exist_is_named() {
    let pair = Pair::new();
    let absent = pair.target.place.with_database("pgv2rs_absent");
    let outcome = run::start_between(&pair.source.place, &absent, &[]).ended();
    outcome.refused(4, &["pgv2rs_absent", "3D000", "create the database"]);
}

#[test]
fn a_source_without_pgvector_is_refused() {
    let pair = Pair::bare();
    pair.source.exec("CREATE TABLE t (id int)");
    refused_untouched(
        &pair,
        || pair.run(&[]),
        2,
        &["source database", "\"vector\"", "remedy:"],
    );
}

/// The source's own server stands for one without PGVecto.rs: it has no such extension to install.
#[test]
fn a_target_without_the_extension_is_refused() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let plain = Db::create(&Place::source(), &unique("plain"));
    let before = plain.catalog();
    let outcome = run::start_between(&pair.source.place, &plain.place, &[]).ended();
    outcome.refused(
        2,
        &[
            "target",
            "vectors",
            "install PGVecto.rs",
            "--format real-array",
        ],
    );
    assert_eq!(plain.catalog(), before);
}

#[test]
fn one_database_as_both_ends_is_refused() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    let before = pair.source.catalog();
    let place = &pair.source.place;
    let outcome = run::start_between(place, place, &["--format", "real-array"]).ended();
    outcome.refused(2, &["the same database"]);
    assert_eq!(pair.source.catalog(), before);
}

#[test]
fn a_missing_pg_dump_is_refused_with_its_path() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let run = || pair.run(&["--pg-dump", "/nowhere/pg_dump"]);
    refused_untouched(&pair, run, 2, &["/nowhere/pg_dump", "--pg-dump PATH"]);
}

#[test]
fn a_pg_dump_older_than_the_source_is_refused_with_both_versions() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let script = std::env::temp_dir().join(unique("old_pg_dump"));
    std::fs::write(&script, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.1'\n")
        .expect("writing a script");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("making it executable");
    let path = script.display().to_string();
    let run = || pair.run(&["--pg-dump", &path]);
    refused_untouched(
        &pair,
        run,
        2,
        &["pg_dump 12", "the source is PostgreSQL", "--pg-dump PATH"],
    );
    let _ = std::fs::remove_file(&script);
}

#[test]
fn a_source_role_without_select_is_refused_with_the_grant() {
    let role = Role::create(&[Place::source()], &format!("LOGIN PASSWORD '{SECRET}'"));
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1)); INSERT INTO t VALUES (1, '[1]')");
    let from = Place {
        user: role.name.clone(),
        ..with_secret(&pair.source.place)
    };
    let run = || run::start_between(&from, &pair.target.place, &[]).ended();
    let grant = format!(
        "GRANT SELECT ON TABLE \"public\".\"t\" TO {}",
        role.quoted()
    );
    refused_untouched(&pair, run, 2, &["the source's role", &grant]);
}

#[test]
fn another_encoding_on_the_target_is_refused() {
    let pair = Pair::with("CREATE TABLE t (id int, v vector(1))");
    let options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'";
    let latin = Db::create_as(&Place::target(), &unique("latin"), options);
    let outcome = run::start_between(&pair.source.place, &latin.place, &[]).ended();
    outcome.refused(2, &["encoding", "LATIN1", "UTF8"]);
}

/// A database in SQL_ASCII may hold any bytes, in names too.
#[test]
fn names_that_are_not_utf_8_are_refused_by_what_they_name() {
    let (name, options) = (unique("bytes"), "ENCODING 'SQL_ASCII' LOCALE 'C'");
    let pair = Pair {
        source: Db::create_as(&Place::source(), &name, options),
        target: Db::create_as(&Place::target(), &name, options),
    };
    pair.source.exec(
        "CREATE EXTENSION vector; CREATE TABLE t (v vector(1));
         DO $$ BEGIN EXECUTE pg_catalog.format('ALTER TABLE t ADD COLUMN %I int', pg_catalog.convert_from('\\x63e9', 'SQL_ASCII')); END $$",
    );
    refused_untouched(
        &pair,
        || pair.run(&[]),
        3,
        &["the column \"c\u{fffd}\"", "is not UTF-8", "rename it"],
    );
}

/// The schema passes as UTF-8; rows do not have to.
#[test]
fn a_schema_that_is_not_utf_8_is_refused_with_what_to_look_for() {
    let (name, options) = (unique("bytes"), "ENCODING 'SQL_ASCII' LOCALE 'C'");
    let pair = Pair {
        source: Db::create_as(&Place::source(), &name, options),
        target: Db::create_as(&Place::target(), &name, options),
    };
    pair.source
        .exec("CREATE EXTENSION vector; CREATE TABLE t (a text DEFAULT E'd\\xe9f', v vector(1))");
    let words = ["invalid byte sequence", "a default, comment", "UTF-8"];
    refused_untouched(&pair, || pair.run(&[]), 3, &words);
}
