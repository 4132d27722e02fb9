//! In: a run whose rows are all there. Out: what follows them (indexes, keys, sequences, statistics), tried, and the report.

use std::collections::HashSet;
use std::time::Instant;

use super::{Begun, Ended, Told, server};
use crate::after_data::{self, AfterData, Notes, finish, probe};
use crate::catalog::Relation;
use crate::catalog::target::Target;
use crate::cli::{Options, SchemaSource, Verify};
use crate::connect::{Session, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::ledger::{AllSettled, Ledger};
use crate::patience::Patience;
use crate::plan::Severity;
use crate::report::{self, Report, Seconds};
use crate::verify::cutover;

/// A run whose rows are all there.
pub(super) struct Moved<'a> {
    pub(super) begun: &'a Begun,
    pub(super) settled: AllSettled,
    /// Its text: what the rows are as of.
    pub(super) snapshot: String,
    pub(super) started: Instant,
}

/// Steps 7 and 8: what follows the rows, and the report.
pub(super) async fn after_rows(
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
        locks: after_data::Locks::new(&options.target, options.stall_timeout),
        tables: after_data::Tables::of(&source.relations),
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
    let (path, jobs) = (&source.search_path, options.index_jobs);
    finish::analyze(&options.target, &notes, path, &names, jobs, &mut after_data).await?;
    let names: Vec<_> = tables.iter().map(|r| r.place()).collect();
    target.look_in(path).await?;
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
