//! In: kills at every step. Out: the rest is done by the same command, and nothing twice.

use crate::common::Pair;
use crate::{ROWS, TABLES, again, slices, whole};

/// Hurts 1 and 2 (planetscale/pgcopydb#33 and #49): a resume truncates what is finished, copies a part twice, or never makes the constraints.
#[test]
fn killed_at_any_step_the_same_command_ends_with_the_sources_rows() {
    for step in [
        "schema-applied",
        "laid",
        "claimed:2",
        "before-commit:3",
        "after-commit:3",
        "copied",
        "verified",
        "before-step:2",
        "after-step",
        "after-step:3",
        "after-step:5",
    ] {
        let pair = Pair::with(TABLES);
        pair.killed_at(step, &[]);
        again(&pair, &[]);
        let left = "SELECT (SELECT count(*) FROM pgv2rs.run), (SELECT count(*) FROM pgv2rs.slice), (SELECT count(*) FROM pgv2rs.step)";
        assert_eq!(pair.target.one(left), "1|0|0", "{step}");
    }
}

#[test]
fn killed_before_anything_was_written_the_same_command_begins_again() {
    let pair = Pair::with(TABLES);
    let before = pair.target.catalog();
    pair.killed_at("planned", &[]);
    assert_eq!(pair.target.catalog(), before);
    pair.copy(&[]);
    whole(&pair);
}

#[test]
fn killed_at_its_last_word_the_report_is_given_again() {
    let pair = Pair::with(TABLES);
    pair.killed_at("finished", &[]);
    let outcome = pair.copy(&[]);
    outcome.says(&["this move is done", "Verification: every row"]);
    assert_eq!(outcome.table("public.big")["rows"], 20000);
    whole(&pair);
    // Who has emptied the target wants it moved again.
    pair.target
        .exec("DROP VIEW seen; DROP TABLE small, big; DROP SEQUENCE numbers");
    let outcome = pair.copy(&[]);
    assert!(
        !outcome.err.contains("this move is done"),
        "{}",
        outcome.everything()
    );
    whole(&pair);
}

/// What was done is not done again: the rows of finished slices are those that the first process wrote.
#[test]
fn finished_slices_are_kept_and_the_others_are_copied_once() {
    let pair = Pair::with(TABLES);
    pair.killed_at("before-commit:3", &["--jobs", "1"]);
    let done = slices(&pair);
    assert_eq!(done.len(), 2);
    let first = pair
        .target
        .rows("SELECT DISTINCT xmin::text FROM big ORDER BY 1");
    assert_eq!(first.len(), 2);
    pair.killed_at("verified", &["--jobs", "1"]);
    let all = slices(&pair);
    assert!(all.len() > 4 && all.starts_with(&done), "{done:?} {all:?}");
    let kept = format!(
        "SELECT count(DISTINCT xmin::text) FROM big WHERE xmin::text IN ('{}')",
        first.join("', '")
    );
    assert_eq!(pair.target.one(&kept), "2");
    again(&pair, &["--jobs", "1"]);
    assert_eq!(pair.target.one(&kept), "2");
}

/// Of a source that nobody writes to.
#[test]
fn after_a_kill_at_nine_tenths_less_than_a_fifth_is_copied_again() {
    let pair = Pair::with("CREATE TABLE big (id int PRIMARY KEY, pad text STORAGE PLAIN, v vector(2));
        INSERT INTO big SELECT i, repeat(md5(i::text), 60), ARRAY[i, sin(i)]::real[]::vector FROM generate_series(1, 50000) i");
    pair.quiet();
    let jobs = ["--jobs", "4"];
    pair.killed_at("laid", &jobs);
    let count: usize = pair
        .target
        .one("SELECT count(*) FROM pgv2rs.slice")
        .parse()
        .unwrap();
    assert!(count >= 10, "{count} slices of 100 MB");
    pair.killed_at(&format!("after-commit:{}", count * 9 / 10), &jobs);
    pair.killed_at("verified", &jobs);
    let again = "SELECT (100 * sum(bytes) FILTER (WHERE attempt = (SELECT max(attempt) FROM pgv2rs.slice)) / sum(bytes))::int FROM pgv2rs.slice";
    let percent: i32 = pair.target.one(again).parse().unwrap();
    assert!(percent > 0 && percent < 20, "{percent} % was copied again");
    pair.copy(&jobs);
    pair.same_answer(ROWS);
}

#[test]
fn the_report_claims_no_proof_that_an_earlier_process_did_not_give() {
    let pair = Pair::with(TABLES);
    pair.killed_at("after-step", &["--verify", "none"]);
    let outcome = pair.run(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["Nothing is proved"]);
    assert_eq!(outcome.report()["verified"], false);
    let pair = Pair::with(TABLES);
    pair.killed_at("before-step:1", &["--verify", "none"]);
    pair.target.exec("UPDATE big SET v = '[9,9]' WHERE id = 7");
    let outcome = pair.run(&[]);
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
}
