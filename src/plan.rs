//! In: descriptions of both servers, and what the user asked for. Out: a `Plan`, with every finding at once. Pure: it opens no
//! connection, so that each decision can be tested with a description made by hand.

use std::collections::{HashMap, HashSet};

use dialect::rewrite::Context;
use dialect::types::{SourceType, TargetType, TypeChange, default_target};
use serde::Serialize;

use crate::catalog::portable::{Shape, holds_interval, shape};
use crate::catalog::target::Target;
use crate::catalog::{Column, Index, Relation, Source};
use crate::cli::{Format, Mapping, Overflow, SchemaSource};
use crate::copy::convert::pair;

/// What the plan needs of the command line.
pub struct Wishes<'a> {
    pub mappings: &'a [Mapping],
    pub format: Format,
    pub overflow: Overflow,
    pub schema_source: SchemaSource,
    pub index_threads: u32,
    pub jobs: usize,
    pub index_jobs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Done, and said.
    Note,
    /// Left out, unless someone decides otherwise; stops the run without --allow-findings.
    Decision,
    /// Nothing can be done before this is mended.
    Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub object: String,
    pub reason: String,
    pub remedy: String,
}

impl Finding {
    pub fn new(
        severity: Severity,
        object: impl Into<String>,
        reason: impl Into<String>,
    ) -> Finding {
        Finding {
            severity,
            object: object.into(),
            reason: reason.into(),
            remedy: String::new(),
        }
    }

    pub fn remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = remedy.into();
        self
    }
}

/// One table whose rows are copied; a slice of its own.
#[derive(Clone, Debug)]
pub struct TablePlan {
    pub oid: u32,
    pub file: u32,
    pub schema: String,
    pub name: String,
    pub display: String,
    pub primary_key: Vec<String>,
    pub rows_estimate: i64,
    pub bytes: i64,
    /// Copied columns, in order; generated ones are not among them.
    pub columns: Vec<ColumnPlan>,
}

impl TablePlan {
    pub fn quoted(&self) -> String {
        crate::connect::quote_qualified(&self.schema, &self.name)
    }
}

#[derive(Clone, Debug)]
pub struct ColumnPlan {
    pub name: String,
    pub type_oid: u32,
    pub type_text: String,
    pub travel: Travel,
    /// Why this conversion, where it is not the usual one.
    pub why: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Travel {
    Pass { array: bool },
    Convert(TypeChange),
}

impl ColumnPlan {
    pub fn target_text(&self) -> String {
        match &self.travel {
            Travel::Pass { .. } => self.type_text.clone(),
            Travel::Convert(change) => change.target_sql(),
        }
    }
}

pub struct Plan {
    /// Largest first.
    pub tables: Vec<TablePlan>,
    /// What the dialect needs to say the schema in the target's words.
    pub context: Context,
    pub findings: Vec<Finding>,
    /// Relations left out by a decision: their entries in the dump are not applied.
    pub left_out: HashSet<u32>,
}

impl Plan {
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }

    pub fn has_conversions(&self) -> bool {
        !self.context.columns.is_empty()
    }
}

/// Decides. `selected` holds the relations that come, by OID.
pub fn decide(source: &Source, target: &Target, selected: &HashSet<u32>, wishes: &Wishes) -> Plan {
    let mut findings = servers(source, target, wishes);
    let mut used = HashSet::new();
    let bit_vectors = bit_vectors(source);
    let mut plan = Plan {
        tables: Vec::new(),
        context: context(source, target, wishes),
        findings: Vec::new(),
        left_out: HashSet::new(),
    };
    for relation in source
        .relations
        .iter()
        .filter(|r| selected.contains(&r.oid))
    {
        let decider = Decider {
            source,
            wishes,
            bit_vectors: &bit_vectors,
        };
        let (columns, found) = decider.columns(relation, &mut used);
        if found.iter().any(|f| f.severity == Severity::Decision) {
            plan.left_out.insert(relation.oid);
        }
        findings.extend(found);
        for column in &columns {
            if let Travel::Convert(change) = &column.travel {
                plan.context
                    .columns
                    .insert((relation.oid, column.name.clone()), change.clone());
            }
        }
        domains(source, relation, &columns, &mut plan.context);
        if relation.kind == 'r' && !plan.left_out.contains(&relation.oid) {
            findings.extend(places(relation, &columns, target, wishes));
            plan.tables.push(table_plan(relation, columns));
        }
    }
    findings.extend(unused_mappings(wishes.mappings, &used));
    findings.extend(partitions_agree(source, &plan.context));
    plan.tables.sort_by_key(|t| std::cmp::Reverse(t.bytes));
    plan.findings = findings;
    plan
}

