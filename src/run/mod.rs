//! In: what the user asked for. Out: the move, in the eight steps of the design, and its report. Every decision is in `plan`; this
//! file is their order.

mod after_rows;
mod begin;
mod rows;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use after_rows::{Moved, after_rows};
use begin::{Asked, before_snapshot, begin, resumed, still_there};
pub use begin::{origin, the_same};
use rows::rows;

use crate::catalog::{self, Source};
use crate::cli::Options;
use crate::connect::Endpoint;
use crate::error::{Error, Result, Side};
use crate::ledger::{self, Ledger, Recorded};
use crate::patience::Patience;
use crate::report::{self, Seconds, Server};
use crate::schema::{self};
use crate::snapshot::{Holder, Readers};
use crate::watch;

/// How far a run has come, for the message to the user when it ends early.
#[derive(Default)]
pub struct Standing {
    /// Something of it is on the target, and the ledger knows.
    begun: AtomicBool,
}

/// How a run that came to its end ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Moved, and as far as was asked for, verified; or a plan that holds, with --dry-run.
    Well,
    /// The rows on the target, or an index over them, are not what they must be.
    Differing,
    /// All rows are there, but a step after them could not be done.
    Unfinished,
    /// All went well, but for rows that could not be converted and were set aside.
    Rejecting,
    /// All is there, but not the report's file.
    Unreported,
}

/// What is told at the end: how, in words, and as JSON.
type Told = (Ended, String, String);

/// More often than that something is wrong that does not pass.
const START_OVER: u32 = 50;

/// The whole move; where it breaks off for something that may pass, again, from what the ledger holds.
pub async fn run(options: &Options, standing: &Standing) -> Result<Ended> {
    let started = Instant::now();
    let report_file = options
        .report
        .as_deref()
        .map(report::ReportFile::open)
        .transpose()?;
    warn_of([&options.source, &options.target]);
    let patience = Arc::new(Patience::new(options.retry_for));
    let mut times = 0;
    let told = loop {
        let harm = async {
            while !standing.begun() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            watch::harm(options).await
        };
        let told = tokio::select! {
            told = attempt(options, standing, &patience, started) => told,
            harm = harm => Err(harm),
        };
        match told {
            Ok(told) => break told,
            Err(error) if standing.begun() && error.may_start_over() && times < START_OVER => {
                times += 1;
                patience.wait_anyway(error).await?;
                for end in [&options.source, &options.target] {
                    end.forget();
                }
                tracing::info!("going on from the ledger");
            }
            Err(error) if starting_up(&error) => patience.wait_anyway(error).await?,
            Err(error) => return Err(error),
        }
    };
    let Some((ended, text, json)) = told else {
        return Ok(Ended::Well);
    };
    say(&text);
    if let Some(file) = report_file
        && let Err(error) = file.write_text(&json)
    {
        tracing::error!("the move is complete, but {}", error.chain());
        return Ok(Ended::Unreported);
    }
    Ok(ended)
}

/// A server that will be there in a moment: the only thing that is waited for before anything has begun.
fn starting_up(error: &Error) -> bool {
    error.sqlstate().as_deref() == Some("57P03")
}

/// A run that is begun, and what it needs to go on.
struct Begun {
    run: i64,
    recorded: Recorded,
    source: Source,
    /// The snapshot, as long as rows are to be copied or verified.
    snapshot: Option<(Holder, Readers)>,
}

/// From the beginning, or from where the ledger says; nothing is told where only a plan was asked for.
async fn attempt(
    options: &Options,
    standing: &Standing,
    patience: &Arc<Patience>,
    started: Instant,
) -> Result<Option<Told>> {
    let target = options.target.connect().await?;
    let mut described = catalog::target::read(&target).await?;
    let (patterns, version, origin) = before_snapshot(options).await?;
    let ledger = match options.dry_run {
        true => None,
        // One's own session that the server has not found dead yet holds it still.
        false => Some(
            Ledger::hold(target, options.stall_timeout)
                .await
                .map_err(|e| match standing.begun() {
                    true => e.passing(),
                    false => e,
                })?,
        ),
    };
    let target = match &ledger {
        Some(ledger) => &ledger.session,
        None => &options.target.connect().await?,
    };
    let known = ledger::runs(target).await?;
    let known = known.into_iter().find(|run| {
        run.phase != ledger::Phase::Done || (run.source == origin && run.wishes == options.wishes)
    });
    let unfinished = known
        .as_ref()
        .filter(|run| run.phase != ledger::Phase::Done);
    if let Some(run) = unfinished {
        standing.begun.store(true, Ordering::Relaxed);
        the_same(options, run, &origin)?;
    }
    if let (Some(run), None) = (&known, unfinished)
        && still_there(target, run).await?
        && !options.dry_run
    {
        let (text, json) = run.report()?;
        tracing::info!(
            "this move is done; to move again, empty the target and run pgv2rs-copy clean"
        );
        return Ok(Some((report::ended_again(&json), text, json)));
    }
    schema::dump::check_version(&options.pg_dump, version).await?;
    let asked = Asked {
        options,
        patterns: &patterns,
        origin: &origin,
    };
    let begun = match (unfinished, &ledger) {
        (Some(run), Some(ledger)) => Some(resumed(&asked, ledger, run, &described).await?),
        _ => begin(&asked, standing, (target, &ledger), &mut described).await?,
    };
    let (Some(begun), Some(ledger)) = (begun, &ledger) else {
        return Ok(None);
    };
    let mut seconds = Seconds::default();
    let (settled, snapshot) = match &begun.snapshot {
        Some((holder, readers)) => {
            let settled = rows(
                options,
                ledger,
                &begun,
                (holder, readers),
                patience,
                &mut seconds,
            )
            .await?;
            (settled, holder.visible.clone())
        }
        None => {
            let run = unfinished.ok_or_else(|| Error::new(Side::Internal, "reading the ledger"))?;
            (run.settled()?, run.snapshot.clone().unwrap_or_default())
        }
    };
    let mut begun = begun;
    // Before days of index building: what holds the snapshot holds back vacuum on the source.
    if let Some((holder, readers)) = begun.snapshot.take() {
        readers.close();
        if let Err(error) = holder.release().await {
            // The readers had the snapshot and the locks as well.
            tracing::warn!("{}", error.chain());
        }
    }
    let moved = Moved {
        begun: &begun,
        settled,
        snapshot,
        started,
    };
    let told = after_rows(options, ledger, moved, (&described, patience), seconds).await?;
    Ok(Some(told))
}

/// What a careful person would say of the ways to the servers.
pub fn warn_of<const N: usize>(ends: [&Endpoint; N]) {
    for warning in ends.iter().flat_map(|end| end.warnings()) {
        tracing::warn!("{warning}");
    }
}

/// To standard output. A reader that has gone away, such as `head`, does not undo what was done.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "standard output takes no more");
    }
}

fn server(place: String, version_num: u32, extension: String) -> Server {
    Server {
        place,
        postgres: version_num / 10_000,
        extension,
    }
}

/// One sentence on what an early end leaves on the target.
pub fn what_is_there(standing: &Standing) -> &'static str {
    match standing.begun() {
        true => {
            "What was done stays on the target, and a ledger of it: the same command goes on from there (pgv2rs-copy status shows how far it is)."
        }
        false => "This run has written nothing to the target.",
    }
}

impl Standing {
    fn begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }
}
