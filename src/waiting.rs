//! In: a server, and one of its sessions. Out: what that session waits for, and who holds the lock.

use std::time::Duration;

use tokio_postgres::Client;

pub struct Waits {
    pub text: String,
    /// Those who hold the lock that it waits for.
    pub holders: Option<String>,
}

/// How a row of pg_stat_activity is named to people, in SQL.
pub const PROCESS: &str = "pg_catalog.format('process %s (%s, %s, since %s)', b.pid, b.usename, \
    coalesce(nullif(b.application_name, ''), 'no application_name'), pg_catalog.date_trunc('second', b.xact_start))";

/// What a session waits for, as its server says; None where that does not answer.
pub async fn waits(client: &Client, pid: i32) -> Option<Waits> {
    let sql = format!(
        "SELECT coalesce(nullif(pg_catalog.concat_ws(' ', a.wait_event_type, a.wait_event), ''), 'nothing'), \
        (SELECT pg_catalog.string_agg({PROCESS}, ', ') \
          FROM pg_catalog.pg_stat_activity b WHERE b.pid = ANY (pg_catalog.pg_blocking_pids(a.pid))) \
        FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1"
    );
    let pid: &(dyn tokio_postgres::types::ToSql + Sync) = &pid;
    let asked = [pid];
    let asked = client.query_opt(&sql, &asked);
    let row = tokio::time::timeout(Duration::from_secs(10), asked).await;
    let Some(row) = row.ok()?.ok()? else {
        return Some(Waits {
            text: "has ended the session".into(),
            holders: None,
        });
    };
    let (event, holders): (String, Option<String>) = (row.get(0), row.get(1));
    let text = match &holders {
        Some(holders) => format!("waits for a lock that is held by {holders}"),
        None => format!("waits for {event}"),
    };
    Some(Waits { text, holders })
}
