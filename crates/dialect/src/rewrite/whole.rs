//! Objects whose text is translated as a whole: views, rules, policies, triggers, checks that stand alone, and whatever else may
//! name a member of pgvector.
//!
//! In: an entry, with the members that the catalog lists for it. Out: its statements with every expression and type in PGVecto.rs's
//! words. What cannot be said is a finding, and the object is left out.

use super::words::{Kind, Place, Words};
use super::{Draft, Statement, extension, mention};
use crate::syntax::{all, child, name, path};
use crate::types::TargetType;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

pub(super) fn translate(draft: &mut Draft) {
    let place = match draft.entry.kind.as_str() {
        "INDEX" | "STATISTICS" => Place::Immutable,
        "TRIGGER" | "CHECK CONSTRAINT" | "CONSTRAINT" | "DEFAULT" | "DOMAIN CONSTRAINT" => {
            Place::Check
        }
        _ => Place::Query,
    };
    if draft.entry.kind.starts_with("OPERATOR ")
        && mention::in_text(&draft.statements.concat(), &draft.context.vector_schema)
    {
        return draft.decide(
            "is made for a type of pgvector, and PGVecto.rs has no functions to order or hash vectors by",
            extension::BY_HAND,
        );
    }
    draft.each(|draft, statement| {
        let mut words = draft.words(&statement.root, place);
        default(draft, &mut words, statement);
        statistics(draft, &words, statement);
        words.edit(&statement.root, &mut statement.edits);
        if is_definition(&statement.root) {
            words.unnamed_order();
        }
        draft.take(words);
    });
    keys(draft);
}

/// `ALTER TABLE t ALTER COLUMN c SET DEFAULT …` of a column that changes.
fn default(draft: &Draft, words: &mut Words, statement: &mut Statement) {
    let Some(alter) = all::<ast::AlterColumn>(&statement.root).next() else {
        return;
    };
    let table = all::<ast::TableNameRef>(&statement.root)
        .next()
        .map(|table| path(table.syntax()));
    let column = child::<ast::ColumnNameRef>(alter.syntax()).map(|column| name(column.syntax()));
    let (Some([schema, table]), Some(column)) = (table.as_deref(), column) else {
        return;
    };
    let context = draft.context;
    let oid = context.relations.get(&(schema.clone(), table.clone()));
    let change = oid.and_then(|oid| context.columns.get(oid)?.get(&column));
    let set = child::<ast::SetDefault>(alter.syntax());
    let value = set.and_then(|set| {
        set.syntax()
            .children()
            .find(|value| ast::Expr::can_cast(value.kind()))
    });
    if let (Some(change), Some(value)) = (change, value) {
        words.assign(&value, *change, &mut statement.edits);
    }
}

/// `CREATE STATISTICS … ON g, v`: values are counted by their order.
fn statistics(draft: &mut Draft, words: &Words, statement: &Statement) {
    let on = statement
        .root
        .descendants()
        .find(|node| node.kind() == SyntaxKind::STATISTICS_ON_CLAUSE);
    let unordered = |value: SyntaxNode| matches!(words.kind(&value), Kind::Vector(to) if to != TargetType::RealArray);
    if on.is_some_and(|on| on.children().any(unordered)) {
        draft.decide(
            "counts the values of a column of vectors, and PGVecto.rs has no order of vectors to do it by",
            extension::BY_HAND,
        );
    }
}

/// The statement that makes the object, not one that gives it an owner.
fn is_definition(root: &SyntaxNode) -> bool {
    let is_alter = |kind| {
        matches!(
            kind,
            SyntaxKind::ALTER_VIEW | SyntaxKind::ALTER_MATERIALIZED_VIEW | SyntaxKind::COMMENT_ON
        )
    };
    !root.children().any(|node| is_alter(node.kind()))
}

/// A primary key, unique or exclusion constraint over vectors names no operator class.
fn keys(draft: &mut Draft) {
    let class = draft.members().and_then(|members| {
        members
            .iter()
            .find(|member| member.starts_with("operator class "))
    });
    if let (Some(class), "CONSTRAINT") = (class, draft.entry.kind.as_str()) {
        let class = class.trim_start_matches("operator class ");
        draft.decide(
            format!("is a key over {class} of pgvector, and PGVecto.rs has no order or equality of vectors"),
            extension::BY_HAND,
        );
    }
}

impl<'a> Draft<'a> {
    /// A translator of this object's text, which knows the relations and parameters that the statement names.
    pub(super) fn words(&self, root: &SyntaxNode, place: Place) -> Words<'a> {
        let doubles = self
            .entry
            .object
            .and_then(|object| self.context.doubles.get(&object));
        let mut words = Words::listed(
            self.context,
            self.members().unwrap_or_default(),
            doubles.map_or(&[], Vec::as_slice),
            place,
        );
        if let Some(object) = self.entry.object {
            words.over(object.oid);
        }
        words.look_around(root);
        parameters(&mut words, root);
        words
    }

    /// What a translator found, as findings.
    pub(super) fn take(&mut self, words: Words) {
        for note in &words.notes {
            self.note(note.as_str(), "");
        }
        if words.shows_distance && words.can_be_said() && self.entry.kind.ends_with("VIEW") {
            self.note(
                "shows a distance, cast to the type that it has in pgvector: an order by that column of the view uses no vector index",
                "order by the operator itself where an index is wanted",
            );
        }
        for problem in words.problems.iter().chain(&words.unclear) {
            self.decide(problem.as_str(), extension::BY_HAND);
        }
    }
}

/// The parameters of a function, by name and by number.
pub(super) fn parameters(words: &mut Words, root: &SyntaxNode) {
    let is_routine = |kind| {
        matches!(
            kind,
            SyntaxKind::CREATE_FUNCTION | SyntaxKind::CREATE_PROCEDURE
        )
    };
    let Some(routine) = root.children().find(|node| is_routine(node.kind())) else {
        return;
    };
    let Some(list) = child::<ast::ParamList>(&routine) else {
        return;
    };
    let mut kinds = Vec::new();
    for param in all::<ast::Param>(list.syntax()) {
        let kind =
            child::<ast::Type>(param.syntax()).map_or(Kind::Unknown, |ty| words.type_kind(&ty));
        if let Some(named) = child::<ast::ParamName>(param.syntax()) {
            words.know(&name(named.syntax()), kind);
        }
        kinds.push(kind);
    }
    words.number(kinds);
}
