//! In: a seed. Out: one run: a database of its own on both servers, the program started again and again while faults strike, then once
//! in peace, and what the oracle says. A run is made by its seed alone; when faults strike exactly, the clock has a say in too.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::common::run::{self, Outcome};
use super::common::{Place, unique};
use super::database;
use super::faults::{Faults, Scene};
use super::oracle;
use super::random::Rng;
use super::servers::{self, Servers, Side};
use super::session;
use super::small::Small;
use super::writer::Writer;

/// Passed where the program knows the option: within an attempt it shall give up soon.
const RETRY_FOR: [&str; 2] = ["--retry-for", "5s"];

/// More attempts than any run is given.
const MOST_ATTEMPTS: usize = 40;

/// The servers, the database that all runs copy, and what a run takes in peace.
pub struct Stage {
    pub servers: Servers,
    retries: bool,
    pub usual: Duration,
    /// Of a target's database: before a run, and after.
    empty_bytes: u64,
    full_bytes: u64,
}

/// How a run went.
#[derive(Default)]
pub struct Story {
    pub seed: u64,
    pub writer: bool,
    pub attempts: usize,
    pub faults: Vec<String>,
    /// The program, or a session or connection of it, was ended while it worked.
    pub struck: bool,
    pub committed: usize,
    /// Empty: the target is equal to the source.
    pub failure: String,
    pub took: Duration,
}

/// What a run is to go through.
pub struct Script {
    pub writer: bool,
    /// Part of the target's room that there is at first.
    pub room: Option<f64>,
    pub attempts: Vec<Faults>,
}

impl Script {
    pub fn of(seed: u64) -> Script {
        let mut rng = Rng::new(seed).fork("script");
        let room = rng.percent(12).then(|| rng.between(5, 80) as f64 / 100.0);
        let attempts = rng.between(1, 3);
        Script {
            // Seeds in a row: each second one.
            writer: seed % 2 == 1,
            room,
            attempts: (0..attempts)
                .map(|n| Faults::drawn(&mut rng, n, room.is_none()))
                .collect(),
        }
    }

    pub fn peaceful(writer: bool) -> Script {
        Script {
            writer,
            room: None,
            attempts: Vec::new(),
        }
    }
}

/// A database of one run on each side.
struct Databases<'a> {
    servers: &'a Servers,
    name: String,
    source: Place,
    target: Place,
}

impl Drop for Databases<'_> {
    fn drop(&mut self) {
        for side in [Side::Source, Side::Target] {
            if let Ok(session) = session(self.servers.place(side)) {
                let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
                let _ = session.try_exec(&drop);
            }
        }
    }
}

/// An attempt that has ended, and what was done to it.
pub struct Ended {
    pub outcome: Outcome,
    pub words: Vec<String>,
    pub hard: bool,
    pub disturbed: bool,
    /// The program itself was to be ended.
    pub killed: bool,
}

impl Ended {
    /// Whether what was done is a reason for an end that is not a good one: something of the last attempt may have been there still,
    /// or a disk full.
    pub fn explained(&self, lingering: bool, full: bool) -> bool {
        match (self.outcome.code, self.outcome.signal) {
            (-1, Some(9)) | (130, _) => self.killed,
            (3 | 4, _) => !self.words.is_empty() || lingering || full,
            (2, _) => self.disturbed || lingering,
            _ => false,
        }
    }
}

impl Stage {
    pub fn build(megabytes: u32) -> Stage {
        let servers = Servers::start();
        let server = session(servers.place(Side::Source)).expect("the source answers");
        server.exec("CREATE DATABASE base");
        let base = servers.place(Side::Source).with_database("base");
        let filling = session(&base).expect("it is there");
        filling.exec(&database::sql(megabytes));
        filling.exec("VACUUM ANALYZE");
        filling.exec("CHECKPOINT");
        drop(filling);
        let help = std::process::Command::new(env!("CARGO_BIN_EXE_pgv2rs-copy"))
            .arg("--help")
            .output()
            .expect("the program starts");
        let help = String::from_utf8_lossy(&help.stdout);
        let mut stage = Stage {
            servers,
            retries: help.contains(RETRY_FOR[0]),
            usual: Duration::from_secs(60),
            empty_bytes: 0,
            full_bytes: 0,
        };
        stage.measure();
        stage
    }

