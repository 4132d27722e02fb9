//! In: the steps after the data. Out: views, indexes, constraints, keys and triggers on the target, and what it refused. A vector
//! index is built outside of any transaction that might roll back, and one at a time.

pub mod finish;
pub mod probe;

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::connect::{Endpoint, Session};
use crate::error::{Error, Result};
use crate::ledger;
use crate::patience::Patience;
use crate::progress::human_time;
use crate::schema::{Phase, Step, run_step, run_whole};

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Built {
    pub index: String,
    /// The source's DDL, for a vector index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    pub ddl: Vec<String>,
    pub seconds: f64,
}

/// A step that the target refused after the rows were committed. The others go on: hours of copying are not thrown away for
/// one index.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    pub object: String,
    pub reason: String,
    pub ddl: Vec<String>,
}

#[derive(Default)]
pub struct AfterData {
    pub built: Vec<Built>,
    pub failed: Vec<Failed>,
    /// What was refused too, but nobody needs: it fails no run.
    pub optional: Vec<Failed>,
}

impl AfterData {
    /// Notes what was refused outside of any step of the schema.
    pub fn refused(&mut self, object: &str, error: &Error, ddl: Vec<String>) {
        tracing::error!("{}", error.chain());
        self.failed.push(Failed {
            object: object.into(),
            reason: error.server_says(),
            ddl,
        });
    }

    /// Notes what became of a step; only a lost connection ends the run, and what else may pass.
    fn note(&mut self, step: &Step, done: Result<f64>) -> Result<()> {
        let (object, ddl) = (step.object.clone(), step.shown());
        match done {
            Ok(seconds)
                if matches!(
                    step.phase,
                    Phase::Index | Phase::ViewIndex | Phase::VectorIndex
                ) =>
            {
                self.built.push(Built {
                    index: object,
                    before: step.index.as_ref().map(|i| i.before.clone()),
                    ddl,
                    seconds,
                });
            }
            Ok(_) => {}
            Err(error) if error.sqlstate().is_some() && !error.may_pass() => {
                tracing::error!("{}", error.chain());
                self.failed.push(Failed {
                    object,
                    reason: error.server_says(),
                    ddl,
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The run whose steps these are, and what of them an earlier process has done: by number, with its seconds.
pub struct Notes<'a> {
    pub run: i64,
    pub done: HashMap<i32, f64>,
    pub patience: &'a Patience,
    /// How long a step may wait for somebody's lock.
    pub stall_timeout: Duration,
}

/// All that comes after the data, in the order in which it may.
pub async fn build(
    target: &Endpoint,
    steps: &[Step],
    jobs: usize,
    notes: &Notes<'_>,
) -> Result<AfterData> {
    let session = connect(target, notes).await?;
    let mut after = AfterData::default();
    each(&session, steps, Phase::Session, notes, &mut after).await?;
    // pg_dump's own settings wait for ever.
    ledger::no_longer_than(&session, notes.stall_timeout).await?;
    ordinary(target, steps, Phase::Index, jobs, notes, &mut after).await?;
    for phase in [
        Phase::Definition,
        Phase::Attach,
        Phase::ForeignKey,
        Phase::Policy,
        Phase::Refresh,
    ] {
        each(&session, steps, phase, notes, &mut after).await?;
    }
    ordinary(target, steps, Phase::ViewIndex, jobs, notes, &mut after).await?;
    each(&session, steps, Phase::VectorIndex, notes, &mut after).await?;
    each(&session, steps, Phase::Late, notes, &mut after).await?;
    Ok(after)
}

async fn connect(target: &Endpoint, notes: &Notes<'_>) -> Result<Session> {
    let session = target.connect().await?;
    ledger::works(&session).await?;
    ledger::no_longer_than(&session, notes.stall_timeout).await?;
    Ok(session)
}

fn of(steps: &[Step], phase: Phase) -> impl Iterator<Item = &Step> {
    steps.iter().filter(move |s| s.phase == phase)
}

async fn each(
    session: &Session,
    steps: &[Step],
    phase: Phase,
    notes: &Notes<'_>,
    after: &mut AfterData,
) -> Result<()> {
    for step in of(steps, phase) {
        after.note(step, one(session, step, notes).await)?;
    }
    Ok(())
}

/// Does a step that is not done yet, with its line in the ledger. Out: the seconds that it took.
async fn one(session: &Session, step: &Step, notes: &Notes<'_>) -> Result<f64> {
    if let Some(seconds) = notes.done.get(&step.number) {
        return Ok(*seconds);
    }
    let started = Instant::now();
    // What is set in a session is not there in another one.
    if step.phase == Phase::Session {
        run_step(session, step).await?;
        return Ok(0.0);
    }
    crate::fail::point("before-step");
    let note = ledger::step_done(notes.run, step);
    if step.phase == Phase::VectorIndex {
        probe::worker_answers(session).await?;
        vector_index(session, step, &note).await?;
    } else {
        run_whole(session, step, &note).await?;
    }
    crate::fail::point("after-step");
    notes.patience.progress();
    Ok(started.elapsed().as_secs_f64())
}

/// Ordinary indexes, `jobs` at a time; those of one table in their order, since each constraint locks it.
async fn ordinary(
    target: &Endpoint,
    steps: &[Step],
    phase: Phase,
    jobs: usize,
    notes: &Notes<'_>,
    after: &mut AfterData,
) -> Result<()> {
    let mut tables: Vec<(Option<u32>, Vec<&Step>)> = Vec::new();
    for step in of(steps, phase) {
        match tables.iter_mut().find(|(table, _)| *table == step.table) {
            Some((_, steps)) => steps.push(step),
            None => tables.push((step.table, vec![step])),
        }
    }
    let workers = jobs.min(tables.len());
    let queue: Mutex<VecDeque<Vec<&Step>>> =
        Mutex::new(tables.into_iter().map(|(_, steps)| steps).collect());
    let next = || queue.lock().ok().and_then(|mut q| q.pop_front());
    let worker = || async {
        let session = connect(target, notes).await?;
        let mut after = AfterData::default();
        while let Some(steps) = next() {
            for step in steps {
                after.note(step, one(&session, step, notes).await)?;
            }
        }
        Ok::<_, Error>(after)
    };
    for one in try_join_all((0..workers).map(|_| worker())).await? {
        after.built.extend(one.built);
        after.failed.extend(one.failed);
    }
    Ok(())
}

/// CREATE INDEX is silent until it is done, which may take hours: somebody has to say that it goes on.
async fn vector_index(session: &Session, step: &Step, note: &str) -> Result<()> {
    let started = Instant::now();
    tracing::info!("building {}", step.object);
    let building = run_whole(session, step, note);
    tokio::pin!(building);
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    tick.tick().await;
    loop {
        tokio::select! {
            done = &mut building => {
                done?;
                tracing::info!("{} built in {}", step.object, human_time(started.elapsed()));
                return Ok(());
            }
            _ = tick.tick() => tracing::info!("building {}: {} so far", step.object, human_time(started.elapsed())),
        }
    }
}
