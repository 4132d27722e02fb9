//! In: how many bytes a second the source may be asked for. Out: pauses, which all readers share. A reader that pauses leaves its socket
//! full, and so its server's process waits too.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A timer is late by a millisecond or two, which is not made up for: pauses are saved up until they are worth it.
const SHORTEST: Duration = Duration::from_millis(20);

pub struct Throttle {
    /// Bytes.
    per_second: f64,
    /// When all that was read so far may have been.
    due: Mutex<Instant>,
}

impl Throttle {
    pub fn new(per_second: usize) -> Throttle {
        Throttle {
            per_second: per_second as f64,
            due: Mutex::new(Instant::now()),
        }
    }

    /// Pauses for these bytes, which have just been read.
    pub async fn pause(&self, bytes: usize) {
        if let Some(until) = self.until(Instant::now(), bytes) {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    /// Time in which nothing was read is not made up for. None where it is not worth a pause yet.
    fn until(&self, now: Instant, bytes: usize) -> Option<Instant> {
        let took = Duration::try_from_secs_f64(bytes as f64 / self.per_second).ok()?;
        let mut due = self.due.lock().ok()?;
        *due = (*due).max(now).checked_add(took)?;
        (*due >= now + SHORTEST).then_some(*due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_readers_together_keep_to_the_rate() {
        let throttle = Throttle::new(2_000_000);
        let start = Instant::now() + Duration::from_secs(60);
        let after = |now: f64, bytes| {
            let until = throttle.until(start + Duration::from_secs_f64(now), bytes);
            (until.unwrap() - start).as_secs_f64()
        };
        // Two readers, one megabyte each time.
        assert_eq!(after(0.0, 1_000_000), 0.5);
        assert_eq!(after(0.0, 1_000_000), 1.0);
        assert_eq!(after(0.5, 1_000_000), 1.5);
        assert_eq!(after(1.0, 3_000_000), 3.0);
        // Idle for a minute.
        assert_eq!(after(60.0, 1_000_000), 60.5);
        assert_eq!(after(60.5, 1_000_000), 61.0);
    }

    #[test]
    fn short_pauses_are_saved_up_and_not_forgotten() {
        let throttle = Throttle::new(1_000_000);
        let start = Instant::now() + Duration::from_secs(60);
        let pauses = (0..8).map(|_| throttle.until(start, 5_000));
        let pauses: Vec<_> = pauses.map(|p| p.map(|until| until - start)).collect();
        let saved = [20, 25, 30, 35, 40].map(|ms| Some(Duration::from_millis(ms)));
        assert_eq!(pauses, [&[None; 3][..], &saved].concat());
    }
}
