//! In: what the user asked for. Out: the move, in the eight steps of the design, and its report. Every decision is in `plan`; this
//! file is their order.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::after_data::{self, AfterData, Notes, finish, probe};
use crate::catalog::target::Target;
use crate::catalog::{self, Relation, Source};
use crate::cli::{Format, Options, Output, SchemaSource, Verify};
use crate::connect::{Endpoint, Session, quote_qualified};
use crate::copy::slice::{self, Range};
use crate::copy::{self, Job};
use crate::error::{Error, Result, Side};
use crate::ledger::{self, AllSettled, Ledger, Recorded, Settled, Slicing};
use crate::measure;
use crate::patience::Patience;
use crate::plan::{Plan, Severity, TablePlan};
use crate::prepare;
use crate::progress::Progress;
use crate::report::plan::PlanReport;
use crate::report::{self, Report, Seconds, Server, count_of};
use crate::schema::{self, Phase, Schema};
use crate::select::{self, Selection};
use crate::snapshot::{self, Holder, Readers};
use crate::verify::{self, cutover, seal};
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

/// What the user has asked for, of which source.
struct Asked<'a> {
    options: &'a Options,
    patterns: &'a select::Patterns,
    /// The source's cluster and database.
    origin: &'a str,
}

/// A run goes on with the same command only.
pub fn the_same(options: &Options, run: &ledger::Run, origin: &str) -> Result<()> {
    let refuse = |why: String| {
        Error::new(Side::Plan, format!("going on with the run that was begun {}", run.begun))
            .because(why)
            .remedy("run it with the same command; or forget it: pgv2rs-copy clean, and start again with an empty target")
    };
    let plain = |wishes: &str| match wishes {
        "" => "none".to_string(),
        wishes => wishes.to_string(),
    };
    if run.source != origin {
        return Err(refuse(format!("it is from another source: {}", run.place)));
    }
    if run.wishes != options.wishes {
        let (was, is) = (plain(&run.wishes), plain(&options.wishes));
        return Err(refuse(format!("its options were others: {was}, not {is}")));
    }
    if options.dry_run {
        return Err(refuse("it is not done, so there is nothing to plan".into())
            .remedy("without --dry-run the same command goes on with it; pgv2rs-copy status shows how far it is"));
    }
    Ok(())
}

