//! In: the faults, and how a run is judged. Out: that each fault strikes, and that no bad end is let pass: faults that strike nobody
//! would make every run a good one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::common::proxy::Way;
use super::common::run::Outcome;
use super::common::{Place, wait_until};
use super::database::{self, TABLES};
use super::faults::{Fault, Faults, REPEATED, STEPS, Scene};
use super::random::Rng;
use super::servers::{Servers, Side};
use super::small::Small;
use super::stage::{Ended, Script, Stage};
use super::{oracle, session};

/// A server that sends back what it is sent.
fn echo() -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut from, mut to) = (stream.try_clone()?, stream);
                std::io::copy(&mut from, &mut to)
            });
        }
    });
    Place::source().through(port)
}

#[test]
fn a_way_cuts_stalls_delays_and_truncates() {
    let (place, way) = Way::to(&echo());
    let connect = || {
        let stream = TcpStream::connect((place.host.as_str(), place.port)).expect("the way");
        let limit = Some(Duration::from_secs(30));
        stream.set_read_timeout(limit).expect("a limit");
        stream
    };
    let there_and_back = |stream: &mut TcpStream, bytes: usize| -> usize {
        if stream.write_all(&vec![7; bytes]).is_err() {
            return 0;
        }
        let mut read = 0;
        let mut buffer = vec![0; bytes];
        while read < bytes {
            match stream.read(&mut buffer[read..]) {
                Ok(n) if n > 0 => read += n,
                _ => break,
            }
        }
        read
    };
    let mut one = connect();
    let mut other = connect();
    assert_eq!(there_and_back(&mut one, 1000), 1000);
    assert_eq!(there_and_back(&mut other, 1000), 1000);
    way.stall(Duration::from_millis(600));
    let started = Instant::now();
    assert_eq!(there_and_back(&mut one, 10), 10);
    assert!(started.elapsed() >= Duration::from_millis(600));
    way.delay(Duration::from_millis(100), Duration::from_secs(60));
    let started = Instant::now();
    assert_eq!(there_and_back(&mut one, 10), 10);
    assert!(started.elapsed() >= Duration::from_millis(200));
    way.mend();
    assert_eq!(way.cuts(), 0);
    // Both ways count.
    way.truncate_after(1500);
    assert_eq!(there_and_back(&mut one, 1000), 500);
    assert_eq!(way.cuts(), 1);
    assert_eq!(there_and_back(&mut other, 1000), 1000);
    let mut third = connect();
    assert_eq!(there_and_back(&mut third, 10), 10);
    way.cut_one(0);
    assert_eq!(way.cuts(), 2);
    let left = there_and_back(&mut other, 10) + there_and_back(&mut third, 10);
    assert_eq!(left, 10, "one of two is cut");
    let mut fourth = connect();
    assert_eq!(there_and_back(&mut fourth, 10), 10);
    way.cut_all();
    assert_eq!(way.cuts(), 4);
    let left = there_and_back(&mut fourth, 10) + there_and_back(&mut third, 10);
    assert_eq!(left, 0);
    assert_eq!(there_and_back(&mut connect(), 10), 10, "new ones pass");
}

/// As a server in the midst of a COPY does.
#[test]
fn a_server_that_still_sends_learns_that_its_client_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let (place, _way) = Way::to(&Place::source().through(port));
    let client = TcpStream::connect((place.host.as_str(), place.port)).expect("the way");
    let (mut server, _) = listener.accept().expect("the way's other end");
    let limit = Some(Duration::from_secs(30));
    server.set_write_timeout(limit).expect("a limit");
    // More than all buffers between them hold.
    let flood = std::thread::spawn(move || {
        let piece = vec![0; 1 << 20];
        while server.write_all(&piece).is_ok() {}
    });
    std::thread::sleep(Duration::from_millis(300));
    let left = Instant::now();
    drop(client);
    flood.join().expect("it only writes");
    assert!(left.elapsed() < Duration::from_secs(10));
}

