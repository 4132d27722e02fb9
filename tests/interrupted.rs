//! In: runs that something breaks into: a cut connection, Ctrl-C, other people's TRUNCATE and INSERT, a value that changes on the
//! wire. Out: whole tables or nothing, the right exit code, and a report that says what happened. Nothing here depends on speed:
//! a run waits at a lock that the test holds.

mod common;

use common::db::Session;
use common::proxy::{self, Mischief};
use common::{Pair, Place, run, wait_until};

/// About 5 MB in one table, and two small ones.
const TABLES: &str = "CREATE TABLE big (id int PRIMARY KEY, v vector(256));
    INSERT INTO big SELECT i, array_fill(sin(i)::real, ARRAY[256])::vector FROM generate_series(1, 5000) i;
    CREATE TABLE small (id int PRIMARY KEY, v vector(2)); INSERT INTO small VALUES (1, '[1,2]'), (2, NULL);
    CREATE TABLE plain (id int PRIMARY KEY, note text); INSERT INTO plain VALUES (1, 'x');";

const EXISTING: &str = "CREATE EXTENSION vectors; CREATE TABLE big (id int PRIMARY KEY, v vectors.vector(256));
    CREATE TABLE small (id int PRIMARY KEY, v vectors.vector(2)); CREATE TABLE plain (id int PRIMARY KEY, note text);";

/// Cuts come after this many bytes: more than a plan needs on any one connection, less than the big table.
const MID_COPY: usize = 2_000_000;

fn whole_tables_or_nothing(pair: &Pair) {
    for (table, rows) in [("big", 5000), ("small", 2), ("plain", 1)] {
        let found = pair.target.count(table);
        let whole = [None, Some(0), Some(rows)].contains(&found);
        assert!(whole, "{table} holds {found:?} of {rows} rows");
    }
}

/// What was cut in its middle is not there.
fn big_is_absent(pair: &Pair) {
    whole_tables_or_nothing(pair);
    assert!([None, Some(0)].contains(&pair.target.count("big")));
}

/// The same command again does the rest.
fn goes_on(pair: &Pair) {
    let outcome = pair.copy(&[]);
    outcome.says(&["going on with the run that was begun"]);
    assert_eq!(outcome.report()["verified"], true);
    for table in ["big", "small", "plain"] {
        pair.same_answer(&format!(
            "SELECT md5(string_agg({}, ',' ORDER BY id)) FROM {table}",
            if table == "plain" {
                "note"
            } else {
                "v::real[]::text"
            }
        ));
    }
}

/// A pair whose target tables are there, and a session on the target that lets none of `table`'s rows in until it commits.
fn held_up(table: &str) -> (Pair, Session) {
    let pair = Pair::with(TABLES);
    pair.target.exec(EXISTING);
    let holder = pair.target.place.session();
    // SHARE lets the plan read the table and makes COPY wait.
    holder.exec(&format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"));
    (pair, holder)
}

fn wait_for_the_copy(pair: &Pair, table: &str) {
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass"
    );
    wait_until("the copy waits at the lock", || {
        pair.target.one(&waiting) == "1"
    });
}

/// Whoever still works on the target's tables is done: a server notices a lost client only when it looks.
fn wait_for_quiet(pair: &Pair) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'pgv2rs-copy'";
    wait_until("the program's sessions end", || {
        pair.target.one(others) == "0"
    });
}

#[test]
fn a_source_cut_in_mid_copy_leaves_no_half_table() {
    let pair = Pair::with(TABLES);
    let from = proxy::before(&pair.source.place, Mischief::CutFromServer(MID_COPY));
    let outcome = run::start_between(&from, &pair.target.place, &["--retry-for", "0s"]).ended();
    outcome.refused(
        3,
        &[
            "error: source:",
            "public.big",
            "the same command goes on from there",
        ],
    );
    wait_for_quiet(&pair);
    big_is_absent(&pair);
    goes_on(&pair);
}

#[test]
fn a_target_cut_in_mid_copy_leaves_no_half_table() {
    let pair = Pair::with(TABLES);
    let to = proxy::before(&pair.target.place, Mischief::CutToServer(MID_COPY));
    let outcome = run::start_between(&pair.source.place, &to, &["--retry-for", "0s"]).ended();
    outcome.refused(
        4,
        &[
            "error: target:",
            "public.big",
            "the same command goes on from there",
        ],
    );
    wait_for_quiet(&pair);
    big_is_absent(&pair);
    goes_on(&pair);
}

