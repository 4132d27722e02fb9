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
use std::sync::Arc;

use futures::StreamExt;
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
    pub seal: seal::Seal,
}

/// Verifies and seals all tables, `jobs` at a time, while the snapshot is held.
pub async fn all(
    job: &Arc<Job>,
    tables: &[TablePlan],
    totals: &[Copied],
    snapshot_xmin: i64,
    level: Verify,
    jobs: usize,
) -> Result<Vec<Verdict>> {
    let mut backs = match level {
        Verify::Full => back::all(job, tables, jobs).await?,
        Verify::None | Verify::Counts => HashMap::new(),
    };
    let sessions = |(table, copied): (&TablePlan, &Copied)| {
        let (table, copied) = (table.clone(), copied.clone());
        let back = backs.remove(&table.oid).unwrap_or_default();
        async move {
            let source = job.readers.lease().await?;
            let target = job.target.connect().await?;
            crate::ledger::no_longer_than(&target, job.stall_timeout).await?;
            let verdict = one(
                job,
                (&source, &target),
                &table,
                (&copied, snapshot_xmin, back),
                level,
            )
            .await;
            verdict.map_err(|e| e.during(format!("verifying {}", table.display)))
        }
    };
    stream::iter(tables.iter().zip(totals).map(sessions))
        .buffered(jobs)
        .try_collect()
        .await
}

async fn one(
    job: &Job,
    (source, target): (&Session, &Session),
    table: &TablePlan,
    (copied, snapshot_xmin, back): (&Copied, i64, Back),
    level: Verify,
) -> Result<Verdict> {
    // Counted by a query that knows nothing of slices.
    let (source_rows, young) = seal::rows(source, table, Range::WHOLE, snapshot_xmin).await?;
    let mut verdict = Verdict {
        source_rows: Some(source_rows),
        seal: seal::Seal {
            rows: source_rows,
            young,
            snapshot_xmin,
            shape: seal::shape_now(source, table).await?,
        },
        ..Verdict::default()
    };
    match level {
        Verify::None => {}
        Verify::Counts => verdict.target_rows = Some(count(target, table).await?),
        Verify::Full => {
            verdict.target_rows = Some(back.rows);
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
            verdict.generated = generated::columns(source, target, table, copied.rejected).await?;
            let differing = verdict.generated.iter().filter(|g| g.differs);
            verdict.differences.extend(differing.map(|g| {
                format!(
                    "generated column {}: the target computes other values",
                    g.column
                )
            }));
        }
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

async fn count(target: &Session, table: &TablePlan) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", table.from());
    let row = target.query_of_table(&sql).await.map_err(Error::on(
        Side::Target,
        format!("counting {}", table.display),
    ))?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
