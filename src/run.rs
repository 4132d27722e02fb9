//! In: what the user asked for. Out: the move, in the eight steps of the design, and its report. Every decision is in `plan`; this
//! file is their order.

use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::after_data::{self, AfterData, finish, probe};
use crate::catalog::target::Target;
use crate::catalog::{self, Relation, Source};
use crate::cli::{Format, Options, Output, SchemaSource, Verify};
use crate::connect::{Endpoint, Session};
use crate::copy::{self, Copied, Job};
use crate::error::{Error, Result, Side};
use crate::measure;
use crate::plan::{Plan, Severity};
use crate::prepare;
use crate::progress::Progress;
use crate::report::plan::PlanReport;
use crate::report::{self, Report, Seconds, Server, count_of};
use crate::schema::{self, Phase, Schema};
use crate::select::{self, Selection};
use crate::snapshot::{self, Readers};
use crate::verify::{self, Verdict, cutover};

/// What is on the target when a run ends early, for the message to the user.
#[derive(Default)]
pub struct Standing {
    schema_applied: AtomicBool,
    progress: OnceLock<Progress>,
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
    /// All is there, but not the report's file.
    Unreported,
}

/// The whole move.
pub async fn run(options: &Options, standing: &Standing) -> Result<Ended> {
    let started = Instant::now();
    let report_file = options
        .report
        .as_deref()
        .map(report::ReportFile::open)
        .transpose()?;
    warn_of([&options.source, &options.target]);
    let target = options.target.connect().await?;
    let mut described = catalog::target::read(&target).await?;
    let (patterns, version) = before_snapshot(options).await?;
    schema::dump::check_version(&options.pg_dump, version).await?;

    tracing::info!("locking the source's tables and taking the snapshot");
    let holder = snapshot::hold(&options.source).await?;
    let readers = Readers::open(&options.source, &holder, options.jobs).await?;
    let source = catalog::read(&holder.session).await?;
    let mut selection = select::close(&source, &patterns);
    if options.schema_source == SchemaSource::Dump {
        select::offered(&source, &described, &mut selection);
    }
    let (plan, schema) = prepare::planned(
        options,
        &holder,
        &target,
        &source,
        &mut described,
        &selection,
    )
    .await?;
    if !decided(options, &source, &described, &plan, &schema).await? {
        return Ok(Ended::Well);
    }

    before_data(options, &target, &schema, standing).await?;
    let mut seconds = Seconds::default();
    let job = job(options, &source, &plan, readers).await?;
    let _ = standing.progress.set(job.progress.clone());
    let copied = copied(options, &job, &plan, &mut seconds).await?;
    let verdicts = verified(options, &job, &plan, &copied, &mut seconds).await?;
    let visible = holder.visible.clone();
    // Before days of index building: what holds the snapshot holds back vacuum on the source.
    job.readers.close();
    if let Err(error) = holder.release().await {
        // The readers had the snapshot and the locks as well.
        tracing::warn!("{}", error.chain());
    }

    let after = Instant::now();
    tracing::info!("indexes, constraints and the rest of the schema");
    let mut after_data = after_data::build(&options.target, &schema, options.index_jobs).await?;
    let left_out = plan.left_out.clone();
    let relations: Vec<&Relation> = moved(&source, &selection, &left_out).collect();
    let of_kind = |kinds: &str| {
        relations
            .iter()
            .copied()
            .filter(|r| kinds.contains(r.kind))
            .collect::<Vec<_>>()
    };
    let mut sequences = of_kind("S");
    if options.schema_source == SchemaSource::Existing {
        sequences.retain(|r| described.relations.contains_key(&r.place()));
    }
    let sequences =
        finish::sequences(&options.source, &target, &sequences, &mut after_data).await?;
    // Materialized views that were there already are the user's to refresh.
    let tables = of_kind(match options.schema_source {
        SchemaSource::Dump => "rpm",
        SchemaSource::Existing => "rp",
    });
    let names: Vec<String> = tables.iter().map(|r| r.quoted()).collect();
    target.look_in(&source.search_path).await?;
    finish::analyze(&target, &names, &mut after_data).await?;
    let names: Vec<_> = tables.iter().map(|r| r.place()).collect();
    let broken = probe::probe(
        &target,
        &schema,
        &names,
        &source.indexes,
        &after_data.failed,
    )
    .await?;
    seconds.after_data = after.elapsed().as_secs_f64();

    let seals = verdicts.iter().map(|v| &v.seal);
    let now = cutover::check(options, &source, &plan.tables, seals).await;
    seconds.total = started.elapsed().as_secs_f64();
    let differs = verdicts.iter().any(|v| !v.differences.is_empty());
    let tables = plan
        .tables
        .iter()
        .zip(&copied)
        .zip(verdicts)
        .zip(now.tables);
    let AfterData {
        built,
        failed,
        optional,
    } = after_data;
    let report = Report {
        program: concat!("pgv2rs-copy ", env!("CARGO_PKG_VERSION")).into(),
        source: server(
            options.source.place(),
            source.version_num,
            source.vector_version.clone(),
        ),
        target: server(
            options.target.place(),
            described.version_num,
            extension(&target).await?,
        ),
        snapshot: visible,
        verify: options.verify,
        tables: tables
            .map(|(((t, c), v), k)| report::Table::new(t, c, v, k))
            .collect(),
        indexes: built,
        new_tables: now.new_tables,
        sequences,
        verified: options.verify == Verify::Full
            && !differs
            && !plan.tables.is_empty()
            && broken.is_empty()
            && failed.is_empty(),
        broken_indexes: broken,
        failed,
        optional,
        left_out: plan
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Decision)
            .count(),
        findings: plan.findings,
        seconds,
    };
    say(&report.text());
    if let Some(file) = report_file
        && let Err(error) = file.write(&report)
    {
        tracing::error!("the move is complete, but {}", error.chain());
        return Ok(Ended::Unreported);
    }
    Ok(
        match (
            differs || !report.broken_indexes.is_empty(),
            report.failed.is_empty(),
        ) {
            (true, _) => Ended::Differing,
            (false, false) => Ended::Unfinished,
            (false, true) => Ended::Well,
        },
    )
}

