//! In: the steps after the data. Out: views, indexes, constraints, keys and triggers on the target, and what it refused. A vector
//! index is built outside of any transaction that might roll back, and one at a time.

pub mod finish;
pub mod probe;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde::Serialize;

use crate::connect::{Endpoint, Session};
use crate::error::{Error, Result};
use crate::progress::human_time;
use crate::schema::{Phase, Schema, Step, run_step};

#[derive(Clone, Debug, Serialize)]
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

    /// Notes what became of a step; only a lost connection ends the run.
    fn note(&mut self, step: &Step, started: Instant, done: Result<()>) -> Result<()> {
        let seconds = started.elapsed().as_secs_f64();
        let (object, ddl) = (step.object.clone(), step.shown());
        match done {
            Ok(())
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
            Ok(()) => {}
            Err(error) if error.sqlstate().is_some() => {
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

/// All that comes after the data, in the order in which it may.
pub async fn build(target: &Endpoint, schema: &Schema, jobs: usize) -> Result<AfterData> {
    let session = target.connect().await?;
    let mut after = AfterData::default();
    each(&session, schema, Phase::Session, &mut after).await?;
    ordinary(target, schema, Phase::Index, jobs, &mut after).await?;
    for phase in [
        Phase::Definition,
        Phase::Attach,
        Phase::ForeignKey,
        Phase::Policy,
        Phase::Refresh,
    ] {
        each(&session, schema, phase, &mut after).await?;
    }
    ordinary(target, schema, Phase::ViewIndex, jobs, &mut after).await?;
    for step in schema.of(Phase::VectorIndex) {
        let started = Instant::now();
        let done = match probe::worker_answers(&session).await {
            Ok(()) => vector_index(&session, step).await,
            Err(error) => Err(error),
        };
        after.note(step, started, done)?;
    }
    each(&session, schema, Phase::Late, &mut after).await?;
    Ok(after)
}

async fn each(
    session: &Session,
    schema: &Schema,
    phase: Phase,
    after: &mut AfterData,
) -> Result<()> {
    for step in schema.of(phase) {
        let started = Instant::now();
        after.note(step, started, run_step(session, step).await)?;
    }
    Ok(())
}

/// Ordinary indexes, `jobs` at a time; those of one table in their order, since each constraint locks it.
async fn ordinary(
    target: &Endpoint,
    schema: &Schema,
    phase: Phase,
    jobs: usize,
    after: &mut AfterData,
) -> Result<()> {
    let mut tables: Vec<(Option<u32>, Vec<&Step>)> = Vec::new();
    for step in schema.of(phase) {
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
        let session = target.connect().await?;
        let mut after = AfterData::default();
        while let Some(steps) = next() {
            for step in steps {
                let started = Instant::now();
                after.note(step, started, run_step(&session, step).await)?;
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
async fn vector_index(session: &Session, step: &Step) -> Result<()> {
    let started = Instant::now();
    tracing::info!("building {}", step.object);
    let building = run_step(session, step);
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
