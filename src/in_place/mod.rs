//! In: one database with both extensions. Out: its columns of pgvector's types as columns of PGVecto.rs's, by either method of the documentation, and
//! the report. This file is the order of the steps: `look` says what is there and what is in the way, `unit` what the ledger keeps of a table,
//! `add_column` and `alter_type` are the two methods, `undo` the way back.

mod add_column;
mod alter_type;
mod cast;
mod compare;
mod estimate;
mod fill;
mod guard;
mod indexes;
mod lock;
mod look;
mod report;
mod tried;
mod undo;
pub mod unit;
mod views;

use std::collections::HashSet;
use std::time::Instant;

use cast::Casts;
use look::Looking;
use report::{Changed, PlanReport, Planned, Report};
use unit::Unit;

use crate::catalog::target::Target;
use crate::catalog::{self, Source};
use crate::cli::{Format, InPlaceOptions, Method, Output, SchemaSource};
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{self as lines, Line, State};
use crate::ledger::{self, Ledger, Phase};
use crate::plan::{self, Finding, Severity, Wishes};
use crate::report::{ReportFile, Server, count_of};
use crate::run::{Ended, say, warn_of};
use crate::select::{self, Patterns};

fn on(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Error {
    move |e| Error::new(Side::Target, what).because(e)
}

/// The dialect's findings as the plan's.
fn findings_of(
    found: Vec<dialect::rewrite::Finding>,
    decision: &'static str,
) -> impl Iterator<Item = Finding> {
    found.into_iter().map(move |f| {
        let (severity, remedy) = match f.severity {
            dialect::rewrite::Severity::Note => (Severity::Note, f.remedy),
            dialect::rewrite::Severity::Decision => (Severity::Decision, decision.to_string()),
        };
        Finding::new(severity, f.object, f.reason).remedy(remedy)
    })
}

/// What every step needs.
struct Work<'a> {
    options: &'a InPlaceOptions,
    ledger: &'a Ledger,
    casts: Casts<'a>,
    /// The role may keep ordinary triggers from firing.
    replica: bool,
}

impl Work<'_> {
    /// A session that the next process finds and ends, should this one be killed.
    async fn connect(&self) -> Result<Session> {
        let session = self.options.target.connect().await?;
        ledger::works(&session).await?;
        Ok(session)
    }
}

/// What is known before anything is done.
struct Known {
    described: Target,
    source: Source,
    patterns: Patterns,
    lines: Vec<Line>,
    replica: bool,
}

pub async fn run(options: &InPlaceOptions) -> Result<Ended> {
    let started = Instant::now();
    let report_file = options
        .report
        .as_deref()
        .map(ReportFile::open)
        .transpose()?;
    warn_of([&options.target]);
    let session = options.target.connect().await?;
    let known = known(options, &session).await?;
    // A dry run may look while another one works.
    let ledger = match options.dry_run {
        true => None,
        false => Some(Ledger::hold(session, options.retry_for).await?),
    };
    let session = match &ledger {
        Some(ledger) => &ledger.session,
        None => &options.target.connect().await?,
    };
    // What another process did between the look and the lock.
    let lines = lines::lines(session).await?;
    let begun: Vec<Line> = lines
        .into_iter()
        .filter(|l| l.state != State::Done)
        .collect();
    let begun: Vec<Line> = begun.into_iter().filter(|l| in_scope(&known, l)).collect();
    if options.undo {
        return undo(options, &known, ledger, begun).await;
    }
    if ledger.is_some() {
        for line in begun.iter().filter(|l| l.state < State::Swapped) {
            guard::let_go(options, session, &line.unit).await?;
        }
    }
    refuse_others(options, session, &begun).await?;
    let (units, findings) = planned(options, session, &known).await?;
    let plan = plan_report(options, session, &known, (&begun, &units), findings).await?;
    let goes_on = decided(options, &plan)?;
    let (true, Some(ledger)) = (goes_on, &ledger) else {
        return Ok(Ended::Well);
    };
    let work = Work {
        options,
        ledger,
        casts: look::casts(&known.source),
        replica: known.replica,
    };
    if begun.is_empty() && units.is_empty() {
        tracing::info!("no column of pgvector's types is left to change");
    }
    let extension =
        open_the_way(&work, &known, begun.iter().map(|l| &l.unit).chain(&units)).await?;
    let mut tables = Vec::new();
    for line in begun {
        let unit = line.unit.clone();
        tracing::info!(
            "{}: going on with what was begun {}",
            unit.display(),
            line.begun
        );
        tables.extend(one(&work, &unit, Some(line)).await?);
    }
    for unit in &units {
        tables.extend(one(&work, unit, None).await?);
    }
    let report = Report {
        program: concat!("pgv2rs-copy ", env!("CARGO_PKG_VERSION")).into(),
        target: Server {
            place: options.target.place(),
            postgres: known.described.version_num / 10_000,
            extension,
        },
        verified: !tables.is_empty(),
        tables,
        findings: plan.findings,
        seconds: started.elapsed().as_secs_f64(),
    };
    say(&report.text());
    if let Some(file) = report_file
        && let Err(error) = file.write(&report)
    {
        tracing::error!("the change is complete, but {}", error.chain());
        return Ok(Ended::Unreported);
    }
    Ok(Ended::Well)
}

