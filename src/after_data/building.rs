//! In: the indexes that are being built, as their sessions begin and end them. Out: a line every ten seconds of how far they are, from the
//! target's own views, asked by one session for all. Where these say nothing, the time alone. Nothing here can fail a run.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Row};

use crate::connect::{Endpoint, Session};
use crate::error::Result;
use crate::progress::human_time;

const LINE_EVERY: Duration = Duration::from_secs(10);
/// The index worker, where it is gone, lets one wait for fifteen.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Building(Mutex<State>);

#[derive(Default)]
struct State {
    what: &'static str,
    since: Option<Instant>,
    all: usize,
    done: usize,
    /// Of the tables, once for each index.
    bytes: u64,
    bytes_done: u64,
    now: Vec<One>,
}

/// An index that a session builds.
#[derive(Clone)]
struct One {
    pid: i32,
    object: String,
    bytes: u64,
    vector: bool,
    since: Instant,
}

impl Building {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `what` they are called, how many there are, and how much their tables hold.
    pub fn begin(&self, what: &'static str, all: usize, bytes: u64) {
        *self.state() = State {
            what,
            since: Some(Instant::now()),
            all,
            bytes,
            ..State::default()
        };
    }

    pub fn began(&self, pid: i32, (object, bytes, vector): (&str, u64, bool)) {
        let (object, since) = (object.to_string(), Instant::now());
        self.state().now.push(One {
            pid,
            object,
            bytes,
            vector,
            since,
        });
    }

    /// Well or not.
    pub fn ended(&self, pid: i32) {
        let mut state = self.state();
        if let Some(at) = state.now.iter().position(|one| one.pid == pid) {
            let one = state.now.remove(at);
            state.done += 1;
            state.bytes_done += one.bytes;
        }
    }

    fn now(&self) -> (Vec<One>, Option<Instant>) {
        let state = self.state();
        (state.now.clone(), state.since)
    }
}

/// Says how far the indexes are, for as long as it is let.
pub async fn tell(target: &Endpoint, building: &Building) -> Infallible {
    let mut monitor = Monitor::default();
    let mut tick = tokio::time::interval(LINE_EVERY);
    loop {
        tick.tick().await;
        let (now, since) = building.now();
        // What has hardly begun may be done in a moment.
        if now.is_empty() || since.is_none_or(|s| s.elapsed() < LINE_EVERY / 2) {
            continue;
        }
        let parts = monitor.look(target, &now).await;
        let line = building.state().line(&parts);
        if let Some(line) = line {
            tracing::info!("{line}");
        }
    }
}

impl State {
    /// `ordinary indexes: 3 of 12 after 3 min 20 s, about 6 min 05 s to go; INDEX public.a_idx for 40 s: scanning table, 34 %, about 1 min 17 s to go with that`
    fn line(&self, parts: &HashMap<i32, Part>) -> Option<String> {
        let elapsed = self.since.filter(|_| !self.now.is_empty())?.elapsed();
        let eta = match self.bytes_done {
            0 => String::new(),
            done => {
                let left = self.bytes.saturating_sub(done) as f64 / done as f64;
                format!(", about {} to go", seconds(elapsed.as_secs_f64() * left))
            }
        };
        let (what, done, all) = (self.what, self.done, self.all);
        let mut line = format!("{what}: {done} of {all} after {}{eta}", human_time(elapsed));
        for one in &self.now {
            line += &format!("; {} for {}", one.object, human_time(one.since.elapsed()));
            if let Some(part) = parts.get(&one.pid) {
                line += &format!(": {}", part.said());
            }
        }
        Some(line)
    }
}

/// What a build is at, and how much of that is done.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    phase: String,
    done: i64,
    total: i64,
    /// Units of the same phase in a second, as seen between two looks.
    rate: Option<f64>,
}

impl Part {
    /// From the view's columns: blocks of the table are counted first, then tuples. The last part of a vector index is the worker's, which
    /// counts nothing.
    fn of(phase: &str, blocks: (i64, i64), tuples: (i64, i64), vector: bool) -> Part {
        let phase = phase.strip_prefix("building index").unwrap_or(phase);
        let phase = phase.strip_prefix(": ").unwrap_or(phase);
        let reading = blocks.1 < blocks.0;
        let (phase, (total, done)) = match (phase, reading) {
            ("", true) => ("reading the table", blocks),
            ("", false) if vector => (WORKER, (0, 0)),
            ("", false) => ("building", tuples),
            (phase, true) => (phase, blocks),
            (phase, false) => (phase, tuples),
        };
        Part {
            phase: phase.into(),
            done,
            total,
            rate: None,
        }
    }

    fn said(&self) -> String {
        let mut said = self.phase.clone();
        if 0 < self.done && self.done <= self.total {
            said += &format!(", {} %", self.done * 100 / self.total);
            if let Some(rate) = self.rate.filter(|r| *r > 0.0) {
                let left = (self.total - self.done) as f64 / rate;
                said += &format!(", about {} to go with that", seconds(left));
            }
        }
        said
    }
}

