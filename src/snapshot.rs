//! In: the source. Out: a snapshot that all workers share, and a holder whose locks keep the tables as the snapshot saw them.
//! Without the locks a TRUNCATE, a rewriting ALTER or a VACUUM FULL by someone else makes a reader under the same
//! snapshot see fewer rows or none, silently.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::try_join_all;

use crate::catalog;
use crate::connect::{Endpoint, Session, quote_qualified};
use crate::error::{Error, Result, Side};

/// Holds the snapshot and the locks until dropped or released.
pub struct Holder {
    pub session: Session,
    /// For SET TRANSACTION SNAPSHOT and pg_dump.
    pub id: String,
    /// Its text, for txid_visible_in_snapshot after it is gone.
    pub visible: String,
    /// The oldest transaction that had not ended, or else the next one: whatever is older is seen as it ended.
    pub xmin: i64,
    /// What is locked.
    tables: Vec<(u32, String, String)>,
}

/// A table made or dropped between the list and the locks moves the list; it settles at once on any sane source.
const TRIES: usize = 5;

/// Locks every user table IN ACCESS SHARE MODE, then takes and exports the snapshot, then looks whether the list of tables is
/// still the one that was locked.
pub async fn hold(source: &Endpoint) -> Result<Holder> {
    let session = source.connect().await?;
    let attempt = "locking the tables and exporting a snapshot";
    for _ in 0..TRIES {
        let tables = catalog::tables_now(&session).await?;
        // LOCK does not take the snapshot of a REPEATABLE READ transaction; the first query does.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        session
            .batch_execute(begin)
            .await
            .map_err(Error::on(Side::Source, attempt))?;
        lock(&session, Side::Source, &tables).await?;
        let sql = "SELECT pg_catalog.pg_export_snapshot(), s::pg_catalog.text, pg_catalog.txid_snapshot_xmin(s) \
            FROM pg_catalog.txid_current_snapshot() s";
        let row = session
            .query_one(sql, &[])
            .await
            .map_err(Error::on(Side::Source, attempt))?;
        if catalog::tables_now(&session).await? == tables {
            durable(source).await?;
            return Ok(Holder {
                session,
                id: row.get(0),
                visible: row.get(1),
                xmin: row.get(2),
                tables,
            });
        }
        session
            .batch_execute("ROLLBACK")
            .await
            .map_err(Error::on(Side::Source, attempt))?;
    }
    Err(Error::new(Side::Source, attempt)
        .because("tables keep being created or dropped")
        .remedy("stop what makes and drops tables on the source, or leave its schema to another database"))
}

const LOOKS_A_SECOND: u32 = 20;

/// Waits until all that the snapshot sees is on the source's disk. Commits that are not flushed (synchronous_commit = off) are gone after a
/// crash, and the numbers of their transactions and the places of their rows are given to others.
async fn durable(source: &Endpoint) -> Result<()> {
    let session = source.connect().await?;
    let on = || Error::on(Side::Source, "waiting until the snapshot is on disk");
    let sql = "SELECT pg_catalog.pg_current_wal_insert_lsn()::text WHERE NOT pg_catalog.pg_is_in_recovery()";
    let Some(row) = session.query_opt(sql, &[]).await.map_err(on())? else {
        return Ok(());
    };
    let lsn: String = row.get(0);
    let sql = "SELECT pg_catalog.pg_current_wal_flush_lsn() >= $1::text::pg_catalog.pg_lsn";
    for look in 1.. {
        let row = session.query_one(sql, &[&lsn]).await.map_err(on())?;
        if row.get(0) {
            break;
        }
        // What a vacuum or an open transaction has written is flushed with the next commit. Where nobody commits, that is in fifteen
        // seconds, or with the next checkpoint (wal_level = minimal). The commit of a transaction that has a number and no rows has it done
        // in wal_writer_delay, and waits for nothing itself.
        if look == LOOKS_A_SECOND / 2 {
            let numbered = "SET synchronous_commit = off; SELECT pg_catalog.txid_current()";
            if let Err(error) = session.batch_execute(numbered).await {
                tracing::debug!("asking the source to flush its WAL: {error}");
            }
        }
        if look % (10 * LOOKS_A_SECOND) == 0 {
            tracing::warn!("still waiting until the source has flushed its WAL");
        }
        tokio::time::sleep(Duration::from_secs(1) / LOOKS_A_SECOND).await;
    }
    Ok(())
}

/// Says every ten seconds that it still waits.
pub async fn lock(session: &Session, side: Side, tables: &[(u32, String, String)]) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = tables
        .iter()
        .map(|(_, s, t)| format!("ONLY {}", quote_qualified(s, t)))
        .collect();
    let sql = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
    let locking = session.batch_execute(&sql);
    tokio::pin!(locking);
    let mut slow = tokio::time::interval(Duration::from_secs(10));
    slow.tick().await;
    loop {
        tokio::select! {
            done = &mut locking => return done.map_err(|e| {
                let remedy = match e.code().map(|c| c.code()) {
                    Some("55P03") => "someone holds or waits for ACCESS EXCLUSIVE on one of the tables (TRUNCATE, ALTER, VACUUM FULL): let that end first",
                    Some("53200") => "each job locks every table: raise max_locks_per_transaction, or lower --jobs",
                    _ => "the role needs SELECT on every table and sequence of the database",
                };
                Error::new(side, "locking the tables IN ACCESS SHARE MODE").because(e).remedy(remedy)
            }),
            _ = slow.tick() => tracing::warn!("still waiting for the tables' locks on the {side}: someone holds ACCESS EXCLUSIVE on one of them"),
        }
    }
}