/// What a careful person would say of the ways to the two servers.
pub fn warn_of(ends: [&Endpoint; 2]) {
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

/// What comes and is not left out.
fn moved<'a>(
    source: &'a Source,
    selection: &'a Selection,
    left_out: &'a HashSet<u32>,
) -> impl Iterator<Item = &'a Relation> {
    source.relations.iter().filter(|r| {
        let owner = selection.owner(r.id());
        selection.relations.contains(&r.oid)
            && !left_out.contains(&r.oid)
            && !owner.is_some_and(|o| left_out.contains(&o))
    })
}

/// Step 4. With tables that are there already only the way to their types is opened.
async fn before_data(
    options: &Options,
    target: &Session,
    schema: &Schema,
    standing: &Standing,
) -> Result<()> {
    match options.schema_source {
        SchemaSource::Dump => {
            tracing::info!("applying the schema before the data");
            schema::apply(target, schema).await?;
            standing.schema_applied.store(true, Ordering::Relaxed);
        }
        SchemaSource::Existing => {
            for step in schema.of(Phase::BeforeData) {
                if let Err(error) = schema::run_step(target, step).await {
                    tracing::warn!("{}", error.chain());
                }
            }
        }
    }
    Ok(())
}

/// What must be known before the snapshot: patterns, and the version that pg_dump has to match.
async fn before_snapshot(options: &Options) -> Result<(select::Patterns, u32)> {
    let session = options.source.connect().await?;
    catalog::names::are_text(&session).await?;
    let patterns = select::patterns(&session, &options.scope).await?;
    let sql = "SELECT current_setting('server_version_num')::int4";
    let row = session
        .query_one(sql, &[])
        .await
        .map_err(Error::on(Side::Source, "reading the server's version"))?;
    Ok((patterns, row.get::<_, i32>(0).unsigned_abs()))
}

/// The plan, as the user wants to read it.
async fn said(
    options: &Options,
    source: &Source,
    target: &Target,
    plan: &Plan,
    schema: &Schema,
) -> Result<String> {
    let measured = match options.dry_run && plan.worst() != Some(Severity::Problem) {
        true => Some(measure::measure(&options.source, plan, schema).await),
        false => None,
    };
    let vectors = match (&target.vectors_installed, &target.vectors_available) {
        _ if options.format == Format::RealArray => "no extension".into(),
        (Some(version), _) => format!("vectors {version}"),
        (None, Some(version)) => format!("vectors {version} (to be installed)"),
        (None, None) => "without the extension vectors".into(),
    };
    let servers = (
        server(
            options.source.place(),
            source.version_num,
            source.vector_version.clone(),
        ),
        server(options.target.place(), target.version_num, vectors),
    );
    let report = PlanReport::new(plan, schema, servers, options, measured.as_ref());
    Ok(match options.output {
        Output::Text => report.text(report::text::width()),
        Output::Sql => report.sql(),
        Output::Json => report
            .json()
            .map_err(Error::on(Side::Internal, "writing the plan"))?,
    })
}

