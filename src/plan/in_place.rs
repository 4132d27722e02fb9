//! In: one server that has both extensions, and the wishes. Out: which columns become what where nothing travels: one unit for each table that
//! has such a column from nobody else, with all that has it from there. Pure.

use std::collections::{BTreeMap, HashSet};

use dialect::rewrite::Context;
use dialect::types::TypeChange;

use super::columns::{Decider, bit_vectors};
use super::{Finding, Severity, Wishes, unused_mappings};
use crate::catalog::target::Target;
use crate::catalog::{Relation, Source};
use crate::select::Patterns;

/// A table and those of its columns that change.
pub struct Unit<'a> {
    pub root: &'a Relation,
    pub columns: Vec<(String, TypeChange, Option<String>)>,
}

pub struct Decided<'a> {
    /// Largest first.
    pub units: Vec<Unit<'a>>,
    pub findings: Vec<Finding>,
    /// What the dialect needs to say an index in PGVecto.rs's words, but for the columns.
    pub context: Context,
}

/// Decides for the tables that the patterns name, but for `begun`: those that the ledger knows already.
pub fn decide<'a>(
    source: &'a Source,
    target: &Target,
    patterns: &Patterns,
    begun: &HashSet<u32>,
    wishes: &Wishes,
) -> Decided<'a> {
    let bit_vectors = bit_vectors(source);
    let decider = Decider {
        source,
        wishes,
        bit_vectors: &bit_vectors,
        finite_intervals: false,
    };
    let mut findings = Vec::new();
    let mut used = HashSet::new();
    let mut units: BTreeMap<u32, Unit> = BTreeMap::new();
    let mut refused = HashSet::new();
    for relation in source.relations.iter().filter(|r| "rpf".contains(r.kind)) {
        for column in &relation.columns {
            let root = topmost(source, relation, &column.name);
            if let Some(finding) = apart(relation, root, source, patterns)
                && !begun.contains(&root.oid)
                && matches!(
                    decider.in_place(relation, column, &mut HashSet::new()),
                    Ok(Some(_))
                )
                && !findings.contains(&finding)
            {
                findings.push(finding);
            }
            if !named(source, root, patterns) || begun.contains(&root.oid) {
                continue;
            }
            match decider.in_place(relation, column, &mut used) {
                Ok(None) => {}
                Ok(Some((change, why))) if root.oid == relation.oid && relation.kind != 'f' => {
                    let unit = units.entry(root.oid).or_insert(Unit {
                        root,
                        columns: Vec::new(),
                    });
                    unit.columns.push((column.name.clone(), change, why));
                }
                Ok(Some(_)) if relation.kind == 'f' => {
                    refused.insert(root.oid);
                    let object = format!("foreign table {}", relation.display());
                    let reason = "its rows are elsewhere: they are not changed in place";
                    let finding = Finding::new(Severity::Decision, object, reason);
                    findings.push(finding.remedy(
                        "detach or drop it first; with --allow-findings what it belongs to stays as it is",
                    ));
                }
                Ok(Some(_)) if several_parents(source, relation, &column.name) => {
                    refused.insert(root.oid);
                    let object = format!("table {}", relation.display());
                    let reason =
                        "has a column from several tables, which would have to change together";
                    let finding = Finding::new(Severity::Decision, object, reason);
                    findings.push(finding.remedy(
                        "ALTER TABLE … NO INHERIT first; with --allow-findings they stay as they are",
                    ));
                }
                Ok(Some(_)) => {}
                Err(finding) => {
                    refused.insert(root.oid);
                    if root.oid == relation.oid {
                        findings.push(finding);
                    }
                }
            }
        }
    }
    let mappings = wishes.mappings.iter().enumerate();
    // Of a table that is begun the ledger says what becomes of it.
    let begun = mappings.filter(|(_, m)| {
        let mut relations = source.relations.iter();
        relations.any(|r| begun.contains(&r.oid) && r.schema == m.schema && r.name == m.table)
    });
    used.extend(begun.map(|(i, _)| i));
    findings.extend(unused_mappings(wishes.mappings, &used));
    let mut units: Vec<Unit> = units.into_values().collect();
    units.retain(|u| !refused.contains(&u.root.oid));
    units.sort_by_key(|u| std::cmp::Reverse(u.root.bytes));
    Decided {
        units,
        findings,
        context: super::context(source, target, wishes),
    }
}

/// What is wrong with the server before any table is looked at.
pub fn servers(source: &Source, target: &Target) -> Vec<Finding> {
    let mut findings = super::access::target(target, crate::cli::Format::Native);
    findings.extend(super::checks::vectors_extension(target));
    if source.vector_schema == "vectors" {
        let reason = "lives in the schema vectors, which PGVecto.rs makes its own";
        let finding = Finding::new(Severity::Problem, "extension vector", reason);
        findings.push(finding.remedy("ALTER EXTENSION vector SET SCHEMA to another one first"));
    }
    if target.version_num < 140_000 {
        let reason = format!("version {} is older than 14", target.version_num / 10_000);
        findings.push(Finding::new(Severity::Problem, "target", reason).remedy("upgrade it first"));
    }
    findings
}

/// The table that the column comes from.
fn topmost<'a>(source: &'a Source, relation: &'a Relation, column: &str) -> &'a Relation {
    let mut parents = relation.parents.iter().filter_map(|p| source.relation(*p));
    let has = |r: &&Relation| r.columns.iter().any(|c| c.name == column);
    match parents.find(has) {
        Some(parent) => topmost(source, parent, column),
        None => relation,
    }
}

fn several_parents(source: &Source, relation: &Relation, column: &str) -> bool {
    let parents = relation.parents.iter().filter_map(|p| source.relation(*p));
    let has = |r: &&Relation| r.columns.iter().any(|c| c.name == column);
    parents.filter(has).count() > 1
}

/// What the patterns say of a part that does not change without its whole.
fn apart(
    relation: &Relation,
    root: &Relation,
    source: &Source,
    patterns: &Patterns,
) -> Option<Finding> {
    let whole = named(source, root, patterns);
    let asked = patterns
        .tables
        .as_ref()
        .is_some_and(|t| t.contains(&relation.oid));
    let excluded = patterns.excluded.contains(&relation.oid);
    let apart = relation.oid != root.oid && (whole && excluded || !whole && asked && !excluded);
    apart.then(|| {
        let object = format!("table {}", relation.display());
        let reason = format!(
            "changes only together with {}, which it has the column from",
            root.display()
        );
        let finding = Finding::new(Severity::Problem, object, reason);
        finding.remedy("name that in --table or --exclude-table instead")
    })
}

/// By its own name: a partition does not change without the others.
fn named(source: &Source, relation: &Relation, patterns: &Patterns) -> bool {
    let above = relation.parents.iter().filter_map(|p| source.relation(*p));
    let mut lineage: Vec<u32> = above.map(|r| r.oid).collect();
    lineage.push(relation.oid);
    let named = match (&patterns.tables, &patterns.schemas) {
        (Some(tables), _) => lineage.iter().any(|oid| tables.contains(oid)),
        (None, Some(schemas)) => schemas.contains_key(&relation.schema),
        (None, None) => true,
    };
    named && !lineage.iter().any(|oid| patterns.excluded.contains(oid))
}
