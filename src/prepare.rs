//! In: both servers as described, under the snapshot. Out: the plan and the schema, rehearsed on the target: all that is decided
//! before the first byte is written.

use crate::catalog::target::Target;
use crate::catalog::{self, Relation, Source};
use crate::cli::{Format, Options, SchemaSource};
use crate::compat;
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::plan::{self, Finding, Plan, Severity, Wishes};
use crate::roles;
use crate::schema::{self, Phase, Refused, Schema};
use crate::select::Selection;
use crate::snapshot::Holder;
use crate::undumped;

/// Step 3: the dump under the snapshot, the plan, and its rehearsal.
pub async fn planned(
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
                && there.may_fill
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
    plan.findings.extend(options.roles.unknown(source));
    plan.context.roles = options.roles.on(described);
    plan.context.compat_schema = options.compat_operators.clone();
    // pg_dump would end at the first table that it may not lock, and rows cannot be looked at either.
    if !plan::access::source(source, &selection.relations).is_empty() {
        return Ok((plan, Schema::default()));
    }
    plan.findings.extend(
        undumped::find(
            &holder.session,
            options,
            &plan.context.roles,
            &described.database,
        )
        .await?,
    );
    if options.schema_source == SchemaSource::Existing {
        plan.findings
            .extend(sequences_missing(source, selection, described));
    }
    let sections =
        schema::dump::both_sections(options, &holder.id, &plan::access::unread(source)).await?;
    let mut schema = schema::translate(
        &sections,
        source,
        selection,
        &mut plan,
        options,
        &described.tablespaces,
    )?;
    if options.format == Format::Native && plan.has_conversions() {
        let relations = source.relations.iter();
        let comes = relations
            .filter(|r| selection.relations.contains(&r.oid) && !plan.left_out.contains(&r.oid));
        plan.readers = options.roles.readers(comes, described);
        if let Some(grant) = roles::grant(&plan.readers) {
            schema.add(grant);
        }
    }
    if let Some(name) = &options.compat_operators {
        compat::add(name, &holder.session, target, &mut schema, &mut plan).await?;
    }
    if options.schema_source == SchemaSource::Dump {
        settings(
            options,
            &holder.session,
            source,
            described,
            &mut schema,
            &mut plan,
        )
        .await?;
    }
    let pairs = schema.needs.strange(described);
    let strangers = catalog::access::strangers(target, &pairs).await?;
    plan.findings
        .extend(plan::access::steps(described, &schema.needs, &strangers));
    let problems = plan.worst() == Some(Severity::Problem);
    if !problems {
        let doubtful = schema::doubtful::read(&holder.session, &source.types, &plan.tables).await?;
        let composites = schema::composites::within(&source.types, &plan.tables);
        let seen = schema::bodies::Seen {
            source: &options.source.connect().await?,
            search_path: &source.search_path,
        };
        let readers = &plan.readers;
        let refused =
            schema::rehearse(target, &mut schema, readers, &doubtful, &composites, &seen).await?;
        plan.leave_out(refused.iter().filter_map(|r| r.relation));
        for Refused { finding, .. } in refused {
            // What a rule has found already is not said twice.
            let same = |f: &Finding| f.severity == finding.severity && f.object == finding.object;
            if !plan.findings.iter().any(same) {
                plan.findings.push(finding);
            }
        }
    }
    schema.without(&plan.left_out);
    names_free(target, &schema, &mut plan).await?;
    plan.findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    Ok((plan, schema))
}

/// What no section of the dump holds: the settings of the database, and of roles in it.
async fn settings(
    options: &Options,
    session: &Session,
    source: &Source,
    target: &Target,
    schema: &mut Schema,
    plan: &mut Plan,
) -> Result<()> {
    let settings = catalog::settings::read(session, &source.vector_schema).await?;
    let (database, real_array) = (&target.database, options.format == Format::RealArray);
    // A part of a database may move into one that has settings of its own.
    let part = !(options.schemas.is_empty() && options.tables.is_empty());
    if part && !settings.here.is_empty() {
        let mut names: Vec<&str> = settings.here.iter().map(|s| s.name.as_str()).collect();
        names.dedup();
        let reason = format!("are not carried with a part of it: {}", names.join(", "));
        let finding = Finding::new(Severity::Note, "settings of the database", reason);
        plan.findings.push(
            finding.remedy("ALTER DATABASE … SET them on the target, as far as they are wanted"),
        );
        return Ok(());
    }
    let (steps, notes) =
        schema::settings::translate(&settings, &plan.context.roles, database, real_array);
    steps.into_iter().for_each(|step| schema.add(step));
    plan.findings.extend(notes);
    Ok(())
}

/// With tables that are there already the target may have fewer sequences than the source.
fn sequences_missing(source: &Source, selection: &Selection, target: &Target) -> Vec<Finding> {
    let missing = |r: &&Relation| {
        r.kind == 'S'
            && selection.relations.contains(&r.oid)
            && !target.relations.contains_key(&r.place())
    };
    let finding = |r: &Relation| {
        let object = format!("sequence {}", r.display());
        let reason = "is not on the target under this name, so its value will not be set";
        Finding::new(Severity::Decision, object, reason)
            .remedy("setval the sequence that stands there instead, or inserts will collide; --allow-findings goes on without it")
    };
    source
        .relations
        .iter()
        .filter(missing)
        .map(finding)
        .collect()
}

/// Vector indexes are not rehearsed, so their names are looked at.
async fn names_free(target: &Session, schema: &Schema, plan: &mut Plan) -> Result<()> {
    for index in schema
        .of(Phase::VectorIndex)
        .filter_map(|s| s.index.as_ref())
    {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
            ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";
        let attempt = "looking whether the vector indexes' names are free";
        let row = target
            .query_one(sql, &[&index.schema, &index.name])
            .await
            .map_err(Error::on(Side::Target, attempt))?;
        if row.get(0) {
            let object = format!(
                "index {}.{}",
                catalog::ident(&index.schema),
                catalog::ident(&index.name)
            );
            let finding =
                Finding::new(Severity::Problem, object, "its name is taken on the target");
            plan.findings
                .push(finding.remedy("drop or rename what has the name there"));
        }
    }
    Ok(())
}
