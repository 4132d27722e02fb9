//! In: both servers as described, under the snapshot. Out: the plan and the schema, rehearsed on the target: all that is decided
//! before the first byte is written.

use std::collections::BTreeMap;

use crate::catalog::settings::Setting;
use crate::catalog::target::Target;
use crate::catalog::{self, Relation, Source};
use crate::cli::{Format, Options, SchemaSource};
use crate::compat;
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::plan::{self, Finding, Plan, Severity, Wishes};
use crate::roles;
use crate::schema::dump::Sections;
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
) -> Result<(Plan, Schema, BTreeMap<String, String>)> {
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
    plan.findings
        .extend(undumped::find(&holder.session, options, &plan.context.roles, described).await?);
    if options.schema_source == SchemaSource::Existing {
        plan.findings
            .extend(sequences_missing(source, selection, described));
    }
    // What the role may not read pg_dump leaves out; the plan does not hold, but says what else is lacking.
    let lacking = !plan::access::source(source, &selection.relations).is_empty();
    if !lacking {
        narrower_partitions(&holder.session, source, &mut plan).await?;
    }
    let sections = match dump(options, holder, source).await {
        Err(_) if lacking => return Ok((plan, Schema::default(), BTreeMap::new())),
        sections => sections?,
    };
    let given = Given {
        options,
        holder,
        target,
        source,
        described,
        selection,
    };
    loop {
        let decided = plan.clone();
        let mut schema = given.translated(&sections, &mut plan).await?;
        let refused = match plan.worst() {
            Some(Severity::Problem) => Vec::new(),
            _ => given.rehearsed(&plan, &mut schema).await?,
        };
        let lost = |r: &&Refused| r.relation.is_some_and(|oid| !plan.left_out.contains(&oid));
        let lost: Vec<Refused> = refused.iter().filter(lost).cloned().collect();
        if lost.is_empty() {
            say(&mut plan, refused);
            names_free(target, &schema, &mut plan).await?;
            plan.findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
            let entries = schema::entries(&sections, source, selection)?;
            return Ok((plan, schema, entries));
        }
        // What hangs on a table that does not come after all does not come either, so the schema is made again without it.
        plan = decided;
        plan.leave_out(lost.iter().filter_map(|r| r.relation));
        say(&mut plan, lost);
    }
}

async fn dump(options: &Options, holder: &Holder, source: &Source) -> Result<Sections> {
    let unread = plan::access::unread(source);
    let names: Vec<String> = unread.iter().map(|r| r.quoted()).collect();
    schema::dump::both_sections(options, &holder.id, &names).await
}

/// What stands in the dump now, for a run that began with another one.
pub async fn entries(
    options: &Options,
    holder: &Holder,
    source: &Source,
    selection: &Selection,
) -> Result<BTreeMap<String, String>> {
    let sections = dump(options, holder, source).await?;
    schema::entries(&sections, source, selection)
}

/// What a rule has found already is not said twice.
fn say(plan: &mut Plan, refused: Vec<Refused>) {
    for Refused { finding, .. } in refused {
        let same = |f: &Finding| f.severity == finding.severity && f.object == finding.object;
        if !plan.findings.iter().any(same) {
            plan.findings.push(finding);
        }
    }
}

/// What both servers and the user have said.
struct Given<'a> {
    options: &'a Options,
    holder: &'a Holder,
    target: &'a Session,
    source: &'a Source,
    described: &'a Target,
    selection: &'a Selection,
}

