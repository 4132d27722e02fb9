//! In: a relation and the wishes. Out: how each of its columns travels, or why it cannot. Bits are vectors only where an index or
//! the user says so.

use std::collections::{HashMap, HashSet};

use dialect::types::{SourceType, TargetType, TypeChange, default_target};

use super::{ColumnPlan, Finding, Severity, Travel, Wishes};
use crate::catalog::portable::{Shape, shape};
use crate::catalog::{Column, Relation, Source};
use crate::cli::Format;
use crate::copy::convert::pair;

/// Bit columns that a pgvector index takes for vectors: (table, column) and the index that says so.
pub fn bit_vectors(source: &Source) -> HashMap<(u32, String), String> {
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

pub struct Decider<'a> {
    pub source: &'a Source,
    pub wishes: &'a Wishes<'a>,
    pub bit_vectors: &'a HashMap<(u32, String), String>,
}

/// What is decided about the columns of one relation.
#[derive(Default)]
pub struct Decided {
    /// Columns that COPY carries.
    pub copied: Vec<ColumnPlan>,
    /// Columns that change their type, generated ones included: no byte of those is copied, but the DDL names their type.
    pub changes: Vec<(String, TypeChange)>,
    pub findings: Vec<Finding>,
}

impl Decider<'_> {
    pub fn columns(&self, relation: &Relation, used: &mut HashSet<usize>) -> Decided {
        let mut decided = Decided::default();
        for column in &relation.columns {
            let wish = self.wish(relation, column).inspect(|(i, _)| {
                used.insert(*i);
            });
            let (travel, why) = match self.travel(relation, column, wish.map(|(_, to)| to)) {
                Ok(travels) => travels,
                Err(_) if column.generated || !"rp".contains(relation.kind) => continue,
                Err(finding) => {
                    decided.findings.push(finding);
                    continue;
                }
            };
            if let Travel::Convert(change) = travel
                && !self.is_domain(column)
            {
                decided.changes.push((column.name.clone(), change));
            }
            if !column.generated {
                decided.copied.push(ColumnPlan {
                    name: column.name.clone(),
                    type_oid: column.type_oid,
                    type_text: column.type_text.clone(),
                    travel,
                    domain: self.is_domain(column),
                    why,
                });
            }
        }
        decided
    }

    /// A domain's own DDL is edited, not that of its columns.
    fn is_domain(&self, column: &Column) -> bool {
        self.source
            .types
            .get(&column.type_oid)
            .is_some_and(|t| t.kind == 'd')
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
        // A domain over bits may have columns that are flags; a materialized view's type follows from its query.
        let may_turn = relation.kind != 'm' && !self.is_domain(column);
        let key = (relation.oid, column.name.clone());
        let index = self.bit_vectors.get(&key).filter(|_| may_turn);
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

/// The hash of an enum's value is of its OID: on another cluster a row belongs to another leaf, which refuses it.
pub fn hashed_by_enum(source: &Source, relation: &Relation) -> Option<Finding> {
    let mut above = Some(relation);
    while let Some(one) = above {
        if source.hashed_by_enum.contains(&one.oid) {
            let object = format!("table {}", relation.display());
            let reason = format!(
                "{} is partitioned by the hash of an enum, which differs between clusters",
                one.display()
            );
            return Some(Finding::new(Severity::Decision, object, reason).remedy(
                "make the table anew by LIST or RANGE, or fill it on the target through its parent; with --allow-findings it is left out",
            ));
        }
        above = one.parent.and_then(|p| source.relation(p));
    }
    None
}

/// The table at the top of a partition tree or of an inheritance tree.
fn root<'a>(source: &'a Source, relation: &'a Relation) -> &'a Relation {
    match relation.parent.and_then(|p| source.relation(p)) {
        Some(parent) => root(source, parent),
        None => relation,
    }
}