    fn measure(&mut self) {
        let databases = self.databases("");
        let bytes = || -> u64 {
            let size = session(&databases.target)
                .and_then(|s| s.try_rows("SELECT pg_database_size(current_database())"));
            let size = size.ok().and_then(|rows| rows[0].parse().ok());
            size.expect("a database has a size")
        };
        let empty = bytes();
        let started = Instant::now();
        let scene = self.scene(&databases, false);
        let ended = self.attempt(&scene, &Faults::default(), &mut Rng::new(0));
        assert_eq!(ended.outcome.code, 0, "{}", last_words(&ended.outcome));
        let (usual, full) = (started.elapsed(), bytes());
        drop(scene);
        drop(databases);
        (self.usual, self.empty_bytes, self.full_bytes) = (usual, empty, full);
    }

    pub fn run(&self, seed: u64, script: &Script) -> Story {
        let started = Instant::now();
        let mut story = Story {
            seed,
            writer: script.writer,
            ..Story::default()
        };
        let small = script.room.and_then(|part| {
            let bytes = self.full_bytes.saturating_sub(self.empty_bytes) as f64 * part;
            let kilobytes = (self.empty_bytes + bytes as u64) / 1024 + 1024;
            Small::mount(&self.servers, &unique("small"), kilobytes)
        });
        if script.room.is_some() {
            let words = match small {
                Some(_) => "small file system",
                None => "no small file system can be made here",
            };
            story.faults.push(words.into());
        }
        // The other strategy leaves holes in the files, which would be filled by a checkpoint that finds no room.
        let within = small
            .as_ref()
            .map(|s| format!("TABLESPACE {} STRATEGY file_copy", s.name));
        let databases = self.databases(&within.unwrap_or_default());
        let played = self.played(&mut story, script, &databases, small.as_ref());
        if let Err(failure) = played {
            story.failure = failure;
            if servers::kept() {
                std::mem::forget((databases, small));
            }
        }
        story.took = started.elapsed();
        story
    }

    fn played(
        &self,
        story: &mut Story,
        script: &Script,
        databases: &Databases,
        small: Option<&Small>,
    ) -> Result<(), String> {
        let mut rng = Rng::new(story.seed).fork("play");
        let scene = self.scene(databases, script.writer);
        let mut writer = script
            .writer
            .then(|| Writer::start(&databases.source, &rng));
        let mut full = small.is_some();
        for faults in script.attempts.iter().chain([&Faults::default()]) {
            let peace = story.attempts >= script.attempts.len();
            if peace {
                if let Some(small) = small.filter(|_| full) {
                    small.grow((self.empty_bytes + 4 * self.full_bytes) / 1024 + 100_000);
                    full = false;
                }
                self.quiet(databases)?;
            }
            assert!(story.attempts < MOST_ATTEMPTS);
            let lingering = self.lingering(databases)?;
            let ended = self.attempt(&scene, faults, &mut rng);
            story.attempts += 1;
            let code = ended.outcome.code;
            story.faults.push(match ended.words.as_slice() {
                [] => format!("-> {code}"),
                words => format!("{} -> {code}", words.join(", ")),
            });
            let broken = code != 0 && (ended.hard || ended.killed);
            story.struck |= ended.hard || broken;
            if code == 0 {
                let snapshot = ended.outcome.report()["snapshot"]
                    .as_str()
                    .map(String::from);
                let snapshot = snapshot.ok_or("the report names no snapshot")?;
                story.committed = writer.take().map_or(0, Writer::stop);
                return self.judged(story, script, databases, &snapshot);
            }
            if !ended.explained(lingering, full) {
                return Err(format!(
                    "attempt {}: nothing explains this end\n{}",
                    story.attempts,
                    last_words(&ended.outcome)
                ));
            }
        }
        Err("no attempt ended well".into())
    }

    fn judged(
        &self,
        story: &Story,
        script: &Script,
        databases: &Databases,
        snapshot: &str,
    ) -> Result<(), String> {
        self.quiet(databases)?;
        let (source, target) = (session(&databases.source)?, session(&databases.target)?);
        let mut differences = match script.writer {
            true => oracle::differences(&source, &target, snapshot)?,
            false => oracle::differences_at_rest(&source, &target, snapshot)?,
        };
        if script.writer && story.committed == 0 {
            differences.push("the writer wrote nothing".into());
        }
        match differences.is_empty() {
            true => Ok(()),
            false => Err(differences.join("\n")),
        }
    }

