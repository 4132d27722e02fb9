//! Not a test that passes or fails by a clock: `cargo test --release --test in_place -- --ignored --nocapture` prints how long a writer of 500 statements a
//! second waits while 100,000 vectors with an hnsw index change, and how large the table is after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Both;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v vector(50), note text);
    INSERT INTO t SELECT i, (SELECT array_agg(sin(i * 50 + j)::real) FROM generate_series(1, 50) j)::vector, 'x' FROM generate_series(1, 100000) i;
    CREATE INDEX near ON t USING hnsw (v vector_l2_ops); VACUUM ANALYZE t;";

#[test]
#[ignore = "it measures, and takes minutes: scripts/test exhaustive"]
fn a_writer_beside_the_change_of_100_000_vectors() {
    for arguments in [&["--drop-old-index"][..], &[], super::SHADOW] {
        let both = Both::with("");
        for statement in TABLE.split(';').filter(|s| !s.trim().is_empty()) {
            both.exec(statement);
        }
        // What a fresh load takes.
        both.exec("CREATE TABLE fresh (id int PRIMARY KEY, note text, v vectors.vector(50))");
        both.exec("INSERT INTO fresh SELECT id, note, v::real[]::vectors.vector FROM t");
        let stop = AtomicBool::new(false);
        let place = both.place.clone();
        let (outcome, waits, seconds) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| write(&place.session(), &stop));
            let began = Instant::now();
            let outcome = both.change(arguments);
            let seconds = began.elapsed().as_secs_f64();
            stop.store(true, Ordering::Relaxed);
            (outcome, writer.join().unwrap_or_default(), seconds)
        });
        let report = &outcome.report()["tables"][0];
        let size = |table: &str| {
            both.one(&format!("SELECT pg_table_size('{table}')"))
                .parse::<f64>()
                .unwrap_or(f64::NAN)
        };
        let mut longest = waits.clone();
        longest.sort_by(f64::total_cmp);
        let top: Vec<String> = longest
            .iter()
            .rev()
            .take(5)
            .map(|s| format!("{:.0} ms", s * 1e3))
            .collect();
        println!(
            "{arguments:?}: {seconds:.1} s, {} statements of the writer, its longest {}; swap {:.0} ms (asked {}), longest batch {:.0} ms, {} batches in {:.1} s; {:.2} times a fresh load",
            waits.len(),
            top.join(", "),
            report["swap_seconds"].as_f64().unwrap_or_default() * 1e3,
            report["swap_tries"],
            report["filled"]["longest_batch_seconds"]
                .as_f64()
                .unwrap_or_default()
                * 1e3,
            report["filled"]["batches"],
            report["filled"]["seconds"].as_f64().unwrap_or_default(),
            size("t") / size("fresh")
        );
    }
}

/// Seconds that each statement took.
fn write(session: &super::common::db::Session, stop: &AtomicBool) -> Vec<f64> {
    let mut took = Vec::new();
    let started = Instant::now();
    let mut n = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let id = n.wrapping_mul(2_654_435_761) % 100_000 + 1;
        let vector = (0..50)
            .map(|j| (f64::from(n * 50 + j)).sin().to_string())
            .collect::<Vec<_>>()
            .join(",");
        let sql = match n % 4 {
            0 => format!("UPDATE t SET v = '[{vector}]' WHERE id = {id}"),
            1 => format!("UPDATE t SET note = 'y{n}' WHERE id = {id}"),
            2 => format!(
                "INSERT INTO t (id, v) VALUES ({}, '[{vector}]')",
                100_000 + n
            ),
            _ => format!("DELETE FROM t WHERE id = {}", 100_000 + n - 1),
        };
        let began = Instant::now();
        session.exec(&sql);
        took.push(began.elapsed().as_secs_f64());
        let due = Duration::from_millis(2) * n;
        if let Some(left) = due.checked_sub(started.elapsed()) {
            std::thread::sleep(left);
        }
    }
    took
}
