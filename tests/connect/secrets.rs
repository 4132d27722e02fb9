//! In: passwords that nothing else has, by every way that brings one. Out: they are in no log at any level, in no error of a run that
//! fails, in no report, in no ledger, and in no command line. What each run printed and reported is looked at where runs end.

use std::fs;

use super::common::db::Role;
use super::common::proxy::{self, Mischief};
use super::common::run::{self, pg_dump, start_between, start_with};
use super::common::{Db, Pair, Place};
use super::hosts::File;

/// One that must be encoded in a URL, and one that need not.
const SECRETS: [&str; 2] = ["k5:Left@Hand/100%?", "k5-Right-Hand"];

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, v vector(64)); INSERT INTO t SELECT i, array_fill(i / 7::real, '{64}')::vector FROM generate_series(1, 20000) i;
    CREATE INDEX near ON t USING hnsw (v vector_l2_ops); CREATE TABLE other (id int REFERENCES t)";

const LOGS: [[&str; 3]; 2] = [
    ["-vv", "--log-format", "text"],
    ["-vv", "--log-format", "json"],
];

/// A role on each server, each with a password of its own.
struct Ends {
    roles: [Role; 2],
}

impl Ends {
    fn new() -> Ends {
        let role =
            |place, secret| Role::create(&[place], &format!("SUPERUSER LOGIN PASSWORD '{secret}'"));
        let [left, right] = SECRETS;
        Ends {
            roles: [role(Place::source(), left), role(Place::target(), right)],
        }
    }

    fn of(&self, pair: &Pair) -> [Place; 2] {
        let place = |db: &Db, which: usize| Place {
            user: self.roles[which].name.clone(),
            password: Some(SECRETS[which].into()),
            ..db.place.clone()
        };
        [place(&pair.source, 0), place(&pair.target, 1)]
    }
}

/// In every form that has a meaning.
fn secrets() -> Vec<String> {
    SECRETS
        .iter()
        .flat_map(|s| [s.to_string(), encoded(s)])
        .collect()
}

