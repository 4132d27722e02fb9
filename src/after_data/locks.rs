//! In: a step at work. Out: what became of it, and who held the lock that it waited for: said while it waits, and again where it gave up. Nothing
//! here can fail a step.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::connect::{Endpoint, Session};
use crate::error::Result;
use crate::waiting::waits;

/// One session looks at all that work, opened when a step takes long enough to be looked at.
pub struct Locks<'a> {
    target: &'a Endpoint,
    /// How long a step may wait for somebody's lock.
    pub limit: Duration,
    session: Mutex<Option<Session>>,
}

impl<'a> Locks<'a> {
    pub fn new(target: &'a Endpoint, limit: Duration) -> Locks<'a> {
        Locks {
            target,
            limit,
            session: Mutex::default(),
        }
    }

    /// The work of the session with this number.
    pub async fn watched<T>(
        &self,
        pid: i32,
        object: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut last = None;
        let done = tokio::select! {
            done = work => done,
            never = self.look(pid, object, &mut last) => match never {},
        };
        let gave_up = "55P03";
        done.map_err(|error| match last {
            Some(holders) if error.sqlstate().as_deref() == Some(gave_up) => error
                .during(format!("waiting for a lock that {holders} held"))
                .remedy("end that, or give it more time with --stall-timeout, and run the same command again"),
            _ => error,
        })
    }

    async fn look(&self, pid: i32, object: &str, last: &mut Option<String>) -> Infallible {
        let tick = (self.limit / 4).clamp(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            tokio::time::sleep(tick).await;
            let Some(holders) = self.holders(pid).await else {
                continue;
            };
            if last.as_ref() != Some(&holders) {
                tracing::warn!("{object} waits for a lock that is held by {holders}");
                *last = Some(holders);
            }
        }
    }

    async fn holders(&self, pid: i32) -> Option<String> {
        let mut session = self.session.lock().await;
        let known = match &mut *session {
            Some(known) => known,
            none => none.insert(self.target.connect().await.ok()?),
        };
        let answer = waits(known, pid).await;
        if answer.is_none() {
            *session = None;
        }
        answer?.holders
    }
}
