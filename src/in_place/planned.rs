//! In: what is known of the database, and what is asked for. Out: the units that will change, with all findings; the plan in words; and whether to go on.
//! Nothing is written before that.

use std::collections::HashSet;

use super::Known;
use super::estimate;
use super::look::{self, Looking};
use super::report::{PlanReport, Planned};
use super::tried;
use super::unit::Unit;
use crate::cli::{Format, InPlaceOptions, Method, Output, SchemaSource};
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, State};
use crate::plan::{self, Finding, Severity, Wishes};
use crate::report::{Server, count_of};
use crate::run::say;

/// The units that are not begun yet, and all findings.
pub(super) async fn planned(
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

pub(super) async fn plan_report(
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
pub(super) fn decided(options: &InPlaceOptions, plan: &PlanReport) -> Result<bool> {
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
