//! Where a statement speaks of pgvector.
//!
//! In: a tree and the schema that pgvector lives in. Out: its types, which only pgvector can own in that schema, and its
//! functions and operators, which other extensions may have under the same name: for those the catalog's list of members decides
//! where there is one.

use crate::syntax::{name, path, range};
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
    let path: Option<ast::PathRef> = ty.syntax().children().find_map(ast::PathRef::cast);
    match crate::syntax::path(path?.syntax()).as_slice() {
        [qualifier, name] if qualifier == schema => SourceType::of_extension(name),
        _ => None,
    }
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

/// The first type, function or operator of pgvector under a node. `listed` is what the catalog says the object needs.
pub(super) fn member(root: &SyntaxNode, schema: &str, listed: Option<&[String]>) -> Option<String> {
    let used = |name: &str, known: &[&str]| match listed {
        Some(listed) => listed.iter().any(|member| is_named(member, name)),
        None => known.contains(&name),
    };
    root.descendants().find_map(|node| match node.kind() {
        SyntaxKind::PATH_TYPE => {
            let name = of_extension(&ast::PathType::cast(node)?, schema)?;
            Some(format!("the type {schema}.{name}"))
        }
        SyntaxKind::CALL_EXPR => {
            let function = function(&node, schema)?;
            used(&function, FUNCTIONS).then(|| format!("the function {schema}.{function}"))
        }
        SyntaxKind::OP => {
            let operator = operator(&node, schema)?;
            used(&operator, OPERATORS).then(|| format!("the operator {schema}.{operator}"))
        }
        _ => None,
    })
}

/// Whether a description (`operator public.<->(…)`, unqualified where the schema was on the search_path) is of this name.
fn is_named(member: &str, name: &str) -> bool {
    member
        .split_once('(')
        .is_some_and(|(description, _)| description.rsplit(['.', ' ']).next() == Some(name))
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

/// The operator in `OPERATOR(schema.op)`.
fn operator(node: &SyntaxNode, schema: &str) -> Option<String> {
    let qualifier = node.descendants().find_map(ast::PathRef::cast)?;
    // The path ends in a dot, which the tree counts as one more, empty part.
    let parts = path(qualifier.syntax());
    if parts.first().is_none_or(|part| part != schema) || parts.len() > 2 {
        return None;
    }
    let text = node.text().to_string();
    let inner = text.rsplit_once('.')?.1;
    Some(inner.trim_end_matches(')').trim().to_owned())
}

const FUNCTIONS: &[&str] = &[
    "l2_distance",
    "inner_product",
    "cosine_distance",
    "l1_distance",
    "hamming_distance",
    "jaccard_distance",
    "vector_dims",
    "vector_norm",
    "l2_norm",
    "l2_normalize",
    "binary_quantize",
    "subvector",
    "avg",
    "sum",
];

const OPERATORS: &[&str] = &[
    "<->", "<#>", "<=>", "<+>", "<~>", "<%>", "+", "-", "*", "||", "<", "<=", "=", "<>", ">=", ">",
];
