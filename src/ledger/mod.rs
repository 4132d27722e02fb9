//! In: the target. Out: what this program has done there, in the schema `pgv2rs`, so that the same command goes on where it was
//! stopped: the run, its slices, its steps. Each line is committed in the transaction that does what it says. One process at a time
//! holds the ledger, by an advisory lock.

pub mod in_place;
mod kept;
mod recorded;
pub mod slices;
pub mod status;

use std::collections::HashMap;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::Verify;
use crate::connect::Session;
use crate::copy::Copied;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;
use crate::schema::Step;
use crate::verify::Verdict;
pub use recorded::Recorded;
pub use slices::{Claim, Rejected, Slicing};

/// Its own word in this schema is a promise: nothing else is ever made there.
const SCHEMA: &str = "CREATE SCHEMA pgv2rs; \
    COMMENT ON SCHEMA pgv2rs IS 'The ledger of pgv2rs-copy: \"pgv2rs-copy status\" shows it, \"pgv2rs-copy clean\" removes it.'";

/// What the comment on `pgv2rs.run` says of the tables below. To be counted up with each change to them.
const FORMAT: &str = "format 2";

const TABLES: &str = "CREATE TABLE IF NOT EXISTS pgv2rs.run (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, program text NOT NULL, \
      source text NOT NULL, place text NOT NULL, wishes text NOT NULL, plan text NOT NULL, phase text NOT NULL, \
      attempt int4 NOT NULL DEFAULT 0, exported text, rejects bool NOT NULL DEFAULT false, snapshot text, settled text, report text, \
      begun timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), ended timestamptz); \
    CREATE TABLE IF NOT EXISTS pgv2rs.slice (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run int8 NOT NULL, \
      attempt int4 NOT NULL, \"table\" text NOT NULL, oid oid NOT NULL, first_block int8 NOT NULL, end_block int8, shape text NOT NULL, \
      snapshot_xmin int8 NOT NULL, rows int8, rejected int8, bytes int8, digest text, xid xid8, seconds float8, copied timestamptz); \
    CREATE INDEX IF NOT EXISTS slice_to_claim ON pgv2rs.slice (run, attempt, id) WHERE rows IS NULL; \
    CREATE TABLE IF NOT EXISTS pgv2rs.step (run int8 NOT NULL, number int4 NOT NULL, object text NOT NULL, seconds float8 NOT NULL, \
      done timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), PRIMARY KEY (run, number)); \
    CREATE UNLOGGED TABLE IF NOT EXISTS pgv2rs.alive (since timestamptz NOT NULL); \
    INSERT INTO pgv2rs.alive SELECT pg_catalog.clock_timestamp() WHERE NOT EXISTS (SELECT FROM pgv2rs.alive); \
    CREATE TABLE IF NOT EXISTS pgv2rs.rejected (run int8 NOT NULL, slice int8 NOT NULL, \"table\" text NOT NULL, \"row\" int8 NOT NULL, \
      key text NOT NULL, \"column\" text NOT NULL, reason text NOT NULL, PRIMARY KEY (slice, \"row\"))";

/// Whoever holds it writes to the ledger. One for a database: two runs into one would be in each other's way.
const LOCK: &str = "pg_catalog.hashtextextended('pgv2rs-copy', 0)";

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The schema before the data is there; slices are copied, and not all are verified.
    Copying,
    /// All rows are there and verified, as of the recorded snapshot. What follows them is being made.
    Building,
    Done,
}

impl Phase {
    fn text(self) -> &'static str {
        match self {
            Phase::Copying => "copying",
            Phase::Building => "building",
            Phase::Done => "done",
        }
    }

    fn of(text: &str) -> Option<Phase> {
        [Phase::Copying, Phase::Building, Phase::Done]
            .into_iter()
            .find(|phase| phase.text() == text)
    }
}

/// A table whose rows are all there, and what is known of them.
#[derive(Clone, Deserialize, Serialize)]
pub struct Settled {
    pub copied: Copied,
    pub verdict: Verdict,
    pub seal: crate::verify::seal::Seal,
}

/// All tables, and how they were verified.
#[derive(Clone, Deserialize, Serialize)]
pub struct AllSettled {
    pub verify: Verify,
    pub tables: Vec<Settled>,
}