async fn known(options: &InPlaceOptions, session: &Session) -> Result<Known> {
    Ok(Known {
        described: catalog::target::read(session).await?,
        source: catalog::read(session).await.map_err(Error::of_one_server)?,
        patterns: select::patterns(session, &options.scope)
            .await
            .map_err(Error::of_one_server)?,
        lines: lines::lines(session).await?,
        replica: look::may_be_replica(session).await,
    })
}

fn in_scope(known: &Known, line: &Line) -> bool {
    let Patterns {
        schemas,
        tables,
        excluded,
    } = &known.patterns;
    let named = match (tables, schemas) {
        (Some(tables), _) => tables.contains(&line.unit.root),
        (None, Some(schemas)) => schemas.contains_key(&line.unit.schema),
        (None, None) => true,
    };
    named && !excluded.contains(&line.unit.root)
}

/// What must be ended first.
async fn refuse_others(options: &InPlaceOptions, session: &Session, begun: &[Line]) -> Result<()> {
    let refuse = |why: String, remedy: &str| {
        Err(Error::new(Side::Plan, "changing columns in place")
            .because(why)
            .remedy(remedy.to_string()))
    };
    let runs = ledger::runs(session).await?;
    if runs.iter().any(|run| run.phase != Phase::Done) {
        return refuse(
            "a move into this database is not done yet".into(),
            "end it first with its own command, or forget it: pgv2rs-copy clean",
        );
    }
    for line in begun {
        if line.state == State::Undoing {
            return refuse(
                format!("the change of {} is being undone", line.unit.display()),
                "run it with --undo once more; then begin again",
            );
        }
        if line.method != options.method {
            return refuse(
                format!(
                    "the change of {} was begun with --method {}",
                    line.unit.display(),
                    line.method.text()
                ),
                "go on with that, or --undo it first",
            );
        }
    }
    Ok(())
}

/// The units that are not begun yet, and all findings.
async fn planned(
    options: &InPlaceOptions,
    session: &Session,
    known: &Known,
) -> Result<(Vec<Unit>, Vec<Finding>)> {
    let wishes = Wishes {
        mappings: &options.mappings,
        format: Format::Native,
        schema_source: SchemaSource::Existing,
        index_threads: options.index_threads,
        jobs: 1,
        index_jobs: 1,
    };
    let lines = known.lines.iter().filter(|l| l.state != State::Done);
    let begun: HashSet<u32> = lines.map(|l| l.unit.root).collect();
    let decided = plan::in_place::decide(
        &known.source,
        &known.described,
        &known.patterns,
        &begun,
        &wishes,
    );
    let mut findings = plan::in_place::servers(&known.source, &known.described);
    findings.extend(decided.findings);
    let looking = Looking {
        session,
        source: &known.source,
        target: &known.described,
        method: options.method,
        replica: known.replica,
        recreate_views: options.recreate_views,
    };
    let mut units = Vec::new();
    // Much is tried in temporary tables.
    let tries = known.described.access.temporary;
    for unit in decided.units.iter().filter(|_| tries) {
        let found = looking.unit(unit, &decided.context, &mut findings).await?;
        let Some(unit) = found else { continue };
        match tried::all(session, &unit, &known.source).await? {
            None => units.push(unit),
            Some(finding) => findings.push(finding),
        }
    }
    findings.extend(shared_views(&mut units));
    if options.method == Method::AlterType {
        findings.extend(overlapping(session, &mut units).await?);
    }
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    Ok((units, findings))
}

