//! In: slices that an earlier snapshot's copy has left on the target. Out: those that hold what the new snapshot sees, and the others
//! taken away again, with their rows, in one transaction a table.

use std::collections::HashMap;

use futures::StreamExt;
use futures::stream::{self, TryStreamExt};

use super::slices::Done;
use super::{Ledger, on};
use crate::copy::slice::Range;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;
use crate::snapshot::Readers;
use crate::verify::seal::{self, Shape};

impl Ledger {
    /// The ranges of each table, in their order, that need not be copied again.
    ///
    /// A slice holds what the new snapshot sees if the table is the same (its file, its columns) and the slice's range holds as many
    /// rows as were copied, none of them young (`seal::rows`). Which rows were young is not noted with a slice: it would cost one
    /// more look at each row, for those that were written while the snapshot was taken. One with rejected rows is kept only as
    /// long as they may be rejected.
    pub async fn keep(
        &self,
        run: i64,
        tables: &[TablePlan],
        readers: &Readers,
        rejects: bool,
        jobs: usize,
    ) -> Result<Vec<Vec<Range>>> {
        let mut done: HashMap<u32, Vec<Done>> = HashMap::new();
        for slice in self.done(run).await? {
            done.entry(slice.table).or_default().push(slice);
        }
        let all: Vec<(&TablePlan, Vec<Done>)> = tables
            .iter()
            .map(|table| (table, done.remove(&table.oid).unwrap_or_default()))
            .collect();
        if let Some(oid) = done.keys().next() {
            return Err(
                Error::new(Side::Internal, "looking at the slices").because(format!(
                    "the ledger has one of a table that does not come, with OID {oid}"
                )),
            );
        }
        let there = all.iter().filter(|(_, slices)| !slices.is_empty());
        let there: Vec<&TablePlan> = there.map(|(table, _)| *table).collect();
        let shapes = match there.is_empty() {
            true => HashMap::new(),
            false => seal::shapes(&*readers.lease().await?, &there).await?,
        };
        let shapes = &shapes;
        let judged = stream::iter(all.into_iter().map(|(table, slices)| async move {
            let shape = shapes.get(&table.oid);
            let judged = judged(readers, (table, shape), slices, rejects).await;
            judged.map_err(|e| e.during(format!("looking at what is there of {}", table.display)))
        }));
        let judged: Vec<(Vec<Done>, Vec<Done>)> = judged.buffered(jobs).try_collect().await?;
        let mut kept = Vec::new();
        for (table, (good, stale)) in tables.iter().zip(judged) {
            if !stale.is_empty() {
                self.withdraw(table, &stale).await?;
            }
            kept.push(good.iter().map(|d| d.range).collect());
        }
        Ok(kept)
    }

    /// A crash of the target empties its UNLOGGED tables, and the ledger says still that their slices are there. Out: whether it has
    /// happened to any.
    pub async fn after_a_crash(&self, run: i64, tables: &[TablePlan]) -> Result<bool> {
        let attempt = "looking for unlogged tables that a crash has emptied";
        let failed = |e: tokio_postgres::Error| Error::new(Side::Target, attempt).because(e);
        let session = &self.session;
        let alive = "SELECT EXISTS (SELECT FROM pgv2rs.alive)";
        if session.query_one(alive, &[]).await.map_err(failed)?.get(0) {
            return Ok(false);
        }
        let unlogged = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relpersistence = 'u' AND (c.oid = $1::text::pg_catalog.regclass \
            OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::text::pg_catalog.regclass))))";
        let mut emptied = false;
        session.batch_execute("BEGIN").await.map_err(failed)?;
        for table in tables {
            let row = session.query_one(unlogged, &[&table.quoted()]).await;
            if !row.map_err(failed)?.get::<_, bool>(0) {
                continue;
            }
            emptied = true;
            tracing::warn!(
                "the target has crashed: {} is unlogged, and copied anew",
                table.display
            );
            let rows = format!("DELETE FROM {}", table.from());
            session.batch_execute(&rows).await.map_err(failed)?;
            let slices = "WITH gone AS (DELETE FROM pgv2rs.slice WHERE run = $1 AND oid = $2 RETURNING id) \
                DELETE FROM pgv2rs.rejected WHERE slice IN (SELECT id FROM gone)";
            let gone = session.execute(slices, &[&run, &table.oid]).await;
            gone.map_err(failed)?;
        }
        let alive = "INSERT INTO pgv2rs.alive VALUES (pg_catalog.clock_timestamp()); COMMIT";
        session.batch_execute(alive).await.map_err(failed)?;
        Ok(emptied)
    }

    /// Takes the rows of slices away, and the slices out of the ledger, with the lines of their rejected rows. Never TRUNCATE: the others
    /// stay.
    async fn withdraw(&self, table: &TablePlan, stale: &[Done]) -> Result<()> {
        let attempt = format!("taking back slices of {}", table.display);
        let failed =
            |e: tokio_postgres::Error| Error::new(Side::Target, attempt.clone()).because(e);
        let session = &self.session;
        tracing::info!(
            "{} of {} changed since, or {} rows lie elsewhere or are to be tried again: taken back, to be copied again",
            crate::report::count_of(stale.len(), "slice"),
            table.display,
            if stale.len() == 1 { "its" } else { "their" }
        );
        session.batch_execute("BEGIN").await.map_err(failed)?;
        let xmins: Vec<&str> = stale.iter().map(|d| d.xmin.as_str()).collect();
        let sql = format!(
            "DELETE FROM {} WHERE xmin::pg_catalog.text = ANY ($1)",
            table.from()
        );
        let deleted = session.execute(&sql, &[&xmins]).await.map_err(failed)?;
        let expected: i64 = stale.iter().map(|d| d.rows).sum();
        if i64::try_from(deleted) != Ok(expected) {
            return Err(Error::new(Side::Target, attempt.clone())
                .because(format!("the ledger says that they have {expected} rows, but {deleted} were found: somebody else has written to the table"))
                .remedy("nothing was taken back; start again: pgv2rs-copy clean, and an empty target"));
        }
        let ids: Vec<i64> = stale.iter().map(|d| d.id).collect();
        for sql in [
            "DELETE FROM pgv2rs.rejected WHERE slice = ANY ($1)",
            "DELETE FROM pgv2rs.slice WHERE id = ANY ($1)",
        ] {
            session.execute(sql, &[&ids]).await.map_err(failed)?;
        }
        session
            .batch_execute("COMMIT")
            .await
            .map_err(on("taking back slices"))
    }
}

/// Those to keep, and the others.
async fn judged(
    readers: &Readers,
    (table, shape): (&TablePlan, Option<&Shape>),
    slices: Vec<Done>,
    rejects: bool,
) -> Result<(Vec<Done>, Vec<Done>)> {
    if slices.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let source = readers.lease().await?;
    let shape = shape.map(super::written).transpose()?;
    let (mut kept, mut stale) = (Vec::new(), Vec::new());
    for slice in slices {
        // Names of objects among the values: they may have changed where no row has.
        let same = !table.text() && shape.as_ref() == Some(&slice.shape);
        let same = same && (rejects || slice.rejected == 0) && {
            let (rows, young) =
                seal::rows(&source, table, slice.range, slice.snapshot_xmin).await?;
            i64::try_from(rows) == Ok(slice.rows + slice.rejected) && young.is_none()
        };
        match same {
            true => kept.push(slice),
            false => stale.push(slice),
        }
    }
    Ok((kept, stale))
}