/// Whether to go on: prints the plan, refuses what it must.
async fn decided(
    options: &Options,
    source: &Source,
    target: &Target,
    plan: &Plan,
    schema: &Schema,
) -> Result<bool> {
    let worst = plan.worst();
    let stop = worst == Some(Severity::Problem)
        || (worst == Some(Severity::Decision) && !options.allow_findings);
    if options.dry_run || stop || !options.voice.quiet {
        say(&said(options, source, target, plan, schema).await?);
    }
    if !stop {
        return Ok(!options.dry_run);
    }
    let count = |severity| {
        plan.findings
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    };
    let (problems, decisions) = (count(Severity::Problem), count(Severity::Decision));
    let first = plan
        .findings
        .iter()
        .find(|f| Some(f.severity) == worst)
        .map(|f| format!("{}: {}", f.object, f.reason));
    Err(Error::new(Side::Plan, "the plan cannot be carried out; nothing was written")
        .because(format!("{}, {}; the first: {}", count_of(problems, "problem"), count_of(decisions, "undecided finding"), first.unwrap_or_default()))
        .remedy("each stands above with what to do; --allow-findings goes on without the objects that need a decision"))
}

async fn job(
    options: &Options,
    source: &Source,
    plan: &Plan,
    readers: Readers,
) -> Result<Arc<Job>> {
    let shared = copy::Shared {
        target: options.target.clone(),
        readers,
        overflow: options.overflow,
        vector_schema: source.vector_schema.clone(),
        search_path: source.search_path.clone(),
        progress: Progress::start(&plan.tables, options.voice.quiet),
    };
    Ok(Arc::new(Job::new(shared, &plan.tables).await?))
}

/// Step 5. The counts come back in the order of the plan's tables.
async fn copied(
    options: &Options,
    job: &Arc<Job>,
    plan: &Plan,
    seconds: &mut Seconds,
) -> Result<Vec<Copied>> {
    tracing::info!("copying {}", count_of(plan.tables.len(), "table"));
    let started = Instant::now();
    let copied = copy::all(job.clone(), options.jobs).await;
    job.progress.finish();
    let mut copied = copied?;
    // From the first COPY to the last commit: connecting is not copying.
    let first = copied.iter().map(|c| c.started).min().unwrap_or(started);
    let last = copied
        .iter()
        .map(|c| c.started + c.elapsed)
        .max()
        .unwrap_or(first);
    seconds.copy = (last - first).as_secs_f64();
    let place = |c: &Copied| plan.tables.iter().position(|t| t.oid == c.oid);
    copied.sort_by_key(place);
    Ok(copied)
}

/// Step 6, while the snapshot and its locks are held.
async fn verified(
    options: &Options,
    job: &Job,
    plan: &Plan,
    copied: &[Copied],
    seconds: &mut Seconds,
) -> Result<Vec<Verdict>> {
    if options.verify != Verify::None {
        tracing::info!("verifying the rows");
    }
    let started = Instant::now();
    let verdicts = verify::all(job, &plan.tables, copied, options.verify, options.jobs).await?;
    seconds.verify = started.elapsed().as_secs_f64();
    Ok(verdicts)
}

fn server(place: String, version_num: u32, extension: String) -> Server {
    Server {
        place,
        postgres: version_num / 10_000,
        extension,
    }
}

async fn extension(target: &Session) -> Result<String> {
    let sql = "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'vectors'";
    let row = target
        .query_opt(sql, &[])
        .await
        .map_err(Error::on(Side::Target, "reading the extension's version"))?;
    Ok(row.map_or("no extension".into(), |r| {
        format!("vectors {}", r.get::<_, String>(0))
    }))
}

/// One sentence on what an early end leaves on the target.
pub fn what_is_there(standing: &Standing, options: &Options) -> String {
    let applied = standing.schema_applied.load(Ordering::Relaxed);
    let filled = standing.progress.get().map_or(0, |p| p.tables_done());
    let tables = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    match (options.schema_source, applied, filled) {
        (SchemaSource::Existing, _, 0) => "The target's tables are as empty as they were.".into(),
        (SchemaSource::Existing, _, n) => format!(
            "The target holds the rows of {}, each whole, and the others are empty; some vector indexes may be there. To start \
             again, truncate what is filled and drop its vector indexes.",
            count_of(tables(n), "table")
        ),
        (SchemaSource::Dump, false, _) => "The target holds nothing of this run.".into(),
        (SchemaSource::Dump, true, 0) => {
            "The target holds the schema before the data and no rows. To start again, drop and create the target database.".into()
        }
        (SchemaSource::Dump, true, n) => format!(
            "The target holds the schema before the data and the rows of {}, each whole; indexes and constraints may be \
             missing. To start again, drop and create the target database.",
            count_of(tables(n), "table")
        ),
    }
}
