//! In: the dump's entries, the plan, and the selection. Out: the schema as steps, translated, with findings for what is left out, and with
//! what the target's role needs for them.

use std::collections::{BTreeMap, HashSet};

use codec::digest::Digest;
use dialect::dump::{Dump, Entry, ObjectId};
use dialect::rewrite::roles::Need;
use dialect::rewrite::{Context, LeftOut};

use super::dump::Sections;
use super::{Around, Phase, Schema, Step, VectorIndex};
use crate::catalog::{Source, class, dump_name};
use crate::cli::{Options, SchemaSource};
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Plan, Severity};
use crate::select::{Selection, Sieve};

/// Translates both sections; findings go into the plan.
pub fn translate(
    sections: &Sections,
    source: &Source,
    selection: &Selection,
    plan: &mut Plan,
    options: &Options,
    tablespaces: &HashSet<String>,
) -> Result<Schema> {
    let parse = |text: &str| {
        dialect::dump::parse(text).map_err(Error::on(Side::Internal, "reading pg_dump's output"))
    };
    let mut translation = Translation {
        source,
        selection,
        sieve: Sieve::new(selection, source),
        schema_source: options.schema_source,
        left_out: plan.left_out.clone(),
        gone: LeftOut::default(),
        vector_entries: HashSet::new(),
        tablespaces,
        tablespace: None,
        functions: has_functions(source),
        schema: Schema::default(),
        findings: Vec::new(),
        missing_roles: Vec::new(),
    };
    for relation in plan.left_out.iter().filter_map(|&oid| source.relation(oid)) {
        translation.gone.relation(&relation.schema, &relation.name);
    }
    translation.section(&parse(&sections.before_data)?, &plan.context, true);
    translation.section(&parse(&sections.after_data)?, &plan.context, false);
    let Translation {
        mut schema,
        sieve,
        findings,
        left_out,
        missing_roles,
        ..
    } = translation;
    schema.steps.sort_by_key(|s| s.phase);
    plan.findings.extend(sieve.findings);
    plan.findings.extend(findings);
    let missing = crate::roles::missing(&missing_roles, &options.roles);
    plan.findings.extend(missing);
    // A table that the dialect cannot say is not copied either.
    plan.leave_out(left_out);
    Ok(schema)
}

/// Each entry that comes, by kind and name, with the hash of its statements: whether two dumps are the same shows without what stands in
/// them, which may be secret.
pub fn entries(
    sections: &Sections,
    source: &Source,
    selection: &Selection,
) -> Result<BTreeMap<String, String>> {
    let mut sieve = Sieve::new(selection, source);
    let mut digests: BTreeMap<String, Digest> = BTreeMap::new();
    for text in [&sections.before_data, &sections.after_data] {
        let dump = dialect::dump::parse(text)
            .map_err(Error::on(Side::Internal, "reading pg_dump's output"))?;
        for entry in &dump.entries {
            if entry.kind == dialect::dump::SESSION || !sieve.passes(entry) {
                continue;
            }
            let schema = entry
                .schema
                .as_ref()
                .map_or(String::new(), |s| format!("{s}."));
            let name = format!("{} {schema}{}", entry.kind, entry.name);
            let digest = digests.entry(name).or_default();
            let owner = entry.owner.iter();
            for part in entry.statements.iter().chain(owner) {
                digest.add(part.as_bytes());
            }
        }
    }
    let hashes = digests.into_iter();
    Ok(hashes.map(|(name, d)| (name, d.to_string())).collect())
}

struct Translation<'a> {
    source: &'a Source,
    selection: &'a Selection,
    sieve: Sieve<'a>,
    schema_source: SchemaSource,
    /// Relations that do not come; their own findings say why.
    left_out: HashSet<u32>,
    /// What hangs on them.
    gone: LeftOut,
    /// The dump's numbers of vector indexes: what comments on one cannot be rehearsed without it.
    vector_entries: HashSet<u32>,
    /// The target's.
    tablespaces: &'a HashSet<String>,
    /// The second section's default_tablespace at this point.
    tablespace: Option<String>,
    /// A step that looks at rows may call functions that find others by name.
    functions: bool,
    schema: Schema,
    findings: Vec<Finding>,
    /// Roles that the target lacks: what for, and in which object.
    missing_roles: Vec<(String, Need, String)>,
}

