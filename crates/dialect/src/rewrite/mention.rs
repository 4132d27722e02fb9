//! Where a statement speaks of pgvector.
//!
//! In: a tree and the schema that pgvector lives in. Out: its types, which only pgvector can own in that schema, and its
//! functions and operators, which other extensions may have under the same name: for those the catalog's list of members decides
//! where there is one.

use crate::syntax::{Edits, name, path, range};
use crate::types::SourceType;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::ops::Range;

/// Every mention of a type of pgvector, with its name.
pub(super) fn types(
    root: &SyntaxNode,
    schema: &str,
) -> impl Iterator<Item = (Range<usize>, SourceType)> {
    root.descendants().filter_map(move |node| {
        let ast = ast::PathType::cast(node.clone())?;
        Some((range(&node), of_extension(&ast, schema)?))
    })
}

/// The type of pgvector that a type node names, if it does.
pub(super) fn of_extension(ty: &ast::PathType, schema: &str) -> Option<SourceType> {
    match path_of(ty)?.as_slice() {
        [qualifier, name] if qualifier == schema => SourceType::of_extension(name),
        _ => None,
    }
}

/// The parts of the name of a type.
pub(super) fn path_of(ty: &ast::PathType) -> Option<Vec<String>> {
    let path = ty.syntax().children().find_map(ast::PathRef::cast)?;
    Some(crate::syntax::path(path.syntax()))
}

/// Whether a text that could not be parsed may mention a type of pgvector.
pub(super) fn in_text(text: &str, schema: &str) -> bool {
    ["vector", "halfvec", "sparsevec"].iter().any(|name| {
        [
            format!("{schema}.{name}"),
            format!("\"{schema}\".{name}"),
            format!(".\"{name}\""),
        ]
        .iter()
        .any(|word| text.contains(word.as_str()))
    })
}

/// A function, operator or operator class of pgvector that a statement names where no expression stands, outside of what is
/// edited: `SFUNC = public.vector_add`. `members` is what the catalog says the object needs.
pub(super) fn left(
    root: &SyntaxNode,
    schema: &str,
    members: &[String],
    edits: &Edits,
) -> Option<String> {
    let named = root.descendants().filter_map(|node| {
        let parent = node.parent()?.kind();
        match node.kind() {
            SyntaxKind::PATH_REF
                if !matches!(
                    parent,
                    SyntaxKind::RELATION_NAME_REF
                        | SyntaxKind::TABLE_NAME_REF
                        | SyntaxKind::VIEW_REF
                        | SyntaxKind::INDEX_REF
                        | SyntaxKind::SEQUENCE_REF
                        | SyntaxKind::DOMAIN_REF
                        | SyntaxKind::STATISTICS_REF
                        | SyntaxKind::PATH_REF
                        | SyntaxKind::OP
                ) =>
            {
                match path(&node).as_slice() {
                    [qualifier, name] if qualifier == schema => Some((range(&node), name.clone())),
                    _ => None,
                }
            }
            SyntaxKind::OP if parent != SyntaxKind::OPERATOR_CALL => {
                let text = node.text().to_string();
                let (_, operator) = text.rsplit_once('.')?;
                Some((range(&node), operator.trim().to_owned()))
            }
            _ => None,
        }
    });
    let mut named = named.filter(|(range, _)| !edits.cover(range));
    let is_listed = |name: &str| {
        members.iter().any(|member| {
            !member.starts_with("type ")
                && (is_named(member, name)
                    || member.contains(&format!(".{name} for access method")))
        })
    };
    named
        .find(|(_, name)| is_listed(name))
        .map(|(_, name)| name)
}

/// Whether a description (`operator public.<->(…)`, unqualified where the schema was on the search_path) is of this name.
pub(super) fn is_named(member: &str, name: &str) -> bool {
    member
        .split_once('(')
        .is_some_and(|(description, _)| description.rsplit(['.', ' ']).next() == Some(name))
}

/// Whether what a description describes is in a schema, or in one that the description does not tell.
pub(super) fn is_in(member: &str, name: &str, schema: &str) -> bool {
    let described = member
        .split_once('(')
        .map_or(member, |(described, _)| described);
    let Some(qualified) = described.strip_suffix(name) else {
        return false;
    };
    let quoted = format!("\"{}\".", schema.replace('"', "\"\""));
    !qualified.ends_with('.')
        || qualified.ends_with(&format!(" {schema}."))
        || qualified.ends_with(&quoted)
}

/// The name of the function that a call calls, if it is qualified with this schema.
pub(super) fn function(call: &SyntaxNode, schema: &str) -> Option<String> {
    let callee = ast::FieldExpr::cast(call.first_child()?)?;
    let parts: Vec<String> = callee
        .syntax()
        .children()
        .filter_map(ast::NameRef::cast)
        .map(|part| name(part.syntax()))
        .collect();
    match parts.as_slice() {
        [qualifier, function] if qualifier == schema => Some(function.clone()),
        _ => None,
    }
}