fn context(source: &Source, target: &Target, wishes: &Wishes) -> Context {
    let unlogged: HashSet<u32> = source
        .relations
        .iter()
        .filter(|r| r.unlogged)
        .map(|r| r.oid)
        .collect();
    let index = |i: &Index| dialect::index::IndexDesc {
        table: i.table,
        unlogged: unlogged.contains(&i.table),
        method: i.method.clone(),
        opclasses: i.opclasses.iter().map(|(name, _)| name.clone()).collect(),
        options: i.options.clone(),
    };
    Context {
        target_version: target.version_num / 10_000,
        source_version: source.version_num / 10_000,
        vector_schema: source.vector_schema.clone(),
        real_array: wishes.format == Format::RealArray,
        index_threads: wishes.index_threads,
        columns: HashMap::new(),
        domains: HashMap::new(),
        indexes: source
            .indexes
            .iter()
            .filter(|i| i.uses_pgvector())
            .map(|i| (i.oid, index(i)))
            .collect(),
        dependents: source.dependents.clone(),
    }
}

fn table_plan(relation: &Relation, columns: Vec<ColumnPlan>) -> TablePlan {
    TablePlan {
        oid: relation.oid,
        file: relation.file,
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        display: relation.display(),
        primary_key: relation.primary_key.clone(),
        rows_estimate: relation.rows_estimate,
        bytes: relation.bytes,
        columns,
    }
}

/// Bit columns that a pgvector index takes for vectors: (table, column) and the index that says so.
fn bit_vectors(source: &Source) -> HashMap<(u32, String), String> {
    let mut found = HashMap::new();
    for index in &source.indexes {
        for ((_, pgvector), column) in index.opclasses.iter().zip(&index.columns) {
            if let (true, Some(column)) = (pgvector, column) {
                found
                    .entry((index.table, column.clone()))
                    .or_insert_with(|| index.name.clone());
            }
        }
    }
    // An index on one member of a partition tree speaks for the whole tree: all of it must have one type.
    loop {
        let related: Vec<_> = source
            .relations
            .iter()
            .filter_map(|r| r.parent.map(|p| (r.oid, p)))
            .collect();
        let grown: Vec<_> = found
            .iter()
            .flat_map(|((table, column), index)| {
                related.iter().filter_map(move |&(child, parent)| {
                    let other = if child == *table {
                        parent
                    } else if parent == *table {
                        child
                    } else {
                        return None;
                    };
                    Some(((other, column.clone()), index.clone()))
                })
            })
            .filter(|(key, _)| !found.contains_key(key))
            .collect();
        if grown.is_empty() {
            return found;
        }
        found.extend(grown);
    }
}

struct Decider<'a> {
    source: &'a Source,
    wishes: &'a Wishes<'a>,
    bit_vectors: &'a HashMap<(u32, String), String>,
}

