//! In: a seed. Out: nothing, if its database arrives whole; else the stage at which it did not, and what differs. It drops all that
//! it made, on both servers.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::common::db::Db;
use super::common::run::Outcome;
use super::common::{Pair, Place, unique};
use super::database::{Database, Decision, Probe};
use super::names::ident;
use super::{dump, rows, settings};

pub struct Failure {
    pub seed: u64,
    pub stage: &'static str,
    pub text: String,
}

/// A stage's name and what went wrong in it.
type Wrong = (&'static str, String);

pub fn seed(seed: u64) -> Result<(), Failure> {
    println!("seed {seed}");
    // A panic, of the harness say, is a failure of this seed and of no other.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let database = Database::from_seed(seed, &unique("gen"));
        if std::env::var_os("PGV2RS_SHOW").is_some() {
            println!("{};", database.script.join(";\n"));
        }
        let roles = Roles::create(&database);
        let pair = Pair {
            source: Db::create(&Place::source(), &database.name),
            target: Db::create(&Place::target(), &database.name),
        };
        let outcome = {
            let _subscriptions = Subscriptions(&pair);
            moved(&database, &pair)
        };
        if outcome.is_err() && std::env::var_os("PGV2RS_KEEP").is_some() {
            println!("kept: {}", database.name);
            std::mem::forget((pair, roles));
        }
        outcome
    }));
    let wrong = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(wrong)) => wrong,
        Err(panic) => (
            "the harness",
            panic.downcast_ref::<String>().cloned().unwrap_or_default(),
        ),
    };
    Err(Failure {
        seed,
        stage: wrong.0,
        text: wrong.1,
    })
}

fn moved(database: &Database, pair: &Pair) -> Result<(), Wrong> {
    make(database, pair).map_err(|e| ("making the source", e))?;
    let mut arguments: Vec<&str> = database.arguments.iter().map(String::as_str).collect();
    if database.arrays || database.decisions.iter().any(|d| d.asked) {
        arguments.push("--allow-findings");
    }
    let outcome = pair.run(&arguments);
    let lost = beyond_arrays(database, &outcome);
    run_succeeded(database, &outcome, &lost).map_err(|e| ("the run", e))?;
    let lost: BTreeSet<Lost> = lost.into_iter().filter_map(|(_, lost)| lost).collect();
    let lost: Vec<Lost> = lost.into_iter().collect();
    let said = |(stage, text): Wrong| (stage, format!("{text}\n{}", outcome.everything()));
    // The ledger is no part of the move. Its end is not what event triggers are there for.
    let forgotten = "SET session_replication_role = replica; DROP SCHEMA pgv2rs CASCADE";
    let session = pair.target.place.session();
    let forgotten = session.try_exec(forgotten);
    forgotten.map_err(|e| ("forgetting the run", e))?;
    dump::compare(database, pair, &lost)
        .map_err(|e| ("comparing the dumps", e))
        .map_err(said)?;
    rows::compare(database, pair, &lost)
        .map_err(|e| ("comparing the rows", e))
        .map_err(said)?;
    settings::compare(database, pair)
        .map_err(|e| ("comparing the settings", e))
        .map_err(said)?;
    probes(database, pair)
        .map_err(|e| ("asking both sides", e))
        .map_err(said)
}

/// All at once, for speed; one by one to find the statement that the server refuses.
fn make(database: &Database, pair: &Pair) -> Result<(), String> {
    let session = pair.source.place.session();
    if session.try_exec(&database.script.join(";\n")).is_ok() {
        return Ok(());
    }
    let session = pair.source.place.session();
    for sql in &database.script {
        session
            .try_exec(sql)
            .map_err(|e| format!("the source refuses what was generated: {e}\n{sql}"))?;
    }
    Err("the script fails as a whole, but not statement by statement".into())
}

/// Type and name of an entry of pg_dump's.
pub type Lost = (String, String);

/// What the program says that real[] cannot do: objects, and the entries that are not on the target for that. Domains and tables come
/// without some of their checks. The comparison of the dumps sees whether these are what they are said to be.
fn beyond_arrays(database: &Database, outcome: &Outcome) -> Vec<(String, Option<Lost>)> {
    const KINDS: [&str; 8] = [
        "INDEX",
        "VIEW",
        "MATERIALIZED VIEW",
        "STATISTICS",
        "TRIGGER",
        "POLICY",
        "FUNCTION",
        "CHECK CONSTRAINT",
    ];
    let findings = outcome
        .report
        .iter()
        .filter_map(|r| r["findings"].as_array());
    let objects = findings.flatten().filter_map(|f| {
        let reason = f["reason"].as_str()?;
        let object = f["object"].as_str()?;
        (database.arrays
            && reason.contains("real[]")
            && (f["severity"] == "decision" || object.starts_with("statistics ")))
        .then_some(object)
    });
    let entry = |object: &str| {
        KINDS.iter().find_map(|kind| {
            let path = object.strip_prefix(&format!("{} ", kind.to_lowercase()))?;
            let mut schemas = database.schemas.iter();
            let name = schemas
                .find_map(|s| path.strip_prefix(&format!("{}.", s.replace(['\n', '\r'], " "))))?;
            Some((kind.to_string(), name.to_string()))
        })
    };
    objects.map(|o| (o.to_string(), entry(o))).collect()
}

