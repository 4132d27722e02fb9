//! In: a slice that is being copied. Out: nothing, as long as it moves; else what it waits for, the holder of a lock by name. No worker
//! waits for ever.

use std::time::Duration;

use tokio_postgres::Client;

use super::{Job, Moved};
use crate::error::{Error, Side};
use crate::plan::TablePlan;

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
    let blocked = target.as_ref().is_some_and(|t| t.blocked);
    let side = if blocked { Side::Target } else { Side::Source };
    let (source, target) = [source, target]
        .map(|w| w.map_or(silent.clone(), |w| w.text))
        .into();
    Error::new(side, format!("copying {}: no row has moved for {:?}", table.display, job.stall_timeout))
        .because(format!("the source {source}; the target {target}"))
        .remedy("end what is in the way and run the same command again, or give it more time with --stall-timeout")
}

struct Waits {
    text: String,
    blocked: bool,
}

/// What a session waits for, as its server says; None where that does not answer.
async fn waits(client: &Client, pid: i32) -> Option<Waits> {
    let sql = "SELECT coalesce(nullif(pg_catalog.concat_ws(' ', a.wait_event_type, a.wait_event), ''), 'nothing'), \
        (SELECT pg_catalog.string_agg(pg_catalog.format('process %s (%s, %s, since %s)', b.pid, b.usename, \
          coalesce(nullif(b.application_name, ''), 'no application_name'), pg_catalog.date_trunc('second', b.xact_start)), ', ') \
          FROM pg_catalog.pg_stat_activity b WHERE b.pid = ANY (pg_catalog.pg_blocking_pids(a.pid))) \
        FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1";
    let pid: &(dyn tokio_postgres::types::ToSql + Sync) = &pid;
    let asked = [pid];
    let asked = client.query_opt(sql, &asked);
    let row = tokio::time::timeout(Duration::from_secs(10), asked).await;
    let Some(row) = row.ok()?.ok()? else {
        return Some(Waits {
            text: "has ended the session".into(),
            blocked: false,
        });
    };
    let (event, holders): (String, Option<String>) = (row.get(0), row.get(1));
    Some(match holders {
        Some(holders) => Waits {
            text: format!("waits for a lock that is held by {holders}"),
            blocked: true,
        },
        None => Waits {
            text: format!("waits for {event}"),
            blocked: false,
        },
    })
}