impl Decider<'_> {
    fn columns(
        &self,
        relation: &Relation,
        used: &mut HashSet<usize>,
    ) -> (Vec<ColumnPlan>, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut columns = Vec::new();
        for column in &relation.columns {
            let wish = self.wish(relation, column).inspect(|(i, _)| {
                used.insert(*i);
            });
            match self.travel(relation, column, wish.map(|(_, to)| to)) {
                Ok((travel, why)) if !column.generated => columns.push(ColumnPlan {
                    name: column.name.clone(),
                    type_oid: column.type_oid,
                    type_text: column.type_text.clone(),
                    travel,
                    why,
                }),
                // A generated column of a vector type changes its type though no byte of it is copied; its
                // expression is the dialect's to judge.
                Ok(_) => {}
                Err(_) if column.generated || !"rp".contains(relation.kind) => {}
                Err(finding) => findings.push(finding),
            }
        }
        (columns, findings)
    }

    fn wish(&self, relation: &Relation, column: &Column) -> Option<(usize, TargetType)> {
        let mappings = self.wishes.mappings.iter().enumerate();
        let root = root(self.source, relation);
        mappings
            .filter(|(_, m)| {
                let named = |r: &Relation| r.schema == m.schema && r.name == m.table;
                m.column == column.name && (named(relation) || named(root))
            })
            .map(|(i, m)| (i, m.to))
            .next()
    }

    fn travel(
        &self,
        relation: &Relation,
        column: &Column,
        wish: Option<TargetType>,
    ) -> Result<(Travel, Option<String>), Finding> {
        let object = format!(
            "column {}.{}",
            relation.display(),
            crate::catalog::ident(&column.name)
        );
        let refuse = |reason: String, remedy: &str| {
            Err(Finding::new(Severity::Decision, object.clone(), reason).remedy(remedy))
        };
        let (from, dims, array, domain) = match shape(
            &self.source.types,
            column.type_oid,
            column.typmod,
        ) {
            Shape::Vector {
                from,
                dims,
                array,
                domain,
            } => (from, dims, array, domain),
            _ if wish.is_some() => {
                return refuse(
                    "--map names it, but it is not a vector".into(),
                    "drop the --map",
                );
            }
            Shape::Plain { array } => return Ok((Travel::Pass { array }, None)),
            Shape::Unportable(why) => {
                return refuse(
                    format!("{why}, so its bytes do not travel between clusters"),
                    "move this table by pg_dump, or drop or change the column first; with --allow-findings the table is left out",
                );
            }
        };
        let (to, why) = match self.target_type(relation, column, from, wish) {
            Some(decided) => decided,
            None => return Ok((Travel::Pass { array: false }, bits_stay(from))),
        };
        if domain.is_some() && wish.is_some() {
            return refuse(
                "--map names a column of a domain".into(),
                "a domain has one base type for all of its columns; drop the --map",
            );
        }
        let change = TypeChange {
            from,
            to,
            dims,
            array,
        };
        if pair(&change).is_none() {
            let reason = format!(
                "there is no conversion from {} to {}",
                column.type_text,
                change.target_sql()
            );
            return refuse(reason, "choose another type with --map");
        }
        if let (Some(dims), TargetType::Svector) = (dims, to)
            && dims > SVECTOR_LIMIT
        {
            return refuse(
                format!("{dims} dimensions are more than svector's {SVECTOR_LIMIT}"),
                "leave the table out",
            );
        }
        if let (Some(dims), TargetType::Bvector) = (dims, to)
            && dims > DENSE_LIMIT
        {
            return refuse(
                format!("{dims} bits are more than bvector's {DENSE_LIMIT}"),
                "drop the bit index: a bit column then stays as it is",
            );
        }
        Ok((Travel::Convert(change), why))
    }

    /// What the column becomes, and why where that needs a word; None for bits that stay bits.
    fn target_type(
        &self,
        relation: &Relation,
        column: &Column,
        from: SourceType,
        wish: Option<TargetType>,
    ) -> Option<(TargetType, Option<String>)> {
        if let Some(to) = wish {
            return Some((to, Some("asked for by --map".into())));
        }
        let bits = matches!(from, SourceType::Bit | SourceType::Varbit);
        let index = self.bit_vectors.get(&(relation.oid, column.name.clone()));
        match (bits, index, self.wishes.format) {
            (true, None, _) | (true, _, Format::RealArray) => None,
            (true, Some(index), Format::Native) => Some((
                TargetType::Bvector,
                Some(format!("index {index} takes these bits for a vector")),
            )),
            (false, _, Format::RealArray) => Some((TargetType::RealArray, None)),
            (false, _, Format::Native) => Some((default_target(from), None)),
        }
    }
}

const SVECTOR_LIMIT: u32 = 1_048_575;
const DENSE_LIMIT: u32 = 65_535;

fn bits_stay(from: SourceType) -> Option<String> {
    matches!(from, SourceType::Bit | SourceType::Varbit)
        .then(|| "stays a bit string: no bit index and no --map takes it for a vector".into())
}

