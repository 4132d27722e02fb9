//! Tables: the types of the columns that change, and the expressions that need pgvector.
//!
//! In: a `CREATE TABLE` (or `CREATE FOREIGN TABLE`) entry, with the columns that change by the catalog. Out: the same statements
//! with those types edited, and with defaults, checks and generated expressions in the target's words. A default or check that
//! cannot be said is left out with a finding; a table with such a generated column is left out whole.

use super::words::{Place, Words};
use super::written::written;
use super::{Draft, Statement, extension};
use crate::syntax::{self, Edits, child, name, range};
use crate::types::TypeChange;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::BTreeMap;
use std::ops::Range;

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
    expressions(draft, statement, create, &changes);
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
}

/// Defaults, checks and generated expressions.
fn expressions(
    draft: &mut Draft,
    statement: &mut Statement,
    create: &SyntaxNode,
    changes: &BTreeMap<String, TypeChange>,
) {
    let clauses = create
        .descendants()
        .filter(|node| is_expression(node.kind()));
    for clause in clauses.collect::<Vec<_>>() {
        let place = match clause.kind() {
            SyntaxKind::GENERATED_CONSTRAINT => Place::Immutable,
            _ => Place::Check,
        };
        let words = draft.words(&statement.root, place);
        let of_value = matches!(
            clause.kind(),
            SyntaxKind::DEFAULT_CONSTRAINT | SyntaxKind::GENERATED_CONSTRAINT
        );
        let change = column_of(&clause)
            .and_then(|column| changes.get(&column))
            .filter(|_| of_value);
        self::clause(draft, statement, &clause, words, change.copied());
    }
    if let Some(by) = child::<ast::PartitionBy>(create) {
        let mut words = draft.words(&statement.root, Place::Immutable);
        words.edit(by.syntax(), &mut statement.edits);
        draft.take(words);
    }
}

/// One clause. What cannot be said is left out of the statement, but for a generated column: its values are copied by nobody.
pub(super) fn clause(
    draft: &mut Draft,
    statement: &mut Statement,
    clause: &SyntaxNode,
    mut words: Words,
    change: Option<TypeChange>,
) {
    let mut edits = Edits::default();
    match (
        change,
        clause
            .descendants()
            .find(|part| ast::Expr::can_cast(part.kind())),
    ) {
        (Some(change), Some(value)) => words.assign(&value, change, &mut edits),
        _ => words.edit(clause, &mut edits),
    }
    let what = describe(clause);
    for note in &words.notes {
        draft.note(format!("{what} {note}"), "");
    }
    if words.can_be_said() {
        return statement.edits.extend(edits);
    }
    for problem in words.problems.iter().chain(&words.unclear) {
        let reason = format!("{what} {problem}");
        if clause.kind() == SyntaxKind::GENERATED_CONSTRAINT {
            draft.decide(reason, REMEDY);
        } else {
            let remedy =
                "add it by hand on the target, or run with --allow-findings to go without it";
            draft.lose(format!("{reason}; it is left out"), remedy);
        }
    }
    statement.edits.replace(with_separator(clause), "");
}

/// A clause with the blank before it, or the comma of the list that it is an element of.
fn with_separator(clause: &SyntaxNode) -> Range<usize> {
    let own = range(clause);
    match (clause.prev_sibling(), clause.next_sibling()) {
        (Some(before), _) => range(&before).end..own.end,
        (None, Some(after)) => own.start..range(&after).start,
        (None, None) => own,
    }
}

pub(super) fn is_expression(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::DEFAULT_CONSTRAINT
            | SyntaxKind::GENERATED_CONSTRAINT
            | SyntaxKind::CHECK_CONSTRAINT
    )
}

/// The column whose definition holds a clause.
fn column_of(clause: &SyntaxNode) -> Option<String> {
    let parent = clause.parent()?;
    child::<ast::ColumnName>(&parent).map(|column| name(column.syntax()))
}

fn describe(clause: &SyntaxNode) -> String {
    let column = column_of(clause);
    let constraint =
        syntax::first::<ast::ConstraintName>(clause).map(|constraint| name(constraint.syntax()));
    match (clause.kind(), column, constraint) {
        (SyntaxKind::DEFAULT_CONSTRAINT, Some(column), _) => {
            format!("the default of column {column}")
        }
        (SyntaxKind::DEFAULT_CONSTRAINT, None, _) => "the default".to_owned(),
        (SyntaxKind::GENERATED_CONSTRAINT, Some(column), _) => {
            format!("the generated column {column}")
        }
        (_, _, Some(constraint)) => format!("the constraint {constraint}"),
        (_, Some(column), None) => format!("a constraint of column {column}"),
        (_, None, None) => "a constraint".to_owned(),
    }
}
