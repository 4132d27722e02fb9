//! In: a unit whose new columns and trigger are there. Out: every row filled, in short transactions, with vacuum between them, so that the rows
//! that a batch leaves behind are room for the next.
//!
//! Rows are found by their place, so no key is needed. Places move under updates, but an update also fires the trigger, so no row that is moved needs
//! the fill any more; what a VACUUM FULL or CLUSTER moves is found by the next pass, which goes on until nothing is left. A batch takes only rows that
//! nobody has locked (SKIP LOCKED): it never waits with locks of its own, so it is in no deadlock, and writers wait for it no longer than it lasts.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::trigger::sound_stamp;
use super::unit::{Member, Unit};
use super::{Work, on};
use crate::connect::{Session, quote};
use crate::copy::throttle::Throttle;
use crate::error::{Error, Result, Side};
use crate::progress::human_time;

/// What the fill has done.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Filled {
    pub rows: u64,
    pub batches: u64,
    pub passes: u64,
    pub longest_batch_seconds: f64,
    pub seconds: f64,
}

/// A batch should take about this long: writers of its rows wait for it.
const BATCH: Duration = Duration::from_millis(100);

/// A vacuum after each such part of the table.
const VACUUM_EVERY: i64 = 40;

const LINE_EVERY: Duration = Duration::from_secs(5);

/// In a session of its own, with settings that are for nothing else.
pub(super) async fn fill(work: &Work<'_>, unit: &Unit, filled: &mut Filled) -> Result<()> {
    let started = Instant::now();
    let session = &work.connect().await?;
    prepare(session, work.replica).await?;
    let throttle = work.options.throttle.map(Throttle::new);
    for member in unit.members(session).await? {
        if member.partitioned {
            continue;
        }
        let fill = Fill {
            work,
            session,
            unit,
            member: &member,
            throttle: throttle.as_ref(),
        };
        fill.all(filled).await?;
    }
    filled.seconds += started.elapsed().as_secs_f64();
    Ok(())
}

/// Ordinary triggers and rules do not fire for what changes no value; this program's own does, always.
async fn prepare(session: &Session, replica: bool) -> Result<()> {
    let role = match replica {
        true => "SET session_replication_role = replica; ",
        false => "",
    };
    // A place is looked up, whatever the planner thinks of an index or of a whole scan.
    let plan = "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off";
    let set = session.batch_execute(&format!("{role}{plan}")).await;
    set.map_err(on("preparing the fill"))
}

struct Fill<'a> {
    work: &'a Work<'a>,
    session: &'a Session,
    unit: &'a Unit,
    member: &'a Member,
    throttle: Option<&'a Throttle>,
}

