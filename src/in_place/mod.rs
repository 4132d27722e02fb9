//! In: one database with both extensions. Out: its columns of pgvector's types as columns of PGVecto.rs's, by either method of the documentation or by a new table, and
//! the report. This file is the order of the tables; `planned` says what will be done to them, `add_column`, `alter_type` and `shadow` are the methods, in the order
//! of their steps, `undo` is the way back, and `unit` what the ledger keeps of a table.

mod add_column;
mod alter_type;
mod build;
mod cast;
mod compare;
mod estimate;
mod facts;
mod fill;
mod guard;
mod indexes;
mod lock;
mod look;
mod not_null;
mod planned;
mod report;
mod shadow;
mod snapshots;
mod statement;
mod swap;
mod tried;
mod trigger;
mod undo;
pub mod unit;
mod views;

use std::time::Instant;

use cast::Casts;
use report::{Changed, Report};
use unit::Unit;

use crate::catalog::target::Target;
use crate::catalog::{self, Source};
use crate::cli::{InPlaceOptions, Method};
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{self as lines, Line, State};
use crate::ledger::{self, Ledger, Phase};
use crate::plan::{Finding, Severity};
use crate::report::{ReportFile, Server};
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
    let (units, findings) = planned::planned(options, session, &known).await?;
    let plan = planned::plan_report(options, session, &known, (&begun, &units), findings).await?;
    let goes_on = planned::decided(options, &plan)?;
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

/// The extension, and the way to its types for those who own or read the tables. Out: what it is.
async fn open_the_way<'a>(
    work: &Work<'_>,
    known: &Known,
    units: impl Iterator<Item = &'a Unit>,
) -> Result<String> {
    let session = &work.ledger.session;
    if known.described.vectors_installed.is_none() {
        statement::run(session, "CREATE EXTENSION IF NOT EXISTS vectors").await?;
    }
    let mut readers: Vec<String> = units.flat_map(|u| u.readers.iter().cloned()).collect();
    readers.sort();
    readers.dedup();
    if let Some(step) = crate::roles::grant(&readers) {
        for statement in &step.statements {
            statement::run(session, statement).await?;
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
        (_, Method::Shadow) => shadow::change(work, unit, line).await?,
        (_, Method::AddColumn) => add_column::change(work, unit, line).await?,
        (_, Method::AlterType) => alter_type::change(work, unit, line).await?,
    };
    if changed.verified_rows == 0 {
        // Before this process.
        changed.verified_rows = verified;
    }
    let lines = lines::lines(&session).await?;
    let own = lines
        .iter()
        .find(|l| l.unit.display() == unit.display() && l.state != State::Done);
    // It may be another table by now.
    let unit = own.map_or(unit, |line| &line.unit);
    shadow::validate(&session, unit).await?;
    // Room of old rows, and numbers for the planner.
    for member in unit.members(&session).await? {
        let vacuum = format!("VACUUM (ANALYZE) {}", member.quoted());
        if let Err(error) = statement::run(&session, &vacuum).await {
            tracing::warn!("{}", error.chain());
        }
    }
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
