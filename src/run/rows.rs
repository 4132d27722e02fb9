//! In: a run that is begun, and a snapshot. Out: its rows on the target, all of them, and what verification found.

use std::sync::Arc;
use std::time::Instant;

use super::Begun;
use crate::cli::{Options, Verify};
use crate::copy::slice::{self, Range};
use crate::copy::throttle::Throttle;
use crate::copy::{self, Job};
use crate::error::{Result, Side};
use crate::ledger::{AllSettled, Ledger, Settled, Slicing};
use crate::patience::Patience;
use crate::plan::TablePlan;
use crate::progress::Progress;
use crate::report::{Seconds, count_of};
use crate::snapshot::{Holder, Readers};
use crate::verify::{self, seal};

/// Steps 5 and 6, under the snapshot: the rows are copied and verified.
pub(super) async fn rows(
    options: &Options,
    ledger: &Ledger,
    begun: &Begun,
    (holder, readers): (&Holder, &Readers),
    patience: &Arc<Patience>,
    seconds: &mut Seconds,
) -> Result<AllSettled> {
    let tables = &begun.recorded.tables;
    let rejects = options.reject_table;
    let slicing = ledger.new_attempt(begun.run, &holder.id, rejects).await?;
    let kept = ledger
        .keep(
            begun.run,
            tables,
            readers,
            options.reject_table,
            options.jobs,
        )
        .await?;
    let laid = laid(
        ledger,
        slicing,
        tables,
        readers,
        holder.xmin,
        &kept,
        options.jobs,
    )
    .await?;
    crate::fail::point("laid");
    let slices: usize = kept.iter().map(Vec::len).sum();
    if slices > 0 {
        tracing::info!(
            "{} {} there already and as on the source",
            count_of(slices, "slice"),
            if slices == 1 { "is" } else { "are" }
        );
    }
    tracing::info!(
        "copying {} of {}",
        count_of(laid, "slice"),
        count_of(tables.len(), "table")
    );
    let shared = copy::Shared {
        target: options.target.clone(),
        readers: readers.clone(),
        overflow: options.overflow,
        rejects,
        vector_schema: begun.source.vector_schema.clone(),
        search_path: begun.source.search_path.clone(),
        progress: Progress::start(laid, expected(tables, &kept), options.voice.quiet),
        slicing,
        patience: patience.clone(),
        stall_timeout: options.stall_timeout,
        memory: options.memory,
        throttle: options.throttle.map(Throttle::new),
    };
    let job = Arc::new(Job::new(shared, tables).await?);
    let copied = tokio::select! {
        copied = copy::all(job.clone(), options.jobs) => copied,
        lost = holder.lost() => Err(lost),
    };
    job.progress.finish();
    copied?;
    crate::fail::point("copied");
    seconds.copy = job.seconds();
    seconds.ledger = job.ledger_seconds();
    let totals = ledger.totals(begun.run, tables).await?;
    if options.verify != Verify::None {
        tracing::info!("verifying the rows");
    }
    let started = Instant::now();
    let verdicts = tokio::select! {
        verdicts = verify::all(&job, tables, &totals, holder.xmin, options.verify, options.jobs) => verdicts?,
        lost = holder.lost() => return Err(lost),
    };
    seconds.verify = started.elapsed().as_secs_f64();
    let settled = totals
        .into_iter()
        .zip(verdicts)
        .map(|(copied, verdict)| Settled {
            copied,
            seal: verdict.seal.clone(),
            verdict,
        })
        .collect();
    let settled = AllSettled {
        verify: options.verify,
        tables: settled,
    };
    // Rows that differ are looked at again by the next run.
    if settled
        .tables
        .iter()
        .all(|s| s.verdict.differences.is_empty())
    {
        ledger.settle(begun.run, &holder.visible, &settled).await?;
    }
    patience.progress();
    crate::fail::point("verified");
    Ok(settled)
}

/// Lays out what is to be copied, the largest table first. Out: how many slices.
async fn laid(
    ledger: &Ledger,
    slicing: Slicing,
    tables: &[TablePlan],
    readers: &Readers,
    snapshot_xmin: i64,
    kept: &[Vec<Range>],
    jobs: usize,
) -> Result<usize> {
    let reader = readers.lease().await?;
    let sizes = slice::sizes(&reader, Side::Source, tables).await?;
    let cut = tables.iter().zip(sizes).zip(kept);
    let cut = cut.map(|((table, size), kept)| (table, slice::cut(size.ok(), jobs, kept)));
    let cut: Vec<(&TablePlan, Vec<Range>)> = cut.filter(|(_, ranges)| !ranges.is_empty()).collect();
    let coming: Vec<&TablePlan> = cut.iter().map(|(table, _)| *table).collect();
    let mut shapes = seal::shapes(&reader, &coming).await?;
    let laid = cut.into_iter().map(|(table, ranges)| {
        let shape = seal::shape_of(&mut shapes, table)?;
        Ok((table, shape, ranges))
    });
    let laid: Vec<_> = laid.collect::<Result<_>>()?;
    ledger.lay(slicing, &laid, snapshot_xmin).await?;
    Ok(laid.iter().map(|(.., ranges)| ranges.len()).sum())
}

/// Bytes that are still to come, by the size of the tables that have no slice yet.
fn expected(tables: &[TablePlan], kept: &[Vec<Range>]) -> u64 {
    let bare = tables.iter().zip(kept).filter(|(_, kept)| kept.is_empty());
    bare.map(|(table, _)| u64::try_from(table.bytes).unwrap_or(0))
        .sum()
}
