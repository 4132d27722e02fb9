//! In: a relation and the wishes. Out: how each of its columns travels, or why it cannot. Bits are vectors only where an index or
//! the user says so.

use std::collections::{HashMap, HashSet};

use dialect::types::{SourceType, TargetType, TypeChange};

use super::travel::{Builder, Travel, change};
use super::{ColumnPlan, Finding, Severity, Wishes};
use crate::catalog::portable::{Shape, shape, type_within};
use crate::catalog::{Column, Relation, Source, ident};
use crate::cli::Format;

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
    // An index on one table of a partition or inheritance tree speaks for all that have the column from each other: it must have one type.
    let has = |table: u32, column: &str| {
        let relation = source.relation(table);
        relation.is_some_and(|r| r.columns.iter().any(|c| c.name == column))
    };
    loop {
        let related: Vec<_> = source
            .relations
            .iter()
            .flat_map(|r| r.parents.iter().map(|p| (r.oid, *p)))
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
            .filter(|(key, _)| !found.contains_key(key) && has(key.0, &key.1))
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
    /// The target would take an infinite interval for a finite one.
    pub finite_intervals: bool,
}

/// What is decided about the columns of one relation.
#[derive(Default)]
pub struct Decided {
    /// Columns that COPY carries.
    pub copied: Vec<ColumnPlan>,
    /// Columns that change their type, generated ones included: no byte of those is copied, but the DDL names their type.
    pub changes: Vec<(String, TypeChange)>,
    /// Columns of a domain whose base changes.
    pub over_domains: Vec<(String, TypeChange)>,
    /// Columns with vectors inside of composites, and whether each is one composite.
    pub holders: Vec<(String, bool)>,
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
            // A domain's own DDL is edited, not that of its columns.
            let vector = travel.vector();
            let change = vector.filter(|_| !self.is_domain(column));
            let of = match change {
                Some(_) => &mut decided.changes,
                None => &mut decided.over_domains,
            };
            of.extend(vector.map(|vector| (column.name.clone(), vector)));
            if travel.converts() && vector.is_none() {
                let single = matches!(travel, Travel::Composite(_)) && !self.is_domain(column);
                decided.holders.push((column.name.clone(), single));
            }
            if !column.generated {
                decided.copied.push(ColumnPlan {
                    name: column.name.clone(),
                    type_oid: column.type_oid,
                    type_text: column.type_text.clone(),
                    change,
                    travel,
                    why,
                });
            }
        }
        decided
            .findings
            .extend(self.not_as_text(relation, &decided.copied));
        decided
    }

    /// What the column becomes where nothing travels: None for one that is no vector, or bits that stay bits. A finding for one that would have
    /// to change with what else holds such values.
    pub fn in_place(
        &self,
        relation: &Relation,
        column: &Column,
        used: &mut HashSet<usize>,
    ) -> Result<Option<(TypeChange, Option<String>)>, Finding> {
        let wish = self.wish(relation, column).inspect(|(i, _)| {
            used.insert(*i);
        });
        let refuse = |reason: &str| {
            let object = object(relation, &column.name);
            Err(Finding::new(Severity::Decision, object, reason).remedy(STAYS_IN_PLACE))
        };
        let shape = shape(&self.source.types, column.type_oid, column.typmod);
        let Some(from) = vector_of(&shape) else {
            let vector = |_: u32, ty: &crate::catalog::Type| {
                ty.vector
                    .is_some_and(|v| v != SourceType::Bit && v != SourceType::Varbit)
            };
            return match type_within(&self.source.types, column.type_oid, &vector) {
                Some(_) => refuse(
                    "it holds vectors inside of other values, which are not changed in place",
                ),
                None if wish.is_some() => refuse("--map names it, but it is not a vector"),
                None => Ok(None),
            };
        };
        let Some((to, why)) = self.target_type(relation, column, from, wish.map(|(_, to)| to))
        else {
            return Ok(None);
        };
        let (dims, array) = match &shape {
            Shape::Vector { dims, .. } => (*dims, false),
            Shape::Array { of, .. } => match **of {
                Shape::Vector { dims, .. } => (dims, true),
                _ => (None, true),
            },
            _ => (None, false),
        };
        if self.is_domain(column) {
            return refuse("it is of a domain over vectors, which is not changed in place");
        }
        if column.generated {
            return refuse("it is a generated column, whose expression is not changed in place");
        }
        if array {
            return refuse("it holds arrays of vectors, which no cast of the server converts");
        }
        match change(from, to, dims) {
            Ok(change) => Ok(Some((change, why))),
            Err(reason) => refuse(&reason),
        }
    }

    /// In a table that goes as text, a vector inside another value would have to be in that value's text.
    fn not_as_text(&self, relation: &Relation, columns: &[ColumnPlan]) -> Vec<Finding> {
        let Some(text) = columns.iter().find(|c| c.travel == Travel::Text) else {
            return Vec::new();
        };
        let inside = |c: &&ColumnPlan| c.travel.converts() && c.travel.vector().is_none();
        let finding = |c: &ColumnPlan| {
            let reason = format!(
                "it holds a vector inside, and column {} beside it can only go as text ({})",
                ident(&text.name),
                text.type_text
            );
            Finding::new(Severity::Decision, object(relation, &c.name), reason).remedy(NO_WAY)
        };
        columns.iter().filter(inside).map(finding).collect()
    }

    /// A domain, or an array of one.
    fn is_domain(&self, column: &Column) -> bool {
        let ty = |oid: &u32| self.source.types.get(oid);
        let own = ty(&column.type_oid);
        let element = own.and_then(|t| ty(&t.element));
        [own, element].into_iter().flatten().any(|t| t.kind == 'd')
    }

    fn wish(&self, relation: &Relation, column: &Column) -> Option<(usize, TargetType)> {
        let mappings = self.wishes.mappings.iter().enumerate();
        mappings
            .filter(|(_, m)| {
                let named = |r: &Relation| r.schema == m.schema && r.name == m.table;
                m.column == column.name && is_or_has_from(self.source, relation, &m.column, &named)
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
        let refuse = |reason: String, remedy: &str| {
            let object = object(relation, &column.name);
            Err(Finding::new(Severity::Decision, object, reason).remedy(remedy))
        };
        let shape = shape(&self.source.types, column.type_oid, column.typmod);
        let from = vector_of(&shape);
        if wish.is_some() && from.is_none() {
            return refuse(
                "--map names it, but it is not a vector".into(),
                "drop the --map",
            );
        }
        if wish.is_some() && self.is_domain(column) {
            return refuse(
                "--map names a column of a domain".into(),
                "a domain has one base type for all of its columns; drop the --map",
            );
        }
        let decided = from.map(|from| (from, self.target_type(relation, column, from, wish)));
        let (to, why) = match decided {
            Some((_, Some((to, why)))) => (Some(to), why),
            Some((from, None)) => (None, bits_stay(from)),
            None => (None, None),
        };
        let own = |_: SourceType| to;
        let usual = |from: SourceType| self.wishes.usual(from);
        let builder = Builder {
            types: &self.source.types,
            to: if from.is_some() { &own } else { &usual },
            column: &|table, column| self.of_column(table, column),
            finite_intervals: self.finite_intervals,
        };
        match builder.travel(&shape) {
            Ok(Travel::Text) => Ok((Travel::Text, why.or(Some(GOES_AS_TEXT.into())))),
            Ok(travel) => Ok((travel, why)),
            Err(reason) => refuse(
                reason,
                if from.is_some() {
                    "choose another type with --map; with --allow-findings the table is left out"
                } else {
                    NO_WAY
                },
            ),
        }
    }

    /// What a column of a table becomes, for values of the table's row type; the inner None for what stays.
    fn of_column(&self, table: u32, column: &str) -> Option<Option<TargetType>> {
        let relation = self.source.relation(table)?;
        let column = relation.columns.iter().find(|c| c.name == column)?;
        let from = vector_of(&shape(&self.source.types, column.type_oid, column.typmod))?;
        let wish = self.wish(relation, column).map(|(_, to)| to);
        Some(
            self.target_type(relation, column, from, wish)
                .map(|(to, _)| to),
        )
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
            (false, _, _) => self.wishes.usual(from).map(|to| (to, None)),
        }
    }
}

