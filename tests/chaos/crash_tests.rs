//! In: servers of a test's own that crash, or have counted far. Out: the same command ends with the source's rows, also where a crash
//! has undone what a copy had seen, or has emptied what it had filled.

use super::common::run::{self, Outcome, Running};
use super::common::{Place, wait_until};
use super::servers::{Servers, Side};

struct Two {
    servers: Servers,
}

impl Two {
    fn with(sql: &str) -> Two {
        let two = Two {
            servers: Servers::start(),
        };
        for side in [Side::Source, Side::Target] {
            two.server(side).session().exec("CREATE DATABASE d");
        }
        two.exec(Side::Source, "CREATE EXTENSION vector");
        two.exec(Side::Source, sql);
        two
    }

    fn server(&self, side: Side) -> &Place {
        self.servers.place(side)
    }

    fn place(&self, side: Side) -> Place {
        self.server(side).with_database("d")
    }

    fn exec(&self, side: Side, sql: &str) {
        self.place(side).session().exec(sql);
    }

    fn each(&self, side: Side, statements: &[&str]) {
        statements.iter().for_each(|sql| self.exec(side, sql));
    }

    fn start(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Running {
        let (from, to) = (self.place(Side::Source), self.place(Side::Target));
        run::start_with(&from, &to, arguments, variables)
    }

    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        self.start(variables, arguments).ended()
    }

    fn rows(&self, side: Side) -> String {
        self.place(side).session().one("SELECT count(*), md5(string_agg(id || note || v::real[]::text, ',' ORDER BY id, note)) FROM t")
    }

    fn killed_at(&self, step: &str) {
        let outcome = self.run(&[("PGV2RS_KILL_AT", step)], &["--jobs", "1"]);
        assert_eq!(outcome.code, -1, "{}", outcome.everything());
    }

    fn crash(&self, side: Side) {
        self.servers.restart(side);
        wait_until("the server is back", || self.place(side).connect().is_ok());
    }

    /// The same command again, and the same rows on both sides.
    fn again(&self) -> Outcome {
        let outcome = self.run(&[], &["--jobs", "1"]);
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        let [source, target] = [Side::Source, Side::Target].map(|side| self.rows(side));
        assert_eq!(source, target, "{}", outcome.everything());
        outcome
    }
}

/// 20 MB: three slices.
fn table(kind: &str) -> String {
    format!(
        "CREATE {kind} TABLE t (id int, note text STORAGE PLAIN, v vector(1));
         INSERT INTO t SELECT i, repeat(md5(i::text), 60), '[1]' FROM generate_series(1, 10000) i; CREATE INDEX near ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10)"
    )
}

/// A place in the table and the number of a transaction that a crash has undone are given to others.
#[test]
fn what_a_crash_of_the_source_undoes_was_never_copied() {
    let two = Two::with(
        "CREATE TABLE t (id int, note text, v vector(1)); INSERT INTO t SELECT i, 'x', '[1]' FROM generate_series(1, 100) i",
    );
    two.each(
        Side::Source,
        &[
            "ALTER DATABASE d SET synchronous_commit = off",
            "ALTER SYSTEM SET wal_writer_delay = '10s'",
            "SELECT pg_reload_conf()",
            "CHECKPOINT",
        ],
    );
    // Its writer of WAL is idle by then, and takes its time.
    std::thread::sleep(std::time::Duration::from_secs(1));
    two.exec(Side::Source, "INSERT INTO t VALUES (1000, 'lost', '[2]')");
    two.killed_at("copied");
    two.crash(Side::Source);
    two.exec(Side::Source, "INSERT INTO t VALUES (2000, 'kept', '[3]')");
    two.again();
}

