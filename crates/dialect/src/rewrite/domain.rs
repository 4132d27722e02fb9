//! Domains: the base type, where it is a vector, and what is said about the value.
//!
//! In: a `CREATE DOMAIN` entry. Out: the same with its base type edited, and its default and checks in the target's words.

use super::words::{Kind, Place};
use super::written::written;
use super::{Draft, Statement, extension, table};
use crate::syntax::{child, range};
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

pub(super) fn translate(draft: &mut Draft) {
    let change = draft
        .entry
        .object
        .and_then(|object| draft.context.domains.get(&object.oid))
        .copied();
    let Some(change) = change else {
        return draft.each(|draft, statement| {
            if let Some(domain) = statement.root.children().find_map(ast::CreateDomain::cast) {
                expressions(draft, statement, domain.syntax(), Kind::Unknown);
            }
        });
    };
    if let Some(refusal) = change.refusal() {
        draft.decide(format!("has {refusal}"), extension::BY_HAND);
    }
    let mut edited = false;
    draft.each(|draft, statement| {
        let Some(domain) = statement.root.children().find_map(ast::CreateDomain::cast) else {
            return;
        };
        let ty = child::<ast::Type>(domain.syntax());
        let matching = ty.filter(|ty| {
            written(ty, &draft.context.vector_schema)
                .is_some_and(|found| found.from == change.from && found.array == change.array)
        });
        if let Some(ty) = matching {
            statement
                .edits
                .replace(range(ty.syntax()), change.target_sql());
            edited = true;
        }
        let kind = match change.array {
            true => Kind::Other,
            false => Kind::Vector(change.to),
        };
        expressions(draft, statement, domain.syntax(), kind);
    });
    if !edited && !draft.left_out {
        draft.decide(
            format!("is not a domain over {} in the dump", change.from),
            "run again: the domain changed in between",
        );
    }
}

/// A check or default that cannot be said is left out, and the domain comes without it.
fn expressions(draft: &mut Draft, statement: &mut Statement, domain: &SyntaxNode, kind: Kind) {
    for clause in domain
        .children()
        .filter(|clause| table::is_expression(clause.kind()))
    {
        let mut words = draft.words(&statement.root, Place::Check);
        words.know("value", kind);
        table::clause(draft, statement, &clause, words, None);
    }
}