/// Hurt 6 (pgcopydb#720, PeerDB#1750): with the holder of the snapshot, too.
#[test]
fn when_all_sessions_of_the_source_are_ended_the_run_says_so_and_takes_another_snapshot() {
    let (pair, holder) = held_up("big");
    let running = pair.start(&["--schema-source", "existing", "--jobs", "1"]);
    wait_for_the_copy(&pair, "big");
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgv2rs-copy'";
    assert!(!pair.source.rows(ended).is_empty());
    holder.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    // Which session notices first, and what it was told, is chance.
    outcome.says(&["error: source:", "going on from the ledger"]);
    assert_eq!(outcome.report()["verified"], true);
    pair.same_answer("SELECT count(*), md5(string_agg(v::real[]::text, ',' ORDER BY id)) FROM big");
}

#[test]
fn ctrl_c_leaves_whole_tables_and_says_what_is_there() {
    let (pair, holder) = held_up("big");
    let running = pair.start(&["--schema-source", "existing"]);
    wait_for_the_copy(&pair, "big");
    running.interrupt();
    let outcome = running.ended();
    outcome.refused(130, &["stopped by the user"]);
    assert!(outcome.report.is_none(), "{}", outcome.everything());
    holder.exec("COMMIT");
    wait_for_quiet(&pair);
    big_is_absent(&pair);
}

#[test]
fn ctrl_c_before_anything_was_written_leaves_the_target_as_it_was() {
    let pair = Pair::with(TABLES);
    let before = pair.target.catalog();
    // Somebody's ALTER holds the table, and the run waits for its own lock on it.
    let holder = pair.source.place.session();
    holder.exec("BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE");
    let running = pair.start(&[]);
    wait_until("the run waits for the table", || {
        pair.source
            .one("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'big'::regclass")
            == "1"
    });
    running.interrupt();
    let outcome = running.ended();
    outcome.refused(
        130,
        &["stopped by the user", "has written nothing to the target"],
    );
    holder.exec("COMMIT");
    wait_for_quiet(&pair);
    assert_eq!(pair.target.catalog(), before);
}

#[test]
fn someone_elses_truncate_waits_until_the_rows_are_copied() {
    let (pair, holder) = held_up("big");
    let running = pair.start(&["--schema-source", "existing"]);
    wait_for_the_copy(&pair, "big");
    let someone = pair.source.place.session();
    for table in ["big", "small", "plain"] {
        let truncate = format!("SET lock_timeout = '300ms'; TRUNCATE {table}");
        let refused = someone.try_exec(&truncate);
        assert!(
            refused.as_ref().is_err_and(|e| e.starts_with("55P03")),
            "{table}: {refused:?}"
        );
    }
    holder.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    pair.same_answer("SELECT count(*), md5(string_agg(v::real[]::text, ',' ORDER BY id)) FROM big");
    // The locks are gone with the run.
    someone.exec("SET lock_timeout = '60s'; TRUNCATE big");
}

#[test]
fn what_a_writer_does_after_the_snapshot_is_not_copied_and_is_reported() {
    let (pair, holder) = held_up("small");
    pair.source.exec(
        "CREATE TABLE updated (id int PRIMARY KEY, v vector(1)); INSERT INTO updated VALUES (1, '[1]'), (2, '[2]');
         CREATE TABLE deleted (id int PRIMARY KEY, v vector(1)); INSERT INTO deleted VALUES (1, '[1]'), (2, '[2]')",
    );
    pair.target.exec(
        "CREATE TABLE updated (id int PRIMARY KEY, v vectors.vector(1)); CREATE TABLE deleted (id int PRIMARY KEY, v vectors.vector(1))",
    );
    let expected: Vec<_> = ["small", "updated", "deleted"]
        .map(|t| {
            (
                t,
                format!("SELECT id, v::real[]::text FROM {t} ORDER BY id"),
            )
        })
        .map(|(t, sql)| (t, pair.source.rows(&sql), sql))
        .into();
    let running = pair.start(&["--schema-source", "existing"]);
    wait_for_the_copy(&pair, "small");
    pair.source.exec(
        "INSERT INTO small VALUES (3, '[5,6]'); UPDATE small SET v = '[9,9]' WHERE id = 1; UPDATE updated SET v = '[7]' WHERE id = 2; DELETE FROM deleted WHERE id = 1",
    );
    holder.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(outcome.report()["verified"], true);
    for (table, rows, sql) in expected {
        assert_eq!(
            pair.target.rows(&sql),
            rows,
            "{table} is as the snapshot saw it"
        );
        assert_eq!(
            outcome.table(&format!("public.{table}"))["cutover"]["state"],
            "changed",
            "{table}"
        );
    }
    for table in ["public.big", "public.plain"] {
        assert_eq!(
            outcome.table(table)["cutover"]["state"],
            "unchanged",
            "{table}"
        );
    }
    outcome.says(&["NOT on the target"]);
}