/// A run that the ledger knows.
pub struct Run {
    pub id: i64,
    /// The source's cluster and database.
    pub source: String,
    pub place: String,
    pub wishes: String,
    pub phase: Phase,
    pub begun: String,
    pub attempt: i32,
    /// The name of the snapshot that this attempt copies under.
    pub exported: Option<String>,
    /// Whether it sets rows aside: all of its processes do, or none.
    pub rejects: bool,
    pub snapshot: Option<String>,
    plan: String,
    settled: Option<String>,
    report: Option<String>,
}

impl Run {
    pub fn recorded(&self) -> Result<Recorded> {
        read_back(&self.plan)
    }

    pub fn settled(&self) -> Result<AllSettled> {
        read_back(self.settled.as_deref().unwrap_or("null"))
    }

    /// The report of a run that is done.
    pub fn report(&self) -> Result<(String, String)> {
        read_back(self.report.as_deref().unwrap_or("null"))
    }
}

const ANOTHER_VERSIONS: &str = "another version of this program wrote it: finish the run with that one, or start again: pgv2rs-copy clean, and an empty target";

fn read_back<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
        Error::new(Side::Target, "reading the ledger")
            .because(e)
            .remedy(ANOTHER_VERSIONS)
    })
}

fn written(of: &impl Serialize) -> Result<String> {
    serde_json::to_string(of).map_err(Error::on(Side::Internal, "writing the ledger"))
}