/// Each fault is done to a session that plays the program, so that this does not depend on how long a move takes.
#[test]
fn each_fault_strikes_and_a_run_in_peace_is_equal() {
    let stage = Stage::build(1);
    for writer in [false, true] {
        let story = stage.run(u64::from(writer), &Script::peaceful(writer));
        assert_eq!(story.failure, "");
        assert_eq!((story.attempts, story.struck), (1, false));
    }
    let [source, target] = [Side::Source, Side::Target].map(|side| {
        let name = "played";
        let server = session(stage.servers.place(side)).expect("the server");
        let like = ["TEMPLATE base", ""][side as usize];
        server.exec(&format!("CREATE DATABASE {name} {like}"));
        stage.servers.place(side).with_database(name)
    });
    let scene = Scene::new(&stage.servers, &source, &target, false);
    let mut rng = Rng::new(1);
    let at = |side: Side| &scene.entrances[side as usize];
    let alive = |side: Side| {
        let session = at(side).session();
        session.exec("SET application_name = 'played'");
        session
    };
    for side in [Side::Source, Side::Target] {
        for (fault, ends) in [
            (Fault::CutAll(side), true),
            (Fault::CutOne(side), true),
            (Fault::Truncate(side, 3), true),
            (Fault::Stall(side, Duration::from_millis(300), false), false),
            (Fault::Stall(side, Duration::from_millis(300), true), true),
            (Fault::Delay(side, Duration::from_millis(300)), false),
            (Fault::EndSession(side), true),
            (Fault::Restart(side), true),
        ] {
            let session = alive(side);
            let done = scene.strike(&fault, 0, &mut rng);
            let gone = session.try_rows("SELECT 1").is_err();
            assert_eq!(gone, ends, "{fault:?}: {}", done.words);
            let counted = done.hard || matches!(fault, Fault::Truncate(..));
            assert_eq!(counted, ends, "{fault:?}: {}", done.words);
            scene.mend();
            // What is left of it would be struck next.
            drop(session);
            let place = [&source, &target][side as usize];
            wait_until("the session ends", || {
                oracle::of_the_program(place).is_ok_and(|left| left.is_empty())
            });
        }
    }
    for (fault, signal) in [(Fault::Kill, 9), (Fault::Terminate, 15)] {
        let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
        assert!(scene.strike(&fault, child.id(), &mut rng).hard);
        let ended = child.wait().expect("it was started");
        assert_eq!(ended.signal(), Some(signal));
    }
    let there = session(&target).expect("the target");
    let lock = Fault::Lock(Duration::from_millis(300));
    let none = scene.strike(&lock, 0, &mut rng).words;
    assert!(none.contains("refused"), "there is no table yet: {none}");
    there.exec("CREATE SCHEMA app");
    for table in TABLES {
        there.exec(&format!("CREATE TABLE {} ()", table.name));
    }
    assert_eq!(scene.strike(&lock, 0, &mut rng).words, "lock on the target");
    let here = session(&source).expect("the source");
    let file = |table: &str| here.one(&format!("SELECT pg_relation_filenode('{table}')"));
    let sums = || -> Vec<String> {
        let sum = |t: &database::Table| here.one(&oracle::sum(&oracle::now(t, Side::Source)));
        TABLES.iter().map(sum).collect()
    };
    for (fault, table) in [
        (Fault::Empty("public.events"), "public.events"),
        (Fault::Empty("public.notes"), "public.notes"),
        (Fault::Rewrite("app.wide"), "app.wide"),
        (Fault::Alter("public.items"), "public.items"),
        (Fault::Alter("public.shard_a"), "public.shard_b"),
    ] {
        let (before, rows) = (file(table), sums());
        let snapshot = here.one("SELECT txid_current_snapshot()::text");
        let done = scene.strike(&fault, 0, &mut rng);
        assert_ne!(file(table), before, "{}", done.words);
        assert_eq!(sums(), rows, "{}", done.words);
        let then = |t: &database::Table| here.one(&oracle::sum(&oracle::then(t, &snapshot)));
        assert_eq!(TABLES.iter().map(then).collect::<Vec<_>>(), rows);
        // Someone who reads it is not waited for.
        here.exec(&format!("BEGIN; LOCK TABLE {table} IN ACCESS SHARE MODE"));
        let done = scene.strike(&fault, 0, &mut rng);
        here.exec("COMMIT");
        assert!(done.words.ends_with("(refused, 55P03)"), "{}", done.words);
    }
}

