//! In: descriptions of both servers, and what the user asked for. Out: a `Plan`, with every finding at once. Pure: it opens no
//! connection, so that each decision can be tested with a description made by hand.

pub mod access;
mod checks;
mod columns;
pub mod estimate;
pub mod extensions;
pub mod hints;
pub mod in_place;
mod table;
pub mod travel;
mod trees;

use std::collections::{HashMap, HashSet};

use dialect::rewrite::{Columns, Context};
use dialect::types::{SourceType, TargetType, TypeChange, default_target};
use serde::{Deserialize, Serialize};

use crate::catalog::portable::{Shape, shape};
use crate::catalog::target::Target;
use crate::catalog::{Index, Relation, Source, class};
use crate::cli::{Format, Mapping, SchemaSource};
use columns::Decider;
pub use table::{ColumnPlan, TablePlan};
use table::{table_plan, through_parent, tree_plan};
use travel::Builder;
pub use travel::Travel;
pub use trees::Tree;

/// What the plan needs of the command line.
pub struct Wishes<'a> {
    pub mappings: &'a [Mapping],
    pub format: Format,
    pub schema_source: SchemaSource,
    pub index_threads: u32,
    pub jobs: usize,
    pub index_jobs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Done, and said.
    Note,
    /// Left out, unless someone decides otherwise; stops the run without --allow-findings.
    Decision,
    /// Nothing can be done before this is mended.
    Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
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

impl Wishes<'_> {
    /// What a vector of this type becomes where nobody says otherwise; None for bits.
    fn usual(&self, from: SourceType) -> Option<TargetType> {
        match (from, self.format) {
            (SourceType::Bit | SourceType::Varbit, _) => None,
            (_, Format::RealArray) => Some(TargetType::RealArray),
            (_, Format::Native) => Some(default_target(from)),
        }
    }
}

#[derive(Clone)]
pub struct Plan {
    /// Largest first.
    pub tables: Vec<TablePlan>,
    /// What the dialect needs to say the schema in the target's words.
    pub context: Context,
    pub findings: Vec<Finding>,
    /// Relations left out by a decision: their entries in the dump are not applied.
    pub left_out: HashSet<u32>,
    /// Roles on the target, quoted, that need the schema `vectors` to reach what comes.
    pub readers: Vec<String>,
}

impl Plan {
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }

    /// Relations that turn out not to come keep their rows; and what is copied as one tree does not come without one of its
    /// partitions.
    pub fn leave_out(&mut self, relations: impl IntoIterator<Item = u32>) {
        self.left_out.extend(relations);
        for table in &self.tables {
            let mut leaves = table.files().iter();
            let missing = leaves.any(|oid| self.left_out.contains(oid));
            if table.tree.is_some() && missing && self.left_out.insert(table.oid) {
                self.left_out.extend(table.files());
                let object = format!("table {}", table.display);
                let reason =
                    "its rows are copied through it, and one of its partitions does not come";
                let finding = Finding::new(Severity::Decision, object, reason);
                let remedy =
                    "mend what keeps the partition; with --allow-findings the tree is left out";
                self.findings.push(finding.remedy(remedy));
            }
        }
        self.tables.retain(|t| !self.left_out.contains(&t.oid));
    }

    pub fn has_conversions(&self) -> bool {
        !self.context.columns.is_empty()
            || !self.context.domains.is_empty()
            || !self.context.attributes.is_empty()
    }
}

