//! Domains over vector types: the base type.
//!
//! In: a `CREATE DOMAIN` entry. Out: the same with its base type edited. A default or a check that needs pgvector is a finding.

use super::written::written;
use super::{Draft, extension, mention};
use crate::syntax::{self, child, range};
use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{self, AstNode};

pub(super) fn translate(draft: &mut Draft) {
    let change = draft
        .entry
        .object
        .and_then(|object| draft.context.domains.get(&object.oid))
        .copied();
    let Some(change) = change else {
        if draft.members().is_some() {
            draft.decide_members();
        }
        return draft.each(|_, _| {});
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
        expressions(draft, domain.syntax());
    });
    if !edited && !draft.left_out {
        draft.decide(
            format!("is not a domain over {} in the dump", change.from),
            "run again: the domain changed in between",
        );
    }
}

/// Checks and defaults speak of the value as pgvector knows it.
fn expressions(draft: &mut Draft, domain: &squawk_syntax::SyntaxNode) {
    let schema = &draft.context.vector_schema;
    for clause in domain.descendants() {
        let what = match clause.kind() {
            SyntaxKind::CHECK_CONSTRAINT => "a check",
            SyntaxKind::DEFAULT_CONSTRAINT => "the default",
            _ => continue,
        };
        let is_default = clause.kind() == SyntaxKind::DEFAULT_CONSTRAINT;
        if let Some(member) = mention::member(&clause, schema, None) {
            draft.decide(
                format!("{what} uses {member} of pgvector; not translated yet"),
                draft.remedy(extension::BY_HAND),
            );
        } else if is_default
            || syntax::has(&clause, &[SyntaxKind::CUSTOM_OP, SyntaxKind::OPERATOR_CALL])
        {
            draft.decide(
                format!("{what} may be written for the source's type; not translated yet"),
                extension::BY_HAND,
            );
        }
    }
}