#[test]
fn a_small_file_system_fills_and_grows() {
    let servers = Servers::start();
    let Some(small) = Small::mount(&servers, "small", 16_000) else {
        return println!("left out: no small file system can be made here");
    };
    let server = session(servers.place(Side::Target)).expect("the target");
    server.exec("CREATE DATABASE within TABLESPACE small STRATEGY file_copy");
    let within = session(&servers.place(Side::Target).with_database("within"));
    let within = within.expect("the database");
    let rows = "CREATE TABLE t AS SELECT repeat(md5(i::text), 20) FROM generate_series(1, 20000) i";
    let full = within.try_exec(rows);
    assert!(
        full.as_ref().is_err_and(|e| e.starts_with("53100")),
        "{full:?}"
    );
    small.grow(60_000);
    within.exec(rows);
    drop(within);
    server.exec("DROP DATABASE within");
    drop(small);
    let left = server.one("SELECT count(*) FROM pg_tablespace WHERE spcname = 'small'");
    assert_eq!(left, "0");
}

#[test]
fn an_end_that_nothing_explains_is_a_failure() {
    let ended = |code: i32, words: &[&str], killed: bool, disturbed: bool| Ended {
        outcome: Outcome {
            code,
            signal: (code == -1).then_some(9),
            out: String::new(),
            err: String::new(),
            report: None,
        },
        words: words.iter().map(|w| w.to_string()).collect(),
        hard: !words.is_empty(),
        disturbed,
        killed,
    };
    for code in [-1, 1, 2, 3, 4, 5, 101, 130] {
        let alone = ended(code, &[], false, false).explained(false, false);
        assert!(!alone, "{code} without a fault");
    }
    let cut = |code| ended(code, &["cut"], false, false).explained(false, false);
    assert_eq!(
        [-1, 1, 2, 3, 4, 5, 130].map(cut),
        [false, false, false, true, true, false, false]
    );
    let killed = |code| ended(code, &["kill -9"], true, false).explained(false, false);
    assert_eq!(
        [-1, 1, 2, 5, 130].map(killed),
        [true, false, false, false, true]
    );
    assert!(ended(2, &["TRUNCATE"], false, true).explained(false, false));
    assert!(
        ended(2, &[], false, false).explained(true, false),
        "its predecessor is still there"
    );
    assert!(
        ended(4, &[], false, false).explained(false, true),
        "the disk is full"
    );
}

#[test]
fn seeds_draw_every_fault_and_every_second_one_a_writer() {
    let scripts: Vec<Script> = (1..=200).map(Script::of).collect();
    assert_eq!(scripts.iter().filter(|s| s.writer).count(), 100);
    let attempts: Vec<&Faults> = scripts.iter().flat_map(|s| &s.attempts).collect();
    let hard = attempts
        .iter()
        .all(|f| f.kill_at.is_some() || !f.at.is_empty());
    assert!(hard, "each attempt but the last has a fault");
    for step in STEPS.iter().chain(REPEATED) {
        let at = |f: &&&Faults| f.kill_at.as_ref().is_some_and(|at| at.starts_with(step));
        assert!(attempts.iter().any(|f| at(&f)), "{step}");
    }
    let drawn = format!("{attempts:?}");
    for fault in [
        "Kill",
        "Terminate",
        "CutAll(Source)",
        "CutAll(Target)",
        "CutOne(Source)",
        "CutOne(Target)",
        "Truncate(Source",
        "Truncate(Target",
        "Stall(Source",
        "Stall(Target",
        "Delay(Source",
        "Delay(Target",
        "EndSession(Source)",
        "EndSession(Target)",
        "Restart(Source)",
        "Restart(Target)",
        "Lock",
        "Empty",
        "Rewrite",
        "Alter",
    ] {
        assert!(drawn.contains(fault), "{fault}");
    }
    assert!(scripts.iter().any(|s| s.room.is_some()));
    let again: Vec<String> = (1..=200)
        .map(|s| format!("{:?}", Script::of(s).attempts))
        .collect();
    let first: Vec<String> = scripts
        .iter()
        .map(|s| format!("{:?}", s.attempts))
        .collect();
    assert_eq!(first, again, "a seed makes the same script");
}
