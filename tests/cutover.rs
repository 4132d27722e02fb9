//! In: runs during which somebody writes to the source, or changes its tables. Out: the answer to whether it is safe to switch: never
//! "unchanged" for a table that is not as it was copied, and "unchanged" for one that only VACUUM has touched. A run waits at a
//! lock that the test holds; nothing here depends on speed.

mod common;

use common::db::Session;
use common::run::{Outcome, Running};
use common::{Pair, Place, wait_until};

const TABLES: &str = "CREATE TABLE gate (id int PRIMARY KEY, v vector(1)); INSERT INTO gate VALUES (1, '[1]');
    CREATE TABLE t (id int PRIMARY KEY, note varchar(10), v vector(1)); INSERT INTO t SELECT i, 'x', '[1]' FROM generate_series(1, 20) i;
    CREATE TABLE other (id int PRIMARY KEY, v vector(1)); INSERT INTO other VALUES (1, '[1]');";

const EXISTING: &str = "CREATE EXTENSION vectors; CREATE TABLE gate (id int PRIMARY KEY, v vectors.vector(1));
    CREATE TABLE t (id int PRIMARY KEY, note varchar(10), v vectors.vector(1)); CREATE TABLE other (id int PRIMARY KEY, v vectors.vector(1));";

const SAFE: &str = "it is safe to switch";

/// A run that has copied, verified and let go of the source, and now waits to analyze the table `gate`.
struct Waiting {
    running: Running,
    holder: Session,
}

impl Waiting {
    fn start(pair: &Pair, arguments: &[&str]) -> Waiting {
        let holder = pair.target.place.session();
        // It lets COPY in and keeps ANALYZE out.
        holder.exec("BEGIN; LOCK TABLE gate IN SHARE UPDATE EXCLUSIVE MODE");
        let existing = ["--schema-source", "existing"];
        let running = pair.start(&[&existing, arguments].concat());
        wait_until("ANALYZE waits at the lock", || {
            pair.target.one(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gate'::regclass",
            ) == "1"
        });
        Waiting { running, holder }
    }

    fn ended(self) -> Outcome {
        self.holder.exec("COMMIT");
        let outcome = self.running.ended();
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        outcome
    }
}

/// To count the rows of many tables takes long; what is altered meanwhile was looked at already.
#[test]
fn a_table_that_is_altered_while_the_next_one_is_counted_has_changed() {
    let pair = pair();
    // The largest table comes first.
    let more = "INSERT INTO t SELECT i, 'x', '[1]' FROM generate_series(100, 5000) i";
    pair.source.exec(more);
    let waiting = Waiting::start(&pair, &["--jobs", "1"]);
    let other = pair.source.place.session();
    other.exec("BEGIN; LOCK TABLE gate, other IN ACCESS EXCLUSIVE MODE");
    waiting.holder.exec("COMMIT");
    wait_until("the next one's rows wait at the lock", || {
        pair.source.one(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IN ('gate'::regclass, 'other'::regclass)",
        ) == "1"
    });
    pair.source.exec("ALTER TABLE t ADD COLUMN late int");
    other.exec("COMMIT");
    let outcome = waiting.running.ended();
    assert_eq!(state(&outcome, "public.t"), "changed");
    let told = outcome.table("public.t")["cutover"]["why"].to_string();
    assert!(told.contains("its column late was added"), "{told}");
    assert_eq!(state(&outcome, "public.other"), "unchanged");
}

fn pair() -> Pair {
    let pair = Pair::with(TABLES);
    pair.target.exec(EXISTING);
    pair
}

fn state(outcome: &Outcome, table: &str) -> String {
    let state = &outcome.table(table)["cutover"]["state"];
    state.as_str().unwrap_or_default().to_string()
}

/// What the report says after this was done to the source between the copy and the answer.
fn after(sql: &str) -> Outcome {
    let pair = pair();
    let waiting = Waiting::start(&pair, &[]);
    pair.source.exec(sql);
    waiting.ended()
}

fn assert_changed(sql: &str, why: &str) {
    let outcome = after(sql);
    assert_eq!(state(&outcome, "public.t"), "changed", "{sql}");
    let told = outcome.table("public.t")["cutover"]["why"].to_string();
    assert!(told.contains(why), "{sql}: {told}");
    assert_eq!(state(&outcome, "public.other"), "unchanged", "{sql}");
    outcome.says(&["NOT on the target"]);
    assert!(!outcome.out.contains(SAFE), "{}", outcome.everything());
}