const NO_WAY: &str = "move this table by pg_dump, or drop or change the column first; with --allow-findings the table is left out";

const STAYS_IN_PLACE: &str =
    "change the column first; with --allow-findings its table stays as it is";

const GOES_AS_TEXT: &str =
    "no binary form means the same on another cluster: the table is copied as text";

fn object(relation: &Relation, column: &str) -> String {
    format!("column {}.{}", relation.display(), ident(column))
}

/// The vector that the value is, or that an array's elements are.
fn vector_of(shape: &Shape) -> Option<SourceType> {
    match shape {
        Shape::Vector { from, .. } => Some(*from),
        Shape::Array { of, .. } => match **of {
            Shape::Vector { from, .. } => Some(from),
            _ => None,
        },
        _ => None,
    }
}

fn bits_stay(from: SourceType) -> Option<String> {
    matches!(from, SourceType::Bit | SourceType::Varbit)
        .then(|| "stays a bit string: no bit index and no --map takes it for a vector".into())
}

/// Whether a table, or one that it has this column from, is the one that is asked for.
fn is_or_has_from(
    source: &Source,
    relation: &Relation,
    column: &str,
    asked: &impl Fn(&Relation) -> bool,
) -> bool {
    let mut above = relation.parents.iter().filter_map(|p| source.relation(*p));
    asked(relation)
        || above.any(|parent| {
            let has = parent.columns.iter().any(|c| c.name == column);
            has && is_or_has_from(source, parent, column, asked)
        })
}