fn root<'a>(source: &'a Source, relation: &'a Relation) -> &'a Relation {
    match relation
        .parent
        .filter(|_| relation.is_partition)
        .and_then(|p| source.relation(p))
    {
        Some(parent) => root(source, parent),
        None => relation,
    }
}

/// Domains change with their columns: the domain's own DDL is edited, not the column's.
fn domains(source: &Source, relation: &Relation, columns: &[ColumnPlan], context: &mut Context) {
    for column in columns {
        let described = relation.columns.iter().find(|c| c.name == column.name);
        let Some(described) = described else { continue };
        if let (
            Shape::Vector {
                domain: Some(domain),
                ..
            },
            Travel::Convert(change),
        ) = (
            shape(&source.types, described.type_oid, described.typmod),
            &column.travel,
        ) {
            context.columns.remove(&(relation.oid, column.name.clone()));
            // A domain over a domain: the innermost is the one whose text names pgvector's type.
            let mut innermost = domain;
            while let Some(base) = source.types.get(&innermost).map(|t| t.base)
                && source.types.get(&base).is_some_and(|t| t.kind == 'd')
            {
                innermost = base;
            }
            context.domains.insert(innermost, change.clone());
        }
    }
}

/// A --map that named nothing is a mistake in the command line, not a wish to ignore.
fn unused_mappings(mappings: &[Mapping], used: &HashSet<usize>) -> Vec<Finding> {
    let unused = mappings
        .iter()
        .enumerate()
        .filter(|(i, _)| !used.contains(i));
    unused
        .map(|(_, m)| {
            let object = format!("--map {}.{}.{}", m.schema, m.table, m.column);
            Finding::new(
                Severity::Problem,
                object,
                "there is no such column among the tables that come",
            )
            .remedy("check the name: schema.table.column, as the catalog has it")
        })
        .collect()
}

/// A partition cannot be attached to a parent whose column has another type.
fn partitions_agree(source: &Source, context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    for child in source.relations.iter() {
        let Some(parent) = child.parent.and_then(|p| source.relation(p)) else {
            continue;
        };
        for column in &child.columns {
            let of = |r: &Relation| {
                context
                    .columns
                    .get(&(r.oid, column.name.clone()))
                    .map(|c| c.to)
            };
            let both = parent.columns.iter().any(|c| c.name == column.name);
            if both && of(child) != of(parent) {
                let reason = format!(
                    "column {} would get another type than in {}",
                    column.name,
                    parent.display()
                );
                findings.push(
                    Finding::new(
                        Severity::Problem,
                        format!("table {}", child.display()),
                        reason,
                    )
                    .remedy("name the parent in --map: its partitions and children follow"),
                );
            }
        }
    }
    findings
}

/// What is wrong with the two servers before any table is looked at.
fn servers(source: &Source, target: &Target, wishes: &Wishes) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut problem = |object: &str, reason: String, remedy: &str| {
        findings.push(Finding::new(Severity::Problem, object, reason).remedy(remedy));
    };
    if source.system_identifier == target.system_identifier && source.database == target.database {
        problem(
            "target",
            "source and target are the same database".into(),
            "name the new cluster in --target",
        );
    }
    if source.version_num < 120_000 {
        problem(
            "source",
            format!("version {} is older than 12", source.version_num / 10_000),
            "upgrade the source first",
        );
    }
    if target.encoding != source.encoding {
        let reason = format!(
            "the target's encoding {} is not the source's {}",
            target.encoding, source.encoding
        );
        problem(
            "target",
            reason,
            "make the target database WITH ENCODING of the source, TEMPLATE template0",
        );
    }
    let sessions = i64::try_from(wishes.jobs.max(wishes.index_jobs)).unwrap_or(i64::MAX);
    if sessions.saturating_add(4) > i64::from(target.max_connections) {
        problem(
            "target",
            format!("max_connections is {}", target.max_connections),
            "lower --jobs and --index-jobs, or raise max_connections",
        );
    }
    if wishes.format == Format::Native {
        findings.extend(vectors_extension(target));
    }
    findings
}

