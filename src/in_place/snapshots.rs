//! In: the end of a fill. Out: nothing, when nobody looks through a snapshot any more that is older than that.

use std::time::{Duration, Instant};

use super::unit::Unit;
use super::{Work, on};
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::waiting::PROCESS;

/// A process, and its transaction.
pub(super) type Looking = (i32, String);

/// Who looks through a snapshot now. Of others' sessions a role may not see whether they do: any transaction may.
pub(super) async fn looking(session: &Session) -> Result<Vec<Looking>> {
    let sql = "SELECT a.pid, l.virtualtransaction FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted \
        WHERE a.datname = current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
          AND (a.backend_xmin IS NOT NULL AND a.backend_type NOT IN ('autovacuum worker', 'parallel worker') OR a.query = '<insufficient privilege>')";
    let rows = session.query(sql, &[]).await;
    let rows = rows.map_err(on("asking for snapshots"))?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

/// Those of then who look through the same transaction's snapshot now.
pub(super) fn still(then: &[Looking], now: &[Looking]) -> impl Iterator<Item = i32> {
    let still = then.iter().filter(|t| now.contains(t));
    still.map(|(pid, _)| *pid)
}

/// For people.
pub(super) async fn named(session: &Session, pids: &[i32]) -> Result<String> {
    let sql = format!(
        "SELECT coalesce(pg_catalog.string_agg({PROCESS}, ', '), 'processes that have just ended') FROM pg_catalog.pg_stat_activity b WHERE b.pid = ANY ($1)"
    );
    let row = session.query_one(&sql, &[&pids]).await;
    Ok(row
        .map_err(on("asking who looks through snapshots"))?
        .get(0))
}

/// Whoever looks through a snapshot that is older than the end of the fill would see the rows as they were before it: without a value in the new columns.
pub(super) async fn older_snapshots(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    then: &[Looking],
) -> Result<()> {
    let since = Instant::now();
    let mut said = false;
    loop {
        let now = looking(session).await?;
        let left: Vec<i32> = still(then, &now).collect();
        if left.is_empty() {
            return Ok(());
        }
        let holders = named(session, &left).await?;
        if since.elapsed() >= work.options.retry_for {
            return Err(Error::new(
                Side::Target,
                format!("swapping the columns of {}", unit.display()),
            )
            .because(format!(
                "somebody looks through a snapshot that is older than the fill, and would see no vectors after it: {holders}"
            ))
            .remedy("end that, or give it more time with --retry-for, and run the same command again: it goes on from here"));
        }
        if !said {
            tracing::info!(
                "{}: the swap waits for older snapshots: {holders}",
                unit.display()
            );
            said = true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
