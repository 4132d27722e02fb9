//! In: what the copy counted and digested, the snapshot, and the target. Out: for each table whether the target holds the
//! same rows. It shares framing and the digest with the copy, and the converter with nobody: that is checked in `sample`.

mod back;
pub mod command;
pub mod cutover;
pub mod differ;
mod generated;
mod sample;
pub mod seal;
mod texts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::future::{try_join, try_join_all};
use futures::stream::{self, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::cli::Verify;
use crate::connect::{Session, quote};
use crate::copy::slice::Range;
use crate::copy::{Copied, Job};
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;
use back::Back;
use differ::Sides;
use seal::{Seal, Shape};

/// What verification found for one table.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Verdict {
    /// `SELECT count(*) FROM ONLY t` under the snapshot.
    pub source_rows: Option<u64>,
    /// Rows read back from the target.
    pub target_rows: Option<u64>,
    pub sent_digest: Option<String>,
    pub target_digest: Option<String>,
    pub samples: Vec<sample::Sampled>,
    pub generated: Vec<generated::Generated>,
    /// What differs, each in a sentence; empty when the table is as it was.
    pub differences: Vec<String>,
    /// What the snapshot saw, for the cutover answer; taken whatever the level.
    #[serde(skip)]
    pub seal: Seal,
}

/// Verifies and seals all tables, while the snapshot is held: the source is counted while the target is read.
pub async fn all(
    job: &Arc<Job>,
    tables: &[TablePlan],
    totals: &[Copied],
    snapshot_xmin: i64,
    level: Verify,
    jobs: usize,
) -> Result<Vec<Verdict>> {
    let on_target = async {
        match level {
            Verify::None => Ok(HashMap::new()),
            Verify::Counts => counts(job, tables, jobs).await,
            Verify::Full => back::all(job, tables, jobs).await,
        }
    };
    let seals = seals(job, tables, snapshot_xmin, jobs);
    let (seals, mut backs) = try_join(seals, on_target).await?;
    let each = tables.iter().zip(totals).zip(seals);
    let queue = each.map(|((table, copied), seal)| {
        let back = (level != Verify::None).then(|| backs.remove(&table.oid).unwrap_or_default());
        (table, copied, seal, back)
    });
    let queue = Mutex::new(queue.enumerate());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let worker = async || {
        let target = match level {
            Verify::Full => Some(back::connect(job).await?),
            _ => None,
        };
        let mut verdicts = Vec::new();
        while let Some((at, (table, copied, seal, back))) = next() {
            let verdict = one(job, target.as_ref(), table, copied, seal, back).await;
            let verdict = verdict.map_err(|e| e.during(format!("verifying {}", table.display)))?;
            verdicts.push((at, verdict));
        }
        Ok::<_, Error>(verdicts)
    };
    let workers = (0..jobs.min(tables.len())).map(|_| worker());
    let verdicts = try_join_all(workers).await?;
    let mut verdicts: Vec<(usize, Verdict)> = verdicts.into_iter().flatten().collect();
    verdicts.sort_by_key(|(at, _)| *at);
    Ok(verdicts.into_iter().map(|(_, verdict)| verdict).collect())
}

/// Counted by a query that knows nothing of slices.
async fn seals(
    job: &Job,
    tables: &[TablePlan],
    snapshot_xmin: i64,
    jobs: usize,
) -> Result<Vec<Seal>> {
    let mut shapes = {
        let source = job.readers.lease().await?;
        seal::shapes(&source, &tables.iter().collect::<Vec<_>>()).await?
    };
    let shapes = tables
        .iter()
        .map(|table| seal::shape_of(&mut shapes, table));
    let shapes: Vec<Shape> = shapes.collect::<Result<_>>()?;
    let seals = tables.iter().zip(shapes).map(|(table, shape)| async move {
        let source = job.readers.lease().await?;
        let counted = seal::rows(&source, table, Range::WHOLE, snapshot_xmin).await;
        let (rows, young) =
            counted.map_err(|e| e.during(format!("verifying {}", table.display)))?;
        Ok(Seal {
            rows,
            young,
            snapshot_xmin,
            shape,
        })
    });
    stream::iter(seals).buffered(jobs).try_collect().await
}

