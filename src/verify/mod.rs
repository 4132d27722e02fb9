//! In: what the copy counted and digested, the snapshot, and the target. Out: for each table whether the target holds the
//! same rows. It shares framing and the digest with the copy, and the converter with nobody: that is checked in `sample`.

pub mod command;
pub mod cutover;
pub mod differ;
mod generated;
mod sample;
mod seal;
mod texts;

use std::sync::Arc;

use codec::convert::Converter;
use codec::digest::Digest;
use futures::StreamExt;
use futures::stream::{self, TryStreamExt};
use serde::Serialize;

use crate::cli::Verify;
use crate::connect::{Session, quote};
use crate::copy::convert::reread;
use crate::copy::read::Reader;
use crate::copy::{Copied, Job};
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;
use differ::Sides;

/// What verification found for one table.
#[derive(Clone, Debug, Default, Serialize)]
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
    job: &Job,
    tables: &[TablePlan],
    copied: &[Copied],
    level: Verify,
    jobs: usize,
) -> Result<Vec<Verdict>> {
    let sessions = |t: &TablePlan| {
        let copied = copied.iter().find(|c| c.oid == t.oid).cloned();
        let table = t.clone();
        async move {
            let copied = copied.ok_or_else(|| {
                Error::new(Side::Internal, format!("{} was not copied", table.display))
            })?;
            let source = job.readers.lease()?;
            let target = job.target.connect().await?;
            let verdict = one(job, &source, &target, &table, &copied, level).await;
            verdict.map_err(|e| e.during(format!("verifying {}", table.display)))
        }
    };
    stream::iter(tables.iter().map(sessions))
        .buffered(jobs)
        .try_collect()
        .await
}

async fn sealed(source: &Session, table: &TablePlan) -> Result<Verdict> {
    Ok(Verdict {
        seal: seal::seal(source, table).await?,
        ..Verdict::default()
    })
}

async fn one(
    job: &Job,
    source: &Session,
    target: &Session,
    table: &TablePlan,
    copied: &Copied,
    level: Verify,
) -> Result<Verdict> {
    // Counted by a query that knows nothing of slices.
    let mut verdict = sealed(source, table).await?;
    let source_rows = verdict.seal.rows;
    verdict.source_rows = Some(source_rows);
    match level {
        Verify::None => {}
        Verify::Counts => verdict.target_rows = Some(count(target, table).await?),
        Verify::Full => {
            let back = read_back(target, table).await?;
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
            }
            verdict.samples = sample::table(job, source, target, table).await?;
            verdict
                .differences
                .extend(verdict.samples.iter().filter_map(|s| s.difference()));
            verdict.generated = generated::columns(source, target, table).await?;
            let differing = verdict.generated.iter().filter(|g| g.differs);
            verdict.differences.extend(differing.map(|g| {
                format!(
                    "generated column {}: the target computes other values",
                    g.column
                )
            }));
        }
    }
    let counts = [
        ("decoded", copied.decoded),
        ("converted", copied.converted),
        ("taken by the target", copied.reported),
    ];
    let others = counts
        .into_iter()
        .chain(verdict.target_rows.map(|n| ("on the target now", n)));
    for (what, rows) in others {
        if rows != source_rows {
            verdict.differences.push(format!(
                "{rows} rows {what}, but {source_rows} on the source under the snapshot"
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

struct Back {
    rows: u64,
    digest: Digest,
}

/// Reads the table back from the target and digests it; the order does not matter.
async fn read_back(target: &Session, table: &TablePlan) -> Result<Back> {
    let mut reader = Reader::open(target, Side::Target, table).await?;
    let converter: Arc<Converter> = Arc::new(reread(table));
    let mut digest = Digest::default();
    let mut running = stream::FuturesUnordered::new();
    while let Some(batch) = reader.next().await? {
        let converter = converter.clone();
        let (reply, answer) = tokio::sync::oneshot::channel();
        rayon::spawn(move || {
            let _ = reply.send(converter.digest(&batch));
        });
        running.push(answer);
        if running.len() >= 4 {
            merge(&mut digest, running.next().await, table)?;
        }
    }
    while !running.is_empty() {
        merge(&mut digest, running.next().await, table)?;
    }
    Ok(Back {
        rows: reader.finish()?,
        digest,
    })
}

type Answer = std::result::Result<
    std::result::Result<codec::convert::Converted, codec::error::Error>,
    tokio::sync::oneshot::error::RecvError,
>;

fn merge(digest: &mut Digest, answer: Option<Answer>, table: &TablePlan) -> Result<()> {
    let attempt = || format!("digesting {}", table.display);
    let Some(answer) = answer else { return Ok(()) };
    let found = answer.map_err(Error::on(Side::Internal, attempt()))?;
    digest.merge(found.map_err(Error::on(Side::Target, attempt()))?.digest);
    Ok(())
}