/// Whether what a run that is done has brought is still there: a table that is gone or empty may be moved again.
async fn still_there(target: &Session, run: &ledger::Run) -> Result<bool> {
    let (_, report) = run.report()?;
    let report: serde_json::Value =
        serde_json::from_str(&report).map_err(Error::on(Side::Target, "reading the ledger"))?;
    for (at, table) in run.recorded()?.tables.iter().enumerate() {
        let rows = report["tables"][at]["rows"].as_u64();
        let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        let there = target.query_one(there, &[&table.quoted()]).await;
        let on = Error::on(Side::Target, "looking whether the moved tables are there");
        if !there.map_err(on)?.get::<_, bool>(0) {
            return Ok(false);
        }
        let sql = format!("SELECT EXISTS (SELECT FROM {})", table.from());
        let filled = target.query_of_table(&sql).await;
        let on = Error::on(Side::Target, "looking whether the moved tables are filled");
        if rows != Some(0) && !filled.map_err(on)?.get::<_, bool>(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Steps 1 to 4, where the target knows nothing of the run. None where only the plan was asked for.
async fn begin(
    asked: &Asked<'_>,
    standing: &Standing,
    (target, ledger): (&Session, &Option<Ledger>),
    described: &mut Target,
) -> Result<Option<Begun>> {
    let options = asked.options;
    tracing::info!("locking the source's tables and taking the snapshot");
    let holder = snapshot::hold(&options.source).await?;
    let readers = Readers::open(&options.source, &holder, options.jobs).await?;
    let source = catalog::read(&holder.session).await?;
    let selection = selected(asked, &source, described);
    let (plan, schema, entries) =
        prepare::planned(options, &holder, target, &source, described, &selection).await?;
    let decided = decided(options, &source, described, &plan, &schema).await?;
    let (true, Some(ledger)) = (decided, ledger) else {
        return Ok(None);
    };
    let recorded = Recorded::new(&source, &selection, plan, &schema, entries);
    crate::fail::point("planned");
    let attempt =
        |e: tokio_postgres::Error| Error::new(Side::Target, "applying the schema").because(e);
    if options.schema_source == SchemaSource::Existing {
        // With tables that are there already only the way to their types is opened.
        for step in schema.of(Phase::BeforeData) {
            if let Err(error) = schema::run_step(target, step).await {
                tracing::warn!("{}", error.chain());
            }
        }
    }
    target.batch_execute("BEGIN").await.map_err(attempt)?;
    if options.schema_source == SchemaSource::Dump {
        tracing::info!("applying the schema before the data");
        schema::before_data(target, &schema).await?;
    }
    let place = options.source.place();
    let run = ledger
        .begin(asked.origin, &place, &options.wishes, &recorded)
        .await?;
    let committed = target.batch_execute("COMMIT").await;
    // An answer that is lost is no refusal.
    let refused = committed.as_ref().is_err_and(|e| e.as_db_error().is_some());
    standing.begun.store(!refused, Ordering::Relaxed);
    committed.map_err(attempt)?;
    // pg_dump's own settings wait for ever.
    ledger::no_longer_than(target, options.stall_timeout).await?;
    crate::fail::point("schema-applied");
    Ok(Some(Begun {
        run,
        recorded,
        source,
        snapshot: Some((holder, readers)),
    }))
}

fn selected(asked: &Asked<'_>, source: &Source, described: &Target) -> Selection {
    let mut selection = select::close(source, asked.patterns);
    if asked.options.schema_source == SchemaSource::Dump {
        select::offered(source, described, &mut selection);
    }
    selection
}

/// The same, where the ledger knows a run that is not done.
async fn resumed(
    asked: &Asked<'_>,
    ledger: &Ledger,
    run: &ledger::Run,
    described: &Target,
) -> Result<Begun> {
    let options = asked.options;
    let mut recorded = run.recorded()?;
    tracing::info!("going on with the run that was begun {}", run.begun);
    let emptied = ledger.after_a_crash(run.id, &recorded.tables).await?;
    let untouched = ledger.steps(run.id).await?.is_empty();
    if emptied && !untouched {
        return Err(Error::new(Side::Target, "going on with the run")
            .because("the target has crashed and has emptied its unlogged tables, over which indexes, keys or triggers are made already")
            .remedy("start again: pgv2rs-copy clean, and an empty target"));
    }
    let settled = run.phase == ledger::Phase::Building;
    // Who asks for more than was verified gets it, as long as nothing else is made of the rows.
    let more = settled && untouched && run.settled()?.verify < options.verify;
    if settled && !more && !emptied {
        let session = options.source.connect().await?;
        let one_look = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        session
            .batch_execute(one_look)
            .await
            .map_err(Error::on(Side::Source, "reading the catalog"))?;
        return Ok(Begun {
            run: run.id,
            recorded,
            source: catalog::read(&session).await?,
            snapshot: None,
        });
    }
    if settled {
        ledger.unsettle(run.id).await?;
    }
    if !untouched {
        return Err(Error::new(Side::Verification, "going on with the run")
            .because("the rows on the target were not those of the source, and what follows them is made already")
            .remedy("pgv2rs-copy verify says what differs; start again: pgv2rs-copy clean, and an empty target"));
    }
    let holder = snapshot::hold(&options.source).await?;
    let readers = Readers::open(&options.source, &holder, options.jobs).await?;
    let source = catalog::read(&holder.session).await?;
    let selection = selected(asked, &source, described);
    let entries = prepare::entries(options, &holder, &source, &selection).await?;
    recorded.as_it_is_now(&source, &entries)?;
    Ok(Begun {
        run: run.id,
        recorded,
        source,
        snapshot: Some((holder, readers)),
    })
}

/// Steps 5 and 6, under the snapshot: the rows are copied and verified.
async fn rows(
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
    let laid = laid(ledger, slicing, tables, readers, &kept, options.jobs).await?;
    crate::fail::point("laid");
    let slices: usize = kept.iter().map(Vec::len).sum();
    if slices > 0 {
        tracing::info!(
            "{} are there already and as on the source",
            count_of(slices, "slice")
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
        verdicts = verify::all(&job, tables, &totals, options.verify, options.jobs) => verdicts?,
        lost = holder.lost() => return Err(lost),
    };
    seconds.verify = started.elapsed().as_secs_f64();
    let settled = totals
        .into_iter()
        .zip(verdicts)
        .map(|((copied, _), verdict)| Settled {
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
    kept: &[Vec<Range>],
    jobs: usize,
) -> Result<usize> {
    let reader = readers.lease().await?;
    let mut laid = 0;
    for (table, kept) in tables.iter().zip(kept) {
        let ranges = slice::cut(slice::size(&reader, table).await?, jobs, kept);
        if !ranges.is_empty() {
            let shape = seal::shape_now(&reader, table).await?;
            ledger.lay(slicing, table, &shape, &ranges).await?;
        }
        laid += ranges.len();
    }
    Ok(laid)
}

/// Bytes that are still to come, by the size of the tables that have no slice yet.
fn expected(tables: &[TablePlan], kept: &[Vec<Range>]) -> u64 {
    let bare = tables.iter().zip(kept).filter(|(_, kept)| kept.is_empty());
    bare.map(|(table, _)| u64::try_from(table.bytes).unwrap_or(0))
        .sum()
}

/// A run whose rows are all there.
struct Moved<'a> {
    begun: &'a Begun,
    settled: AllSettled,
    /// Its text: what the rows are as of.
    snapshot: String,
    started: Instant,
}

/// Steps 7 and 8: what follows the rows, and the report.
async fn after_rows(
    options: &Options,
    ledger: &Ledger,
    moved: Moved<'_>,
    (described, patience): (&Target, &Patience),
    mut seconds: Seconds,
) -> Result<Told> {
    let Begun {
        run,
        recorded,
        source,
        ..
    } = moved.begun;
    let target = &ledger.session;
    let after = Instant::now();
    tracing::info!("indexes, constraints and the rest of the schema");
    let notes = Notes {
        run: *run,
        done: ledger.steps(*run).await?,
        patience,
        stall_timeout: options.stall_timeout,
    };
    let steps = &recorded.steps;
    let mut after_data =
        after_data::build(&options.target, steps, options.index_jobs, &notes).await?;
    // By name: a sequence that was dropped and made again is still what the target has.
    let there = |(_, schema, name): &&(char, String, String)| {
        let mut all = source.relations.iter();
        all.find(|r| (&r.schema, &r.name) == (schema, name))
    };
    let coming = recorded.relations.iter();
    let relations: Vec<&Relation> = coming.clone().filter_map(|r| there(&r)).collect();
    let lost = coming.filter(|r| r.0 == 'S' && there(r).is_none());
    let lost = lost.map(|(_, schema, name)| quote_qualified(schema, name));
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
    let sequences = finish::sequences(&options.source, target, &sequences, &mut after_data).await?;
    for name in lost {
        let error = Error::new(Side::Source, format!("reading sequence {name}"))
            .because("it is not on the source any more");
        after_data.refused(&format!("SEQUENCE {name}"), &error, Vec::new());
    }
    // Materialized views that were there already are the user's to refresh.
    let tables = of_kind(match options.schema_source {
        SchemaSource::Dump => "rpm",
        SchemaSource::Existing => "rp",
    });
    let names: Vec<String> = tables.iter().map(|r| r.quoted()).collect();
    target.look_in(&source.search_path).await?;
    finish::analyze(target, &names, &mut after_data).await?;
    let names: Vec<_> = tables.iter().map(|r| r.place()).collect();
    let broken = probe::probe(target, steps, &names, &source.indexes, &after_data.failed).await?;
    seconds.after_data = after.elapsed().as_secs_f64();

    let known: HashSet<u32> = recorded.known.iter().copied().collect();
    let seals = moved.settled.tables.iter().map(|s| &s.seal);
    let now = cutover::check(options, &known, &recorded.tables, seals).await;
    seconds.total = moved.started.elapsed().as_secs_f64();
    let differs = moved
        .settled
        .tables
        .iter()
        .any(|s| !s.verdict.differences.is_empty());
    let verify = moved.settled.verify;
    let settled = moved.settled.tables;
    let rejected: u64 = settled.iter().map(|s| s.copied.rejected).sum();
    let mut rejections = Vec::new();
    for (table, settled) in recorded.tables.iter().zip(&settled) {
        rejections.push(match settled.copied.rejected {
            0 => Vec::new(),
            _ => ledger.rejected(*run, table, report::REJECTED_SHOWN).await?,
        });
    }
    let tables = recorded.tables.iter().zip(settled);
    let tables = tables.zip(rejections).zip(now.tables);
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
            extension(target).await?,
        ),
        snapshot: moved.snapshot,
        verify,
        tables: tables
            .map(|(((t, s), r), k)| report::Table::new(t, &s.copied, r, s.verdict, k))
            .collect(),
        rejected,
        indexes: built,
        new_tables: now.new_tables,
        sequences,
        verified: verify == Verify::Full
            && !differs
            && rejected == 0
            && !recorded.tables.is_empty()
            && broken.is_empty()
            && failed.is_empty(),
        broken_indexes: broken,
        failed,
        optional,
        left_out: recorded
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Decision)
            .count(),
        findings: recorded.findings.clone(),
        seconds,
    };
    let ended = match (
        differs || !report.broken_indexes.is_empty(),
        report.failed.is_empty(),
    ) {
        (true, _) => Ended::Differing,
        (false, false) => Ended::Unfinished,
        (false, true) if rejected > 0 => Ended::Rejecting,
        (false, true) => Ended::Well,
    };
    let (text, json) = (report.text(), report::json(&report)?);
    if matches!(ended, Ended::Well | Ended::Rejecting) {
        ledger.finish(*run, (&text, &json)).await?;
    }
    crate::fail::point("finished");
    Ok((ended, text, json))
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

/// What must be known before the snapshot: patterns, and the version that pg_dump has to match.
async fn before_snapshot(options: &Options) -> Result<(select::Patterns, u32, String)> {
    let session = options.source.connect().await?;
    catalog::names::are_text(&session).await?;
    let patterns = select::patterns(&session, &options.scope).await?;
    let sql = "SELECT current_setting('server_version_num')::int4";
    let row = session
        .query_one(sql, &[])
        .await
        .map_err(Error::on(Side::Source, "reading the server's version"))?;
    let origin = origin(options, &session).await?;
    Ok((patterns, row.get::<_, i32>(0).unsigned_abs(), origin))
}

/// The source's cluster and database: what a run goes on with has to be the same.
pub async fn origin(options: &Options, session: &Session) -> Result<String> {
    let cluster = catalog::access::system_identifier(session, Side::Source).await?;
    let row = session
        .query_one("SELECT current_database()::text", &[])
        .await
        .map_err(Error::on(Side::Source, "reading the database's name"))?;
    let cluster = cluster.unwrap_or_else(|| options.source.place());
    Ok(format!("{cluster}/{}", row.get::<_, String>(0)))
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
