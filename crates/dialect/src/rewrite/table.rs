//! Tables: the types of the columns that change, and nothing else.
//!
//! In: a `CREATE TABLE` (or `CREATE FOREIGN TABLE`) entry, with the columns that change by the catalog. Out: the same statements
//! with those types edited. A default, check or generated expression that needs pgvector is not translated: it becomes a finding.

use super::written::written;
use super::{Draft, Statement, extension, mention};
use crate::syntax::{self, child, name, range};
use crate::types::{SourceType, TypeChange};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::BTreeMap;

const REMEDY: &str = "create the table by hand and copy with --schema-source existing, or drop the expression on the source";

pub(super) fn translate(draft: &mut Draft) {
    let mut missing = changes(draft);
    for (column, change) in missing.clone() {
        if let Some(refusal) = change.refusal() {
            draft.decide(
                format!("column {column} has {refusal}"),
                "map the column to another type with --map",
            );
        }
    }
    draft.each(|draft, statement| {
        let create = statement.root.children().find(|node| {
            matches!(
                node.kind(),
                SyntaxKind::CREATE_TABLE | SyntaxKind::CREATE_FOREIGN_TABLE
            )
        });
        if let Some(create) = create {
            table(draft, statement, &create, &mut missing);
        }
    });
    for column in missing.keys() {
        draft.decide(
            format!("column {column} is not in the statement that makes the table"),
            extension::BY_HAND,
        );
    }
    if draft.members().is_some() && !draft.left_out {
        draft.decide_members();
    }
}

/// The columns of this table that change, by name and in a fixed order.
fn changes(draft: &Draft) -> BTreeMap<String, TypeChange> {
    let Some(table) = draft.entry.object else {
        return BTreeMap::new();
    };
    let columns = draft.context.columns.get(&table.oid);
    columns.cloned().unwrap_or_default()
}

fn table(
    draft: &mut Draft,
    statement: &mut Statement,
    create: &SyntaxNode,
    missing: &mut BTreeMap<String, TypeChange>,
) {
    let changes = missing.clone();
    let Some(list) = child::<ast::TableArgList>(create) else {
        // A table OF a type, or a partition written by its parent: the columns are not in this statement.
        missing.clear();
        return;
    };
    for column in list.syntax().children().filter_map(ast::Column::cast) {
        let Some(column_name) = column.name().map(|node| name(node.syntax())) else {
            continue;
        };
        if let Some(change) = missing.remove(&column_name) {
            edit_column(draft, statement, &column, &column_name, change);
        }
    }
    if syntax::has(
        create,
        &[
            SyntaxKind::INHERITS,
            SyntaxKind::OF_TYPE,
            SyntaxKind::PARTITION_OF,
        ],
    ) {
        missing.clear();
    }
    expressions(draft, create, &changes);
}

/// A column whose type is a domain keeps it: the domain changes.
fn edit_column(
    draft: &mut Draft,
    statement: &mut Statement,
    column: &ast::Column,
    column_name: &str,
    change: TypeChange,
) {
    let Some(ty) = child::<ast::Type>(column.syntax()) else {
        return;
    };
    match written(&ty, &draft.context.vector_schema) {
        Some(found) if found.from == change.from && found.array == change.array => {
            statement
                .edits
                .replace(range(ty.syntax()), change.target_sql());
        }
        Some(found) => {
            let reason = format!(
                "column {column_name} is a {} in the dump and a {} in the catalog",
                found.from, change.from
            );
            draft.decide(reason, "run again: the table changed between the two");
        }
        None => {}
    }
    let default = child::<ast::DefaultConstraint>(column.syntax());
    if default.is_some()
        && draft.members().is_none()
        && written(&ty, &draft.context.vector_schema).is_some()
    {
        draft.decide(
            format!(
                "the default of column {column_name} is written for {}; not translated yet",
                change.from
            ),
            REMEDY,
        );
    }
}

/// Defaults, checks and generated expressions that need a member of pgvector, or that treat a column of bits as bits.
fn expressions(draft: &mut Draft, create: &SyntaxNode, changes: &BTreeMap<String, TypeChange>) {
    for clause in create
        .descendants()
        .filter(|node| is_expression(node.kind()))
    {
        let what = describe(&clause);
        if let Some(members) = draft.members()
            && let Some(member) =
                mention::member(&clause, &draft.context.vector_schema, Some(members))
        {
            draft.decide(
                format!("{what} uses {member} of pgvector; not translated yet"),
                draft.remedy(REMEDY),
            );
        } else if let Some(column) = uses_bits(&clause, changes) {
            draft.decide(
                format!("{what} uses column {column} as bits, and it becomes a vector"),
                REMEDY,
            );
        }
    }
}

fn is_expression(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::DEFAULT_CONSTRAINT
            | SyntaxKind::GENERATED_CONSTRAINT
            | SyntaxKind::CHECK_CONSTRAINT
            | SyntaxKind::EXCLUDE_CONSTRAINT
    )
}

fn describe(clause: &SyntaxNode) -> String {
    let column = clause
        .parent()
        .and_then(|parent| child::<ast::ColumnName>(&parent))
        .map(|column| name(column.syntax()));
    let constraint =
        syntax::first::<ast::ConstraintName>(clause).map(|constraint| name(constraint.syntax()));
    match (clause.kind(), column, constraint) {
        (SyntaxKind::DEFAULT_CONSTRAINT, Some(column), _) => {
            format!("the default of column {column}")
        }
        (SyntaxKind::GENERATED_CONSTRAINT, Some(column), _) => {
            format!("the generated column {column}")
        }
        (_, _, Some(constraint)) => format!("the constraint {constraint}"),
        (_, Some(column), None) => format!("a constraint of column {column}"),
        (_, None, None) => "a constraint".to_owned(),
    }
}

/// A column of bits that an expression names and that becomes a vector. For the types of pgvector the catalog answers this.
fn uses_bits(clause: &SyntaxNode, changes: &BTreeMap<String, TypeChange>) -> Option<String> {
    syntax::all::<ast::NameRef>(clause)
        .map(|node| name(node.syntax()))
        .find(|column| {
            changes
                .get(column)
                .is_some_and(|change| matches!(change.from, SourceType::Bit | SourceType::Varbit))
        })
}
