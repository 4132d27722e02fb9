//! Where a connection goes: variables, service and password files, several hosts, and never to two servers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pgv2rs_copy::connect::Endpoint;
use pgv2rs_copy::error::Side;

use super::common::proxy::{balancer, closed_port, counted, socket_to};
use super::common::run::start;
use super::common::{Pair, Place, unique};
use super::{RUNTIME, ask, connect, refused};

/// A file of this test's own.
pub struct File(PathBuf);

impl File {
    pub fn new(text: &str, mode: u32) -> File {
        let path = std::env::temp_dir().join(unique("file"));
        fs::write(&path, text).expect("writing a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        File(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Without its password.
fn bare(place: &Place) -> String {
    let place = Place {
        password: None,
        ..place.clone()
    };
    place.connection_string()
}

fn password_file(place: &Place, mode: u32) -> File {
    let password = place.password.clone().unwrap_or_default();
    let password = password.replace('\\', "\\\\").replace(':', "\\:");
    let lines = format!(
        "# others\nelsewhere:*:*:*:wrong\n*:{}:*:{}:{password}\n",
        place.port, place.user
    );
    File::new(&lines, mode)
}

#[test]
fn finds_the_password_in_a_password_file_that_nobody_else_may_read() {
    let place = Place::source();
    let file = password_file(&place, 0o600);
    let session = connect(&format!("{} passfile={}", bare(&place), file.path()));
    let session = session.unwrap_or_else(|e| panic!("{}", e.chain()));
    assert_eq!(ask(&session, "SELECT current_user"), place.user);

    let open = password_file(&place, 0o640);
    let text = format!("{} passfile={}", bare(&place), open.path());
    refused(&text, &["password"]);
    let endpoint = Endpoint::parse(Side::Source, &text).unwrap_or_else(|e| panic!("{}", e.chain()));
    let warnings = endpoint.warnings().join("\n");
    assert!(warnings.contains("others may read it"), "{warnings}");
}

#[test]
fn moves_between_services_whose_passwords_are_in_a_file() {
    let pair = Pair::with("CREATE TABLE t (v vector(2)); INSERT INTO t VALUES ('[1,2]')");
    let section = |name: &str, place: &Place| {
        format!(
            "# a comment\n[{name}]\nhost={}\nport={}\ndbname={}\nuser={}\n\n",
            place.host, place.port, place.database, place.user
        )
    };
    let (source, target) = (&pair.source.place, &pair.target.place);
    let services = File::new(
        &(section("there", source) + &section("here", target)),
        0o644,
    );
    let passwords: String = [source, target]
        .iter()
        .map(|p| fs::read_to_string(password_file(p, 0o600).path()).expect("what was written"))
        .collect();
    let passwords = File::new(&passwords, 0o600);
    let secrets = vec![source.password.clone().unwrap_or_default()];
    let outcome = start(
        &["--source", "service=there", "--target", "service=here"],
        &[
            ("PGSERVICEFILE", services.path()),
            ("PGPASSFILE", passwords.path()),
        ],
        secrets,
    )
    .ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(pair.target.count("t"), Some(1));

    let outcome = start(
        &["--source", "service=nowhere", "--target", "service=here"],
        &[("PGSERVICEFILE", services.path())],
        Vec::new(),
    )
    .ended();
    outcome.refused(2, &["nowhere", services.path()]);
}

#[test]
fn takes_from_the_variables_what_the_string_does_not_say() {
    let pair = Pair::with("CREATE TABLE t (v vector(2)); INSERT INTO t VALUES ('[1,2]')");
    let (source, target) = (&pair.source.place, &pair.target.place);
    let password = source.password.clone().unwrap_or_default();
    assert_eq!(source.password, target.password, "one variable is for both");
    let port = |p: &Place| format!("port={}", p.port);
    let outcome = start(
        &["--source", &port(source), "--target", &port(target)],
        &[
            ("PGHOST", source.host.as_str()),
            ("PGUSER", &source.user),
            ("PGDATABASE", &source.database),
            ("PGPASSWORD", &password),
            ("PGAPPNAME", "mover"),
        ],
        vec![password.clone()],
    )
    .ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(pair.target.count("t"), Some(1));
}

#[test]
fn goes_to_the_first_of_several_hosts_that_answers_and_is_what_was_asked_for() {
    let (there, here) = (Place::source(), Place::target());
    assert_eq!(there.password, here.password, "one password for both");
    let (name, closed) = (&there.host, closed_port());
    let several = |attributes: &str| {
        let place = Place {
            host: format!("{name},{name},{name}"),
            ..there.clone()
        };
        place.connection_string().replace(
            &format!("port={}", there.port),
            &format!("port={closed},{},{}", there.port, here.port),
        ) + attributes
    };
    let version = |attributes: &str| {
        let session = connect(&several(attributes)).unwrap_or_else(|e| panic!("{}", e.chain()));
        ask(&session, "SHOW port")
    };
    assert_eq!(version(""), there.port.to_string());
    for attributes in ["any", "read-write", "primary", "prefer-standby"] {
        let found = version(&format!(" target_session_attrs={attributes}"));
        assert_eq!(found, there.port.to_string(), "{attributes}");
    }
    let read_only = " options='-c default_transaction_read_only=on' target_session_attrs=";
    assert_eq!(
        version(&format!("{read_only}read-only")),
        there.port.to_string()
    );
    refused(&several(&format!("{read_only}read-write")), &["read-write"]);
    refused(&several(" target_session_attrs=standby"), &["standby"]);
    refused(
        &several(" target_session_attrs=master"),
        &["target_session_attrs"],
    );
}

/// The handshake of TCP succeeds, and then nothing comes.
#[test]
fn goes_past_a_host_that_takes_connections_and_says_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("its number").port();
    let place = Place::source();
    let alone = place.through(port).connection_string() + " connect_timeout=1";
    refused(&alone, &["did not answer in time", "connect_timeout"]);
    let several = Place {
        host: format!("127.0.0.1,{}", place.host),
        ..place.clone()
    };
    let several = several.connection_string() + " connect_timeout=1";
    let ports = format!("port={port},{}", place.port);
    let several = several.replace(&format!("port={}", place.port), &ports);
    let session = connect(&several).unwrap_or_else(|e| panic!("{}", e.chain()));
    assert_eq!(ask(&session, "SELECT current_user"), place.user);
}

/// A run over thousands of tables has had thousands of sessions; to knock for each would keep those that work from being heard.
#[test]
fn cancels_what_the_sessions_that_there_are_do_and_knocks_for_no_others() {
    let (place, count) = counted(&Place::source());
    let text = place.connection_string();
    let endpoint = Endpoint::parse(Side::Source, &text).unwrap_or_else(|e| panic!("{}", e.chain()));
    RUNTIME.block_on(async {
        for _ in 0..5 {
            endpoint
                .connect()
                .await
                .unwrap_or_else(|e| panic!("{}", e.chain()));
        }
        let session = endpoint.connect().await;
        let session = session.unwrap_or_else(|e| panic!("{}", e.chain()));
        let before = count.load(Ordering::SeqCst);
        let sleeping = session.batch_execute("SELECT pg_catalog.pg_sleep(60)");
        let cancelling = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            endpoint.cancel_all().await;
        };
        let (slept, ()) = tokio::join!(sleeping, cancelling);
        assert!(slept.is_err(), "it was not cancelled");
        assert_eq!(count.load(Ordering::SeqCst) - before, 1);
    });
}

/// Hurt 7: behind a balancer a worker would not find the snapshot, or fill another server.
#[test]
fn sends_no_session_to_another_server_than_the_first() {
    let (one, other) = (Place::source(), Place::target());
    assert_eq!(one.password, other.password, "one password for both");
    let text = balancer(&one, &other).connection_string();
    let endpoint = Endpoint::parse(Side::Source, &text).unwrap_or_else(|e| panic!("{}", e.chain()));
    let first = RUNTIME.block_on(endpoint.connect());
    assert!(first.is_ok());
    let Err(error) = RUNTIME.block_on(endpoint.connect()) else {
        panic!("two servers are taken for one");
    };
    assert!(
        error.chain().contains("another server"),
        "{}",
        error.chain()
    );

    let pair = Pair::with("CREATE TABLE t (v vector(2)); INSERT INTO t VALUES ('[1,2]')");
    let before = pair.target.catalog();
    let source = balancer(&pair.source.place, &pair.target.place).connection_string();
    let target = pair.target.place.connection_string();
    let secret = pair.source.place.password.clone().unwrap_or_default();
    let outcome = start(
        &["--source", &source, "--target", &target],
        &[],
        vec![secret],
    )
    .ended();
    outcome.refused(3, &["another server", "name the server itself"]);
    assert_eq!(pair.target.catalog(), before);
}

#[test]
fn reaches_a_socket_by_its_directory_without_tls() {
    let place = Place::source();
    let directory = std::env::temp_dir().join(unique("s"));
    fs::create_dir(&directory).expect("a directory");
    socket_to(&place, &directory.join(".s.PGSQL.7"));
    let place = Place {
        host: directory.display().to_string(),
        port: 7,
        ..place
    };
    // As in libpq, what is said of TLS does not hold for a socket.
    let text = format!("{} sslmode=require", place.connection_string());
    let session = connect(&text).unwrap_or_else(|e| panic!("{}", e.chain()));
    assert_eq!(ask(&session, "SELECT current_user"), place.user);
    let _ = fs::remove_dir_all(&directory);
}

#[test]
fn promises_nothing_that_it_does_not_do() {
    for parameter in [
        "gssencmode=require",
        "require_auth=scram-sha-256",
        "requirepeer=postgres",
        "sslpassword=x",
        "replication=database",
        "load_balance_hosts=random",
        "nonsense=1",
        "channel_binding=maybe",
        "connect_timeout=soon",
        "port=70000",
        "hostaddr=somewhere",
        "host=a,b port=1,2,3",
    ] {
        let text = format!("host=localhost {parameter}");
        let error = Endpoint::parse(Side::Source, &text).err();
        let error = error.unwrap_or_else(|| panic!("taken: {parameter}"));
        assert_eq!(error.exit_code(), 2, "{}", error.chain());
    }
    for parameter in [
        "gssencmode=disable",
        "krbsrvname=x",
        "client_encoding=LATIN1",
    ] {
        let text = format!("host=localhost {parameter}");
        assert!(Endpoint::parse(Side::Source, &text).is_ok(), "{parameter}");
    }
}

#[test]
fn warns_where_nothing_proves_who_the_server_is() {
    let warnings = |text: &str| {
        let endpoint = Endpoint::parse(Side::Source, text);
        endpoint
            .unwrap_or_else(|e| panic!("{}", e.chain()))
            .warnings()
    };
    for text in [
        "postgresql://app:s3cret@db.example/shop",
        "host=10.0.0.1 sslmode=require",
        "host=localhost,db.example",
        "host=localhost hostaddr=10.0.0.1",
    ] {
        let said = warnings(text).join("\n");
        assert!(said.contains("verify-full"), "{text}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    for text in [
        "host=localhost",
        "host=127.0.0.1",
        "host=::1",
        "host=/tmp",
        "hostaddr=127.0.0.1",
    ] {
        assert!(warnings(text).is_empty(), "{text}");
    }
}