fn vectors_extension(target: &Target) -> Option<Finding> {
    let (reason, remedy) = match (&target.vectors_installed, &target.vectors_available) {
        (None, None) => (
            "the target has no extension \"vectors\" to install".to_string(),
            "install PGVecto.rs 0.4.0 on the target, or move to real[] with --format real-array",
        ),
        _ if !target.vectors_preloaded => (
            "\"vectors\" is not in the target's shared_preload_libraries".to_string(),
            "ALTER SYSTEM SET shared_preload_libraries = 'vectors.so' (keep what is there), then restart the target",
        ),
        (None, Some(_)) if !target.superuser => (
            "the extension \"vectors\" is not installed, and only a superuser can do that"
                .to_string(),
            "run CREATE EXTENSION vectors as a superuser, or connect as one",
        ),
        (Some(version), _) | (None, Some(version)) if !version.starts_with("0.4.") => (
            format!("the target has vectors {version}; this program writes for 0.4"),
            "upgrade PGVecto.rs to 0.4.0",
        ),
        _ => return None,
    };
    Some(Finding::new(Severity::Problem, "target", reason).remedy(remedy))
}

/// Whether the table's place on the target is free, or as it must be with --schema-source existing.
fn places(
    relation: &Relation,
    columns: &[ColumnPlan],
    target: &Target,
    wishes: &Wishes,
) -> Vec<Finding> {
    let object = format!("table {}", relation.display());
    let problem = |reason: String, remedy: &str| {
        Finding::new(Severity::Problem, object.clone(), reason).remedy(remedy.to_string())
    };
    let mut findings = Vec::new();
    if !relation.may_select {
        findings.push(problem(
            "the source's role may not read it".into(),
            "GRANT SELECT, or leave it out with --exclude-table",
        ));
    }
    let existing = target
        .relations
        .get(&(relation.schema.clone(), relation.name.clone()));
    match (existing, wishes.schema_source) {
        (None, SchemaSource::Dump) => {}
        (None, SchemaSource::Existing) => findings.push(problem(
            "is not on the target".into(),
            "create it, or drop --schema-source existing",
        )),
        (Some(there), _) if there.has_rows => findings.push(problem(
            "is on the target already and is not empty".into(),
            "empty or drop it there: rows are never mixed; or leave it out with --exclude-table",
        )),
        (Some(_), SchemaSource::Dump) => findings.push(problem(
            "is on the target already (empty)".into(),
            "drop it there, or fill it as it is with --schema-source existing",
        )),
        (Some(there), SchemaSource::Existing) => {
            for obstacle in &there.obstacles {
                findings.push(
                    Finding::new(Severity::Problem, object.clone(), format!("has {obstacle} on the target already"))
                        .remedy("drop it and make it again after the copy: rows come first, then indexes, keys and triggers"),
                );
            }
            findings.extend(columns.iter().filter_map(|c| {
                let found = there.columns.iter().find(|(name, _)| *name == c.name);
                let wanted = c.target_text();
                match found {
                    None => Some(problem(
                        format!("has no column {} on the target", c.name),
                        "add it, or drop --schema-source existing",
                    )),
                    Some((_, ty)) if same_type(ty, &wanted) => None,
                    Some((_, ty)) => Some(problem(
                        format!("column {} is {ty} on the target, not {wanted}", c.name),
                        "change the type there, or use --map",
                    )),
                }
            }));
        }
    }
    findings
}

/// With an empty search_path format_type qualifies user types on both sides, so texts can be compared.
fn same_type(target: &str, wanted: &str) -> bool {
    target == wanted
}

/// Tables with a column that may hold an infinite interval, which a server before 17 would take for a finite one.
pub fn interval_columns<'a>(
    source: &Source,
    target: &Target,
    tables: &'a [TablePlan],
) -> Vec<(&'a TablePlan, &'a ColumnPlan)> {
    if source.version_num < 170_000 || target.version_num >= 170_000 {
        return Vec::new();
    }
    let columns = tables
        .iter()
        .flat_map(|t| t.columns.iter().map(move |c| (t, c)));
    columns
        .filter(|(_, c)| holds_interval(&source.types, c.type_oid))
        .collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