/// Sessions in the holder's snapshot that hold the same locks. They take them at once, not table by table: somebody who waits
/// for ACCESS EXCLUSIVE behind the holder would make a later reader wait behind him, and both for ever.
#[derive(Clone)]
pub struct Readers {
    idle: Arc<Mutex<Vec<Session>>>,
    source: Endpoint,
    /// The holder's, for a reader that takes the place of a lost one.
    snapshot: String,
    tables: Vec<(u32, String, String)>,
}

/// A reader on loan; it goes back when dropped.
pub struct Lease<'a> {
    readers: &'a Readers,
    session: Option<Session>,
    spoiled: bool,
}

impl Readers {
    pub async fn open(source: &Endpoint, holder: &Holder, sessions: usize) -> Result<Readers> {
        let tables = holder.tables.clone();
        Readers::join_in(source, &holder.id, tables, sessions).await
    }

    /// The same, in a snapshot that another process holds.
    pub async fn join_in(
        source: &Endpoint,
        snapshot: &str,
        tables: Vec<(u32, String, String)>,
        sessions: usize,
    ) -> Result<Readers> {
        let readers = Readers {
            idle: Arc::default(),
            source: source.clone(),
            snapshot: snapshot.into(),
            tables,
        };
        let joined = (0..sessions).map(|_| readers.join());
        let joined = try_join_all(joined).await?;
        if let Ok(mut idle) = readers.idle.lock() {
            idle.extend(joined);
        }
        Ok(readers)
    }

    /// An idle reader; where all are lost, another one that comes back into the same snapshot.
    pub async fn lease(&self) -> Result<Lease<'_>> {
        let idle = || {
            let mut idle = self.idle.lock().ok()?;
            idle.retain(|session| !session.is_closed());
            idle.pop()
        };
        let session = match idle() {
            Some(session) => session,
            None => self.join().await?,
        };
        Ok(Lease {
            readers: self,
            session: Some(session),
            spoiled: false,
        })
    }

    /// A session of the source that is in no snapshot.
    pub async fn monitor(&self) -> Result<Session> {
        let connecting = tokio::time::timeout(Duration::from_secs(10), self.source.connect());
        let silent = |_| Error::new(Side::Source, "connecting to the source").passing();
        connecting.await.map_err(silent)?
    }

    /// Ends the readers' transactions.
    pub fn close(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }

    /// A new session in the holder's snapshot, with its locks.
    async fn join(&self) -> Result<Session> {
        let session = self.source.connect().await?;
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            crate::connect::literal(&self.snapshot)
        );
        session.batch_execute(&sql).await.map_err(|e| {
            let answered = e.as_db_error().is_some();
            let error = Error::new(Side::Source, "joining the snapshot").because(e).remedy(
                "the connection that holds the snapshot is gone, or a pooler or load balancer sent this one elsewhere: connect to the server itself",
            );
            if answered { error.from_the_start() } else { error }
        })?;
        session
            .batch_execute("SET LOCAL lock_timeout = '60s'")
            .await
            .map_err(Error::on(Side::Source, "joining the snapshot"))?;
        lock(&session, Side::Source, &self.tables).await?;
        session
            .batch_execute("SET LOCAL lock_timeout = 0")
            .await
            .map_err(Error::on(Side::Source, "joining the snapshot"))?;
        Ok(session)
    }
}

impl Lease<'_> {
    /// Its transaction is of no use any more.
    pub fn spoil(&mut self) {
        self.spoiled = true;
    }
}

impl std::ops::Deref for Lease<'_> {
    type Target = Session;
    fn deref(&self) -> &Session {
        // Some until drop.
        self.session
            .as_ref()
            .unwrap_or_else(|| unreachable!("a lease holds its session"))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let session = self.session.take().filter(|_| !self.spoiled);
        if let (Ok(mut idle), Some(session)) = (self.readers.idle.lock(), session) {
            idle.push(session);
        }
    }
}

/// How often the holder has to show that it is there.
const BEAT: Duration = Duration::from_secs(10);

impl Holder {
    /// Ends when the snapshot is lost. Readers that are in it still are; none could come back into it.
    pub async fn lost(&self) -> Error {
        loop {
            tokio::time::sleep(BEAT).await;
            let beat = tokio::time::timeout(6 * BEAT, self.session.simple_query("SELECT 1"));
            let lost = Error::new(Side::Source, "holding the snapshot").from_the_start();
            match beat.await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return lost.because(error),
                Err(_) => return lost.because("its session does not answer any more"),
            }
        }
    }

    /// Ends the transaction: the locks and the snapshot's hold on old rows go.
    pub async fn release(self) -> Result<()> {
        self.session
            .batch_execute("COMMIT")
            .await
            .map_err(Error::on(Side::Source, "releasing the snapshot"))
    }
}
