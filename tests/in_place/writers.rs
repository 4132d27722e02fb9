//! Somebody writes while the columns change: nothing is lost, and nobody waits long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::Both;
use super::common::{Place, wait_until};

/// Each row says in `said` what its vectors must be.
const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v vector(3), h halfvec(3), said text);
    INSERT INTO t SELECT i, ARRAY[i, 1, 2]::real[]::vector, ARRAY[i % 100, 1, 2]::real[]::vector::halfvec, i || ' ' || i % 100 FROM generate_series(1, 20000) i;
    CREATE INDEX near ON t USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 10);";

/// Rows whose vectors are not what they say, in the new types.
const WRONG: &str = "SELECT count(*) FROM t WHERE v::real[] IS DISTINCT FROM (ARRAY[split_part(said, ' ', 1), 1, 2])::real[] \
    OR h::vectors.vector::real[] IS DISTINCT FROM (ARRAY[split_part(said, ' ', 2), 1, 2])::real[]";

struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), String>>,
}

impl Writer {
    /// Inserts, deletes, changes vectors, keys and notes, in transactions of one or two statements. It waits for no lock longer than a second.
    fn start(place: &Place, seed: u64) -> Writer {
        let (stop, written) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (place, stopped, count) = (place.clone(), stop.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            let session = place.try_session()?;
            session.try_exec("SET lock_timeout = '1s'")?;
            let mut random = seed;
            let mut next = move |below: u64| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let mut fresh = 1_000_000 * (seed + 1);
            while !stopped.load(Ordering::Relaxed) {
                let (id, x, y) = (next(20_000) + 1, next(10_000), next(100));
                fresh += 1;
                // Literals without a type: they are what the column is.
                let sql = match next(8) {
                    0 => format!(
                        "INSERT INTO t (id, v, h, said) VALUES ({fresh}, '[{x},1,2]', '[{y},1,2]', '{x} {y}')"
                    ),
                    1 => format!("DELETE FROM t WHERE id = {id}"),
                    2 => format!("UPDATE t SET id = {fresh} WHERE id = {id}"),
                    3 => format!("UPDATE t SET said = said WHERE id = {id}"),
                    4 => format!(
                        "BEGIN; UPDATE t SET v = '[{x},1,2]', said = '{x} ' || split_part(said, ' ', 2) WHERE id = {id}; ROLLBACK"
                    ),
                    5 => format!(
                        "BEGIN; SELECT FROM t WHERE id = {id} FOR UPDATE; UPDATE t SET h = '[{y},1,2]', said = split_part(said, ' ', 1) || ' {y}' WHERE id = {id}; COMMIT"
                    ),
                    _ => format!(
                        "UPDATE t SET v = '[{x},1,2]', said = '{x} ' || split_part(said, ' ', 2) WHERE id = {id}"
                    ),
                };
                session.try_exec(&sql).map_err(|e| format!("{e}\n{sql}"))?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Writer {
            stop,
            written,
            thread,
        }
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// It has written more than this, or has come to an end that `ended` tells.
    fn is_past(&self, number: u64) -> bool {
        self.written() > number || self.thread.is_finished()
    }

    fn ended(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self
            .thread
            .join()
            .unwrap_or_else(|_| Err("it panicked".into()));
        assert_eq!(ended, Ok(()), "the writer");
        self.written.load(Ordering::Relaxed)
    }
}

/// Nobody waits longer than a second for a lock, the swap's included, whose own wait is shorter.
#[test]
fn what_is_written_meanwhile_is_in_the_new_columns() {
    for arguments in [
        &["--drop-old-index"][..],
        &["--batch-rows", "50"],
        &["--method", "shadow"],
    ] {
        let both = Both::with(TABLE);
        let writers: Vec<Writer> = (0..2)
            .map(|seed| Writer::start(&both.place, seed))
            .collect();
        wait_until("they write", || writers.iter().all(|w| w.is_past(20)));
        let outcome = both.change(arguments);
        let so_far: Vec<u64> = writers.iter().map(Writer::written).collect();
        wait_until("they go on after the swap", || {
            writers.iter().zip(&so_far).all(|(w, n)| w.is_past(n + 20))
        });
        let written: u64 = writers.into_iter().map(Writer::ended).sum();
        assert!(written > 100);
        assert_eq!(both.one(WRONG), "0", "{}", outcome.everything());
        assert_eq!(
            both.one("SELECT count(*) FROM t WHERE v IS NULL OR h IS NULL"),
            "0"
        );
        assert_eq!(both.indexes("t"), ["near|vectors|t", "t_pkey|btree|t"]);
        both.assert_tidy();
    }
}

/// Undone in the middle of it, the old columns hold what was written.
#[test]
fn an_undo_under_writers_loses_nothing() {
    let both = Both::with(TABLE);
    let writer = Writer::start(&both.place, 7);
    let dump = both.dump();
    wait_until("it writes", || writer.is_past(20));
    both.killed_at("filled", &[]);
    both.change(&["--undo"]);
    writer.ended();
    assert_eq!(both.dump(), dump);
    let wrong = WRONG.replace("::vectors.vector", "");
    assert_eq!(both.one(&wrong), "0");
}

/// A role that may write to the table, and not use PGVecto.rs's schema.
#[test]
fn a_writer_needs_no_right_on_the_schema_of_the_new_types() {
    let role = super::common::db::Role::create(&[Place::target()], "");
    let both = Both::with(TABLE);
    both.killed_at("kept", &[]);
    both.exec(&format!("GRANT INSERT ON t TO {0}; SET ROLE {0}; INSERT INTO t VALUES (-1, '[5,1,2]', '[6,1,2]', '5 6'); RESET ROLE", role.quoted()));
    let denied = both.try_exec(&format!(
        "SET ROLE {}; SELECT NULL::vectors.vector",
        role.quoted()
    ));
    assert!(
        denied.is_err_and(|e| e.contains("42501")),
        "it may use the schema"
    );
    both.exec("RESET ROLE");
    both.change(&[]);
    assert_eq!(both.one(WRONG), "0");
    assert_eq!(both.one("SELECT count(*) FROM t"), "20001");
}

/// Who reads in a transaction that stays open keeps the lock from coming; others are let through between the tries, and the holder is named.
#[test]
fn a_reader_that_stays_holds_up_the_lock_and_nobody_else() {
    let both = Both::with(TABLE);
    let reader = both.place.session();
    reader.exec("BEGIN; SELECT count(*) FROM t");
    let running = both.start(&["--lock-timeout", "100ms"]);
    let other = both.place.session();
    other.exec("SET lock_timeout = '1s'");
    for n in 0..40 {
        other.exec(&format!(
            "UPDATE t SET said = said WHERE id = {n}; SELECT count(*) FROM t WHERE id < 10"
        ));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(both.one("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname LIKE 'migrate%'"), "0");
    reader.exec("COMMIT");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    outcome.says(&["the lock did not come in time", "it is held by process"]);
    assert_eq!(both.one(WRONG), "0");
}

/// Rows that somebody has locked are left for later, not waited for.
#[test]
fn rows_that_are_locked_are_filled_when_they_are_free() {
    let both = Both::with(TABLE);
    both.killed_at("kept", &[]);
    let holder = both.place.session();
    holder.exec("BEGIN; SELECT FROM t WHERE id % 1000 = 7 FOR UPDATE");
    let running = both.start(&[]);
    wait_until("all others are filled", || {
        both.one("SELECT count(*) FROM t WHERE migrate_v IS NULL") == "20"
    });
    let other = both.place.session();
    other.exec("SET lock_timeout = '1s'; UPDATE t SET said = said WHERE id % 1000 = 8");
    holder.exec("ROLLBACK");
    let outcome = running.ended();
    assert_eq!(outcome.code, 0, "{}", outcome.everything());
    assert_eq!(both.one(WRONG), "0");

    let both = Both::with(TABLE);
    both.killed_at("kept", &[]);
    let holder = both.place.session();
    holder.exec("BEGIN; SELECT FROM t WHERE id = 7 FOR UPDATE");
    both.run(&["--retry-for", "1s"])
        .refused(4, &["locked by somebody else", "public.t"]);
    holder.exec("ROLLBACK");
    both.change(&[]);
}

/// VACUUM FULL and CLUSTER move rows without a trigger.
#[test]
fn rows_that_are_moved_while_the_fill_is_at_rest_are_filled_too() {
    let both = Both::with(TABLE);
    both.killed_at("batch:4", &["--batch-rows", "1000"]);
    both.exec("CLUSTER t USING t_pkey");
    both.exec("VACUUM FULL t");
    both.change(&[]);
    assert_eq!(both.one(WRONG), "0");
}