#[test]
fn a_quiet_source_is_unchanged_whatever_vacuum_does_and_safe_to_switch_from_when_all_was_compared()
{
    for level in ["full", "counts", "none"] {
        let pair = pair();
        pair.source.exec(
            "UPDATE t SET note = 'y' WHERE id % 2 = 0; UPDATE t SET note = 'z' WHERE id % 4 = 0; DELETE FROM t WHERE id = 7",
        );
        let waiting = Waiting::start(&pair, &["--verify", level]);
        pair.source.exec("VACUUM (FREEZE) t");
        pair.source.exec("ANALYZE t");
        let outcome = waiting.ended();
        for table in outcome.tables() {
            assert_eq!(state(&outcome, &table), "unchanged", "{table}");
        }
        // What was not compared is not promised.
        assert_eq!(outcome.out.contains(SAFE), level == "full", "{level}");
        assert_eq!(outcome.report()["new_tables"], serde_json::json!([]));
    }
}

/// No txid_snapshot lists a subtransaction's id: one below its xmax looks as if the snapshot had seen it.
#[test]
fn a_subtransaction_that_was_open_at_the_snapshot_has_changed_its_table() {
    for level in ["full", "none"] {
        let pair = pair();
        let writer = pair.source.place.session();
        writer.exec(
            "BEGIN; INSERT INTO other VALUES (2, '[2]'); SAVEPOINT s; UPDATE t SET note = 'saved' WHERE id = 1",
        );
        // A later transaction, so that the subtransaction's id lies below the snapshot's xmax.
        pair.source.exec("CREATE TABLE later ()");
        pair.target.exec("CREATE TABLE later ()");
        let waiting = Waiting::start(&pair, &["--verify", level]);
        writer.exec("COMMIT");
        let outcome = waiting.ended();
        assert_eq!(state(&outcome, "public.t"), "changed", "{level}");
        assert_eq!(state(&outcome, "public.other"), "changed", "{level}");
        assert_eq!(state(&outcome, "public.gate"), "unchanged", "{level}");
        let copied = pair.target.one("SELECT note FROM t WHERE id = 1");
        assert_eq!(copied, "x", "the snapshot did not see it");
    }
}

#[test]
fn a_block_with_an_exception_handler_is_a_subtransaction_too() {
    let pair = pair();
    let writer = pair.source.place.session();
    writer.exec(
        "BEGIN; DO $$ BEGIN UPDATE t SET note = 'x' WHERE id = 1; EXCEPTION WHEN others THEN NULL; END $$",
    );
    pair.source.exec("UPDATE other SET id = 1");
    let waiting = Waiting::start(&pair, &[]);
    writer.exec("COMMIT");
    let outcome = waiting.ended();
    assert_eq!(state(&outcome, "public.t"), "changed");
    assert_eq!(state(&outcome, "public.other"), "unchanged");
}

/// They are younger than the snapshot's xmin, though it sees them.
#[test]
fn rows_that_were_written_while_an_older_transaction_was_open_are_told_apart() {
    let written = "UPDATE t SET note = 'young' WHERE id < 10; INSERT INTO other VALUES (3, '[3]')";
    for (then, state_then) in [
        ("SELECT 1", "unchanged"),
        ("UPDATE t SET note = 'younger' WHERE id = 3", "changed"),
    ] {
        let pair = pair();
        let writer = pair.source.place.session();
        writer.exec("BEGIN; SELECT txid_current()");
        pair.source.exec(written);
        let waiting = Waiting::start(&pair, &[]);
        pair.source.exec(then);
        writer.exec("COMMIT");
        let outcome = waiting.ended();
        assert_eq!(state(&outcome, "public.t"), state_then);
        assert_eq!(state(&outcome, "public.other"), "unchanged");
    }
}

#[test]
fn rows_that_were_replaced_by_as_many_have_changed_the_table() {
    assert_changed(
        "DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 'x', '[1]')",
        "as many inserted as deleted",
    );
    assert_changed(
        "DELETE FROM t WHERE id = 3",
        "20 rows were copied, it holds 19 now",
    );
    // The place of a row that VACUUM has freed is taken again.
    let pair = pair();
    let waiting = Waiting::start(&pair, &[]);
    pair.source.exec("DELETE FROM t WHERE id = 20");
    pair.source.exec("VACUUM t");
    pair.source.exec("INSERT INTO t VALUES (20, 'x', '[1]')");
    assert_eq!(state(&waiting.ended(), "public.t"), "changed");
}

