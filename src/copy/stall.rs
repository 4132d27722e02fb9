//! In: a slice that is being copied. Out: nothing, as long as it moves; else what it waits for, the holder of a lock by name. No worker
//! waits for ever.

use std::time::Duration;

use super::{Job, Moved};
use crate::error::{Error, Side};
use crate::plan::TablePlan;
use crate::waiting::waits;

/// Ends when the slice has not moved for `--stall-timeout`. `pids` are those of the reader and the writer.
pub async fn watch(job: &Job, table: &TablePlan, pids: (i32, i32), moved: &Moved) -> Error {
    let tick = (job.stall_timeout / 4).max(Duration::from_millis(100));
    let (mut seen, mut still) = (moved.bytes(), Duration::ZERO);
    loop {
        tokio::time::sleep(tick).await;
        let now = moved.bytes();
        still = if moved.pauses() || now != seen {
            Duration::ZERO
        } else {
            still + tick
        };
        seen = now;
        if still >= job.stall_timeout {
            break;
        }
    }
    let (reader, writer) = pids;
    let source = match job.readers.monitor().await {
        Ok(session) => waits(&session, reader).await,
        Err(_) => None,
    };
    let target = waits(&job.monitor, writer).await;
    let silent = "does not answer".to_string();
    let blocked = target.as_ref().is_some_and(|t| t.holders.is_some());
    let side = if blocked { Side::Target } else { Side::Source };
    let (source, target) = [source, target]
        .map(|w| w.map_or(silent.clone(), |w| w.text))
        .into();
    Error::new(side, format!("copying {}: no row has moved for {:?}", table.display, job.stall_timeout))
        .because(format!("the source {source}; the target {target}"))
        .remedy("end what is in the way and run the same command again, or give it more time with --stall-timeout")
}