fn encoded(text: &str) -> String {
    let letter = |b: u8| match b.is_ascii_alphanumeric() || b == b'-' {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn url(place: &Place) -> String {
    let password = place.password.clone().unwrap_or_default();
    format!(
        "postgresql://{}:{}@{}:{}/{}",
        encoded(&place.user),
        encoded(&password),
        place.host,
        place.port,
        place.database
    )
}

/// What looks at every ledger that a test leaves behind can find something.
#[test]
#[should_panic(expected = "the ledger holds a password")]
fn a_password_in_a_ledger_fails_its_test() {
    let pair = Pair::bare();
    let secret = "k5-Put-There";
    if let Ok(mut all) = run::SECRETS.lock() {
        all.insert(secret.into());
    }
    pair.target.exec(&format!(
        "CREATE SCHEMA pgv2rs; CREATE TABLE pgv2rs.run AS SELECT 'a {secret}' AS place"
    ));
}

#[test]
fn no_log_and_no_ledger_of_a_run_that_is_killed_and_goes_on_holds_a_password() {
    let ends = Ends::new();
    for log in LOGS {
        let pair = Pair::with(TABLES);
        let [from, to] = ends.of(&pair);
        for step in ["laid", "after-step:2"] {
            let kill = [("PGV2RS_KILL_AT", step)];
            let outcome = start_with(&from, &to, &log, &kill).ended();
            assert_eq!(outcome.code, -1, "{}", outcome.everything());
            let ledger = pair.target.ledger();
            assert!(!ledger.is_empty());
            for secret in secrets() {
                assert!(!ledger.contains(&secret), "the ledger holds a password");
            }
        }
        let (from, to) = (url(&from), url(&to));
        let both = ["--source", &from, "--target", &to];
        for command in [&[][..], &["verify"]] {
            let arguments = [command, &both, &log[..]].concat();
            let outcome = run::start(&arguments, &[], secrets()).ended();
            assert_eq!(outcome.code, 0, "{}", outcome.everything());
            // The level is one at which something is said.
            assert!(command.contains(&"verify") || outcome.err.contains("DEBUG"));
        }
        for command in ["status", "clean"] {
            let outcome = run::start(&[command, "--target", &to], &[], secrets()).ended();
            assert_eq!(outcome.code, 0, "{}", outcome.everything());
        }
    }
}

#[test]
fn no_run_that_fails_says_a_password() {
    let ends = Ends::new();
    let pair = Pair::with(TABLES);
    let right = ends.of(&pair);
    let wrong = |place: &Place| -> Vec<Place> {
        let elsewhere = |host: &str| Place {
            host: host.into(),
            ..place.clone()
        };
        let password = Place {
            password: Some("k5-Wrong-Hand".into()),
            ..place.clone()
        };
        let cut = |bytes| proxy::before(place, Mischief::CutFromServer(bytes));
        vec![
            password,
            elsewhere("nowhere.invalid"),
            place.with_database("there-is-none"),
            place.through(proxy::closed_port()),
            // Within the login, behind it, and within the rows or what reads them again.
            cut(20),
            cut(2_000),
            cut(1_000_000),
        ]
    };
    for (side, code) in [(0, 3), (1, 4)] {
        for (n, place) in wrong(&right[side]).into_iter().enumerate() {
            let mut places = right.clone();
            places[side] = place;
            let [from, to] = &places;
            let arguments = [&LOGS[n % 2][..], &["--retry-for", "0s"]].concat();
            let outcome = start_between(from, to, &arguments).ended();
            assert_eq!(outcome.code, code, "{n}: {}", outcome.everything());
            // The same in a URL.
            let (from, to) = (url(from), url(to));
            let both = ["--source", &from, "--target", &to];
            let arguments = [&both, &LOGS[(n + 1) % 2][..], &["--retry-for", "0s"]].concat();
            let mut all = secrets();
            all.push("k5-Wrong-Hand".into());
            let outcome = run::start(&arguments, &[], all).ended();
            assert_eq!(outcome.code, code, "{n}: {}", outcome.everything());
        }
    }
}

/// The program's command line and pg_dump's are taken down by a pg_dump that does so first.
#[test]
fn a_password_from_a_file_or_a_variable_is_in_no_command_line() {
    let ends = Ends::new();
    let pair = Pair::with(TABLES);
    let [from, to] = ends.of(&pair);
    let taken_down = File::new("", 0o600);
    let script = format!(
        "#!/bin/sh\ncat /proc/$PPID/cmdline /proc/$$/cmdline >>'{}'\nexec '{}' \"$@\"\n",
        taken_down.path(),
        pg_dump().display()
    );
    let dump = File::new(&script, 0o700);
    let line = |p: &Place| {
        let password = p.password.clone().unwrap_or_default();
        let password = password.replace('\\', "\\\\").replace(':', "\\:");
        format!("*:{}:{}:{}:{password}\n", p.port, p.database, p.user)
    };
    let passwords = File::new(&(line(&from) + &line(&to)), 0o600);
    let (by_url, to_url) = (url(&from), url(&to));
    let bare = |p: &Place| {
        Place {
            password: None,
            ..p.clone()
        }
        .connection_string()
    };
    let (bare_from, bare_to) = (bare(&from), bare(&to));
    let by_file = [
        "--source",
        &bare_from,
        "--target",
        &bare_to,
        "--pg-dump",
        dump.path(),
    ];
    let file = [("PGPASSFILE", passwords.path())];
    let variables = [
        ("PGV2RS_SOURCE", by_url.as_str()),
        ("PGV2RS_TARGET", &to_url),
    ];
    let by_variable = ["--pg-dump", dump.path()];
    for (arguments, variables) in [(&by_file[..], &file[..]), (&by_variable, &variables)] {
        for dry in [&["--dry-run"][..], &[]] {
            let arguments = [arguments, dry].concat();
            let outcome = run::start(&arguments, variables, secrets()).ended();
            assert_eq!(outcome.code, 0, "{}", outcome.everything());
        }
        pair.on_target("clean");
        pair.target
            .exec("DROP TABLE t, other; DROP EXTENSION vectors");
    }
    let all = fs::read(taken_down.path()).expect("what was taken down");
    let all = String::from_utf8_lossy(&all);
    assert!(
        all.contains("pgv2rs-copy") && all.contains("--snapshot"),
        "{all}"
    );
    for secret in secrets() {
        assert!(!all.contains(&secret), "a command line holds a password");
    }
}
