//! In: chance. Out: what goes wrong in one attempt and when, and the doing of it. A fault that comes too late, or is refused, says so;
//! nothing here judges what the program makes of it.

use std::time::Duration;

use super::common::db::Session;
use super::common::proxy::Way;
use super::common::{Place, run};
use super::database::TABLES;
use super::random::Rng;
use super::servers::{Servers, Side};
use super::session;

#[derive(Clone, Debug)]
pub enum Fault {
    Kill,
    Terminate,
    CutAll(Side),
    CutOne(Side),
    /// One connection is cut behind so many bytes more.
    Truncate(Side, usize),
    /// Nothing passes for a while; then all goes on, or is cut.
    Stall(Side, Duration, bool),
    Delay(Side, Duration),
    EndSession(Side),
    Restart(Side),
    /// Of a table on the target, by someone else.
    Lock(Duration),
    /// On the source, by someone else, with a short lock_timeout.
    Empty(&'static str),
    Rewrite(&'static str),
    Alter(&'static str),
}

/// Where a debug build kills itself: what every attempt passes once, and what it passes for each slice or step.
pub const STEPS: &[&str] = &[
    "planned",
    "schema-applied",
    "laid",
    "copied",
    "verified",
    "finished",
];
pub const REPEATED: &[&str] = &[
    "claimed",
    "before-commit",
    "after-commit",
    "before-step",
    "after-step",
];

/// What goes wrong in one attempt.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A step, and the how manieth passing.
    pub kill_at: Option<String>,
    /// Each with its time, as a part of what a run takes that nothing disturbs.
    pub at: Vec<(f64, Fault)>,
}

impl Faults {
    /// One that ends or cuts something, and often milder ones beside it. A later attempt has less to do. A run on a file system
    /// that fills has no restart of the target: its own recovery would need the room.
    pub fn drawn(rng: &mut Rng, attempt: usize, may_restart_target: bool) -> Faults {
        let side = |rng: &mut Rng| *rng.pick(&[Side::Source, Side::Target]);
        let last = if attempt == 0 { 85 } else { 60 };
        let time = |rng: &mut Rng| rng.between(2, last) as f64 / 100.0;
        let mut faults = Faults::default();
        let hard = match rng.below(20) {
            0..=5 => {
                let step = rng.below(STEPS.len() + REPEATED.len());
                faults.kill_at = Some(match STEPS.get(step) {
                    Some(step) => step.to_string(),
                    None => format!("{}:{}", REPEATED[step - STEPS.len()], rng.between(1, 6)),
                });
                None
            }
            6..=9 => Some(Fault::Kill),
            10 => Some(Fault::Terminate),
            11 | 12 => Some(Fault::CutAll(side(rng))),
            13 => Some(Fault::CutOne(side(rng))),
            14 | 15 => Some(Fault::Truncate(side(rng), rng.below(3_000_000))),
            16 | 17 => Some(Fault::EndSession(side(rng))),
            18 => Some(Fault::Restart(Side::Source)),
            _ if may_restart_target => Some(Fault::Restart(Side::Target)),
            _ => Some(Fault::Kill),
        };
        faults.at.extend(hard.map(|fault| (time(rng), fault)));
        while faults.at.len() < 3 && rng.percent(40) {
            let some_time = Duration::from_millis(rng.between(200, 2000) as u64);
            let (any, loose) = (rng.pick(TABLES).name, rng.pick(LOOSE));
            let mild = match rng.below(7) {
                0 => Fault::Stall(side(rng), some_time, false),
                1 => Fault::Stall(side(rng), some_time, true),
                2 => Fault::Delay(side(rng), some_time),
                3 => Fault::Lock(some_time),
                4 => Fault::Empty(loose),
                5 => Fault::Rewrite(any),
                _ => Fault::Alter(any),
            };
            faults.at.push((time(rng), mild));
        }
        faults.at.sort_by(|a, b| a.0.total_cmp(&b.0));
        faults
    }
}

/// Small, and no other table refers to them.
const LOOSE: &[&str] = &["public.events", "public.notes"];

/// Where faults strike.
pub struct Scene<'a> {
    pub servers: &'a Servers,
    pub source: &'a Place,
    pub target: &'a Place,
    /// Where the program connects to instead, and what is done to it there.
    pub entrances: [Place; 2],
    ways: [Way; 2],
    /// Whether what is emptied may come back with fewer rows.
    pub writer: bool,
}

/// What was done.
pub struct Done {
    pub words: String,
    /// The program was ended, or a session or connection of it.
    pub hard: bool,
    /// Someone else did something to the source that a plan may trip over.
    pub disturbed: bool,
}

impl Fault {
    pub fn ends_the_program(&self) -> bool {
        matches!(self, Fault::Kill | Fault::Terminate)
    }
}

impl<'a> Scene<'a> {
    pub fn new(
        servers: &'a Servers,
        source: &'a Place,
        target: &'a Place,
        writer: bool,
    ) -> Scene<'a> {
        let ((from, up), (to, down)) = (Way::to(source), Way::to(target));
        Scene {
            servers,
            source,
            target,
            entrances: [from, to],
            ways: [up, down],
            writer,
        }
    }

    /// What an attempt left on the ways is gone before the next one.
    pub fn mend(&self) {
        for way in &self.ways {
            way.mend();
        }
    }

