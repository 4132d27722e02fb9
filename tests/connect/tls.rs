//! Whom TLS believes. In: a server with TLS (PostgreSQL 17 from a wheel), and certificates made here. Out: who gets through under which
//! sslmode. The server itself says whether a session is encrypted.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::common::{Pair, Place, unique, wait_until};
use super::{ask, connect, refused};

/// One server for all tests of this file: what it shows is set by one at a time.
static SERVER: Mutex<()> = Mutex::new(());

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("signing it")
}

/// Certificate and key, in PEM.
fn issued(by: &Authority, change: impl Fn(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
    params
        .distinguished_name
        .push(DnType::CommonName, "somebody");
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, by).expect("signing it");
    (certificate.pem(), key.serialize_pem())
}

/// A directory of this test's own.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        let path = std::env::temp_dir().join(unique("tls"));
        fs::create_dir(&path).expect("a directory");
        Directory(path)
    }

    /// Its path.
    fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("writing a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path.to_str().expect("a path in UTF-8").into()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The server with TLS, until it is dropped.
struct Server {
    place: Place,
    directory: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Server {
    fn with((certificate, key): &(String, String)) -> Server {
        let alone = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::named("PGV2RS_TEST_TARGET17");
        let directory = PathBuf::from(place.session().one("SHOW data_directory"));
        assert!(
            directory.is_dir(),
            "PGV2RS_TEST_TARGET17 must be a cluster on this machine: this test gives it certificates"
        );
        let server = Server {
            place,
            directory,
            _alone: alone,
        };
        server.shows(certificate, key, "");
        server
    }

    /// New sessions see this certificate; with `asks` the server asks for one that this authority signed.
    fn shows(&self, certificate: &str, key: &str, asks: &str) {
        let owner = fs::metadata(&self.directory).expect("the directory's owner");
        for (name, text) in [("t.crt", certificate), ("t.key", key), ("t.ca", asks)] {
            let path = self.directory.join(name);
            fs::write(&path, text).expect("writing into the server's directory");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
            if owner.uid() != fs::metadata(&path).map_or(0, |m| m.uid()) {
                chown(&path, Some(owner.uid()), Some(owner.gid())).expect("its owner");
            }
        }
        let authority = if asks.is_empty() { "" } else { "t.ca" };
        let session = self.place.session();
        let before = session.one("SELECT pg_conf_load_time()");
        for sql in [
            "ALTER SYSTEM SET ssl_cert_file = 't.crt'",
            "ALTER SYSTEM SET ssl_key_file = 't.key'",
            &format!("ALTER SYSTEM SET ssl_ca_file = '{authority}'"),
            "ALTER SYSTEM SET ssl = on",
            "SELECT pg_reload_conf()",
        ] {
            session.exec(sql);
        }
        wait_until("the server reads its settings", || {
            self.place.session().one("SELECT pg_conf_load_time()") != before
        });
        assert_eq!(self.place.session().one("SHOW ssl"), "on");
    }

    /// By name, with these parameters.
    fn at(&self, host: &str, parameters: &str) -> String {
        let place = Place {
            host: host.into(),
            ..self.place.clone()
        };
        format!("{} {parameters}", place.connection_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(client) = self.place.connect() {
            drop(client);
            let session = self.place.session();
            for setting in ["ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file"] {
                let _ = session.try_exec(&format!("ALTER SYSTEM RESET {setting}"));
            }
            let _ = session.try_exec("SELECT pg_reload_conf()");
        }
        for name in ["t.crt", "t.key", "t.ca"] {
            let _ = fs::remove_file(self.directory.join(name));
        }
    }
}

/// `t`, `f`: whether this session is encrypted.
fn encrypted(text: &str) -> String {
    let session = connect(text).unwrap_or_else(|e| panic!("{}", e.chain()));
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    ask(&session, sql)
}

#[test]
fn verify_full_takes_the_right_host_and_refuses_another_host_authority_or_date() {
    let (ours, strangers) = (authority("ours"), authority("a stranger's"));
    let files = Directory::new();
    let root = files.file("root.crt", &ours.pem(), 0o644);
    let strange = files.file("strange.crt", &strangers.pem(), 0o644);
    let server = Server::with(&issued(&ours, |_| {}));
    let full = |host: &str, root: &str| {
        server.at(host, &format!("sslmode=verify-full sslrootcert={root}"))
    };
    assert_eq!(encrypted(&full("localhost", &root)), "t");
    refused(
        &full("127.0.0.1", &root),
        &["not valid for name", "check sslmode"],
    );
    refused(&full("localhost", &strange), &["UnknownIssuer"]);
    let (common, key) = issued(&ours, |params| {
        params.subject_alt_names.clear();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
    });
    server.shows(&common, &key, "");
    refused(&full("localhost", &root), &["a common name does not count"]);
    let (certificate, key) = issued(&ours, |_| {});
    server.shows(&certificate, &key, "");
    // A file of several authorities is as good.
    let both = files.file("both.crt", &(strangers.pem() + &ours.pem()), 0o644);
    assert_eq!(encrypted(&full("localhost", &both)), "t");

    for (what, year, says) in [
        ("past", 2001, "expired"),
        ("to come", 2200, "not valid yet"),
    ] {
        let (certificate, key) = issued(&ours, |params| {
            params.not_before = date_time_ymd(year, 1, 1);
            params.not_after = date_time_ymd(year + 1, 1, 1);
        });
        server.shows(&certificate, &key, "");
        refused(&full("localhost", &root), &[says]);
        let ca = server.at(
            "localhost",
            &format!("sslmode=verify-ca sslrootcert={root}"),
        );
        refused(&ca, &[says]);
        // Who asks for no proof gets none.
        assert_eq!(
            encrypted(&server.at("localhost", "sslmode=require")),
            "t",
            "{what}"
        );
    }
}

#[test]
fn asks_of_the_certificate_what_the_sslmode_says_and_no_more() {
    let (ours, strangers) = (authority("ours"), authority("a stranger's"));
    let files = Directory::new();
    let root = files.file("root.crt", &ours.pem(), 0o644);
    let strange = files.file("strange.crt", &strangers.pem(), 0o644);
    let server = Server::with(&issued(&ours, |_| {}));
    for (parameters, expected) in [
        ("sslmode=disable", "f"),
        ("sslmode=allow", "f"),
        ("", "t"),
        ("sslmode=prefer", "t"),
        ("sslmode=require", "t"),
        ("sslmode=require sslnegotiation=direct", "t"),
        ("sslmode=require ssl_min_protocol_version=TLSv1.3", "t"),
        ("sslmode=require ssl_max_protocol_version=TLSv1.2", "t"),
        ("sslmode=require channel_binding=require", "t"),
        (&format!("sslmode=verify-ca sslrootcert={root}"), "t"),
        (&format!("sslmode=require sslrootcert={root}"), "t"),
        (&format!("sslmode=prefer sslrootcert={strange}"), "t"),
    ] {
        assert_eq!(
            encrypted(&server.at("127.0.0.1", parameters)),
            expected,
            "{parameters}"
        );
    }
    // As in libpq, require with a file of authorities is verify-ca.
    for mode in ["require", "verify-ca", "verify-full"] {
        let parameters = format!("sslmode={mode} sslrootcert={strange}");
        refused(&server.at("localhost", &parameters), &["UnknownIssuer"]);
    }
    for (parameters, says) in [
        ("sslmode=disable channel_binding=require", "channel binding"),
        ("sslmode=verify-full sslrootcert=/nowhere", "/nowhere"),
        ("sslmode=require sslrootcert=system", "verify-full"),
        ("sslmode=prefer sslnegotiation=direct", "sslmode=require"),
        ("sslmode=sometimes", "sslmode"),
    ] {
        refused(&server.at("localhost", parameters), &[says]);
    }
    // No public authority has signed for it.
    refused(
        &server.at("localhost", "sslrootcert=system"),
        &["UnknownIssuer"],
    );
}

#[test]
fn a_server_without_tls_is_reached_only_where_that_was_allowed() {
    let _alone = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::named("PGV2RS_TEST_TARGET17");
    assert_eq!(place.session().one("SHOW ssl"), "off");
    for mode in ["disable", "allow", "prefer"] {
        let text = format!("{} sslmode={mode}", place.connection_string());
        assert_eq!(encrypted(&text), "f", "{mode}");
    }
    let text = format!("{} sslmode=require", place.connection_string());
    refused(&text, &["server does not support TLS"]);
}

/// PostgreSQL's manual makes such a certificate, and clients name it as their root.
#[test]
fn believes_a_certificate_that_is_its_own_authority_where_it_is_named_as_root() {
    let own = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_identifier_method = KeyIdMethod::Sha256;
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signing it");
        (certificate.pem(), key.serialize_pem())
    };
    let shown = own(&|_| {});
    let files = Directory::new();
    let root = files.file("root.crt", &shown.0, 0o644);
    let another = files.file("another.crt", &own(&|_| {}).0, 0o644);
    let server = Server::with(&shown);
    let with = |host: &str, mode: &str, root: &str| {
        server.at(host, &format!("sslmode={mode} sslrootcert={root}"))
    };
    assert_eq!(encrypted(&with("localhost", "verify-full", &root)), "t");
    assert_eq!(encrypted(&with("127.0.0.1", "verify-ca", &root)), "t");
    refused(
        &with("127.0.0.1", "verify-full", &root),
        &["not valid for name"],
    );
    refused(&with("localhost", "verify-ca", &another), &["certificate"]);

    let expired = own(&|params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let root = files.file("expired.crt", &expired.0, 0o644);
    server.shows(&expired.0, &expired.1, "");
    refused(&with("localhost", "verify-ca", &root), &["expired"]);
}

#[test]
fn refuses_a_certificate_that_was_revoked() {
    let ours = authority("ours");
    let serial = SerialNumber::from(7_u64);
    let files = Directory::new();
    let root = files.file("root.crt", &ours.pem(), 0o644);
    let list = |revoked: Vec<RevokedCertParams>| {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&ours).expect("signing it");
        list.pem().expect("as PEM")
    };
    let none = files.file("none.crl", &list(Vec::new()), 0o644);
    let seven = files.file(
        "seven.crl",
        &list(vec![RevokedCertParams {
            serial_number: serial.clone(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }]),
        0o644,
    );
    let server = Server::with(&issued(&ours, |params| {
        params.serial_number = Some(serial.clone());
    }));
    let with = |list: &str| {
        let parameters = format!("sslmode=verify-full sslrootcert={root} sslcrl={list}");
        server.at("localhost", &parameters)
    };
    assert_eq!(encrypted(&with(&none)), "t");
    refused(&with(&seven), &["Revoked"]);
}

#[test]
fn shows_the_certificate_of_the_user_from_a_key_that_nobody_else_may_read() {
    let ours = authority("ours");
    let files = Directory::new();
    let (shown, key) = issued(&ours, |_| {});
    let (mine, my_key) = issued(&ours, |params| {
        params
            .distinguished_name
            .push(DnType::CommonName, "the mover");
    });
    let mine = files.file("mine.crt", &mine, 0o644);
    let closed = files.file("mine.key", &my_key, 0o600);
    let open = files.file("open.key", &my_key, 0o644);
    let server = Server::with(&(shown.clone(), key.clone()));
    server.shows(&shown, &key, &ours.pem());
    let who = |text: &str| {
        let session = connect(text).unwrap_or_else(|e| panic!("{}", e.chain()));
        let sql = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        ask(&session, sql)
    };
    let with = |key: &str| format!("sslmode=require sslcert={mine} sslkey={key}");
    let text = server.at("localhost", &with(&closed));
    assert_eq!(who(&text), "/CN=the mover");
    let silent = format!("{} sslcertmode=disable", with(&closed));
    assert_eq!(who(&server.at("localhost", &silent)), "NULL");
    refused(
        &server.at("localhost", &with(&open)),
        &["open.key", "chmod 0600"],
    );
    let alone = format!("sslmode=require sslcert={mine}");
    refused(&server.at("localhost", &alone), &["no sslkey"]);
}

#[test]
fn moves_a_database_over_tls() {
    let ours = authority("ours");
    let files = Directory::new();
    let root = files.file("root.crt", &ours.pem(), 0o644);
    let server = Server::with(&issued(&ours, |_| {}));
    let pair = Pair::with(
        "CREATE TABLE t (id integer, v vector(3)); INSERT INTO t SELECT i, ARRAY[i, 1, 2]::vector FROM generate_series(1, 5000) i",
    );
    let name = unique("tls");
    let target = super::common::Db::create(&server.place, &name);
    let text = Place {
        host: "localhost".into(),
        ..target.place.clone()
    }
    .connection_string();
    let text = format!("{text} sslmode=verify-full sslrootcert={root}");
    let source = pair.source.place.connection_string();
    let secrets = vec![target.place.password.clone().unwrap_or_default()];
    let outcome = super::common::run::start(
        &[
            "--source",
            &source,
            "--target",
            &text,
            "--format",
            "real-array",
        ],
        &[],
        secrets,
    )
    .ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(target.count("t"), Some(5000));
    assert!(Path::new(&root).exists());
}
