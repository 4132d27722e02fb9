//! In: steps that build indexes, or constraints that are indexes. Out: these, ordinary ones several at a time, vector indexes one after
//! another. `queue` says in which order, `means` with what, `building` how far they are.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};

use super::building::Building;
use super::means::Means;
use super::queue::Queue;
use super::{AfterData, Notes, connect, one};
use crate::connect::{Endpoint, Session};
use crate::error::Result;
use crate::progress::human_time;
use crate::schema::Step;

pub(super) struct Indexes<'a> {
    pub(super) target: &'a Endpoint,
    /// Builds the vector indexes.
    pub(super) session: &'a Session,
    /// So many ordinary ones at a time.
    pub(super) jobs: usize,
    pub(super) notes: &'a Notes<'a>,
    pub(super) building: &'a Building,
}

impl Indexes<'_> {
    /// Each in a session with the means for it.
    pub(super) async fn ordinary(
        &self,
        steps: impl Iterator<Item = &Step>,
        after: &mut AfterData,
    ) -> Result<()> {
        let steps = self.begin("ordinary indexes", steps, after)?;
        if steps.is_empty() {
            return Ok(());
        }
        let jobs = self.jobs.min(steps.len());
        let means = Means::of(self.session, jobs).await;
        let with = means.map_or(String::new(), |m| format!(", with {}", m.said()));
        tracing::info!("{} ordinary indexes, {jobs} at a time{with}", steps.len());
        let mut queue = Queue::new(&self.notes.tables, steps);
        let (mut idle, mut running) = (Vec::new(), FuturesUnordered::new());
        loop {
            while running.len() < jobs
                && let Some(step) = queue.next()
            {
                running.push(self.in_session(step, idle.pop(), means));
            }
            let Some(done) = running.next().await else {
                return Ok(());
            };
            let (session, step, done) = done?;
            queue.done(step);
            idle.push(session);
            after.note(step, done)?;
        }
    }

    /// In one that has nothing to do, or in a new one.
    async fn in_session<'s>(
        &self,
        step: &'s Step,
        idle: Option<Session>,
        means: Option<Means>,
    ) -> Result<(Session, &'s Step, Result<f64>)> {
        let session = match idle {
            Some(session) => session,
            None => {
                let session = connect(self.target, self.notes).await?;
                if let Some(means) = means {
                    means.give(&session).await;
                }
                session
            }
        };
        let done = self.build(&session, step).await;
        Ok((session, step, done))
    }

    /// Each has all threads of the index worker, and its memory.
    pub(super) async fn vector(
        &self,
        steps: impl Iterator<Item = &Step>,
        after: &mut AfterData,
    ) -> Result<()> {
        for step in self.begin("vector indexes", steps, after)? {
            tracing::info!("building {}", step.object);
            after.note(step, self.build(self.session, step).await)?;
        }
        Ok(())
    }

    /// Those of the steps that are still to be done; the others are noted.
    fn begin<'s>(
        &self,
        what: &'static str,
        steps: impl Iterator<Item = &'s Step>,
        after: &mut AfterData,
    ) -> Result<Vec<&'s Step>> {
        let mut left = Vec::new();
        for step in steps {
            match self.notes.done.get(&step.number) {
                Some(seconds) => after.note(step, Ok(*seconds))?,
                None => left.push(step),
            }
        }
        let bytes = left.iter().map(|s| self.notes.tables.bytes(s)).sum();
        self.building.begin(what, left.len(), bytes);
        Ok(left)
    }

    /// One index, which may take hours in which the server says nothing by itself.
    async fn build(&self, session: &Session, step: &Step) -> Result<f64> {
        let bytes = self.notes.tables.bytes(step);
        self.building
            .began(session.pid, (&step.object, bytes, step.vector));
        let done = one(session, step, self.notes).await;
        self.building.ended(session.pid);
        if let Ok(seconds) = done {
            let time = human_time(Duration::from_secs_f64(seconds));
            match step.vector || seconds >= 1.0 {
                true => tracing::info!("{} built in {time}", step.object),
                false => tracing::debug!("{} built in {time}", step.object),
            }
        }
        done
    }
}
