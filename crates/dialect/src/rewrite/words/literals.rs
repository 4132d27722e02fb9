//! Literals of vector types.
//!
//! In: a string literal as it stands in the text, and the type that it has to have on the target. Out: the same value as that
//! type's input function reads it. Dense vectors are written alike on both sides; sparse ones count from 1 in pgvector and
//! from 0 in PGVecto.rs; a bvector is written like a dense vector.

use crate::types::TargetType;
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

/// The string of a literal, if it is one; bits written `B'101'` as well.
pub(super) fn string(node: &SyntaxNode) -> Option<String> {
    let literal = ast::Literal::cast(node.clone())?;
    let text = node.text().to_string();
    match text
        .strip_prefix(['b', 'B'])
        .and_then(|bits| bits.strip_prefix('\''))
    {
        Some(bits) => Some(bits.trim_end_matches('\'').to_owned()),
        None if is_null(node) || text.starts_with(|c: char| c.is_ascii_digit() || c == '.') => None,
        None => literal
            .string_value()
            .filter(|_| text.contains(['\'', '$'])),
    }
}

pub(super) fn is_null(node: &SyntaxNode) -> bool {
    ast::Literal::cast(node.clone())
        .is_some_and(|literal| matches!(literal.kind(), Some(ast::LitKind::Null(_))))
}

/// A dense or sparse literal in quotes, or nothing where it is not well formed.
pub(super) fn vector(value: &str, sparse: bool, to: TargetType) -> Option<String> {
    let value = value.trim();
    let text = match (sparse, to) {
        (false, TargetType::RealArray) => value.replace('[', "{").replace(']', "}"),
        (false, _) => value.to_owned(),
        (true, TargetType::RealArray) => dense(&Sparse::read(value)?)?,
        (true, _) => Sparse::read(value)?.svector(),
    };
    plain(&text).then(|| format!("'{text}'"))
}

/// A string of bits as a bvector or an array.
pub(super) fn bits(value: &str, to: TargetType) -> Option<String> {
    let digits: Option<Vec<&str>> = value
        .chars()
        .map(|bit| match bit {
            '0' => Some("0"),
            '1' => Some("1"),
            _ => None,
        })
        .collect();
    let digits = digits?.join(", ");
    match to {
        TargetType::RealArray => Some(format!("'{{{digits}}}'")),
        _ => Some(format!("'[{digits}]'")),
    }
}

/// Nothing that quotes or escapes could change.
fn plain(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "[]{}:,/.+- \t\n".contains(c);
    text.chars().all(allowed)
}

/// `{1:1.5,3:2}/5`: indices from 1, in any order, zeros allowed.
struct Sparse<'a> {
    elements: Vec<(u32, &'a str)>,
    dims: u32,
}

/// The longest array that a sparse literal is spelled out into.
const MAX_DENSE: u32 = 65_535;

impl<'a> Sparse<'a> {
    fn read(value: &'a str) -> Option<Self> {
        let (elements, dims) = value.strip_prefix('{')?.split_once('}')?;
        let dims = dims.trim().strip_prefix('/')?.trim().parse().ok()?;
        let elements = elements
            .split(',')
            .filter(|element| !element.trim().is_empty());
        let mut elements: Vec<(u32, &str)> = elements.map(element).collect::<Option<_>>()?;
        elements.retain(|(_, number)| number.parse::<f64>().is_ok_and(|number| number != 0.0));
        elements.sort_by_key(|(index, _)| *index);
        Some(Self { elements, dims })
    }

    fn svector(&self) -> String {
        let elements: Vec<String> = self
            .elements
            .iter()
            .map(|(index, number)| format!("{index}:{number}"))
            .collect();
        format!("{{{}}}/{}", elements.join(", "), self.dims)
    }
}

/// `3:2` as index from 0 and number.
fn element(text: &str) -> Option<(u32, &str)> {
    let (index, number) = text.split_once(':')?;
    let index: u32 = index.trim().parse().ok()?;
    let number = number.trim();
    number.parse::<f64>().ok()?;
    Some((index.checked_sub(1)?, number))
}

fn dense(sparse: &Sparse) -> Option<String> {
    if sparse.dims > MAX_DENSE
        || sparse
            .elements
            .iter()
            .any(|(index, _)| *index >= sparse.dims)
    {
        return None;
    }
    let mut numbers = vec!["0"; usize::try_from(sparse.dims).ok()?];
    for (index, number) in &sparse.elements {
        numbers[usize::try_from(*index).ok()?] = number;
    }
    Some(format!("{{{}}}", numbers.join(",")))
}
