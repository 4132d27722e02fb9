//! NOT NULL constraints as PostgreSQL 18 writes them, for a target that knows only the column's flag.
//!
//! In: `CONSTRAINT c NOT NULL a` in a table or added to one, with `NO INHERIT` or `NOT VALID`. Out: the flag where it says the same,
//! else a check that does. Before 18 the name of a NOT NULL is not kept.

use super::{Draft, Statement};
use crate::syntax::{child, first, name, path, range};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::iter::successors;
use std::ops::Range;

pub(super) fn edit(draft: &mut Draft, statement: &mut Statement) {
    let constraints: Vec<SyntaxNode> = statement
        .root
        .descendants()
        .filter(|node| node.kind() == SyntaxKind::NOT_NULL_CONSTRAINT)
        .collect();
    for constraint in constraints {
        forget(draft, &statement.root, &constraint);
        let Some(parent) = constraint.parent() else {
            continue;
        };
        match parent.kind() {
            SyntaxKind::COLUMN => of_column(draft, statement, &constraint, &parent),
            SyntaxKind::TABLE_ARG_LIST => of_table(draft, statement, &constraint, &parent),
            SyntaxKind::ADD_CONSTRAINT => added(draft, statement, &constraint, &parent),
            _ => {}
        }
    }
}

/// Remembers the name of a constraint that becomes a flag: a comment on it would find nothing.
fn forget(draft: &mut Draft, root: &SyntaxNode, constraint: &SyntaxNode) {
    let becomes_check =
        is(constraint, SyntaxKind::NO_INHERIT) || is(constraint, SyntaxKind::NOT_VALID);
    let constraint: Option<ast::ConstraintName> = first(constraint);
    let table = root.descendants().find(|node| {
        matches!(
            node.kind(),
            SyntaxKind::TABLE_NAME | SyntaxKind::TABLE_NAME_REF
        )
    });
    if let (Some(constraint), Some(table), false) = (constraint, table, becomes_check) {
        let mut parts = path(&table);
        parts.push(name(constraint.syntax()));
        draft.unnamed.push(parts);
    }
}

/// `a integer CONSTRAINT c NOT NULL NO INHERIT`: the flag would reach the children, a check need not.
fn of_column(
    draft: &mut Draft,
    statement: &mut Statement,
    constraint: &SyntaxNode,
    column: &SyntaxNode,
) {
    if !is(constraint, SyntaxKind::NO_INHERIT) {
        return;
    }
    let Some(column) = child::<ast::ColumnName>(column) else {
        return;
    };
    statement.edits.replace(
        range(constraint),
        check(constraint, column.syntax(), " NO INHERIT"),
    );
    note_check(draft, column.syntax(), "NO INHERIT");
}

/// `CONSTRAINT c NOT NULL a` between the columns: it moves to its column, or follows the table where the column is inherited.
fn of_table(
    draft: &mut Draft,
    statement: &mut Statement,
    constraint: &SyntaxNode,
    list: &SyntaxNode,
) {
    let Some(column) = child::<ast::ColumnNameRef>(constraint) else {
        return;
    };
    if is(constraint, SyntaxKind::NO_INHERIT) {
        statement.edits.replace(
            range(constraint),
            check(constraint, column.syntax(), " NO INHERIT"),
        );
        return note_check(draft, column.syntax(), "NO INHERIT");
    }
    statement.edits.replace(with_comma(constraint), "");
    let own = list.children().filter_map(ast::Column::cast).find(|own| {
        own.name()
            .is_some_and(|own| name(own.syntax()) == name(column.syntax()))
    });
    match (own, table(&statement.root)) {
        (Some(own), _) => {
            statement.edits.insert(
                range(own.syntax()).end,
                format!(" {}NOT NULL", named(constraint)),
            );
        }
        (None, Some(table)) => {
            statement.then.push(format!(
                "ALTER TABLE ONLY {table} ALTER COLUMN {} SET NOT NULL",
                column.syntax().text()
            ));
        }
        (None, None) => {}
    }
}

/// `ALTER TABLE t ADD CONSTRAINT c NOT NULL a NOT VALID`: a check can be unproven, the flag cannot.
fn added(
    draft: &mut Draft,
    statement: &mut Statement,
    constraint: &SyntaxNode,
    action: &SyntaxNode,
) {
    let Some(column) = child::<ast::ColumnNameRef>(constraint) else {
        return;
    };
    let column = column.syntax();
    let mut options = String::new();
    for (kind, words) in [
        (SyntaxKind::NO_INHERIT, " NO INHERIT"),
        (SyntaxKind::NOT_VALID, " NOT VALID"),
    ] {
        if is(constraint, kind) {
            options.push_str(words);
        }
    }
    if options.is_empty() {
        statement.edits.replace(
            range(action),
            format!("ALTER COLUMN {} SET NOT NULL", column.text()),
        );
    } else {
        statement
            .edits
            .replace(range(constraint), check(constraint, column, &options));
        note_check(draft, column, options.trim());
    }
}

fn note_check(draft: &mut Draft, column: &SyntaxNode, option: &str) {
    let column = name(column);
    draft.note(format!("NOT NULL {option} of column {column} becomes a check, since the target has no such NOT NULL"), "");
}

/// `CONSTRAINT c CHECK (a IS NOT NULL)`
fn check(constraint: &SyntaxNode, column: &SyntaxNode, options: &str) -> String {
    format!(
        "{}CHECK (({} IS NOT NULL)){options}",
        named(constraint),
        column.text()
    )
}

/// `CONSTRAINT c ` as it is written, or nothing.
fn named(constraint: &SyntaxNode) -> String {
    child::<ast::ConstraintNameClause>(constraint)
        .map_or_else(String::new, |clause| format!("{} ", clause.syntax().text()))
}

fn is(constraint: &SyntaxNode, kind: SyntaxKind) -> bool {
    constraint.children().any(|option| option.kind() == kind)
}

/// The name of the table that a statement makes, as it is written.
fn table(root: &SyntaxNode) -> Option<String> {
    first::<ast::TableName>(root).map(|name| name.syntax().text().to_string())
}

/// An element of a list with the comma that is one too many without it: the one before it, or the one after it where only removed
/// elements stand before it.
fn with_comma(element: &SyntaxNode) -> Range<usize> {
    let is_kept = |sibling: &SyntaxNode| {
        sibling.kind() != SyntaxKind::NOT_NULL_CONSTRAINT || is(sibling, SyntaxKind::NO_INHERIT)
    };
    let kept_before = successors(element.prev_sibling(), SyntaxNode::prev_sibling)
        .any(|sibling| is_kept(&sibling));
    let own = range(element);
    match (element.prev_sibling(), element.next_sibling()) {
        (Some(before), _) if kept_before => range(&before).end..own.end,
        (_, Some(after)) => own.start..range(&after).start,
        _ => own,
    }
}
