//! In: a run that another process has begun and whose slices are laid out. Out: some of them copied by this one, under the same
//! snapshot. Postgres is the coordinator: a slice is claimed by locking its line in the ledger. What follows the rows is for the other.

use std::sync::Arc;

use crate::catalog;
use crate::cli::Options;
use crate::copy::throttle::Throttle;
use crate::copy::{self, Job};
use crate::error::{Error, Result, Side};
use crate::ledger::{self, Phase, Slicing};
use crate::patience::Patience;
use crate::progress::Progress;
use crate::report::count_of;
use crate::run::{Ended, origin, say, the_same, warn_of};
use crate::snapshot::Readers;

pub async fn run(options: &Options) -> Result<Ended> {
    warn_of([&options.source, &options.target]);
    let target = options.target.connect().await?;
    let session = options.source.connect().await?;
    let origin = origin(options, &session).await?;
    let known = ledger::runs(&target).await?;
    let none = |why: &str| {
        Error::new(Side::Plan, "joining a run")
            .because(why.to_string())
            .remedy("start the same command without --join first; it prints when it copies")
    };
    let run = known.iter().find(|run| run.phase != Phase::Done);
    let run = run.ok_or_else(|| none("the target knows none that is not done"))?;
    the_same(options, run, &origin)?;
    let exported = run
        .exported
        .as_deref()
        .filter(|_| run.phase == Phase::Copying);
    let exported = exported.ok_or_else(|| none("its rows are not being copied now"))?;
    let tables = run.recorded()?.tables;
    let locked = catalog::tables_now(&session).await?;
    let readers = Readers::join_in(&options.source, exported, locked, options.jobs).await?;
    let source = catalog::read(&*readers.lease().await?).await?;
    let slicing = Slicing {
        run: run.id,
        attempt: run.attempt,
    };
    let left = ledger::slices::left(&target, slicing).await?;
    tracing::info!("helping with a run that has {left} slices to go");
    let shared = copy::Shared {
        target: options.target.clone(),
        readers,
        overflow: options.overflow,
        // Not this command's: what the other one does not expect would be missing without its knowledge.
        rejects: run.rejects,
        vector_schema: source.vector_schema.clone(),
        search_path: source.search_path.clone(),
        progress: Progress::start(usize::try_from(left).unwrap_or(0), 0, options.voice.quiet),
        slicing,
        patience: Arc::new(Patience::new(options.retry_for)),
        stall_timeout: options.stall_timeout,
        memory: options.memory,
        throttle: options.throttle.map(Throttle::new),
    };
    let job = Arc::new(Job::new(shared, &tables).await?);
    let copied = copy::some(job.clone(), options.jobs).await;
    job.progress.finish();
    copied?;
    let slices = usize::try_from(job.progress.slices_done()).unwrap_or(usize::MAX);
    say(&format!(
        "{} copied for the run that was begun {}; the process that began it does the rest\n",
        count_of(slices, "slice"),
        run.begun
    ));
    Ok(Ended::Well)
}