/// Done, verified, and with exactly those decisions that the generator meant.
fn run_succeeded(
    database: &Database,
    outcome: &Outcome,
    lost: &[(String, Option<Lost>)],
) -> Result<(), String> {
    let wrong = |text: String| Err(format!("{text}\n{}", outcome.everything()));
    let said = outcome.everything()
        + &outcome
            .report
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
    if database.secrets.iter().any(|s| said.contains(s)) {
        return wrong("it prints a secret".into());
    }
    if outcome.code != 0 {
        return wrong("the program failed".into());
    }
    let report = outcome.report();
    if report["verified"] != true {
        return wrong("the report does not say verified".into());
    }
    let found = |asked: bool| -> Vec<&str> {
        let findings = report["findings"].as_array().into_iter().flatten();
        findings
            .filter(|f| (f["severity"] != "note") == asked)
            .filter_map(|f| f["object"].as_str())
            .collect()
    };
    // pg_dump's comments, which some objects are named after, have no line breaks.
    let named = |found: &str, object: &str| {
        found.contains(object) || found.contains(&object.replace(['\n', '\r'], " "))
    };
    let asked = || database.decisions.iter().filter(|d| d.asked);
    let wanted = |f: &str| {
        asked().any(|d| named(f, &d.object)) || lost.iter().any(|(object, _)| object == f)
    };
    if let Some(object) = found(true).iter().find(|o| !wanted(o)) {
        return wrong(format!("a finding that nobody expected: {object}"));
    }
    let silent = |d: &&Decision| !found(d.asked).iter().any(|f| named(f, &d.object));
    if let Some(decision) = database.decisions.iter().find(silent) {
        return wrong(format!("no finding names {}", decision.object));
    }
    Ok(())
}

/// Numbers may differ in their last digits, since PGVecto.rs computes distances in single precision.
fn probes(database: &Database, pair: &Pair) -> Result<(), String> {
    let (source, target) = (rows::sober(pair, true), rows::sober(pair, false));
    // Bodies of functions find pgvector's words as they were written.
    source.exec(&format!(
        "SET search_path = pg_catalog, {}",
        ident(&database.extension)
    ));
    // Questions in PGVecto.rs's words are for PGVecto.rs.
    let theirs = |p: &Probe| p.target.contains("vectors.") || p.target.contains("'[");
    let fit = |p: &&Probe| !(database.arrays && theirs(p));
    for probe in database.probes.iter().filter(fit) {
        let expected = source.try_rows(&probe.source);
        let found = target.try_rows(&probe.target);
        let equal = match (&expected, &found) {
            (Ok(expected), Ok(found)) => {
                rows::alike(expected, found) || rows::alike_but_for_ties(expected, found)
            }
            // Refused by both, for the same reason, and not because something is unknown; words differ between versions.
            (Err(expected), Err(found)) => {
                expected.get(..5) == found.get(..5) && !expected.starts_with("42")
            }
            _ => false,
        };
        let _ = (source.try_exec("ROLLBACK"), target.try_exec("ROLLBACK"));
        if !equal {
            return Err(format!(
                "source: {}\n{expected:?}\ntarget: {}\n{found:?}",
                probe.source, probe.target
            ));
        }
    }
    Ok(())
}

/// A database that has one cannot be dropped.
struct Subscriptions<'a>(&'a Pair);

impl Drop for Subscriptions<'_> {
    fn drop(&mut self) {
        const SQL: &str = "SELECT format('ALTER SUBSCRIPTION %1$I SET (slot_name = NONE)', subname), format('DROP SUBSCRIPTION %1$I', subname) \
            FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()";
        for line in self.0.source.try_rows(SQL).unwrap_or_default() {
            for sql in line.split('|') {
                let _ = self.0.source.try_exec(sql);
            }
        }
    }
}

/// Roles belong to the whole cluster: on both, dropped after the databases.
struct Roles(Vec<(Place, String)>);

impl Roles {
    fn create(database: &Database) -> Roles {
        let mut made = Vec::new();
        for role in &database.roles {
            made.push((Place::source(), role.clone()));
            made.push((Place::target(), database.wishes.on_target(role)));
        }
        for (server, name) in &made {
            let create = format!("CREATE ROLE {}", ident(name));
            server.session().exec(&create);
        }
        Roles(made)
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        for (server, name) in &self.0 {
            let drop = format!("DROP ROLE IF EXISTS {}", ident(name));
            let _ = server.session().try_exec(&drop);
        }
    }
}
