//! In: rows and bytes as they move. Out: a bar on a terminal, a log line every few seconds elsewhere: rows/s, MB/s, and when it
//! will be done. It measures nothing that the report needs.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::ledger::slices::Counted;
use crate::plan::TablePlan;

const LINE_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Progress(Arc<State>);

struct State {
    started: Instant,
    expected_bytes: u64,
    slices: usize,
    rows: AtomicU64,
    bytes: AtomicU64,
    slices_done: AtomicU64,
    last_line_ms: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// For the copy of so many slices, of about so many bytes; `quiet` shows nothing.
    pub fn start(slices: usize, expected_bytes: u64, quiet: bool) -> Progress {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = "{spinner} {bar:30} {percent}%  {msg}  elapsed {elapsed}, ETA {eta}";
            let bar = ProgressBar::new(expected_bytes);
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar()),
            );
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Progress(Arc::new(State {
            started: Instant::now(),
            expected_bytes,
            slices,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            slices_done: AtomicU64::new(0),
            last_line_ms: AtomicU64::new(0),
            bar,
        }))
    }

    pub fn moved(&self, rows: u64, bytes: u64) {
        let state = &self.0;
        state.rows.fetch_add(rows, Ordering::Relaxed);
        let total = state.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match &state.bar {
            Some(bar) => {
                // The tables' size on disk is only an estimate of what will cross the wire.
                bar.set_length(state.expected_bytes.max(total));
                bar.set_position(total);
                bar.set_message(self.rates());
            }
            None => self.line_if_due(),
        }
    }

    /// A slice came to nothing; it is copied again.
    pub fn taken_back(&self, rows: u64, bytes: u64) {
        self.0.rows.fetch_sub(rows, Ordering::Relaxed);
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn slice_done(&self, table: &TablePlan, counted: &Counted) {
        let done = self.0.slices_done.fetch_add(1, Ordering::Relaxed) + 1;
        let rejected = match counted.rejected {
            0 => String::new(),
            n => format!(", {n} rejected"),
        };
        let text = format!(
            "{}: {} rows{rejected}, {} in {:.1?} (slice {done} of {})",
            table.display,
            counted.rows,
            megabytes(counted.bytes),
            counted.elapsed,
            self.0.slices
        );
        match &self.0.bar {
            Some(bar) => bar.println(text),
            None => tracing::info!("{text}"),
        }
    }

    pub fn slices_done(&self) -> u64 {
        self.0.slices_done.load(Ordering::Relaxed)
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
    }

    fn rates(&self) -> String {
        let seconds = self.0.started.elapsed().as_secs_f64().max(0.001);
        let (rows, bytes) = (
            self.0.rows.load(Ordering::Relaxed),
            self.0.bytes.load(Ordering::Relaxed),
        );
        format!(
            "{} rows, {:.0} rows/s, {}/s",
            rows,
            rows as f64 / seconds,
            megabytes((bytes as f64 / seconds) as u64)
        )
    }

    fn line_if_due(&self) {
        let now = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.0.last_line_ms.load(Ordering::Relaxed);
        let due = u128::from(now.saturating_sub(last)) >= LINE_EVERY.as_millis();
        let exchange = |to| {
            self.0
                .last_line_ms
                .compare_exchange(last, to, Ordering::Relaxed, Ordering::Relaxed)
        };
        if due && exchange(now).is_ok() {
            tracing::info!("{}, {}", self.rates(), self.eta());
        }
    }

    fn eta(&self) -> String {
        let bytes = self.0.bytes.load(Ordering::Relaxed);
        let left = self.0.expected_bytes.saturating_sub(bytes) as f64;
        let seconds = self.0.started.elapsed().as_secs_f64() * left / (bytes.max(1) as f64);
        format!(
            "about {} to go",
            human_time(Duration::from_secs_f64(seconds.min(1e9)))
        )
    }
}

pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// `1 h 05 min`, `3 min 20 s`, `12 s`.
pub fn human_time(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}
