//! In: the arguments of `pgv2rs-copy in-place`. Out: its options.

use std::time::Duration;

use clap::Args;

use super::values::{mapping, rate, time};
use super::{InPlaceOptions, Method, Output, Says, TargetArguments, What};
use crate::error::{Error, Result, Side};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    to: TargetArguments,

    #[command(flatten)]
    what: What,

    /// A new column beside the old one, one rewrite of each table under a lock, or a new table beside the old one
    #[arg(long, value_enum, default_value_t = Method::AddColumn, help_heading = "How it runs")]
    method: Method,

    /// The type that one column becomes: vector, vecf16, bvector, svector or real[] (repeatable)
    #[arg(
        long,
        value_name = "SCHEMA.TABLE.COLUMN=TYPE",
        help_heading = "What it becomes"
    )]
    map: Vec<String>,

    /// Take back what was begun and is not swapped yet: the tables are as they were
    #[arg(long, conflicts_with_all = ["map", "yes", "drop_old_index", "recreate_views"], help_heading = "How it runs")]
    undo: bool,

    /// With alter-type: yes, lock the tables for as long as the plan says
    #[arg(long, help_heading = "How it runs")]
    yes: bool,

    /// Drop pgvector's indexes on the columns before the fill, as each row would enter them once more; searches have no index until the swap (--undo makes them again)
    #[arg(long, help_heading = "How it runs")]
    drop_old_index: bool,

    /// Drop the views over the columns in the swap and make them again in PGVecto.rs's words; otherwise they are findings
    #[arg(long, help_heading = "How it runs")]
    recreate_views: bool,

    /// Print the plan and write nothing
    #[arg(long, help_heading = "How it runs")]
    dry_run: bool,

    /// With --dry-run: the plan for a person, or one JSON document
    #[arg(long, value_enum, default_value_t = Output::Text, requires = "dry_run", help_heading = "How it runs")]
    output: Output,

    /// Go on although the plan has findings that need a decision; those tables stay as they are, those indexes go with the old column
    #[arg(long, help_heading = "How it runs")]
    allow_findings: bool,

    /// Rows filled by one transaction at most; fewer where they take longer than a tenth of a second
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000), help_heading = "How it runs")]
    batch_rows: u32,

    /// Fill no more than this of the new columns in a second (kB, MB, GB), so that the server has time for others
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "How it runs")]
    throttle: Option<usize>,

    /// How long a table's lock is waited for at a time: all others wait that long behind it (ms, s)
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = time, help_heading = "How it runs")]
    lock_timeout: Duration,

    /// How long a lock, or rows that others have locked, are tried again (s, min, h)
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = time, help_heading = "How it runs")]
    retry_for: Duration,

    /// Threads with which PGVecto.rs builds one vector index [default: the cores of this machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65535), help_heading = "How it runs")]
    index_threads: Option<u32>,

    #[command(flatten)]
    says: Says,
}

pub fn meaning(a: Arguments) -> Result<InPlaceOptions> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    if a.output == Output::Sql {
        return Err(Error::new(Side::Plan, "reading the command line")
            .because("a change in place is no script: its steps wait for each other")
            .remedy("--output text or json"));
    }
    if a.method == Method::Shadow && a.drop_old_index {
        return Err(Error::new(Side::Plan, "reading the command line")
            .because("--method shadow writes nothing to the old table, so its index costs nothing and serves searches until the swap")
            .remedy("leave out --drop-old-index"));
    }
    Ok(InPlaceOptions {
        target: a.to.target()?,
        scope: a.what.scope(),
        method: a.method,
        mappings: a.map.iter().map(|m| mapping(m)).collect::<Result<_>>()?,
        undo: a.undo,
        yes: a.yes,
        drop_old_index: a.drop_old_index,
        recreate_views: a.recreate_views,
        dry_run: a.dry_run,
        output: a.output,
        allow_findings: a.allow_findings,
        batch_rows: a.batch_rows,
        throttle: a.throttle,
        lock_timeout: a.lock_timeout,
        retry_for: a.retry_for,
        index_threads: a.index_threads.unwrap_or(cores.try_into().unwrap_or(1)),
        voice: a.says.voice(),
        report: a.says.report,
    })
}