impl Given<'_> {
    /// The dump in the target's words, with what no section of it holds.
    async fn translated(&self, sections: &Sections, plan: &mut Plan) -> Result<Schema> {
        let Given {
            options,
            source,
            described,
            ..
        } = *self;
        let tablespaces = &described.tablespaces;
        let mut schema =
            schema::translate(sections, source, self.selection, plan, options, tablespaces)?;
        if options.format == Format::Native && plan.has_conversions() {
            let comes = source.relations.iter().filter(|r| self.comes(r, plan));
            plan.readers = options.roles.readers(comes, described);
            if let Some(grant) = roles::grant(&plan.readers) {
                schema.add(grant);
            }
        }
        let session = &self.holder.session;
        if let Some(name) = &options.compat_operators {
            compat::add(name, session, self.target, &mut schema, plan).await?;
        }
        if options.schema_source == SchemaSource::Dump {
            let there = catalog::settings::here(self.target, Side::Target).await?;
            settings(
                options,
                session,
                &there,
                source,
                described,
                &mut schema,
                plan,
            )
            .await?;
        }
        for relation in plan::access::unread(source) {
            let owner = plan.context.roles.on_target(&relation.owner);
            if self.comes(relation, plan) {
                let owner = owner.filter(|_| !options.roles.no_owner);
                schema.needs.unread(relation, owner);
            }
        }
        let pairs = schema.needs.strange(described);
        let strangers = catalog::access::strangers(self.target, &pairs).await?;
        plan.findings
            .extend(plan::access::steps(described, &schema.needs, &strangers));
        schema.without(&plan.left_out);
        Ok(schema)
    }

    /// What the target refuses of it, tried.
    async fn rehearsed(&self, plan: &Plan, schema: &mut Schema) -> Result<Vec<Refused>> {
        let source = self.source;
        let session = &self.holder.session;
        let doubtful = schema::doubtful::read(session, &source.types, &plan.tables).await?;
        let composites = schema::composites::within(&source.types, &plan.tables);
        let tables = plan.tables.iter().filter_map(|t| source.relation(t.oid));
        let relations = source.relations.iter();
        let sequences = relations.filter(|r| r.kind == 'S' && self.comes(r, plan));
        let filled: Vec<&Relation> = tables.chain(sequences).collect();
        let seen = schema::bodies::Seen {
            source: &self.options.source.connect().await?,
            search_path: &source.search_path,
        };
        // Tables that are there already keep their checks.
        let made = self.options.schema_source == SchemaSource::Dump;
        let checks = |r: &&Relation| made && "rp".contains(r.kind) && self.comes(r, plan);
        let tables: Vec<&Relation> = source.relations.iter().filter(checks).collect();
        let checked = schema::late_checks::Checked {
            source: session,
            search_path: &source.search_path,
            tables: &tables,
            types: &source.types,
        };
        let trials = schema::Trials {
            readers: &plan.readers,
            doubtful: &doubtful,
            composites: &composites,
            filled: &filled,
            seen: &seen,
            checked: &checked,
        };
        schema::rehearse(self.target, schema, &trials).await
    }

    fn comes(&self, relation: &Relation, plan: &Plan) -> bool {
        self.selection.relations.contains(&relation.oid) && !plan.left_out.contains(&relation.oid)
    }
}

/// A row that is copied through its tree may meet another partition there, which must not ask more of it than its own did.
async fn narrower_partitions(session: &Session, source: &Source, plan: &mut Plan) -> Result<()> {
    let mut left_out = Vec::new();
    for table in plan.tables.iter().filter(|t| t.tree.is_some()) {
        let (path, from) = (&source.search_path, table.from());
        for reason in
            catalog::partitions::narrower(session, path, &source.rerouted, (table.oid, &from))
                .await?
        {
            let reason = format!(
                "its rows are copied through it, as their partitions may be others on the target, where one may be refused: {reason}"
            );
            let object = format!("table {}", table.display);
            plan.findings.push(Finding::new(Severity::Decision, object, reason).remedy(
                "drop that constraint or index before the move and add it again after it, or add the partition that is missing; with --allow-findings the tree is left out",
            ));
            left_out.extend(table.files().iter().chain([&table.oid]));
        }
    }
    plan.leave_out(left_out);
    Ok(())
}

/// What no section of the dump holds: the settings of the database, and of roles in it.
async fn settings(
    options: &Options,
    session: &Session,
    there: &[Setting],
    source: &Source,
    target: &Target,
    schema: &mut Schema,
    plan: &mut Plan,
) -> Result<()> {
    let settings = catalog::settings::read(session, &source.vector_schema).await?;
    let (database, real_array) = (&target.database, options.format == Format::RealArray);
    // A part of a database may move into one that has settings of its own.
    let part = !options.scope.is_whole();
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
        schema::settings::translate(&settings, there, &plan.context.roles, database, real_array);
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