/// Decides. `selected` holds the relations that come, by OID.
pub fn decide(source: &Source, target: &Target, selected: &HashSet<u32>, wishes: &Wishes) -> Plan {
    let mut findings = checks::servers(source, target, wishes);
    findings.extend(access::source(source, selected));
    findings.extend(access::target(target, wishes.format));
    let mut used = HashSet::new();
    let bit_vectors = columns::bit_vectors(source);
    let mut plan = Plan {
        tables: Vec::new(),
        context: context(source, target, wishes),
        findings: Vec::new(),
        left_out: HashSet::new(),
        readers: Vec::new(),
    };
    plan.context.domains = domains(source, wishes);
    plan.context.attributes = attributes(source, wishes);
    plan.context.row_types = row_types(source, wishes);
    let decider = Decider {
        source,
        wishes,
        bit_vectors: &bit_vectors,
        finite_intervals: source.version_num >= 170_000 && target.version_num < 170_000,
    };
    let trees = trees::trees(source, selected);
    for (table, finding) in &trees.findings {
        let tree = trees.units.get(table).map_or(&[][..], |t| &t.leaves);
        plan.left_out.extend(tree.iter().chain([table]));
        findings.push(finding.clone());
    }
    for relation in source
        .relations
        .iter()
        .filter(|r| selected.contains(&r.oid))
    {
        let decided = decider.columns(relation, &mut used);
        if decided
            .findings
            .iter()
            .any(|f| f.severity == Severity::Decision)
        {
            plan.left_out.insert(relation.oid);
        }
        findings.extend(decided.findings);
        if !decided.changes.is_empty() {
            let changes = decided.changes.into_iter().collect();
            plan.context.columns.insert(relation.oid, changes);
        }
        if !decided.over_domains.is_empty() {
            let changes = decided.over_domains.into_iter().collect();
            plan.context.over_domains.insert(relation.oid, changes);
        }
        if !decided.holders.is_empty() {
            let holders = decided.holders.into_iter().collect();
            plan.context.holders.insert(relation.oid, holders);
        }
        if plan.left_out.contains(&relation.oid) {
            continue;
        }
        if relation.kind == 'r' || trees.units.contains_key(&relation.oid) {
            findings.extend(checks::places(relation, &decided.copied, target, wishes));
            if wishes.schema_source == SchemaSource::Existing {
                findings.extend(checks::ownership(source, relation, target));
            }
        }
        if let Some(tree) = trees.units.get(&relation.oid) {
            findings.push(through_parent(relation, tree));
            plan.tables
                .push(tree_plan(source, relation, decided.copied, tree));
        } else if relation.kind == 'r' && !trees.members.contains(&relation.oid) {
            plan.tables.push(table_plan(relation, decided.copied));
        }
    }
    findings.extend(checks::collations(source, target, selected));
    findings.extend(checks::invalid_indexes(source, selected));
    bits_users(source, &mut plan.context);
    plan.context.fired_over_vectors = fired_over_vectors(source, &plan.context);
    findings.extend(unused_mappings(wishes.mappings, &used));
    findings.extend(partitions_agree(source, &plan.context, selected));
    plan.tables.sort_by_key(|t| std::cmp::Reverse(t.bytes));
    plan.findings = findings;
    plan
}

/// Every domain over a vector, whether or not a table uses it.
fn domains(source: &Source, wishes: &Wishes) -> HashMap<u32, TypeChange> {
    let domains = source.types.iter().filter(|(_, ty)| ty.kind == 'd');
    domains
        .filter_map(|(oid, ty)| Some((*oid, usual_change(source, wishes, ty.base, ty.typmod)?)))
        .collect()
}

/// The attributes of composite types that change, by type and name. Row types of tables change with their tables.
fn attributes(source: &Source, wishes: &Wishes) -> Columns {
    let mut found = Columns::new();
    let composites = source.types.iter();
    let composites = composites.filter(|(_, ty)| ty.kind == 'c' && ty.of_table.is_none());
    for (oid, ty) in composites {
        for attribute in &ty.attributes {
            let change = usual_change(source, wishes, attribute.type_oid, attribute.typmod);
            if let Some(change) = change {
                let attributes = found.entry(*oid).or_default();
                attributes.insert(attribute.name.clone(), change);
            }
        }
    }
    found
}

/// The types of rows with vectors in them.
fn row_types(source: &Source, wishes: &Wishes) -> HashSet<(String, String)> {
    let builder = Builder {
        types: &source.types,
        to: &|from| wishes.usual(from),
        column: &|_, _| None,
        finite_intervals: false,
    };
    let holds = |oid: u32| {
        let travel = builder.travel(&shape(&source.types, oid, -1));
        travel.is_ok_and(|travel| travel.converts())
    };
    let composites = source.types.iter().filter(|(_, ty)| ty.kind == 'c');
    composites
        .filter(|(oid, _)| holds(**oid))
        .map(|(_, ty)| (ty.schema.clone(), ty.type_name.clone()))
        .collect()
}