impl Translation<'_> {
    fn section(&mut self, dump: &Dump, context: &Context, before_data: bool) {
        for entry in &dump.entries {
            if self.schema_source == SchemaSource::Existing
                && !self.wanted_on_existing(entry, context)
            {
                continue;
            }
            if entry.kind != "SESSION" && !self.sieve.passes(entry) {
                continue;
            }
            let relation = identity(entry)
                .filter(|o| o.class == class::RELATION)
                .map(|o| o.oid);
            if relation.is_some_and(|oid| self.left_out.contains(&oid)) {
                continue;
            }
            let session = entry.kind == "SESSION" && !before_data;
            let translated = self
                .gone
                .follow(entry, || dialect::rewrite::entry(entry, context));
            for finding in translated.findings {
                self.findings.push(Finding {
                    severity: match finding.severity {
                        dialect::rewrite::Severity::Note => Severity::Note,
                        dialect::rewrite::Severity::Decision => Severity::Decision,
                    },
                    object: finding.object,
                    reason: finding.reason,
                    remedy: finding.remedy,
                });
            }
            let needed = translated.missing_roles.into_iter();
            self.missing_roles
                .extend(needed.map(|(role, need)| (role, need, object(entry))));
            if translated.left_out {
                self.left_out.extend(relation);
                continue;
            }
            let statements = self.known_tablespaces(translated.statements);
            let statements = match session {
                true => self.without_tablespace(statements),
                false => statements,
            };
            if !statements.is_empty() {
                self.note_needs(entry, &statements, context);
                let step = self.step(entry, statements, context, before_data);
                self.schema.steps.push(step);
            }
        }
    }

    /// What the target's role has to be allowed for these statements.
    fn note_needs(&mut self, entry: &Entry, statements: &[String], context: &Context) {
        let needs = &mut self.schema.needs;
        // The extension itself is asked for elsewhere.
        let extension = entry.kind == "EXTENSION" && entry.name != "vector";
        if extension || matches!(entry.kind.as_str(), "SCHEMA" | "PUBLICATION") {
            needs.in_database.push(object(entry));
        }
        if statements.iter().any(|s| s.starts_with("CREATE ")) {
            needs.schemas.extend(entry.schema.clone());
        }
        let role = entry
            .owner
            .as_deref()
            .and_then(|o| context.roles.on_target(o));
        if entry.kind == "DEFAULT ACL" {
            needs.defaults.extend(role.map(String::from));
        }
        // Who has granted something on what others own.
        for role in statements
            .iter()
            .filter_map(|s| s.strip_prefix("SET ROLE "))
        {
            let quoted = role.strip_prefix('"').and_then(|r| r.strip_suffix('"'));
            let role = quoted.map_or(role.into(), |r| r.replace("\"\"", "\""));
            needs.owners.entry(role).or_default();
        }
        let owned = |s: &String| s.starts_with("ALTER ") && s.contains(" OWNER TO ");
        if let Some(owner) = role.filter(|_| statements.iter().any(owned)) {
            let places = needs.owners.entry(owner.to_string()).or_default();
            if entry.schema.is_some() || entry.kind == "PUBLICATION" {
                places.insert(entry.schema.clone());
            }
        }
    }

    /// What stood in a tablespace that the target lacks goes to the default one.
    fn known_tablespaces(&mut self, mut statements: Vec<String>) -> Vec<String> {
        for statement in &mut statements {
            let Some(value) = statement.strip_prefix("SET default_tablespace = ") else {
                continue;
            };
            let name = value.trim_matches('"').replace("\"\"", "\"");
            if value == "''" || self.tablespaces.contains(&name) {
                continue;
            }
            let object = format!("tablespace {value}");
            if !self.findings.iter().any(|f| f.object == object) {
                let reason =
                    "is not on the target: what stood in it goes to the default tablespace";
                let note = Finding::new(Severity::Note, object, reason);
                self.findings
                    .push(note.remedy("CREATE TABLESPACE on the target first, if it should not"));
            }
            *statement = "SET default_tablespace = ''".into();
        }
        statements
    }

    /// The second section's steps do not run in its order, so each carries the tablespace that was in force at its place.
    fn without_tablespace(&mut self, mut statements: Vec<String>) -> Vec<String> {
        statements.retain(|statement| {
            let Some(value) = statement.strip_prefix("SET default_tablespace = ") else {
                return true;
            };
            self.tablespace = Some(value.to_string()).filter(|v| v != "''");
            false
        });
        statements
    }

    /// With tables that are there already only their vector indexes are still to be made.
    fn wanted_on_existing(&mut self, entry: &Entry, context: &Context) -> bool {
        let index = entry
            .object
            .filter(|o| o.class == class::RELATION)
            .map(|o| o.oid);
        let vector_index = index.is_some_and(|oid| context.indexes.contains_key(&oid));
        let of_view = index.and_then(|oid| self.source.indexes.iter().find(|i| i.oid == oid));
        let of_view = of_view
            .and_then(|i| self.source.relation(i.table))
            .filter(|r| r.kind == 'm');
        if let (true, Some(view)) = (vector_index, of_view) {
            let reason = format!(
                "is of the materialized view {}, which is not made with --schema-source existing",
                view.display()
            );
            let finding = Finding::new(Severity::Decision, object(entry), reason);
            self.findings.push(finding.remedy(
                "refresh the view on the target after the run, then build the index by hand",
            ));
            return false;
        }
        let attached = entry.kind == "INDEX ATTACH"
            && self
                .index_named(entry)
                .is_some_and(|oid| context.indexes.contains_key(&oid));
        entry.kind == "SESSION" || (entry.kind == "INDEX" && vector_index) || attached
    }

    fn index_named(&self, entry: &Entry) -> Option<u32> {
        let schema = entry.schema.as_deref()?;
        self.source
            .indexes
            .iter()
            .find(|i| dump_name(&i.schema) == schema && dump_name(&i.name) == entry.name)
            .map(|i| i.oid)
    }

    /// The table whose part the entry is, for everything that pg_dump lists apart from its table.
    fn owner(&self, entry: &Entry) -> Option<u32> {
        match entry.kind.as_str() {
            "TABLE ATTACH" => {
                let schema = entry.schema.as_deref()?;
                let named = |r: &&crate::catalog::Relation| {
                    dump_name(&r.schema) == schema && dump_name(&r.name) == entry.name
                };
                self.source.relations.iter().find(named).map(|r| r.oid)
            }
            "INDEX ATTACH" => {
                let index = self.index_named(entry)?;
                self.source
                    .indexes
                    .iter()
                    .find(|i| i.oid == index)
                    .map(|i| i.table)
            }
            "MATERIALIZED VIEW DATA" => entry.object.map(|o| o.oid),
            _ => self.selection.owner(identity(entry)?),
        }
    }

    fn step(
        &mut self,
        entry: &Entry,
        statements: Vec<String>,
        context: &Context,
        before_data: bool,
    ) -> Step {
        let id = entry.object;
        let index = match entry.kind.as_str() {
            "INDEX ATTACH" => self.index_named(entry),
            _ => id.filter(|o| o.class == class::RELATION).map(|o| o.oid),
        };
        let vector_index = index.is_some_and(|oid| context.indexes.contains_key(&oid));
        if vector_index {
            self.vector_entries.insert(entry.dump_id);
        }
        let on_vector_index = |id: &u32| self.vector_entries.contains(id);
        let vector = vector_index || entry.dependencies.iter().any(on_vector_index);
        let table = self.owner(entry);
        let kind_of = |oid| self.source.relation(oid).map(|r| r.kind);
        let phase = match entry.kind.as_str() {
            _ if before_data => Phase::BeforeData,
            "SESSION" => Phase::Session,
            "MATERIALIZED VIEW DATA" => Phase::Refresh,
            "INDEX" if vector_index => Phase::VectorIndex,
            "INDEX" if table.and_then(kind_of) == Some('m') => Phase::ViewIndex,
            "INDEX" | "CONSTRAINT" => Phase::Index,
            "VIEW" | "MATERIALIZED VIEW" | "RULE" | "FUNCTION" | "PROCEDURE" | "AGGREGATE" => {
                Phase::Definition
            }
            "INDEX ATTACH" if !vector_index => Phase::Attach,
            "FK CONSTRAINT" => Phase::ForeignKey,
            "POLICY" | "ROW SECURITY" => Phase::Policy,
            _ => Phase::Late,
        };
        let described = self
            .source
            .indexes
            .iter()
            .find(|i| Some(i.oid) == index && phase == Phase::VectorIndex);
        Step {
            phase,
            number: 0,
            object: object(entry),
            id,
            table,
            vector,
            around: self.around(entry, phase),
            index: described.map(|i| VectorIndex {
                schema: i.schema.clone(),
                name: i.name.clone(),
                before: entry.statements.first().cloned().unwrap_or_default(),
            }),
            secret: holds_secret(&entry.kind, &statements),
            statements,
        }
    }

    fn around(&self, entry: &Entry, phase: Phase) -> Vec<Around> {
        let mut around = Vec::new();
        if matches!(phase, Phase::BeforeData | Phase::Session) {
            return around;
        }
        if phase == Phase::Refresh {
            around.push(Around::policies());
        }
        let over_rows = matches!(
            phase,
            Phase::Index | Phase::ForeignKey | Phase::ViewIndex | Phase::VectorIndex
        );
        // Up to PostgreSQL 16 an expression that is compared is simplified first, which reads the bodies of functions in SQL.
        let over_rows = over_rows || entry.kind == "INDEX ATTACH";
        if phase == Phase::Refresh || over_rows && self.functions {
            around.push(Around::names(&self.source.search_path));
        }
        let tablespace = self.tablespace.iter();
        around.extend(tablespace.map(|t| Around::tablespace(t)));
        around
    }
}