fn seconds(seconds: f64) -> String {
    human_time(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

const WORKER: &str = "with PGVecto.rs's index worker, which does not say how far it is";

/// One session for all builds, opened when there is something to ask, and never again when it was lost.
#[derive(Default)]
struct Monitor {
    session: Option<Session>,
    lost: bool,
    seen: HashMap<i32, (Part, Instant)>,
}

impl Monitor {
    async fn look(&mut self, target: &Endpoint, now: &[One]) -> HashMap<i32, Part> {
        if self.lost {
            return HashMap::new();
        }
        let asked = tokio::time::timeout(ANSWER_WITHIN, self.ask(target, now)).await;
        let parts = match asked {
            Ok(Ok(parts)) => parts,
            Ok(Err(error)) => {
                tracing::debug!("{}", error.chain());
                (self.session, self.lost) = (None, true);
                HashMap::new()
            }
            // Its answer may come when nobody waits for it any more.
            Err(_) => {
                self.session = None;
                HashMap::new()
            }
        };
        self.with_rates(parts)
    }

    async fn ask(&mut self, target: &Endpoint, now: &[One]) -> Result<HashMap<i32, Part>> {
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(target.connect().await?),
        };
        Ok(parts(session, now).await.unwrap_or_default())
    }

    fn with_rates(&mut self, mut parts: HashMap<i32, Part>) -> HashMap<i32, Part> {
        let now = Instant::now();
        for (pid, part) in &mut parts {
            let before = self.seen.get(pid);
            if let Some((before, when)) = before.filter(|(b, _)| b.phase == part.phase) {
                let seconds = now.duration_since(*when).as_secs_f64().max(0.001);
                part.rate = Some((part.done - before.done) as f64 / seconds);
            }
        }
        let seen = parts.iter();
        self.seen = seen.map(|(pid, p)| (*pid, (p.clone(), now))).collect();
        parts
    }
}

/// None where the view is missing or forbidden.
async fn parts(session: &Client, now: &[One]) -> Option<HashMap<i32, Part>> {
    let sql = "SELECT pid, phase, blocks_total, blocks_done, tuples_total, tuples_done FROM pg_catalog.pg_stat_progress_create_index WHERE pid = ANY ($1)";
    let pids: Vec<i32> = now.iter().map(|one| one.pid).collect();
    let rows = session.query(sql, &[&pids]).await.ok()?;
    // What is another role's is shown as NULL.
    let part = |row: &Row| {
        let number = |at: usize| row.try_get::<_, i64>(at).ok();
        let pid = row.try_get(0).ok()?;
        let vector = now.iter().any(|one| one.pid == pid && one.vector);
        let (blocks, tuples) = ((number(2)?, number(3)?), (number(4)?, number(5)?));
        Some((pid, Part::of(row.try_get(1).ok()?, blocks, tuples, vector)))
    };
    Some(rows.iter().filter_map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_btree_counts_blocks_then_tuples_and_nothing_while_it_sorts() {
        let scanning = "building index: scanning table";
        let part = Part::of(scanning, (1000, 340), (0, 0), false);
        assert_eq!(part.said(), "scanning table, 34 %");
        let sorting = "building index: sorting live tuples";
        let part = Part::of(sorting, (1000, 1000), (5000, 0), false);
        assert_eq!(part.said(), "sorting live tuples");
        let loading = "building index: loading tuples in tree";
        let part = Part::of(loading, (1000, 1000), (5000, 4000), false);
        assert_eq!(part.said(), "loading tuples in tree, 80 %");
    }

    #[test]
    fn a_vector_index_counts_blocks_until_its_worker_has_all() {
        let part = Part::of("building index", (1000, 250), (0, 0), true);
        assert_eq!(part.said(), "reading the table, 25 %");
        let part = Part::of("building index", (1000, 1000), (0, 0), true);
        assert_eq!(part.said(), WORKER);
    }

    #[test]
    fn time_to_go_is_known_from_the_second_look_at_the_same_part() {
        let part = |done| {
            Part::of(
                "building index: scanning table",
                (1000, done),
                (0, 0),
                false,
            )
        };
        let mut monitor = Monitor::default();
        let first = monitor.with_rates(HashMap::from([(7, part(100))]));
        assert_eq!(first[&7].rate, None);
        let second = monitor.with_rates(HashMap::from([(7, part(300))]));
        assert!(second[&7].rate.is_some_and(|r| r > 0.0));
        let other = Part {
            phase: "sorting live tuples".into(),
            ..part(300)
        };
        let third = monitor.with_rates(HashMap::from([(7, other)]));
        assert_eq!(third[&7].rate, None);
        let known = Part {
            rate: Some(10.0),
            ..part(400)
        };
        assert_eq!(
            known.said(),
            "scanning table, 40 %, about 1 min 00 s to go with that"
        );
    }

    #[test]
    fn the_line_says_all_that_is_known_of_all() {
        let building = Building::default();
        assert_eq!(building.state().line(&HashMap::new()), None);
        building.begin("ordinary indexes", 3, 400);
        building.began(7, ("INDEX public.a", 100, false));
        building.ended(7);
        building.began(7, ("INDEX public.b", 200, false));
        building.began(8, ("INDEX public.c", 100, false));
        building.state().since = Instant::now().checked_sub(Duration::from_secs(20));
        let parts = HashMap::from([(
            7,
            Part::of("building index: scanning table", (4, 1), (0, 0), false),
        )]);
        let line = building.state().line(&parts);
        assert_eq!(
            line.as_deref(),
            Some(
                "ordinary indexes: 1 of 3 after 20 s, about 1 min 00 s to go; INDEX public.b for 0 s: scanning table, 25 %; INDEX public.c for 0 s"
            )
        );
    }
}