/// The same on the target.
async fn counts(job: &Job, tables: &[TablePlan], jobs: usize) -> Result<HashMap<u32, Back>> {
    let queue = Mutex::new(tables.iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let worker = async || {
        let target = back::connect(job).await?;
        let mut counted = Vec::new();
        while let Some(table) = next() {
            let rows = count(&target, table).await;
            let rows = rows.map_err(|e| e.during(format!("verifying {}", table.display)))?;
            let back = Back {
                rows,
                ..Back::default()
            };
            counted.push((table.oid, back));
        }
        Ok::<_, Error>(counted)
    };
    let workers = (0..jobs.min(tables.len())).map(|_| worker());
    let counted = try_join_all(workers).await?;
    Ok(counted.into_iter().flatten().collect())
}

/// With a session on the target where the values are looked at too.
async fn one(
    job: &Job,
    target: Option<&Session>,
    table: &TablePlan,
    copied: &Copied,
    seal: Seal,
    back: Option<Back>,
) -> Result<Verdict> {
    let source_rows = seal.rows;
    let mut verdict = Verdict {
        source_rows: Some(source_rows),
        target_rows: back.map(|back| back.rows),
        seal,
        ..Verdict::default()
    };
    if let Some(target) = target {
        let back = back.unwrap_or_default();
        values(job, target, table, copied, back, &mut verdict).await?;
    }
    let others = [
        ("copied", Some(copied.rows)),
        ("on the target now", verdict.target_rows),
    ];
    for (what, rows) in others {
        if let Some(rows) = rows.filter(|rows| rows + copied.rejected != source_rows) {
            let rejected = match copied.rejected {
                0 => String::new(),
                n => format!(" and {n} rejected"),
            };
            verdict.differences.push(format!(
                "{rows} rows {what}{rejected}, but {source_rows} on the source under the snapshot"
            ));
        }
    }
    Ok(verdict)
}

/// The digest of what was read back, some rows value by value, and what the target has computed.
async fn values(
    job: &Job,
    target: &Session,
    table: &TablePlan,
    copied: &Copied,
    back: Back,
    verdict: &mut Verdict,
) -> Result<()> {
    let source = &*job.readers.lease().await?;
    verdict.sent_digest = Some(copied.digest.to_string());
    verdict.target_digest = Some(back.digest.to_string());
    if back.digest != copied.digest {
        let sides = Sides {
            source,
            target,
            vectors: quote(&job.vector_schema),
        };
        let compared = differ::compare(&sides, table).await?;
        // Nothing where the texts are equal: binary forms may differ where values do not.
        if compared.differences.is_empty() && !compared.not_compared.is_empty() {
            let blind = "the digest differs, in a column that has no text to compare";
            verdict.differences.push(blind.into());
        }
        verdict.differences.extend(compared.differences);
        verdict
            .differences
            .extend(compared.rows.iter().flat_map(differ::Rows::said));
        if copied.rejected > 0 {
            let among = "rows that were rejected are among those only on the source";
            verdict.differences.push(among.into());
        }
    }
    verdict.samples = sample::table(job, source, target, table).await?;
    verdict
        .differences
        .extend(verdict.samples.iter().filter_map(|s| s.difference()));
    if verdict.seal.shape.computes() {
        verdict.generated = generated::columns(source, target, table, copied.rejected).await?;
    }
    let differing = verdict.generated.iter().filter(|g| g.differs);
    verdict.differences.extend(differing.map(|g| {
        format!(
            "generated column {}: the target computes other values",
            g.column
        )
    }));
    Ok(())
}

async fn count(target: &Session, table: &TablePlan) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", table.from());
    let row = target.query_of_table(&sql).await.map_err(Error::on(
        Side::Target,
        format!("counting {}", table.display),
    ))?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