    fn databases(&self, options: &str) -> Databases<'_> {
        let name = unique("run");
        let make = |side: Side, options: &str| {
            let server = session(self.servers.place(side)).expect("the server answers");
            server.exec(&format!("CREATE DATABASE {name} {options}"));
            self.servers.place(side).with_database(&name)
        };
        Databases {
            source: make(Side::Source, "TEMPLATE base STRATEGY file_copy"),
            target: make(Side::Target, options),
            servers: &self.servers,
            name,
        }
    }

    fn scene<'a>(&'a self, databases: &'a Databases, writer: bool) -> Scene<'a> {
        Scene::new(&self.servers, &databases.source, &databases.target, writer)
    }

    /// Whether something of the last attempt is still connected: a server notices a lost client late.
    fn lingering(&self, databases: &Databases) -> Result<bool, String> {
        let of = |place| oracle::of_the_program(place);
        Ok(!of(&databases.source)?.is_empty() || !of(&databases.target)?.is_empty())
    }

    fn quiet(&self, databases: &Databases) -> Result<(), String> {
        let started = Instant::now();
        while self.lingering(databases)? {
            if started.elapsed() > Duration::from_secs(60) {
                let left = [&databases.source, &databases.target].map(oracle::of_the_program);
                return Err(format!("still connected after a minute: {left:?}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn attempt(&self, scene: &Scene, faults: &Faults, rng: &mut Rng) -> Ended {
        let secrets = Vec::new();
        let [from, to] = scene.entrances.each_ref().map(Place::connection_string);
        let jobs = rng.between(1, 4).to_string();
        let mut arguments = vec!["--source", &from, "--target", &to, "--jobs", &jobs];
        arguments.extend(["--exclude-table", database::EXCLUDED]);
        if self.retries {
            arguments.extend(RETRY_FOR);
        }
        let kill_at = faults.kill_at.as_deref();
        let variables: Vec<_> = kill_at
            .map(|at| ("PGV2RS_KILL_AT", at))
            .into_iter()
            .collect();
        let cuts = |side| scene.way(side).cuts();
        let before = cuts(Side::Source) + cuts(Side::Target);
        let started = Instant::now();
        let running = run::start(&arguments, &variables, secrets);
        let process = running.id();
        let (tell, told) = channel();
        let waiting = std::thread::spawn(move || tell.send(running.ended()));
        let mut words: Vec<String> = kill_at
            .map(|at| format!("kill at {at}"))
            .into_iter()
            .collect();
        let (mut hard, mut disturbed, mut killed) = (false, false, kill_at.is_some());
        let mut early = None;
        for (part, fault) in &faults.at {
            let due = started + self.usual.mul_f64(*part);
            early = ended_by(&told, due);
            if early.is_some() {
                words.push(format!("(ended before: {fault:?})"));
                break;
            }
            let done = scene.strike(fault, process, rng);
            words.push(format!("{} at {:.0} %", done.words, part * 100.0));
            hard |= done.hard;
            disturbed |= done.disturbed;
            killed |= fault.ends_the_program();
        }
        let limit = Instant::now() + Duration::from_secs(120) + self.usual * 10;
        let outcome = early.or_else(|| ended_by(&told, limit)).unwrap_or_else(|| {
            run::signal(process, "KILL");
            let mut outcome = told.recv().expect("it is killed");
            outcome.err += "\nit did not end by itself";
            outcome.signal = None;
            outcome
        });
        let _ = waiting.join();
        hard |= cuts(Side::Source) + cuts(Side::Target) > before;
        scene.mend();
        Ended {
            outcome,
            words,
            hard,
            disturbed,
            killed,
        }
    }
}

/// All of its log, and the end of its report or plan.
fn last_words(outcome: &Outcome) -> String {
    let lines: Vec<&str> = outcome.out.lines().collect();
    let end = lines[lines.len().saturating_sub(25)..].join("\n");
    format!("exit code {}\n{}\n{end}", outcome.code, outcome.err)
}

/// What it said at its end, if that comes before the time.
fn ended_by(told: &Receiver<Outcome>, due: Instant) -> Option<Outcome> {
    let left = due.saturating_duration_since(Instant::now());
    match told.recv_timeout(left) {
        Ok(outcome) => Some(outcome),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => panic!("the program's output cannot be read"),
    }
}
