//! In: what the user asked for. Out: the move, in the eight steps of the design, and its report. Every decision is in `plan`; this
//! file is their order.

use std::sync::Arc;
use std::time::Instant;

use crate::catalog::target::Target;
use crate::catalog::{self, Source};
use crate::cli::{Format, Options, SchemaSource, Verify};
use crate::connect::Session;
use crate::copy::{self, Copied, Job};
use crate::error::{Error, Result, Side};
use crate::index;
use crate::plan::{self, Finding, Plan, Severity, Wishes};
use crate::progress::Progress;
use crate::report::{self, Report, Seconds, Server};
use crate::schema::{self, Phase, Schema, Step};
use crate::select::{self, Selection};
use crate::snapshot::{self, Holder};
use crate::verify::{self, Verdict, cutover};

/// What is on the target when a run ends early, for the message to the user.
#[derive(Default)]
pub struct Standing {
    pub schema_applied: std::sync::atomic::AtomicBool,
    pub job: std::sync::OnceLock<Arc<Job>>,
}

/// How a run that came to its end ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Moved, and as far as was asked for, verified; or a plan that holds, with --dry-run.
    Well,
    /// The rows on the target, or an index over them, are not what they must be.
    Differing,
    /// All rows are there, but the target refused a step after them.
    Unfinished,
}

