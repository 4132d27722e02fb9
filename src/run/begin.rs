//! In: what the user asked for, and a ledger. Out: a run that is begun, or one that an earlier process began, with all that it needs to go
//! on.

use std::sync::atomic::Ordering;

use super::{Begun, Standing, say, server};
use crate::catalog::target::Target;
use crate::catalog::{self, Source};
use crate::cli::{Format, Options, Output, SchemaSource};
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::ledger::{self, Ledger, Recorded};
use crate::measure;
use crate::plan::{Plan, Severity};
use crate::prepare;
use crate::report::plan::PlanReport;
use crate::report::{self, count_of};
use crate::schema::{self, Phase, Schema};
use crate::select::{self, Selection};
use crate::snapshot::{self, Readers};

/// What the user has asked for, of which source.
pub(super) struct Asked<'a> {
    pub(super) options: &'a Options,
    pub(super) patterns: &'a select::Patterns,
    /// The source's cluster and database.
    pub(super) origin: &'a str,
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
pub(super) async fn still_there(target: &Session, run: &ledger::Run) -> Result<bool> {
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
pub(super) async fn begin(
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
pub(super) async fn resumed(
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

/// What must be known before the snapshot: patterns, and the version that pg_dump has to match.
pub(super) async fn before_snapshot(options: &Options) -> Result<(select::Patterns, u32, String)> {
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
        true => Some(measure::measure(&options.source, plan, schema, options.jobs).await),
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