fn on(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Error {
    move |e| Error::new(Side::Target, what).because(e)
}

/// Every session that writes rows or makes what follows them holds this one, shared with all others of the run: so that a later process
/// finds those that an earlier one has left.
const WORK: &str = "pg_catalog.hashtextextended('pgv2rs-copy', 1)";

/// The sessions `a` that hold an advisory lock `l` of this database, or wait for it.
fn holders(key: &str) -> String {
    format!(
        "pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' \
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
         AND (l.classid::int8 << 32 | l.objid::int8) = {key}"
    )
}

/// To be called on each session that works for the run.
pub async fn works(session: &Session) -> Result<()> {
    let sql = format!("SELECT pg_catalog.pg_advisory_lock_shared({WORK})");
    session
        .query_one(&sql, &[])
        .await
        .map(drop)
        .map_err(on("joining the run"))
}

/// Somebody's lock must not make a run wait for ever.
pub async fn no_longer_than(session: &Session, limit: Duration) -> Result<()> {
    let limit = limit.as_millis().min(2_147_483_647);
    let set = format!("SET lock_timeout = {limit}");
    let set = session.batch_execute(&set).await;
    set.map_err(on("limiting the wait for locks"))
}

/// The ledger, held by this process.
pub struct Ledger {
    /// Holds the lock as long as it lives.
    pub session: Session,
}

/// The same, where nothing can be done without it.
pub async fn readable_runs(session: &Session) -> Result<Vec<Run>> {
    let sql = "SELECT pg_catalog.to_regnamespace('pgv2rs') IS NOT NULL AND NOT pg_catalog.has_schema_privilege('pgv2rs', 'USAGE')";
    let hidden = session.query_one(sql, &[]).await;
    match hidden.map_err(on("looking for the ledger"))?.get(0) {
        Some(true) => Err(Error::new(Side::Target, "reading the ledger")
            .because("the schema pgv2rs is another role's")
            .remedy("connect as the role that the run was begun with")),
        _ => runs(session).await,
    }
}

/// Of the ledger that is there for this role; empty where an early version made it.
async fn format(session: &Session) -> Result<Option<String>> {
    let sql = "SELECT coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'pgv2rs' AND c.relname = 'run' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')";
    let row = session.query_opt(sql, &[]).await;
    let row = row.map_err(on("looking for the ledger"))?;
    Ok(row.map(|row| row.get(0)))
}

/// The runs that are there, the newest first. Another role's are not there for this one; the plan says so.
pub async fn runs(session: &Session) -> Result<Vec<Run>> {
    match format(session).await? {
        None => return Ok(Vec::new()),
        Some(found) if found != FORMAT => {
            return Err(Error::new(Side::Target, "reading the ledger")
                .because(format!("it is of {found:?}, not of {FORMAT:?}"))
                .remedy(ANOTHER_VERSIONS));
        }
        Some(_) => {}
    }
    let sql = "SELECT id, source, place, wishes, phase, pg_catalog.date_trunc('second', begun)::text, snapshot, plan, settled, report, attempt, exported, rejects \
        FROM pgv2rs.run ORDER BY id DESC";
    let rows = session.query(sql, &[]).await;
    let rows = rows.map_err(on("reading the ledger"))?;
    let run = |r: &tokio_postgres::Row| {
        let phase: String = r.get(4);
        let phase = Phase::of(&phase).ok_or_else(|| {
            Error::new(Side::Target, "reading the ledger").because(format!(
                "it knows a phase {phase:?}, which this program does not"
            ))
        })?;
        Ok(Run {
            id: r.get(0),
            source: r.get(1),
            place: r.get(2),
            wishes: r.get(3),
            phase,
            begun: r.get(5),
            snapshot: r.get(6),
            plan: r.get(7),
            settled: r.get(8),
            report: r.get(9),
            attempt: r.get(10),
            exported: r.get(11),
            rejects: r.get(12),
        })
    };
    rows.iter().map(run).collect()
}

impl Ledger {
    /// Takes the lock, or says who has it. A process that was killed leaves a session behind that ends a moment later.
    pub async fn hold(session: Session, stall_timeout: Duration) -> Result<Ledger> {
        no_longer_than(&session, stall_timeout).await?;
        let sql = format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK})");
        for _ in 0..40 {
            let row = session.query_one(&sql, &[]).await;
            if row.map_err(on("locking the ledger"))?.get(0) {
                let ledger = Ledger { session };
                ledger.end_leftovers().await?;
                return Ok(ledger);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let sql = format!(
            "SELECT a.pid, a.client_addr::text, pg_catalog.date_trunc('second', a.backend_start)::text \
             FROM {} AND l.granted",
            holders(LOCK)
        );
        let row = session.query_opt(&sql, &[]).await;
        let row = row.map_err(on("asking who holds the ledger"))?;
        let who = row.map_or("it has ended just now".to_string(), |r| {
            let (pid, from, since): (i32, Option<String>, Option<String>) =
                (r.get(0), r.get(1), r.get(2));
            let from = from.map_or(String::new(), |from| format!(", from {from}"));
            let since = since.map_or(String::new(), |since| format!(", since {since}"));
            format!("its session is process {pid} of the target{from}{since}")
        });
        Err(Error::new(Side::Plan, "locking the ledger")
            .because(format!("another pgv2rs-copy works on this target: {who}"))
            .remedy("wait for it (pgv2rs-copy status shows how far it is); where it is dead and the server has not noticed: SELECT pg_terminate_backend(…) with that number"))
    }

    /// What a killed process has left working on the target goes, and what it had not committed goes with it.
    async fn end_leftovers(&self) -> Result<()> {
        let sql = format!(
            "SELECT count(pg_catalog.pg_terminate_backend(l.pid)) FROM {}",
            holders(WORK)
        );
        let attempt = "ending what an earlier process has left";
        for _ in 0..240 {
            let row = self.session.query_one(&sql, &[]).await;
            if row.map_err(on(attempt))?.get::<_, i64>(0) == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Err(Error::new(Side::Target, attempt)
            .because("its sessions do not end")
            .remedy("restart the target, or end them there: they are in pg_stat_activity by their application_name"))
    }

    /// Begins a run. To be called in the transaction that applies the schema before the data.
    pub async fn begin(
        &self,
        source: &str,
        place: &str,
        wishes: &str,
        recorded: &Recorded,
    ) -> Result<i64> {
        let session = &self.session;
        let there = "SELECT pg_catalog.to_regnamespace('pgv2rs') IS NOT NULL";
        let there = session.query_one(there, &[]).await;
        if !there.map_err(on("making the ledger"))?.get::<_, bool>(0) {
            let made = session.batch_execute(SCHEMA).await;
            made.map_err(on("making the ledger"))?;
        }
        let new = format(session).await?.is_none();
        let made = session.batch_execute(TABLES).await;
        made.map_err(on("making the ledger"))?;
        if new {
            let comment = format!("COMMENT ON TABLE pgv2rs.run IS '{FORMAT}'");
            let said = session.batch_execute(&comment).await;
            said.map_err(on("making the ledger"))?;
        }
        let sql = "INSERT INTO pgv2rs.run (program, source, place, wishes, plan, phase) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
        let program = concat!("pgv2rs-copy ", env!("CARGO_PKG_VERSION"));
        let plan = written(recorded)?;
        let row = session
            .query_one(
                sql,
                &[
                    &program,
                    &source,
                    &place,
                    &wishes,
                    &plan,
                    &Phase::Copying.text(),
                ],
            )
            .await
            .map_err(on("making the ledger"))?;
        Ok(row.get(0))
    }

    /// All rows are there: what follows needs no snapshot any more.
    pub async fn settle(&self, run: i64, snapshot: &str, settled: &AllSettled) -> Result<()> {
        let sql = "UPDATE pgv2rs.run SET phase = $2, snapshot = $3, settled = $4 WHERE id = $1";
        let settled = written(settled)?;
        let done = self
            .session
            .execute(sql, &[&run, &Phase::Building.text(), &snapshot, &settled])
            .await;
        done.map(drop).map_err(on("writing the ledger"))
    }

    /// The rows are to be looked at again.
    pub async fn unsettle(&self, run: i64) -> Result<()> {
        let sql = "UPDATE pgv2rs.run SET phase = $2, settled = NULL WHERE id = $1";
        let done = self
            .session
            .execute(sql, &[&run, &Phase::Copying.text()])
            .await;
        done.map(drop).map_err(on("writing the ledger"))
    }

    /// Of a run that is done one row stays: that it was, and its report. And the lines of the rows that it has rejected.
    pub async fn finish(&self, run: i64, (text, report): (&str, &str)) -> Result<()> {
        let attempt = "writing the ledger's last word";
        let report = written(&(text, report))?;
        let session = &self.session;
        session.batch_execute("BEGIN").await.map_err(on(attempt))?;
        let sql = "UPDATE pgv2rs.run SET phase = $2, report = $3, settled = NULL, ended = pg_catalog.clock_timestamp() WHERE id = $1";
        let phase = Phase::Done.text();
        session
            .execute(sql, &[&run, &phase, &report])
            .await
            .map_err(on(attempt))?;
        for table in ["slice", "step"] {
            let sql = format!("DELETE FROM pgv2rs.{table} WHERE run = $1");
            session.execute(&sql, &[&run]).await.map_err(on(attempt))?;
        }
        session.batch_execute("COMMIT").await.map_err(on(attempt))
    }

    /// The first rows of a table that were rejected.
    pub async fn rejected(&self, run: i64, table: &TablePlan, most: i64) -> Result<Vec<Rejected>> {
        let sql = "SELECT \"row\", key, \"column\", reason FROM pgv2rs.rejected WHERE run = $1 AND \"table\" = $2 \
            ORDER BY slice, \"row\" LIMIT $3";
        let rows = self
            .session
            .query(sql, &[&run, &table.display, &most])
            .await
            .map_err(on("reading the rejected rows"))?;
        let line = |r: &tokio_postgres::Row| Rejected {
            row: r.get(0),
            key: r.get(1),
            column: r.get(2),
            reason: r.get(3),
        };
        Ok(rows.iter().map(line).collect())
    }

    /// The steps that are done, by their numbers, with the seconds that each took.
    pub async fn steps(&self, run: i64) -> Result<HashMap<i32, f64>> {
        let sql = "SELECT number, seconds FROM pgv2rs.step WHERE run = $1";
        let rows = self.session.query(sql, &[&run]).await;
        let rows = rows.map_err(on("reading the ledger"))?;
        Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
    }
}

/// The statement that notes a step, for the transaction that does it.
pub fn step_done(run: i64, step: &Step) -> String {
    let object = crate::connect::literal(&step.object);
    format!(
        "INSERT INTO pgv2rs.step (run, number, object, seconds) VALUES ({run}, {}, {object}, \
         EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.now()))",
        step.number
    )
}