/// A view over two tables that change would be made again between them, over columns of both kinds.
fn shared_views(units: &mut Vec<Unit>) -> Vec<Finding> {
    let all: Vec<(u32, u32)> = units
        .iter()
        .flat_map(|u| u.views.iter().map(|v| (v.oid, u.root)))
        .collect();
    let shared = |oid: u32| all.iter().filter(|(o, _)| *o == oid).count() > 1;
    let mut findings: Vec<Finding> = Vec::new();
    for view in units
        .iter()
        .flat_map(|u| &u.views)
        .filter(|v| shared(v.oid))
    {
        let object = format!("view {}", view.name);
        if findings.iter().any(|f| f.object == object) {
            continue;
        }
        let reason = "stands over several tables that change, one after another";
        let finding = Finding::new(Severity::Decision, object, reason);
        findings.push(finding.remedy(format!(
            "before: DROP VIEW {}; after all: {}. With --allow-findings its tables stay as they are",
            view.name,
            view.make.join("; ")
        )));
    }
    units.retain(|u| !u.views.iter().any(|v| shared(v.oid)));
    findings
}

/// A table that is rewritten twice would have an index of PGVecto.rs the second time.
async fn overlapping(session: &Session, units: &mut Vec<Unit>) -> Result<Vec<Finding>> {
    let mut members: Vec<(usize, u32)> = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        let of = unit.members(session).await?;
        members.extend(of.iter().map(|m| (at, m.oid)));
    }
    let twice = |at: usize| {
        let own = members.iter().filter(move |(a, _)| *a == at);
        let mut own = own.map(|(_, oid)| oid);
        own.any(|oid| members.iter().any(|(a, o)| *a != at && o == oid))
    };
    let mut findings = Vec::new();
    let mut kept = Vec::new();
    for (at, unit) in units.drain(..).enumerate() {
        if !twice(at) {
            kept.push(unit);
            continue;
        }
        let object = format!("table {}", unit.display());
        let reason = "shares a table that inherits from it with another one that changes, so that would be rewritten twice, the second time with an index of PGVecto.rs on it";
        findings.push(
            Finding::new(Severity::Decision, object, reason)
                .remedy("use --method add-column; with --allow-findings they stay as they are"),
        );
    }
    *units = kept;
    Ok(findings)
}

async fn plan_report(
    options: &InPlaceOptions,
    session: &Session,
    known: &Known,
    (begun, units): (&[Line], &[Unit]),
    findings: Vec<Finding>,
) -> Result<PlanReport> {
    let casts = look::casts(&known.source);
    let mut tables = Vec::new();
    for line in begun {
        tables.push(Planned {
            begun: Some(format!(
                "begun {}, and goes on ({})",
                line.begun,
                line.state.text()
            )),
            ..Planned::new(&line.unit, options.method)
        });
    }
    for unit in units {
        let mut planned = Planned::new(unit, options.method);
        let members = unit.members(session).await?;
        planned.bytes = members.iter().map(|m| m.bytes).sum();
        let files = members.iter().filter(|m| !m.partitioned);
        planned.rows_estimate = files.map(|m| m.rows_estimate).sum();
        // Nothing can be tried with types that are not there yet.
        if known.described.vectors_installed.is_some() {
            let measured =
                estimate::estimate(session, unit, &members, &casts, options.method).await;
            planned.estimate = match measured {
                Err(error) => {
                    tracing::warn!("{}", error.chain());
                    None
                }
                Ok(measured) => measured,
            };
        }
        tables.push(planned);
    }
    let vectors = match (
        &known.described.vectors_installed,
        &known.described.vectors_available,
    ) {
        (Some(version), _) => format!("vectors {version}"),
        (None, Some(version)) => format!("vectors {version} (to be installed)"),
        (None, None) => "without the extension vectors".into(),
    };
    Ok(PlanReport {
        program: concat!("pgv2rs-copy ", env!("CARGO_PKG_VERSION")).into(),
        target: Server {
            place: options.target.place(),
            postgres: known.described.version_num / 10_000,
            extension: format!("vector {} and {vectors}", known.source.vector_version),
        },
        method: options.method,
        tables,
        findings,
    })
}