impl Fill<'_> {
    fn failed(&self) -> impl Fn(tokio_postgres::Error) -> Error {
        let attempt = format!("filling the new columns of {}", self.member.display());
        move |e| {
            let error = Error::new(Side::Target, attempt.clone()).because(e);
            error.remedy("mend it and run the same command again; or take all of it back: pgv2rs-copy in-place --undo")
        }
    }

    /// Passes, until no row is left.
    async fn all(&self, filled: &mut Filled) -> Result<()> {
        let mut waiting = Instant::now();
        loop {
            if !self.left().await? {
                return Ok(());
            }
            // Without it nothing would be filled, and without an end.
            sound_stamp(self.session, self.unit).await?;
            let before = filled.rows;
            self.pass(filled).await?;
            if filled.rows > before {
                waiting = Instant::now();
                continue;
            }
            // Whoever has locked the rows that are left has to let go.
            if waiting.elapsed() >= self.work.options.retry_for {
                return Err(Error::new(
                    Side::Target,
                    format!("filling the new columns of {}", self.member.display()),
                )
                .because("rows that are left are locked by somebody else")
                .remedy(
                    "end those transactions (pg_stat_activity), and run the same command again",
                ));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn left(&self) -> Result<bool> {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM ONLY {} WHERE {})",
            self.member.quoted(),
            self.unit.unfilled()
        );
        let row = self.session.query_of_table(&sql).await;
        Ok(row.map_err(self.failed())?.get(0))
    }

    /// Once over the blocks that are there now: what is written after has passed the trigger.
    async fn pass(&self, filled: &mut Filled) -> Result<()> {
        let blocks = self.member.blocks(self.session).await?;
        let every = (blocks / VACUUM_EVERY).max(1);
        let (mut at, mut width, mut vacuumed) = (0, 1_i64, 0);
        let (started, mut line) = (Instant::now(), Instant::now());
        filled.passes += 1;
        self.vacuum().await?;
        while at < blocks {
            let end = (at + width).min(blocks);
            let began = Instant::now();
            let rows = self.batch(at, end).await?;
            let took = began.elapsed();
            crate::fail::point("batch");
            filled.rows += rows;
            filled.batches += 1;
            filled.longest_batch_seconds = filled.longest_batch_seconds.max(took.as_secs_f64());
            width = next_width(end - at, rows, took, self.work.options.batch_rows);
            at = end;
            if at - vacuumed >= every {
                self.vacuum().await?;
                vacuumed = at;
            }
            if line.elapsed() >= LINE_EVERY {
                line = Instant::now();
                let left = started.elapsed().mul_f64((blocks - at) as f64 / at as f64);
                tracing::info!(
                    "{}: {} rows filled, {}% of its pages, about {} to go",
                    self.member.display(),
                    filled.rows,
                    100 * at / blocks,
                    human_time(left)
                );
            }
        }
        self.vacuum().await
    }

    /// The trigger converts, as it does for every write: there is one place that does.
    async fn batch(&self, from: i64, end: i64) -> Result<u64> {
        let set: Vec<String> = self
            .unit
            .columns
            .iter()
            .map(|c| format!("{} = NULL", quote(&c.new)))
            .collect();
        let table = self.member.quoted();
        let sql = format!(
            "WITH done AS (UPDATE ONLY {table} SET {} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY {table} \
             WHERE ctid >= '({from},0)' AND ctid < '({end},0)' AND ({}) FOR NO KEY UPDATE SKIP LOCKED)) RETURNING {} AS size, {} AS unfilled) \
             SELECT pg_catalog.count(*) FILTER (WHERE NOT unfilled), coalesce(pg_catalog.sum(size), 0)::int8 FROM done",
            set.join(", "),
            self.unit.unfilled(),
            self.size(),
            self.unit.unfilled()
        );
        let row = self.session.query_of_table(&sql).await;
        let row = row.map_err(self.failed())?;
        let (rows, bytes): (i64, i64) = (row.get(0), row.get(1));
        if let Some(throttle) = self.throttle {
            throttle.pause(usize::try_from(bytes).unwrap_or(0)).await;
        }
        Ok(rows.unsigned_abs())
    }

    /// Of what was written; asked for only where it matters.
    fn size(&self) -> String {
        if self.throttle.is_none() {
            return "0".into();
        }
        let one = |c: &super::unit::Column| {
            format!("coalesce(pg_catalog.pg_column_size({}), 0)", quote(&c.new))
        };
        let all: Vec<String> = self.unit.columns.iter().map(one).collect();
        all.join(" + ")
    }

    /// Makes room of the rows that were left behind, and lets the indexes be: their dead entries go at the end.
    async fn vacuum(&self) -> Result<()> {
        let sql = format!(
            "VACUUM (INDEX_CLEANUP off, TRUNCATE off) {}",
            self.member.quoted()
        );
        self.session
            .batch_execute(&sql)
            .await
            .map_err(self.failed())
    }
}

/// How many blocks come next: as many as take about as long as a batch should, and not more rows than are allowed.
pub(super) fn next_width(width: i64, rows: u64, took: Duration, most_rows: u32) -> i64 {
    let by_time = BATCH.as_secs_f64() / took.as_secs_f64().max(0.001);
    let by_rows = f64::from(most_rows) / (rows as f64).max(1.0);
    // A few quick blocks say little of those behind them.
    let grown = width as f64 * by_time.min(by_rows).min(4.0);
    (grown as i64).clamp(1, 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_grows_slowly_and_shrinks_at_once() {
        let ms = Duration::from_millis;
        assert_eq!(next_width(10, 100, ms(1), 10_000), 40);
        assert_eq!(next_width(100, 1000, ms(1000), 10_000), 10);
        // Not more rows than are allowed.
        assert_eq!(next_width(100, 1000, ms(20), 500), 50);
        assert_eq!(next_width(1, 200, ms(5000), 10_000), 1);
    }
}
