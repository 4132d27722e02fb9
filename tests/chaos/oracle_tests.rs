//! In: the oracle and the history. Out: that they see what they are there for: an oracle that sees nothing would make every run a good one.

use std::time::Duration;

use super::common::Pair;
use super::database::{self, TABLES};
use super::random::Rng;
use super::servers::Side;
use super::writer::Writer;
use super::{oracle, session};

fn filled() -> Pair {
    let pair = Pair::bare();
    pair.source.exec(&database::sql(1));
    pair
}

#[test]
fn the_oracle_sees_a_row_that_is_lost_doubled_or_changed() {
    let pair = filled();
    let outcome = pair.copy(&["--exclude-table", database::EXCLUDED]);
    let snapshot = outcome.report()["snapshot"].as_str().expect("a snapshot");
    let (source, target) = (session(&pair.source.place), session(&pair.target.place));
    let (source, target) = (source.expect("the source"), target.expect("the target"));
    let seen = || {
        let seen = oracle::differences(&source, &target, snapshot).expect("both answer");
        let now = oracle::differences_at_rest(&source, &target, snapshot).expect("both answer");
        assert_eq!(seen.is_empty(), now.is_empty(), "{seen:?} {now:?}");
        seen.join("\n")
    };
    assert_eq!(seen(), "");
    // The triggers came along, and the history that they write did not.
    target.exec("SET session_replication_role = replica");
    let with_vector = "(SELECT min(id) FROM app.wide WHERE v IS NOT NULL)";
    for (what, mischief) in [
        (
            "1 too few",
            "DELETE FROM events WHERE ctid = (SELECT min(ctid) FROM events)".to_string(),
        ),
        (
            "1 too many",
            "INSERT INTO events SELECT * FROM events LIMIT 1".into(),
        ),
        (
            "1 too many",
            format!(
                "UPDATE app.wide SET v = (SELECT array_agg(CASE WHEN n = 1500 THEN 7 ELSE x END ORDER BY n)::real[]::vectors.vector \
            FROM unnest(v::real[]) WITH ORDINALITY u(x, n)) WHERE id = {with_vector}"
            ),
        ),
        (
            "1 too many",
            format!("UPDATE app.wide SET v = NULL WHERE id = {with_vector}"),
        ),
        (
            "1 too few",
            "UPDATE notes SET body = body || ' ' WHERE id = 1".into(),
        ),
        (
            "1 too few",
            "UPDATE items SET small = NULL WHERE id = 1".into(),
        ),
        (
            "1 too few",
            "UPDATE items SET few = (SELECT few FROM items WHERE id = 2) WHERE id = 1".into(),
        ),
    ] {
        target.exec(&format!("BEGIN; {mischief}"));
        let seen = seen();
        target.exec("ROLLBACK");
        assert!(seen.contains(what), "{mischief}: {seen}");
    }
    assert_eq!(seen(), "");
}

#[test]
fn the_oracle_sees_what_is_missing_around_the_rows() {
    let pair = filled();
    let outcome = pair.copy(&["--exclude-table", database::EXCLUDED]);
    let snapshot = outcome.report()["snapshot"].as_str().expect("a snapshot");
    let (source, target) = (session(&pair.source.place), session(&pair.target.place));
    let (source, target) = (source.expect("the source"), target.expect("the target"));
    for (what, mischief) in [
        ("halves_h is not on the target", "DROP INDEX app.halves_h"),
        (
            "notes_item_fkey",
            "ALTER TABLE notes DROP CONSTRAINT notes_item_fkey",
        ),
        (
            "sequence public.items_id_seq",
            "SELECT setval('items_id_seq', 3)",
        ),
        ("sequence app.ticket", "SELECT setval('app.ticket', 999999)"),
        (
            "twice is on the target only",
            "CREATE TABLE twice AS TABLE notes",
        ),
        (
            "events|history",
            "ALTER TABLE events DISABLE TRIGGER history",
        ),
        (
            "items_title is not valid",
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'items_title'::regclass",
        ),
        (
            "the view",
            "CREATE OR REPLACE VIEW recent AS SELECT id, title, embedding FROM items WHERE id > 5",
        ),
    ] {
        let before =
            target.one("SELECT array_agg(last_value ORDER BY sequencename) FROM pg_sequences");
        target.exec(&format!("BEGIN; {mischief}"));
        let seen = oracle::differences(&source, &target, snapshot).expect("both answer");
        target.exec("ROLLBACK");
        // Sequences do not roll back.
        if mischief.contains("setval") {
            let values = "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, v) FROM (SELECT schemaname, sequencename, v FROM \
                 (SELECT *, row_number() OVER (ORDER BY sequencename) n FROM pg_sequences) s JOIN unnest($$X$$::bigint[]) WITH ORDINALITY u(v, o) ON o = n) x";
            target.exec(&values.replace('X', &before));
        }
        let seen = seen.join("\n");
        assert!(seen.contains(what), "{mischief}: {seen}");
    }
    let seen = oracle::differences(&source, &target, snapshot).expect("both answer");
    assert!(seen.is_empty(), "{seen:?}");
}

/// Each snapshot is taken while three sessions write, and asked again from the history when they have ended.
#[test]
fn the_history_gives_what_a_snapshot_saw() {
    let pair = filled();
    let place = &pair.source.place;
    let reader = session(place).expect("the source");
    let sums = |query: &dyn Fn(&database::Table) -> String| -> Vec<String> {
        let sums = TABLES.iter().map(|t| reader.one(&oracle::sum(&query(t))));
        sums.collect()
    };
    let writer = Writer::start(place, &Rng::new(11));
    let mut seen = Vec::new();
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(400));
        reader.exec("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let snapshot = reader.one("SELECT txid_current_snapshot()::text");
        seen.push((snapshot, sums(&|t| oracle::now(t, Side::Source))));
        reader.exec("COMMIT");
    }
    assert!(writer.stop() > 20, "the writer writes");
    for (snapshot, then) in &seen {
        assert_eq!(&sums(&|t| oracle::then(t, snapshot)), then, "{snapshot}");
    }
    let first = &seen[0].1;
    let last = &seen[seen.len() - 1].1;
    let changed = first.iter().zip(last).filter(|(a, b)| a != b).count();
    assert!(changed >= 5, "{changed} of {} tables changed", TABLES.len());
    let open = seen.iter().filter(|(s, _)| !s.ends_with(':')).count();
    assert!(open > 0, "no transaction was open in any snapshot");
}