/// Whether there are functions that are neither PostgreSQL's nor pgvector's. What follows the rows may call them by an expression, an
/// operator class, a range's type or a cast, and pg_depend ties to an index or a constraint no more than the first two of these.
fn has_functions(source: &Source) -> bool {
    let vector = source.extensions.iter().find(|e| e.name == "vector");
    let own = |(_, needs, kind): &&(ObjectId, ObjectId, char)| {
        *kind == 'e' && vector.is_some_and(|v| v.oid == needs.oid)
    };
    let members: HashSet<ObjectId> = source.depends.iter().filter(own).map(|d| d.0).collect();
    let mut objects = source.depends.iter().map(|(object, _, _)| object);
    objects.any(|o| o.class == class::ROUTINE && !members.contains(o))
}

/// Whether an option of a foreign server or table may be a secret: any may, but those of PostgreSQL's own wrappers that say where and
/// how. A connection string holds a password as well as an option of that name does. Each stands on a line of its own, its name first.
fn holds_secret(kind: &str, statements: &[String]) -> bool {
    const PLAIN: [&str; 27] = [
        "async_capable",
        "batch_size",
        "column_name",
        "dbname",
        "delimiter",
        "encoding",
        "escape",
        "extensions",
        "fdw_startup_cost",
        "fdw_tuple_cost",
        "fetch_size",
        "filename",
        "force_not_null",
        "force_null",
        "format",
        "header",
        "host",
        "hostaddr",
        "import_default",
        "keep_connections",
        "null",
        "port",
        "quote",
        "schema_name",
        "table_name",
        "updatable",
        "use_remote_estimate",
    ];
    let foreign = ["FOREIGN DATA WRAPPER", "SERVER", "FOREIGN TABLE"].contains(&kind);
    let is_secret = |line: &str| {
        let option = line.trim().split(' ').next().unwrap_or_default();
        let option = option.trim_matches('"');
        // The end of the list.
        option != ")" && !option.is_empty() && !PLAIN.contains(&option)
    };
    let options = |statement: &String| {
        let mut options = statement.split("OPTIONS (").skip(1);
        options.any(|options| options.lines().any(is_secret))
    };
    foreign && statements.iter().any(options)
}

/// Comments, privileges and attachments have no identity: pg_dump writes class 0 there.
fn identity(entry: &Entry) -> Option<ObjectId> {
    entry.object.filter(|o| o.class != 0)
}

/// `INDEX public.items_embedding_idx`
fn object(entry: &Entry) -> String {
    match entry.schema.as_deref() {
        Some(schema) if schema != "-" && !schema.is_empty() => {
            format!("{} {schema}.{}", entry.kind, entry.name)
        }
        _ => format!("{} {}", entry.kind, entry.name),
    }
}
