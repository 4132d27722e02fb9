//! In: PGV2RS_TEST_SOURCE and PGV2RS_TEST_TARGET, superuser URLs of two clusters. Out: for each test a pair of databases of its own,
//! the program run against them, and what the servers themselves say of the result. The oracle shares no code with the
//! program: it is SQL casts and the catalogs. Not here: any expectation of a single test.
// Every test binary uses its own part of this harness.
#![allow(dead_code)]

pub mod alike;
pub mod db;
pub mod proxy;
pub mod run;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use db::{Db, Place};

/// A database on each server, dropped at the end of the test, after a panic too.
pub struct Pair {
    pub source: Db,
    pub target: Db,
}

impl Pair {
    /// Empty databases; the source has pgvector, the target nothing.
    pub fn new() -> Pair {
        let pair = Pair::bare();
        pair.source.exec("CREATE EXTENSION vector");
        pair
    }

    /// Databases without any extension.
    pub fn bare() -> Pair {
        let name = unique("db");
        Pair {
            source: Db::create(&Place::source(), &name),
            target: Db::create(&Place::target(), &name),
        }
    }

    /// A source with pgvector and these objects.
    pub fn with(sql: &str) -> Pair {
        let pair = Pair::new();
        pair.source.exec(sql);
        pair
    }

    /// Waits for what other tests have left open: rows of transactions as young as one that is open are not kept.
    pub fn quiet(&self) {
        let session = self.source.place.session();
        let now = session.one("SELECT txid_current()");
        let ended = format!("SELECT txid_snapshot_xmin(txid_current_snapshot()) > {now}");
        wait_until("older transactions end", || session.one(&ended) == "t");
    }

    /// A query on each side must give the same rows, and at least one.
    pub fn same(&self, on_source: &str, on_target: &str) {
        let expected = self.source.rows(on_source);
        assert!(!expected.is_empty(), "nothing to compare: {on_source}");
        let found = self.target.rows(on_target);
        let first = expected.iter().zip(&found).find(|(e, f)| e != f);
        assert!(
            expected == found,
            "{} rows on the source, {} on the target; the first that differs: {first:?}\n{on_source}\n{on_target}",
            expected.len(),
            found.len()
        );
    }

    /// The same query on both sides.
    pub fn same_answer(&self, sql: &str) {
        self.same(sql, sql);
    }
}

/// A name that no other test of this or another run has.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let started = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    format!("pgv2rs_{what}_{}_{n}_{started}", std::process::id())
}

/// Waits until `ready` holds; a test that waits in vain says for what.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited a minute in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