/// What is not committed is flushed there by a checkpoint only, in a day.
#[test]
fn a_source_on_which_a_transaction_is_open_and_nobody_commits_is_made_to_flush() {
    let two = Two::with(&table(""));
    two.each(
        Side::Source,
        &[
            "ALTER SYSTEM SET wal_level = minimal",
            "ALTER SYSTEM SET max_wal_senders = 0",
            "ALTER SYSTEM SET checkpoint_timeout = '1d'",
            "ALTER SYSTEM SET autovacuum = off",
        ],
    );
    two.crash(Side::Source);
    two.exec(Side::Source, "VACUUM (FREEZE)");
    // Whoever looks at a page first may tidy it, and what that writes is flushed.
    let planned = two.run(&[], &["--dry-run"]);
    assert_eq!(planned.code, 0, "{}", planned.everything());
    let open = two.place(Side::Source).session();
    open.exec("BEGIN");
    open.exec("INSERT INTO t VALUES (0, 'not committed', '[1]')");
    let flushed = "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()";
    assert_eq!(open.one(flushed), "f");
    let next = || open.one("SELECT txid_snapshot_xmax(txid_current_snapshot())");
    let before = next();
    let running = two.start(&[], &[]);
    wait_until("the program has asked for it", || next() != before);
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(two.rows(Side::Target), two.rows(Side::Source));
}

#[test]
fn unlogged_tables_that_a_crash_of_the_target_has_emptied_are_copied_anew() {
    let two = Two::with(&table("UNLOGGED").replace(
        "CREATE INDEX near ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10)",
        "CREATE INDEX by_id ON t (id)",
    ));
    two.killed_at("after-commit:2");
    two.crash(Side::Target);
    two.again().says(&["the target has crashed"]);

    let two = Two::with(&table("UNLOGGED").replace(
        "CREATE INDEX near ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10)",
        "CREATE INDEX by_id ON t (id)",
    ));
    two.killed_at("after-step");
    two.crash(Side::Target);
    two.run(&[], &["--jobs", "1"])
        .refused(4, &["has emptied its unlogged tables", "pgv2rs-copy clean"]);
}

/// The xmin of a row is the lower half of the number that the ledger keeps; freezing leaves it.
#[test]
fn slices_are_taken_back_where_transactions_are_counted_in_the_fourth_epoch() {
    let two = Two::with(&table(""));
    two.servers.count_from(Side::Target, 3);
    two.killed_at("copied");
    let xid = two
        .place(Side::Target)
        .session()
        .one("SELECT min(xid::text::numeric) > 3 * 4294967296::numeric FROM pgv2rs.slice");
    assert_eq!(xid, "t");
    two.exec(Side::Target, "VACUUM (FREEZE) t");
    two.exec(
        Side::Source,
        "DELETE FROM t WHERE id = 5; UPDATE t SET v = '[7]' WHERE id = 9000",
    );
    two.again().says(&["changed since"]);
}

/// 2,000 transactions later their numbers have come round. Rows of before are frozen, and look as if they were still to be written.
#[test]
fn slices_are_kept_and_changes_found_where_the_numbers_of_transactions_have_come_round() {
    let two = Two::with(&table(""));
    two.servers.count_down_from(Side::Source, 1500);
    let next = "SELECT txid_snapshot_xmax(txid_current_snapshot()) > 4294967296";
    let round = || two.place(Side::Source).session().one(next) == "t";
    assert!(!round());
    two.killed_at("copied");
    two.exec(
        Side::Source,
        "DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$",
    );
    assert!(round());
    two.exec(
        Side::Source,
        "DELETE FROM t WHERE id = 5; INSERT INTO t SELECT 5, note, v FROM t WHERE id = 6",
    );
    two.exec(Side::Source, "VACUUM (FREEZE) t");
    two.again().says(&[
        "2 slices of public.t changed since",
        "1 slice is there already",
    ]);
}

/// A standby that was started again may be behind what it had replayed before.
#[test]
fn slices_of_a_standby_are_kept_until_it_is_started_again() {
    let Two { servers } = Two::with(&table(""));
    let two = Two {
        servers: servers.with_a_standby_as_source(),
    };
    two.killed_at("copied");
    two.killed_at("laid");
    let kept = "SELECT count(*) FROM pgv2rs.slice WHERE rows IS NOT NULL";
    assert_eq!(two.place(Side::Target).session().one(kept), "3");
    two.crash(Side::Source);
    two.again().says(&["3 slices of public.t changed since"]);
}
