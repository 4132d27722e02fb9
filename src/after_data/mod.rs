//! In: the steps after the data. Out: views, indexes, constraints, keys and triggers on the target, and what it refused. Ordinary indexes are
//! built several at a time, a vector index alone and outside of any transaction that might roll back.

mod building;
pub mod finish;
mod indexes;
mod locks;
mod means;
pub mod probe;
mod queue;

use std::collections::HashMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::connect::{Endpoint, Session};
use crate::error::{Error, Result};
use crate::ledger;
use crate::patience::Patience;
use crate::schema::{Phase, Step, run_step, run_whole};
use building::Building;
use indexes::Indexes;
pub use locks::Locks;
pub use queue::Tables;

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
    pub locks: Locks<'a>,
    /// The source's.
    pub tables: Tables,
}

/// All that comes after the data, in the order in which it may, with word of how far the indexes are.
pub async fn build(
    target: &Endpoint,
    steps: &[Step],
    jobs: usize,
    notes: &Notes<'_>,
) -> Result<AfterData> {
    let building = Building::default();
    tokio::select! {
        done = in_order(target, steps, jobs, notes, &building) => done,
        never = building::tell(target, &building) => match never {},
    }
}

async fn in_order(
    target: &Endpoint,
    steps: &[Step],
    jobs: usize,
    notes: &Notes<'_>,
    building: &Building,
) -> Result<AfterData> {
    let session = connect(target, notes).await?;
    let mut after = AfterData::default();
    each(&session, steps, Phase::Session, notes, &mut after).await?;
    // pg_dump's own settings wait for ever.
    ledger::no_longer_than(&session, notes.locks.limit).await?;
    let indexes = Indexes {
        target,
        session: &session,
        jobs,
        notes,
        building,
    };
    let index = of(steps, Phase::Index);
    indexes.ordinary(index, &mut after).await?;
    for phase in [
        Phase::Definition,
        Phase::Attach,
        Phase::ForeignKey,
        Phase::Policy,
        Phase::Refresh,
    ] {
        each(&session, steps, phase, notes, &mut after).await?;
    }
    let of_views = of(steps, Phase::ViewIndex);
    indexes.ordinary(of_views, &mut after).await?;
    let vector = of(steps, Phase::VectorIndex);
    indexes.vector(vector, &mut after).await?;
    each(&session, steps, Phase::Late, notes, &mut after).await?;
    Ok(after)
}

async fn connect(target: &Endpoint, notes: &Notes<'_>) -> Result<Session> {
    let session = target.connect().await?;
    ledger::works(&session).await?;
    ledger::no_longer_than(&session, notes.locks.limit).await?;
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
    }
    let work = run_whole(session, step, &note);
    notes.locks.watched(session.pid, &step.object, work).await?;
    crate::fail::point("after-step");
    notes.patience.progress();
    Ok(started.elapsed().as_secs_f64())
}