/// What becomes of a type that is a vector or an array of vectors. A domain keeps its name wherever it stands; its own base changes.
fn usual_change(source: &Source, wishes: &Wishes, oid: u32, typmod: i32) -> Option<TypeChange> {
    let is_domain = |oid: &u32| source.types.get(oid).is_some_and(|t| t.kind == 'd');
    let shape = shape(&source.types, oid, typmod);
    if is_domain(&oid) || matches!(&shape, Shape::Array { element, .. } if is_domain(element)) {
        return None;
    }
    let builder = Builder {
        types: &source.types,
        to: &|from| wishes.usual(from),
        column: &|_, _| None,
        finite_intervals: false,
    };
    builder.travel(&shape).ok()?.vector()
}

/// One thread builds an index over this much in seconds.
const SMALL_BYTES: i64 = 16 << 20;

pub(crate) fn context(source: &Source, target: &Target, wishes: &Wishes) -> Context {
    let tables: HashMap<u32, &Relation> = source.relations.iter().map(|r| (r.oid, r)).collect();
    let index = |i: &Index| dialect::index::IndexDesc {
        table: i.table,
        unlogged: tables.get(&i.table).is_some_and(|r| r.unlogged),
        small: tables.get(&i.table).is_some_and(|r| r.bytes < SMALL_BYTES),
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
        relations: source
            .relations
            .iter()
            .map(|r| ((r.schema.clone(), r.name.clone()), r.oid))
            .collect(),
        dependents: source.dependents.clone(),
        doubles: source.doubles.clone(),
        shared_names: source.shared_names.clone(),
        ..Context::default()
    }
}

/// What hangs on a column of bits that becomes a vector is as much of a question as what hangs on pgvector itself.
fn bits_users(source: &Source, context: &mut Context) {
    for (object, table, column) in &source.bit_users {
        let becomes = context.columns.get(table).and_then(|c| c.get(column));
        if becomes.is_some()
            && let Some(relation) = source.relation(*table)
        {
            let member = format!(
                "column {}.{}",
                relation.display(),
                crate::catalog::ident(column)
            );
            context.dependents.entry(*object).or_default().push(member);
        }
    }
}

/// The functions of triggers on relations whose columns change.
fn fired_over_vectors(source: &Source, context: &Context) -> HashSet<u32> {
    let of_triggers = |what| {
        let of = source.depends.iter();
        let of = of.filter(move |(object, needs, _)| {
            (object.class, needs.class) == (class::TRIGGER, what)
        });
        of.map(|(object, needs, _)| (object.oid, needs.oid))
    };
    let changes = |oid: &u32| {
        context.columns.contains_key(oid)
            || context.over_domains.contains_key(oid)
            || context.holders.contains_key(oid)
    };
    let tables = of_triggers(class::RELATION).filter(|(_, table)| changes(table));
    let triggers: HashSet<u32> = tables.map(|(trigger, _)| trigger).collect();
    let functions = of_triggers(class::ROUTINE).filter(|(trigger, _)| triggers.contains(trigger));
    functions.map(|(_, function)| function).collect()
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
fn partitions_agree(source: &Source, context: &Context, selected: &HashSet<u32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for child in source
        .relations
        .iter()
        .filter(|r| selected.contains(&r.oid))
    {
        let parents = child.parents.iter().filter(|p| selected.contains(p));
        let parents: Vec<&Relation> = parents.filter_map(|p| source.relation(*p)).collect();
        let columns = child.columns.iter();
        for (parent, column) in
            columns.flat_map(|column| parents.iter().map(move |parent| (*parent, column)))
        {
            let of = |r: &Relation| context.columns.get(&r.oid)?.get(&column.name).map(|c| c.to);
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

#[cfg(test)]
mod tests;