#[test]
fn a_truncated_table_has_changed_though_it_is_filled_again() {
    assert_changed("TRUNCATE t", "truncated or rewritten");
    assert_changed(
        "CREATE TEMP TABLE kept AS TABLE t; TRUNCATE t; INSERT INTO t TABLE kept",
        "truncated or rewritten",
    );
}

#[test]
fn a_table_of_another_shape_has_changed_though_no_row_was_written() {
    assert_changed(
        "ALTER TABLE t ADD COLUMN added int DEFAULT 5",
        "column added was added",
    );
    assert_changed("ALTER TABLE t DROP COLUMN note", "column note was dropped");
    assert_changed(
        "ALTER TABLE t RENAME COLUMN note TO remark",
        "column note was renamed to remark",
    );
    assert_changed(
        "ALTER TABLE t ALTER COLUMN note TYPE text",
        "column note was altered",
    );
    assert_changed("ALTER TABLE t RENAME TO renamed", "renamed to");
    assert_changed("DROP TABLE t", "dropped");
}

#[test]
fn a_new_table_is_named_and_withholds_the_word_safe() {
    let outcome = after("CREATE TABLE \"New\" (id int); CREATE TEMP TABLE passing (id int)");
    assert_eq!(
        outcome.report()["new_tables"],
        serde_json::json!(["public.\"New\""])
    );
    outcome.says(&["Tables made since the snapshot: public.\"New\""]);
    assert!(!outcome.out.contains(SAFE), "{}", outcome.everything());
    for table in outcome.tables() {
        assert_eq!(state(&outcome, &table), "unchanged", "{table}");
    }
}

#[test]
fn a_new_table_that_was_not_asked_for_is_no_news_but_a_new_partition_is() {
    let pair = Pair::with(TABLES);
    let tree = "CREATE TABLE tree (id int) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF tree FOR VALUES IN (1)";
    pair.source.exec(tree);
    pair.target.exec(&format!("{EXISTING}; {tree}"));
    let only = ["--table", "gate", "--table", "tree"];
    let waiting = Waiting::start(&pair, &only);
    pair.source.exec("CREATE TABLE unasked (id int)");
    waiting.ended().says(&[SAFE]);

    pair.target.exec("TRUNCATE gate, tree");
    let waiting = Waiting::start(&pair, &only);
    pair.source
        .exec("CREATE TABLE leaf2 PARTITION OF tree FOR VALUES IN (2)");
    let outcome = waiting.ended();
    assert_eq!(
        outcome.report()["new_tables"],
        serde_json::json!(["public.leaf2"])
    );
    assert!(!outcome.out.contains(SAFE), "{}", outcome.everything());
}

#[test]
fn a_table_that_became_a_partition_has_changed() {
    let pair = Pair::with(TABLES);
    let tree = "CREATE TABLE tree (id int) PARTITION BY LIST (id); CREATE TABLE lone (id int)";
    pair.source.exec(tree);
    pair.target.exec(&format!("{EXISTING}; {tree}"));
    let waiting = Waiting::start(&pair, &[]);
    pair.source
        .exec("ALTER TABLE tree ATTACH PARTITION lone FOR VALUES IN (1)");
    assert_eq!(state(&waiting.ended(), "public.lone"), "changed");
}

#[test]
fn a_writer_who_has_not_committed_leaves_the_answer_open() {
    let pair = pair();
    let waiting = Waiting::start(&pair, &[]);
    let writer = pair.source.place.session();
    writer.exec("BEGIN; UPDATE t SET note = 'open'");
    let outcome = waiting.ended();
    assert_eq!(state(&outcome, "public.t"), "unknown");
    assert_eq!(state(&outcome, "public.other"), "unchanged");
    assert!(!outcome.out.contains(SAFE), "{}", outcome.everything());
}

/// The rows are there and verified: that the source has gone since does not take this back.
#[test]
fn a_source_that_is_gone_at_the_end_leaves_the_answer_open_and_the_run_well() {
    let pair = pair();
    let waiting = Waiting::start(&pair, &[]);
    let database = &pair.source.place.database;
    let alone = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false");
    Place::source().session().exec(&alone);
    let outcome = waiting.ended();
    assert_eq!(outcome.report()["verified"], true);
    assert!(outcome.report()["new_tables"].is_null());
    for table in outcome.tables() {
        assert_eq!(state(&outcome, &table), "unknown", "{table}");
    }
    outcome.says(&["the source could not be asked"]);
    assert!(!outcome.out.contains(SAFE), "{}", outcome.everything());
}

