//! In: a table and its tree, and what is to be done while nobody else uses them. Out: that, in one transaction. Whoever waits for a lock makes all
//! wait that come after, so the wait is short, and tried again; who had the lock is named.

use std::time::{Duration, Instant};

use super::guard::is_there;
use super::unit::Unit;
use super::{Work, on};
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::waiting::PROCESS;

/// How it went.
pub(super) struct Held {
    /// From the lock to the commit.
    pub(super) seconds: f64,
    pub(super) tries: u32,
}

/// The first pause after a lock that did not come; each is longer, and none as long as this.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

/// Does the work under ACCESS EXCLUSIVE locks of all tables of the unit.
pub(super) async fn locked<T>(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    attempt: &str,
    body: impl AsyncFn() -> Result<T>,
) -> Result<(T, Held)> {
    let attempt = format!("{attempt} {}", unit.display());
    let milliseconds = milliseconds(work);
    sooner(session, milliseconds).await;
    let since = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match once(session, unit, ("ACCESS EXCLUSIVE", milliseconds), &body).await {
            Ok((done, seconds)) => return Ok((done, Held { seconds, tries })),
            Err(error) => error,
        };
        if !is_busy(&error) {
            return Err(error.during(attempt));
        }
        let holders = holders(session, unit).await?;
        let who = match &holders {
            Some(holders) => format!("it is held by {holders}"),
            None => "whoever had it is gone now".to_string(),
        };
        if since.elapsed() >= work.options.retry_for {
            return Err(error
                .during(format!("waiting for the lock of {}: {who}", unit.display()))
                .remedy("end that, or give it more time with --lock-timeout and --retry-for, and run the same command again: it goes on from here"));
        }
        if tries % 5 == 1 {
            tracing::info!("{attempt}: the lock did not come in time; {who}");
        }
        let pause = FIRST.saturating_mul(1 << tries.min(6)).min(LONGEST);
        tokio::time::sleep(pause).await;
    }
}

/// One try with another mode. An error inside: a lock did not come in time, and the caller has something to do before the next.
pub(super) async fn locked_once<T>(
    mode: &str,
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    body: impl AsyncFn() -> Result<T>,
) -> Result<std::result::Result<(T, f64), Error>> {
    let milliseconds = milliseconds(work);
    sooner(session, milliseconds).await;
    match once(session, unit, (mode, milliseconds), &body).await {
        Ok(done) => Ok(Ok(done)),
        Err(error) if is_busy(&error) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

fn milliseconds(work: &Work<'_>) -> u128 {
    let timeout = work.options.lock_timeout.as_millis();
    timeout.clamp(1, 2_147_483_647)
}

/// An autovacuum gives way to who has waited for deadlock_timeout, and who asks for more than others is the one to give up. Only a superuser may set that.
async fn sooner(session: &Session, milliseconds: u128) {
    let sooner = format!("SET deadlock_timeout = {}", (milliseconds / 2).max(1));
    let _ = session.batch_execute(&sooner).await;
}

fn is_busy(error: &Error) -> bool {
    let busy = ["55P03", "57014", "40P01"];
    error
        .sqlstate()
        .is_some_and(|code| busy.contains(&code.as_str()))
}

/// One try; what is locked besides has to come in the same time.
async fn once<T>(
    session: &Session,
    unit: &Unit,
    (mode, milliseconds): (&str, u128),
    body: &impl AsyncFn() -> Result<T>,
) -> Result<(T, f64)> {
    // The locks of a tree come one by one: together they may not wait longer either.
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {milliseconds}; SET LOCAL statement_timeout = {milliseconds}"
    );
    session
        .batch_execute(&begin)
        .await
        .map_err(on("locking it"))?;
    let mut began = Instant::now();
    let done = async {
        let lock = format!("LOCK TABLE {} IN {mode} MODE", unit.quoted());
        session
            .batch_execute(&lock)
            .await
            .map_err(on("locking it"))?;
        began = Instant::now();
        let unlimited = "SET LOCAL statement_timeout = 0";
        let set = session.batch_execute(unlimited).await;
        set.map_err(on("locking it"))?;
        if !is_there(session, unit).await? {
            return Err(
                Error::new(Side::Target, format!("looking for {}", unit.display()))
                    .because("it was dropped meanwhile"),
            );
        }
        body().await
    }
    .await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = session.batch_execute(end).await.map_err(on("ending it"));
    let done = done?;
    ended?;
    Ok((done, began.elapsed().as_secs_f64()))
}

pub(super) async fn holders(session: &Session, unit: &Unit) -> Result<Option<String>> {
    let members: Vec<u32> = unit.members(session).await?.iter().map(|m| m.oid).collect();
    let sql = format!(
        "SELECT pg_catalog.string_agg(DISTINCT {PROCESS}, ', ') FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity b USING (pid) \
        WHERE l.granted AND l.relation = ANY ($1) AND b.pid <> pg_catalog.pg_backend_pid()"
    );
    let row = session.query_one(&sql, &[&members]).await;
    Ok(row.map_err(on("asking who holds the lock"))?.get(0))
}
