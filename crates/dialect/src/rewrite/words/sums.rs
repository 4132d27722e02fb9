//! Distances as sums over arrays.
//!
//! In: two operands of a distance that no operator of the target measures: the taxicab distance, or any over `real[]`. Out: the same
//! number by a subquery over both arrays, of pgvector's type. No index helps it, and a check or a generated column cannot hold it.

use super::kinds::Kind;
use super::{Place, Words, bare, casts, literals, operand};
use crate::types::TargetType;
use squawk_syntax::SyntaxNode;

/// By the operator: what is summed up. `x` and `y` are the numbers of the operands.
const SUMS: &[(&str, &str)] = &[
    (
        "<->",
        "pg_catalog.sqrt(pg_catalog.sum((e.x::double precision - e.y) ^ 2))",
    ),
    ("<#>", "- pg_catalog.sum(e.x::double precision * e.y)"),
    (
        "<=>",
        // NaN beside a vector of zeros, as in pgvector: NULL is neither above a threshold nor below it, NaN is above each.
        "1 - pg_catalog.sum(e.x::double precision * e.y) / CASE pg_catalog.sum(e.x::double precision ^ 2) * pg_catalog.sum(e.y::double precision ^ 2) WHEN 0 THEN 'NaN' ELSE pg_catalog.sqrt(pg_catalog.sum(e.x::double precision ^ 2) * pg_catalog.sum(e.y::double precision ^ 2)) END",
    ),
    (
        "<+>",
        "pg_catalog.sum(pg_catalog.abs(e.x::double precision - e.y))",
    ),
];

/// Whether no operator measures these operands.
pub(super) fn needed(words: &Words, operator: &str, operands: [&SyntaxNode; 2]) -> bool {
    let is_array =
        |operand: &&SyntaxNode| words.kind(operand) == Kind::Vector(TargetType::RealArray);
    operator == "<+>"
        || operands.iter().any(is_array)
        || (words.real_array() && !matches!(operator, "<~>" | "<%>"))
}

pub(super) fn distance(
    words: &mut Words,
    operator: &str,
    operands: [&SyntaxNode; 2],
) -> Option<String> {
    let sum = SUMS
        .iter()
        .find(|(name, _)| *name == operator)
        .map(|(_, sum)| sum);
    let Some(sum) = sum.filter(|_| words.place == Place::Query) else {
        let target = if words.real_array() {
            "real[]"
        } else {
            "PGVecto.rs"
        };
        words.cannot(format!(
            "uses the distance {operator} of pgvector, which {target} has not"
        ));
        return None;
    };
    words.note(format!("measures with {operator} over arrays of the numbers, since the target has no operator for it"));
    let [left, right] = operands.map(|operand| numbers(words, operand));
    Some(format!(
        "(SELECT {sum} FROM ROWS FROM (pg_catalog.unnest({left}), pg_catalog.unnest({right})) AS e(x, y))"
    ))
}

/// The Euclidean norm of an array.
pub(super) fn norm(words: &mut Words, function: &str, vector: &SyntaxNode) -> Option<String> {
    if words.place != Place::Query {
        words.cannot(format!(
            "calls {function} of pgvector, which real[] has not"
        ));
        return None;
    }
    let array = numbers(words, vector);
    Some(format!(
        "(SELECT pg_catalog.sqrt(pg_catalog.sum(e.x::double precision ^ 2)) FROM pg_catalog.unnest({array}) AS e(x))"
    ))
}

/// An operand as an array of real.
fn numbers(words: &mut Words, node: &SyntaxNode) -> String {
    let kind = words.kind(node);
    let inner = bare(node);
    let literal = literals::string(&inner)
        .and_then(|value| literals::vector(&value, false, TargetType::RealArray));
    if let (Kind::Literal, Some(literal)) = (kind, literal) {
        return format!("{literal}::real[]");
    }
    let said = words.say(node);
    let text = operand(node, said);
    match kind {
        Kind::Vector(of) => casts::as_array(of, text),
        _ => format!("{text}::real[]"),
    }
}