/// Rows that are rolled back, and rows that were there before, change nothing.
#[test]
fn a_writer_who_rolls_back_has_changed_nothing() {
    let (pair, holder) = held_up("small");
    let running = pair.start(&["--schema-source", "existing"]);
    wait_for_the_copy(&pair, "small");
    pair.source.exec(
        "BEGIN; INSERT INTO small VALUES (3, '[5,6]'); UPDATE small SET v = '[9,9]'; ROLLBACK",
    );
    holder.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(
        outcome.table("public.small")["cutover"]["state"],
        "unchanged"
    );
}

/// Somebody takes the name of an index while the rows are copied: hours of copying are not thrown away for it.
#[test]
fn an_index_that_cannot_be_built_is_reported_and_the_rest_is_done() {
    let (pair, holder) = held_up("small");
    pair.source.exec(
        "CREATE INDEX taken ON small USING hnsw (v vector_l2_ops); CREATE INDEX untaken ON small USING hnsw (v vector_cosine_ops)",
    );
    let running = pair.start(&["--schema-source", "existing"]);
    wait_for_the_copy(&pair, "small");
    pair.target.exec("CREATE TABLE taken ()");
    holder.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 4, "{}", outcome.everything());
    outcome.says(&["public.taken", "42P07"]);
    let failed = outcome.report()["failed"].to_string();
    assert!(
        failed.contains("taken") && failed.contains("CREATE INDEX"),
        "{failed}"
    );
    assert_ne!(outcome.report()["verified"], true);
    let built = "SELECT indexname FROM pg_indexes WHERE indexname IN ('taken', 'untaken')";
    assert_eq!(pair.target.rows(built), ["untaken"]);
    pair.same_answer("SELECT id, v::real[]::text FROM small ORDER BY id");
}

/// The target as a proxy that changes one number of a vector on its way into the table.
fn changing_one_number(pair: &Pair) -> Place {
    let number = |x: f32| x.to_le_bytes().to_vec();
    let old = [number(1234.5), number(77.25)].concat();
    let new = [number(1234.5), number(77.250_01)].concat();
    proxy::before(&pair.target.place, Mischief::Replace(old, new))
}

#[test]
fn one_number_that_changes_on_the_wire_is_exit_code_1() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, name text, v vector(2)); INSERT INTO t VALUES (1, 'a', '[1,2]'), (2, 'b', '[1234.5,77.25]'), (3, 'c', NULL);
         CREATE TABLE fine (id int PRIMARY KEY, v vector(1)); INSERT INTO fine VALUES (1, '[1]')",
    );
    let to = changing_one_number(&pair);
    let outcome = run::start_between(&pair.source.place, &to, &[]).ended();
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
    outcome.says(&["DIFFER", "public.t"]);
    assert_eq!(outcome.report()["verified"], false);
    let table = outcome.table("public.t");
    assert_ne!(table["sent_digest"], table["target_digest"]);
    let differences = table["differences"].to_string();
    assert!(
        differences.contains('v') && !differences.contains("1234.5"),
        "{differences}"
    );
    let fine = outcome.table("public.fine");
    assert_eq!(fine["differences"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_row_that_someone_adds_to_the_target_is_exit_code_1() {
    let pair = Pair::with(TABLES);
    pair.target.exec(EXISTING);
    let holder = pair.target.place.session();
    holder.exec("BEGIN; LOCK TABLE plain IN SHARE MODE");
    let running = pair.start(&[
        "--schema-source",
        "existing",
        "--jobs",
        "1",
        "--exclude-table",
        "big",
    ]);
    wait_for_the_copy(&pair, "plain");
    holder.exec("INSERT INTO plain VALUES (99, 'someone else''s'); COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
    let differences = outcome.table("public.plain")["differences"].to_string();
    assert!(
        differences.contains("2 rows on the target"),
        "{differences}"
    );
}
