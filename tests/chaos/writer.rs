//! In: a source. Out: sessions that change its rows until they are told to stop: plain transactions, transactions whose
//! subtransactions stay open for a while and are rolled back in part, and long ones. What they did, the source's triggers write
//! down. A session that is ended, refused or cut comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::common::db::{Place, Session};
use super::database::ITEM;
use super::random::Rng;
use super::session;

pub struct Writer {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicUsize>,
    sessions: Vec<JoinHandle<()>>,
}

type Habit = fn(&Session, &mut Rng, &AtomicBool) -> Result<bool, String>;

impl Writer {
    pub fn start(place: &Place, rng: &Rng) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let committed = Arc::new(AtomicUsize::new(0));
        let habits: [(&str, Habit); 3] =
            [("plain", plain), ("savepoints", savepoints), ("long", long)];
        let sessions = habits.map(|(name, habit)| {
            let (place, mut rng) = (place.clone(), rng.fork(name));
            let (stop, committed) = (stop.clone(), committed.clone());
            std::thread::spawn(move || {
                let mut connected: Option<Session> = None;
                while !stop.load(Ordering::SeqCst) {
                    let Some(writer) = connected.take().or_else(|| session(&place).ok()) else {
                        std::thread::sleep(Duration::from_millis(100));
                        continue;
                    };
                    match habit(&writer, &mut rng, &stop) {
                        Ok(true) => {
                            committed.fetch_add(1, Ordering::SeqCst);
                        }
                        Ok(false) => {}
                        // A deadlock, a key that is there, a server that is gone: only the last needs another session.
                        Err(_) if writer.try_exec("ROLLBACK").is_err() => continue,
                        Err(_) => {}
                    }
                    connected = Some(writer);
                    pause(&mut rng, 5, 40, &stop);
                }
            })
        });
        Writer {
            stop,
            committed,
            sessions: sessions.into(),
        }
    }

    /// Waits for the open transactions. Returns how many were committed.
    pub fn stop(mut self) -> usize {
        self.end();
        self.committed.load(Ordering::SeqCst)
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for session in self.sessions.drain(..) {
            let _ = session.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Who is told to stop does not dawdle.
fn pause(rng: &mut Rng, least_ms: usize, most_ms: usize, stop: &AtomicBool) {
    let time = rng.between(least_ms, most_ms) as u64;
    if !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(time));
    }
}

/// Ends a transaction; true: it is committed.
fn ended(session: &Session, rng: &mut Rng) -> Result<bool, String> {
    let commit = !rng.percent(15);
    session.try_exec(if commit { "COMMIT" } else { "ROLLBACK" })?;
    Ok(commit)
}

fn plain(session: &Session, rng: &mut Rng, _: &AtomicBool) -> Result<bool, String> {
    session.try_exec("BEGIN")?;
    for _ in 0..rng.between(1, 4) {
        session.try_exec(&change(rng))?;
    }
    ended(session, rng)
}

fn savepoints(session: &Session, rng: &mut Rng, stop: &AtomicBool) -> Result<bool, String> {
    session.try_exec("BEGIN")?;
    for depth in 0..rng.between(1, 4) {
        session.try_exec(&format!("SAVEPOINT s{depth}"))?;
        session.try_exec(&change(rng))?;
        pause(rng, 5, 150, stop);
        match rng.below(3) {
            0 => session.try_exec(&format!("ROLLBACK TO s{depth}"))?,
            1 => session.try_exec(&format!("RELEASE s{depth}"))?,
            // It stays open inside the next one.
            _ => {}
        }
        session.try_exec(&change(rng))?;
    }
    ended(session, rng)
}

fn long(session: &Session, rng: &mut Rng, stop: &AtomicBool) -> Result<bool, String> {
    session.try_exec("BEGIN")?;
    for _ in 0..rng.between(3, 8) {
        session.try_exec(&change(rng))?;
        pause(rng, 100, 600, stop);
        if rng.percent(30) {
            session.try_exec("SAVEPOINT l")?;
        }
    }
    ended(session, rng)
}

/// One statement. Ids are drawn from those that are there, so that one is a hit at any size.
fn change(rng: &mut Rng) -> String {
    let n = rng.below(1_000_000);
    let one = |column: &str, table: &str| {
        format!(
            "(SELECT {column} FROM {table} OFFSET {n} % (SELECT greatest(count(*), 1) FROM {table}) LIMIT 1)"
        )
    };
    match rng.below(16) {
        0 => format!(
            "INSERT INTO items (title, tags, bits, embedding, small, few) SELECT {ITEM} FROM generate_series({n}, {n} + 3) i"
        ),
        1 => format!(
            "UPDATE items SET embedding = history.numbers({n}, 128)::vector, title = 'new ' || {n} WHERE id = {}",
            one("id", "items")
        ),
        2 => format!("DELETE FROM items WHERE id = {}", one("id", "items")),
        3 => format!(
            "INSERT INTO app.wide VALUES (md5(random()::text), history.numbers({n}, 1500)::vector)"
        ),
        4 => format!(
            "UPDATE app.wide SET v = history.numbers({n}, 1500)::vector WHERE id = {}",
            one("id", "app.wide")
        ),
        // The vector stays where it is, out of line.
        5 => format!(
            "UPDATE app.wide SET id = md5(random()::text) WHERE id = {}",
            one("id", "app.wide")
        ),
        6 => format!("DELETE FROM app.wide WHERE id = {}", one("id", "app.wide")),
        7 => format!(
            "UPDATE app.halves SET id = {n} + 1000000, h = NULL WHERE id = {}",
            one("id", "app.halves")
        ),
        8 => format!(
            "UPDATE app.halves SET label = 'label ' || {n} WHERE id BETWEEN {0} AND {0} + 5",
            one("id", "app.halves")
        ),
        // One more of a row that is there.
        9 => format!(
            "INSERT INTO events SELECT * FROM events OFFSET {n} % (SELECT greatest(count(*), 1) FROM events) LIMIT 2"
        ),
        10 => format!("DELETE FROM events WHERE ctid = {}", one("ctid", "events")),
        11 => format!(
            "UPDATE events SET v = history.numbers({n}, 32)::vector WHERE ctid = {}",
            one("ctid", "events")
        ),
        // From one partition to another.
        12 => format!(
            "UPDATE shards SET region = chr(97 + {n} % 4) WHERE id = {}",
            one("id", "shards")
        ),
        13 => format!(
            "INSERT INTO shards SELECT chr(97 + {n} % 4), (SELECT max(id) + 1 FROM shards), history.numbers({n}, 64)::vector; SELECT nextval('app.ticket')"
        ),
        14 => format!(
            "INSERT INTO notes (item, body) VALUES ({}, 'note {n}')",
            one("id", "items")
        ),
        _ => format!(
            "UPDATE notes SET body = NULL, meta = '{{\"n\": {n}}}' WHERE id = {}",
            one("id", "notes")
        ),
    }
}