/// Whether to go on: prints the plan, refuses what it must.
fn decided(options: &InPlaceOptions, plan: &PlanReport) -> Result<bool> {
    let worst = plan.findings.iter().map(|f| f.severity).max();
    let stop = worst == Some(Severity::Problem)
        || (worst == Some(Severity::Decision) && !options.allow_findings);
    let locks = options.method == Method::AlterType && !options.yes && !plan.tables.is_empty();
    if options.dry_run || stop || locks || !options.voice.quiet {
        say(&match options.output {
            Output::Json => crate::report::json(plan)? + "\n",
            _ => plan.text(),
        });
    }
    if stop {
        let first = plan.findings.iter().find(|f| Some(f.severity) == worst);
        let first = first.map_or(String::new(), |f| format!("{}: {}", f.object, f.reason));
        let of = |s| plan.findings.iter().filter(|f| f.severity == s).count();
        return Err(Error::new(Side::Plan, "the plan cannot be carried out; nothing was written")
            .because(format!(
                "{}, {}; the first: {first}",
                count_of(of(Severity::Problem), "problem"),
                count_of(of(Severity::Decision), "undecided finding")
            ))
            .remedy("each stands above with what to do; --allow-findings goes on without what needs a decision"));
    }
    if options.dry_run {
        return Ok(false);
    }
    if locks {
        return Err(Error::new(Side::Plan, "the tables would be locked; nothing was written")
            .because("--method alter-type rewrites them under ACCESS EXCLUSIVE locks: the plan above says for how long")
            .remedy("say --yes to that, or use --method add-column"));
    }
    Ok(true)
}

/// The extension, and the way to its types for those who own or read the tables. Out: what it is.
async fn open_the_way<'a>(
    work: &Work<'_>,
    known: &Known,
    units: impl Iterator<Item = &'a Unit>,
) -> Result<String> {
    let session = &work.ledger.session;
    if known.described.vectors_installed.is_none() {
        add_column::run(session, "CREATE EXTENSION IF NOT EXISTS vectors").await?;
    }
    let mut readers: Vec<String> = units.flat_map(|u| u.readers.iter().cloned()).collect();
    readers.sort();
    readers.dedup();
    if let Some(step) = crate::roles::grant(&readers) {
        for statement in &step.statements {
            add_column::run(session, statement).await?;
        }
    }
    let sql = "SELECT pg_catalog.string_agg(extname || ' ' || extversion, ' and ' ORDER BY extname) FROM pg_catalog.pg_extension \
        WHERE extname IN ('vector', 'vectors')";
    let row = session.query_one(sql, &[]).await;
    Ok(row.map_err(on("reading the extensions' versions"))?.get(0))
}

/// One table, to its end; None where it is not there any more.
async fn one(work: &Work<'_>, unit: &Unit, line: Option<Line>) -> Result<Option<Changed>> {
    let session = work.connect().await?;
    if let Some(line) = &line
        && !guard::is_there(&session, unit).await?
    {
        undo::gone(work, &session, line).await?;
        return Ok(None);
    }
    let (state, verified) = line
        .as_ref()
        .map_or((None, 0), |l| (Some(l.state), l.verified));
    let mut changed = match (state, work.options.method) {
        (Some(State::Swapped), method) => Changed::of(unit, method),
        (_, Method::AddColumn) => add_column::change(work, unit, line).await?,
        (_, Method::AlterType) => alter_type::change(work, unit, line).await?,
    };
    if changed.verified_rows == 0 {
        // Before this process.
        changed.verified_rows = verified;
    }
    // Room of old rows, and numbers for the planner.
    for member in unit.members(&session).await? {
        let vacuum = format!("VACUUM (ANALYZE) {}", member.quoted());
        if let Err(error) = add_column::run(&session, &vacuum).await {
            tracing::warn!("{}", error.chain());
        }
    }
    let lines = lines::lines(&session).await?;
    let own = lines
        .iter()
        .find(|l| l.unit.root == unit.root && l.state != State::Done);
    if let Some(line) = own {
        lines::moved(&session, line.id, State::Done).await?;
    }
    crate::fail::point("done");
    tracing::info!("{}: done", unit.display());
    Ok(Some(changed))
}

async fn undo(
    options: &InPlaceOptions,
    known: &Known,
    ledger: Option<Ledger>,
    begun: Vec<Line>,
) -> Result<Ended> {
    let Some(ledger) = ledger else {
        for line in &begun {
            say(&format!("{}: {}\n", line.unit.display(), line.state.text()));
        }
        return Ok(Ended::Well);
    };
    if begun.is_empty() {
        return Err(Error::new(Side::Plan, "undoing a change in place")
            .because("no table that is named has one that is begun and not done")
            .remedy("pgv2rs-copy status says what the ledger knows"));
    }
    let work = Work {
        options,
        ledger: &ledger,
        casts: look::casts(&known.source),
        replica: known.replica,
    };
    for line in &begun {
        undo::undo(&work, line).await?;
        say(&format!("{} is as it was.\n", line.unit.display()));
    }
    Ok(Ended::Well)
}
