//! In: an error. Out: some time to wait before the next try, or the error itself, where waiting does not help or has gone on for too
//! long without anything moving.

use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

pub struct Patience {
    limit: Duration,
    /// Since when nothing has worked, and how often it was tried.
    failing: Mutex<Option<(Instant, u32)>>,
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

impl Patience {
    /// For so long after the last thing that worked.
    pub fn new(limit: Duration) -> Patience {
        Patience {
            limit,
            failing: Mutex::default(),
        }
    }

    /// Something has worked.
    pub fn progress(&self) {
        if let Ok(mut failing) = self.failing.lock() {
            *failing = None;
        }
    }

    /// Waits a little longer each time, and never as long as others do; gives the error back where it does not pass.
    pub async fn wait(&self, error: Error) -> Result<()> {
        match error.may_pass() {
            true => self.wait_anyway(error).await,
            false => Err(error),
        }
    }

    pub async fn wait_anyway(&self, error: Error) -> Result<()> {
        let (since, tries) = match self.failing.lock() {
            Ok(mut failing) => {
                let (since, tries) = failing.get_or_insert((Instant::now(), 0));
                *tries += 1;
                (*since, *tries)
            }
            Err(_) => return Err(error),
        };
        if since.elapsed() >= self.limit {
            return Err(error);
        }
        let longest = FIRST.saturating_mul(1 << tries.min(10)).min(LONGEST);
        // The hasher's keys are chance enough: workers that failed together do not come back together.
        let chance = RandomState::new().hash_one(tries) % 1000;
        let wait = longest.mul_f64(0.5 + chance as f64 / 2000.0);
        tracing::warn!("{}", error.chain());
        tracing::warn!("trying again in {wait:.1?}");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