#[test]
fn a_generated_column_is_compared_or_named_as_one_that_was_not() {
    let pair = Pair::with(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2), twice int GENERATED ALWAYS AS (id * 2) STORED,
           length float8 GENERATED ALWAYS AS (sqrt(id::float8)) STORED, kept text GENERATED ALWAYS AS ('a') STORED);
         INSERT INTO t VALUES (1, '[1,2]'), (2, NULL)",
    );
    let place = |twice: &str, length: &str| {
        format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v vectors.vector(2),
               twice int GENERATED ALWAYS AS ({twice}) STORED, length float8 GENERATED ALWAYS AS ({length}) STORED)"
        )
    };
    pair.target.exec("CREATE EXTENSION vectors");
    pair.target
        .exec(&place("id * 2", "sqrt(id::float8) + 1e-9"));
    let outcome = pair.run(&["--schema-source", "existing"]);
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&[
        "but generated column public.t.length: the target computes other values",
        "but generated column public.t.kept: not compared: it is not on the target",
    ]);
    assert!(!outcome.out.contains("public.t.twice"));

    pair.target.exec(&place("id * 3", "sqrt(id::float8)"));
    let outcome = pair.run(&["--schema-source", "existing"]);
    assert_eq!(outcome.code, 1, "{}", outcome.everything());
    outcome.says(&["generated column twice: the target computes other values"]);
}

#[test]
fn a_column_may_bear_any_name_that_the_checks_use_themselves() {
    let columns = "id int PRIMARY KEY, e int, u text, t text, value int, n int, r int, now int, x int, sum int, count int";
    let pair = Pair::with(&format!(
        "CREATE TABLE t ({columns}, \"Many\" vector(2)[], one vector(2)); INSERT INTO t (id, e, \"Many\", one)
         VALUES (1, 5, ARRAY['[1,2]', '[3,4]', NULL]::vector(2)[], '[5,6]'), (2, 6, NULL, NULL)"
    ));
    let outcome = pair.copy(&[]);
    let samples = outcome.table("public.t")["samples"].to_string();
    assert!(samples.contains("\"checked\":2"), "{samples}");
    outcome.says(&[SAFE]);
}

/// What empties a table has written nothing yet that anybody sees, and no row's lock shows it: it may be committed when the user has switched.
#[test]
fn an_open_truncate_is_never_safe() {
    let pair = pair();
    let waiting = Waiting::start(&pair, &["--jobs", "1"]);
    let emptier = pair.source.place.session();
    emptier.exec("BEGIN; TRUNCATE other");
    assert_eq!(state(&waiting.ended(), "public.other"), "unknown");
}

/// The look at all tables waits for the lock in vain, and so do the rows of one.
#[test]
fn a_table_that_is_locked_spoils_no_answer_for_another() {
    let pair = pair();
    for side in [&pair.source, &pair.target] {
        side.exec(
            "CREATE TABLE tree (id int) PARTITION BY LIST (id); CREATE TABLE tree_1 PARTITION OF tree FOR VALUES IN (1);
             CREATE TABLE computed (id int, twice int GENERATED ALWAYS AS (2 * id) STORED)",
        );
    }
    let waiting = Waiting::start(&pair, &["--jobs", "1"]);
    let locker = pair.source.place.session();
    // What prints an expression waits for the lock too.
    locker.exec("BEGIN; LOCK TABLE other, computed IN ACCESS EXCLUSIVE MODE");
    let outcome = waiting.ended();
    for table in ["other", "computed"] {
        let told = &outcome.table(&format!("public.{table}"))["cutover"];
        assert_eq!(told["state"], "unknown", "{table}");
        assert_eq!(told["why"], "someone holds a lock on it", "{table}");
    }
    for table in ["tree_1", "gate", "t"] {
        let state = state(&outcome, &format!("public.{table}"));
        assert_eq!(state, "unchanged", "{table}");
    }
}

/// The look at the end tells more than that its rows could not be counted.
#[test]
fn a_table_that_is_dropped_while_its_rows_wait_was_dropped() {
    let pair = pair();
    let waiting = Waiting::start(&pair, &["--jobs", "1"]);
    let dropper = pair.source.place.session();
    dropper.exec("BEGIN; DROP TABLE other");
    waiting.holder.exec("COMMIT");
    wait_until("the rows wait at the lock", || {
        pair.source
            .one("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'other'::regclass")
            == "1"
    });
    dropper.exec("COMMIT");
    let outcome = waiting.running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    let told = &outcome.table("public.other")["cutover"];
    assert_eq!(
        (&told["state"], &told["why"]),
        (&"changed".into(), &"it was dropped".into())
    );
    assert_eq!(state(&outcome, "public.t"), "unchanged");
}
