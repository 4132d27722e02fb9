//! Composite types: the attributes that change.
//!
//! In: a `TYPE` entry, with the attributes that change by the catalog. Out: the same with their types edited, and with every other
//! type of pgvector as it usually becomes. Ranges and enums pass here too.

use super::extension::BY_HAND;
use super::words::Place;
use super::written::written;
use super::{Draft, Statement, mention};
use crate::syntax::{all, child, first, name, range};
use squawk_syntax::ast::{self, AstNode};

pub(super) fn translate(draft: &mut Draft) {
    draft.each(|draft, statement| {
        let is_range = first::<ast::RangeType>(&statement.root).is_some();
        let of_vectors = mention::types(&statement.root, &draft.context.vector_schema)
            .next()
            .is_some();
        if is_range && of_vectors && !draft.context.real_array {
            draft.decide(
                "is a range of vectors, and PGVecto.rs has no order of them",
                BY_HAND,
            );
        }
        attributes(draft, statement);
        let mut words = draft.words(&statement.root, Place::Query);
        words.edit(&statement.root, &mut statement.edits);
        draft.take(words);
    });
}

fn attributes(draft: &mut Draft, statement: &mut Statement) {
    let changes = draft
        .entry
        .object
        .and_then(|object| draft.context.attributes.get(&object.oid));
    for field in all::<ast::CompositeFieldDef>(&statement.root) {
        let attribute: Option<ast::CompositeField> = child(field.syntax());
        let ty: Option<ast::Type> = child(field.syntax());
        let (Some(attribute), Some(ty), Some(changes)) = (attribute, ty, changes) else {
            continue;
        };
        let Some(change) = changes.get(&name(attribute.syntax())) else {
            continue;
        };
        if let Some(refusal) = change.refusal() {
            draft.decide(
                format!("attribute {} has {refusal}", name(attribute.syntax())),
                BY_HAND,
            );
        }
        if written(&ty, &draft.context.vector_schema).is_some() {
            statement
                .edits
                .replace(range(ty.syntax()), change.target_sql());
        }
    }
}