    pub fn way(&self, side: Side) -> &Way {
        &self.ways[side as usize]
    }

    fn place(&self, side: Side) -> &Place {
        match side {
            Side::Source => self.source,
            Side::Target => self.target,
        }
    }

    /// Does it to the program of this process id, or around it.
    pub fn strike(&self, fault: &Fault, process: u32, rng: &mut Rng) -> Done {
        let (words, hard) = match fault {
            Fault::Kill => ("kill -9".into(), run::signal(process, "KILL")),
            Fault::Terminate => ("SIGTERM".into(), run::signal(process, "TERM")),
            Fault::CutAll(side) => {
                let before = self.way(*side).cuts();
                self.way(*side).cut_all();
                let cuts = self.way(*side).cuts() - before;
                (format!("cut all {cuts} of {side}"), cuts > 0)
            }
            Fault::CutOne(side) => {
                let before = self.way(*side).cuts();
                self.way(*side).cut_one(rng.below(1000));
                let cuts = self.way(*side).cuts() - before;
                (format!("cut {cuts} of {side}"), cuts > 0)
            }
            // Whether it strikes, the way's count of cuts shows later.
            Fault::Truncate(side, bytes) => {
                self.way(*side).truncate_after(*bytes);
                (format!("truncate {side}"), false)
            }
            Fault::Stall(side, time, cut) => {
                self.way(*side).stall(*time);
                std::thread::sleep(*time);
                if *cut {
                    self.way(*side).cut_all();
                }
                let cut = if *cut { " and cut" } else { "" };
                (format!("stall{cut} {side}"), !cut.is_empty())
            }
            Fault::Delay(side, time) => {
                self.way(*side).delay(Duration::from_millis(5), *time);
                (format!("delay {side}"), false)
            }
            Fault::EndSession(side) => self.end_a_session(*side, rng),
            Fault::Restart(side) => {
                self.servers.restart(*side);
                (format!("restart {side}"), true)
            }
            Fault::Lock(time) => (self.lock(*time, rng), false),
            Fault::Empty(table) => (self.by_someone("TRUNCATE", &self.emptied(table)), false),
            Fault::Rewrite(table) => {
                let sql = format!("VACUUM FULL {table}");
                (self.by_someone("VACUUM FULL", &[sql]), false)
            }
            Fault::Alter(table) => {
                let partition = table.starts_with("public.shard_");
                let table = if partition { "public.shards" } else { table };
                // Nothing of it is left but other files.
                let sql = format!(
                    "BEGIN; ALTER TABLE {table} ADD COLUMN chaos float8 DEFAULT random(); ALTER TABLE {table} DROP COLUMN chaos; COMMIT"
                );
                (self.by_someone("ALTER TABLE", &[sql]), false)
            }
        };
        let disturbed = matches!(fault, Fault::Empty(_) | Fault::Rewrite(_) | Fault::Alter(_));
        Done {
            words,
            hard,
            disturbed,
        }
    }

    fn end_a_session(&self, side: Side, rng: &mut Rng) -> (String, bool) {
        let sql = format!(
            "SELECT application_name, pg_terminate_backend(pid) FROM (SELECT pid, application_name FROM pg_stat_activity WHERE datname = current_database() \
             AND backend_type = 'client backend' AND application_name NOT IN ('', 'chaos') ORDER BY md5(pid::text || '{}') LIMIT 1) s",
            rng.next()
        );
        let ended = session(self.place(side)).and_then(|s| s.try_rows(&sql));
        let one = ended.as_ref().is_ok_and(|e| !e.is_empty());
        let none = if one { "" } else { " (there was none)" };
        (format!("end a session of {side}{none}"), one)
    }

    fn lock(&self, time: Duration, rng: &mut Rng) -> String {
        let table = rng.pick(TABLES).name;
        let locked = session(self.target).and_then(|s| {
            s.try_exec(&format!(
                "SET lock_timeout = '1s'; BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
            ))?;
            std::thread::sleep(time);
            s.try_exec("COMMIT")
        });
        outcome_of("lock on the target", &locked)
    }

    fn by_someone(&self, what: &str, statements: &[String]) -> String {
        let someone = || -> Result<Session, String> {
            let someone = session(self.source)?;
            someone.try_exec("SET lock_timeout = '200ms'")?;
            Ok(someone)
        };
        let done = someone().and_then(|s| statements.iter().try_for_each(|sql| s.try_exec(sql)));
        outcome_of(what, &done)
    }

    /// The rows of before come back, some of them where a writer changes the table anyway. TRUNCATE fires no trigger of a row.
    fn emptied(&self, table: &str) -> [String; 1] {
        let some = if self.writer { "0.7" } else { "1" };
        [format!(
            "BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM {table} WHERE random() < {some}; \
             INSERT INTO history.log SELECT pg_current_xact_id(), '{table}', -1, t::text FROM {table} t; TRUNCATE {table}; \
             INSERT INTO {table} SELECT * FROM pg_temp.kept; COMMIT"
        )]
    }
}

fn outcome_of(what: &str, done: &Result<(), String>) -> String {
    match done {
        Ok(()) => what.into(),
        Err(error) => {
            let code = error.split(':').next().unwrap_or_default();
            format!("{what} (refused, {code})")
        }
    }
}