/// The whole move.
pub async fn run(options: &Options, standing: &Standing) -> Result<Ended> {
    let started = Instant::now();
    let target = options.target.connect().await?;
    let mut described = catalog::target::read(&target).await?;
    let (patterns, version) = before_snapshot(options).await?;
    schema::dump::check_version(&options.pg_dump, version).await?;

    tracing::info!("locking the source's tables and taking the snapshot");
    let holder = snapshot::hold(&options.source).await?;
    let source = catalog::read(&holder.session).await?;
    let selection = select::close(&source, &patterns);
    let (mut plan, mut schema) = planned(
        options,
        &holder,
        &target,
        &source,
        &mut described,
        &selection,
    )
    .await?;
    if !decided(options, &plan, &schema)? {
        return Ok(Ended::Well);
    }

    if options.schema_source == SchemaSource::Dump {
        tracing::info!("applying the schema before the data");
        schema::apply(&target, &schema).await?;
        standing
            .schema_applied
            .store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let mut seconds = Seconds::default();
    let job = job(options, &holder, &source, &plan).await?;
    let _ = standing.job.set(job.clone());
    let copied = copied(options, &job, &plan, &mut seconds).await?;
    let verdicts = verified(options, &job, &plan, &copied, &mut seconds).await?;
    let visible = holder.visible.clone();
    // Before days of index building: what holds the snapshot holds back vacuum on the source.
    drop(job);
    holder.release().await?;

    let after = Instant::now();
    tracing::info!("indexes, constraints and the rest of the schema");
    let after_data = index::build(&options.target, &schema, options.index_jobs).await?;
    let sequences = sequences(options, &source, &selection, &described, &plan).await?;
    analyze(&target, &plan, &schema).await?;
    let broken = index::probe(&target, &schema, &after_data.failed).await?;
    seconds.after_data = after.elapsed().as_secs_f64();

    let rows: Vec<u64> = copied.iter().map(|c| c.converted).collect();
    let changed = cutover::check(&options.source, &plan.tables, &rows, &visible).await?;
    seconds.total = started.elapsed().as_secs_f64();
    let differs = verdicts.iter().any(|v| !v.differences.is_empty());
    let tables = plan.tables.iter().zip(&copied).zip(verdicts).zip(changed);
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
        indexes: after_data.built,
        sequences,
        verified: options.verify == Verify::Full
            && !differs
            && broken.is_empty()
            && after_data.failed.is_empty(),
        broken_indexes: broken,
        failed: after_data.failed,
        findings: std::mem::take(&mut plan.findings),
        seconds,
    };
    schema.steps.clear();
    if let Some(path) = &options.report {
        report.write_json(path)?;
    }
    print!("{}", report.text());
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

/// What must be known before the snapshot: patterns, and the version that pg_dump has to match.
async fn before_snapshot(options: &Options) -> Result<(select::Patterns, u32)> {
    let session = options.source.connect().await?;
    let patterns = select::patterns(&session, options).await?;
    let sql = "SELECT current_setting('server_version_num')::int4";
    let row = session
        .query_one(sql, &[])
        .await
        .map_err(Error::on(Side::Source, "reading the server's version"))?;
    Ok((patterns, row.get::<_, i32>(0).unsigned_abs()))
}

/// Step 3: the dump under the snapshot, the plan, and its rehearsal.
async fn planned(
    options: &Options,
    holder: &Holder,
    target: &Session,
    source: &Source,
    described: &mut Target,
    selection: &Selection,
) -> Result<(Plan, Schema)> {
    tracing::info!("dumping the schema and making the plan");
    for relation in source
        .relations
        .iter()
        .filter(|r| r.kind == 'r' && selection.relations.contains(&r.oid))
    {
        if let Some(there) = described
            .relations
            .get_mut(&(relation.schema.clone(), relation.name.clone()))
        {
            there.has_rows = "rm".contains(there.kind)
                && catalog::target::has_rows(target, &relation.schema, &relation.name).await?;
        }
    }
    let wishes = Wishes {
        mappings: &options.mappings,
        format: options.format,
        schema_source: options.schema_source,
        index_threads: options.index_threads,
        jobs: options.jobs,
        index_jobs: options.index_jobs,
    };
    let mut plan = plan::decide(source, described, &selection.relations, &wishes);
    plan.findings.extend(selection.findings.iter().cloned());
    infinite_intervals(&holder.session, source, described, &mut plan).await?;
    let sections =
        schema::dump::both_sections(&options.pg_dump, &options.source, &holder.id).await?;
    let mut schema = schema::translate(
        &sections,
        source,
        selection,
        &mut plan,
        (options.schema_source, options.format),
    )?;
    if options.format == Format::Native {
        grants(source, described, selection, &mut plan, &mut schema);
    }
    let problems = plan.worst() == Some(Severity::Problem);
    if options.schema_source == SchemaSource::Dump && !problems {
        let refused = schema::rehearse(target, &mut schema).await?;
        plan.left_out
            .extend(refused.iter().filter_map(|r| r.relation));
        plan.tables.retain(|t| !plan.left_out.contains(&t.oid));
        plan.findings.extend(refused.into_iter().map(|r| r.finding));
    }
    schema.without(&plan.left_out);
    plan.findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    Ok((plan, schema))
}

/// A server before 17 takes an infinite interval for a huge finite one, with equal bytes: no digest would see it.
async fn infinite_intervals(
    session: &Session,
    source: &Source,
    target: &Target,
    plan: &mut Plan,
) -> Result<()> {
    let mut found = Vec::new();
    for (table, column) in plan::interval_columns(source, target, &plan.tables) {
        let name = crate::connect::quote(&column.name);
        let array = column.type_text.ends_with("[]");
        let rows = match array {
            true => format!(
                "{}, unnest({name}) AS u(i) WHERE NOT isfinite(i)",
                table.quoted()
            ),
            false => format!("{} WHERE NOT isfinite({name})", table.quoted()),
        };
        let sql = format!("SELECT EXISTS (SELECT FROM ONLY {rows})");
        let row = session.query_one(&sql, &[]).await.map_err(Error::on(
            Side::Source,
            format!("reading {}", table.display),
        ))?;
        if row.get(0) {
            found.push((table.oid, Finding::new(
                Severity::Decision,
                format!("column {}.{}", table.display, catalog::ident(&column.name)),
                "holds infinite intervals, which a target before PostgreSQL 17 would take for finite ones",
            ).remedy("change those rows, or upgrade the target; with --allow-findings the table is left out")));
        }
    }
    for (oid, finding) in found {
        plan.left_out.insert(oid);
        plan.findings.push(finding);
    }
    plan.tables.retain(|t| !plan.left_out.contains(&t.oid));
    Ok(())
}

/// The extension gives PUBLIC no USAGE on its schema: without this, tables of other roles could not be read.
fn grants(
    source: &Source,
    target: &Target,
    selection: &Selection,
    plan: &mut Plan,
    schema: &mut Schema,
) {
    if !plan.has_conversions() {
        return;
    }
    let mut roles: Vec<&String> = source
        .relations
        .iter()
        .filter(|r| selection.relations.contains(&r.oid) && !plan.left_out.contains(&r.oid))
        .flat_map(|r| &r.roles)
        .collect();
    roles.sort();
    roles.dedup();
    let (there, missing): (Vec<_>, Vec<_>) = roles
        .into_iter()
        .partition(|r| *r == "PUBLIC" || target.roles.contains(*r));
    for role in missing {
        plan.findings.push(
            Finding::new(
                Severity::Note,
                format!("role {role}"),
                "owns or reads a table that comes, and is not on the target",
            )
            .remedy("create it there, and GRANT USAGE ON SCHEMA vectors to it"),
        );
    }
    if there.is_empty() {
        return;
    }
    let list: Vec<&str> = there.iter().map(|r| r.as_str()).collect();
    schema.steps.push(Step {
        phase: Phase::BeforeData,
        kind: "GRANT".into(),
        object: "GRANT USAGE ON SCHEMA vectors".into(),
        id: None,
        table: None,
        statements: vec![format!(
            "GRANT USAGE ON SCHEMA vectors TO {}",
            list.join(", ")
        )],
        before: None,
        vector: false,
    });
}

/// Whether to go on: prints the plan, refuses what it must.
fn decided(options: &Options, plan: &Plan, schema: &Schema) -> Result<bool> {
    let worst = plan.worst();
    let stop = worst == Some(Severity::Problem)
        || (worst == Some(Severity::Decision) && !options.allow_findings);
    if options.dry_run || stop || !options.quiet {
        print!("{}", report::plan_text(plan, schema));
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
        .because(format!("{problems} problems, {decisions} findings that need a decision; the first: {}", first.unwrap_or_default()))
        .remedy("each stands above with what to do; --allow-findings goes on without the objects that need a decision"))
}

async fn job(options: &Options, holder: &Holder, source: &Source, plan: &Plan) -> Result<Arc<Job>> {
    let shared = copy::Shared {
        source: options.source.clone(),
        target: options.target.clone(),
        snapshot: holder.id.clone(),
        overflow: options.overflow,
        vector_schema: source.vector_schema.clone(),
        progress: Progress::start(&plan.tables, options.quiet),
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
    tracing::info!("copying {} tables", plan.tables.len());
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

/// Sequences do not live in a snapshot: their values are read now, after the rows, so that none is behind a copied row.
async fn sequences(
    options: &Options,
    source: &Source,
    selection: &Selection,
    target: &Target,
    plan: &Plan,
) -> Result<usize> {
    let (from, to) = (
        options.source.connect().await?,
        options.target.connect().await?,
    );
    let mut moved = 0;
    for sequence in source
        .relations
        .iter()
        .filter(|r| r.kind == 'S' && selection.relations.contains(&r.oid))
    {
        let there = target
            .relations
            .contains_key(&(sequence.schema.clone(), sequence.name.clone()));
        let owner = selection.owner(sequence.id());
        let left_out = plan.left_out.contains(&sequence.oid)
            || owner.is_some_and(|o| plan.left_out.contains(&o));
        if left_out || (options.schema_source == SchemaSource::Existing && !there) {
            continue;
        }
        let name = sequence.quoted();
        let row = from
            .query_one(&format!("SELECT last_value, is_called FROM {name}"), &[])
            .await
            .map_err(Error::on(
                Side::Source,
                format!("reading sequence {}", sequence.display()),
            ))?;
        let (value, called): (i64, bool) = (row.get(0), row.get(1));
        to.query_one(
            "SELECT pg_catalog.setval($1::text::pg_catalog.regclass, $2, $3)",
            &[&name, &value, &called],
        )
        .await
        .map_err(Error::on(
            Side::Target,
            format!("setting sequence {}", sequence.display()),
        ))?;
        moved += 1;
    }
    Ok(moved)
}

async fn analyze(target: &Session, plan: &Plan, schema: &Schema) -> Result<()> {
    let tables = plan.tables.iter().map(|t| t.quoted());
    let views = schema.of(Phase::Refresh).filter_map(|s| {
        let statement = s.statements.first()?;
        Some(
            statement
                .trim_start_matches("REFRESH MATERIALIZED VIEW ")
                .trim_end_matches(';')
                .to_string(),
        )
    });
    for name in tables.chain(views) {
        target
            .batch_execute(&format!("ANALYZE {name}"))
            .await
            .map_err(Error::on(Side::Target, format!("analyzing {name}")))?;
    }
    Ok(())
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
pub fn what_is_there(standing: &Standing) -> String {
    let applied = standing
        .schema_applied
        .load(std::sync::atomic::Ordering::Relaxed);
    let done = standing
        .job
        .get()
        .and_then(|j| j.done.lock().ok().map(|d| d.len()))
        .unwrap_or(0);
    match (applied, done) {
        (false, 0) => "The target holds nothing of this run.".into(),
        (_, n) => format!(
            "The target holds the schema before the data{}. No table is half copied; to start again, empty the target database.",
            if n == 0 {
                " and no rows".to_string()
            } else {
                format!(" and the committed rows of {n} whole tables")
            }
        ),
    }
}
