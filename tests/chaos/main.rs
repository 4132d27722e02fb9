//! Runs that everything goes wrong in. In: seeds. Out: for each a database that is moved while the program is killed, its connections
//! are cut, stalled and delayed, the servers restart, the disk fills, and others lock, empty and rewrite tables; in every second one
//! a writer changes the source all the time. The program is started again until it is done; then the target must hold exactly
//! what the source held in the snapshot that the report names. The oracle is SQL and shares no code with the program.
//!
//! `PGV2RS_CHAOS_RUNS`, `PGV2RS_CHAOS_MEGABYTES` and `PGV2RS_CHAOS_SEED` (the first seed) are what `scripts/chaos` sets;
//! with `PGV2RS_KEEP=1` the servers of a run that failed stay.

#[path = "../common/mod.rs"]
mod common;
#[path = "../generated/random.rs"]
#[allow(dead_code)]
mod random;

mod crash_tests;
mod database;
mod fault_tests;
mod faults;
mod oracle;
mod oracle_tests;
mod servers;
mod small;
mod stage;
mod writer;

use common::Place;
use common::db::Session;
use stage::{Script, Stage, Story};

#[test]
fn runs_that_are_killed_and_cut_end_equal_to_the_source() {
    let runs = number("PGV2RS_CHAOS_RUNS");
    let first = number("PGV2RS_CHAOS_SEED").unwrap_or(1);
    let megabytes = number("PGV2RS_CHAOS_MEGABYTES").unwrap_or(20);
    let stage = Stage::build(megabytes as u32);
    println!(
        "{megabytes} MB; in peace a run takes {:.1} s",
        stage.usual.as_secs_f64()
    );
    let mut stories = Vec::new();
    for seed in first..first + runs.unwrap_or(20) {
        let story = stage.run(seed, &Script::of(seed));
        tell(&story);
        let failed = !story.failure.is_empty();
        stories.push(story);
        // The first failure is kept as it is.
        if failed && servers::kept() {
            break;
        }
    }
    let count = |what: fn(&Story) -> bool| stories.iter().filter(|s| what(s)).count();
    let failed: Vec<String> = stories
        .iter()
        .filter(|s| !s.failure.is_empty())
        .map(|s| s.seed.to_string())
        .collect();
    println!(
        "{} runs, {} equal, {} killed or cut at least once, {} with a writer",
        stories.len(),
        stories.len() - failed.len(),
        count(|s| s.struck),
        count(|s| s.writer)
    );
    assert!(
        failed.is_empty(),
        "seeds that failed: {}; each again with scripts/chaos --runs 1 --seed N",
        failed.join(" ")
    );
}

/// At once: a run of hours may be ended by hand.
fn tell(story: &Story) {
    let writer = match (story.writer, story.committed) {
        (false, _) => "no writer".into(),
        (true, 0) => "a writer".into(),
        (true, n) => format!("a writer ({n} transactions)"),
    };
    let end = match story.failure.as_str() {
        "" => "equal".to_string(),
        failure => format!("FAILED\n{failure}"),
    };
    println!(
        "seed {}: {writer}; {} attempts, {:.1} s: {}; {end}",
        story.seed,
        story.attempts,
        story.took.as_secs_f64(),
        story.faults.join("; ")
    );
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// A session that is known as one of the test's own, and prints alike on both sides.
fn session(place: &Place) -> Result<Session, String> {
    let session = place.try_session()?;
    session.try_exec("SET application_name = 'chaos'; SET search_path = public, app; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET extra_float_digits = 1")?;
    Ok(session)
}
