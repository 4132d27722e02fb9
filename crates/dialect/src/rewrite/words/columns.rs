//! Names of columns, and strings of bits that became vectors.
//!
//! In: an expression that is a bvector on the target and was bits on the source: a column that changed, `binary_quantize`, a cast
//! of these. Out: the vector where it is only shown or measured, and the same bits as a string of bits everywhere else.

use super::kinds::Kind;
use super::{Words, above, casts, functions, literals, operand};
use crate::syntax::{Edits, name, range};
use crate::types::{SourceType, TargetType, TypeChange};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// A name of one part or several. A qualifier is not a column, and is not looked at alone.
pub(super) fn say(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    match words.kind(node) {
        Kind::Vector(TargetType::Bvector) => return Some(bits_unless_carried(words, node)),
        Kind::BitArray if !carried(words, node) => {
            let bits = format!(
                "pg_catalog.array_to_string(({})::integer[], '')",
                node.text()
            );
            return Some(format!("{bits}::\"bit\""));
        }
        _ => {}
    }
    let base = node.children().next();
    match base {
        Some(base) if !matches!(base.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR) => {
            let rest: String = node
                .children_with_tokens()
                .skip(1)
                .map(|part| part.to_string())
                .collect();
            Some(words.say(&base) + &rest)
        }
        _ => Some(node.text().to_string()),
    }
}

/// An expression that is a bvector, as bits wherever somebody could see the difference.
pub(super) fn bits_unless_carried(words: &mut Words, node: &SyntaxNode) -> String {
    if carried(words, node) {
        return vector(words, node);
    }
    let text = vector(words, node);
    // A bvector prints as [1, 0, 1].
    format!("pg_catalog.translate(({text})::text, '[, ]', '')::\"bit\"")
}

/// Whether what is above takes the vector as well as the bits.
fn carried(words: &Words, node: &SyntaxNode) -> bool {
    let Some(above) = above(node) else {
        return false;
    };
    if words.result.as_ref().is_some_and(|result| {
        result.text_range().contains_range(node.text_range()) && super::bare(result) == *node
    }) {
        return true;
    }
    let is_column = matches!(node.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR);
    match above.kind() {
        SyntaxKind::TARGET => is_column,
        SyntaxKind::BIN_EXPR => {
            let text = above.text().to_string().to_ascii_uppercase();
            text.ends_with(" IS NULL") || text.ends_with(" IS NOT NULL")
        }
        SyntaxKind::ARG => above
            .ancestors()
            .find_map(ast::CallExpr::cast)
            .and_then(|call| call.syntax().children().next())
            .is_some_and(|callee| name(&callee) == "count"),
        _ => false,
    }
}

/// An expression that is a bvector, as one.
fn vector(words: &mut Words, node: &SyntaxNode) -> String {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => match node.children().next() {
            Some(inner) => format!("({})", vector(words, &inner)),
            None => node.text().to_string(),
        },
        SyntaxKind::CALL_EXPR => functions::binarize(words, node),
        SyntaxKind::CAST_EXPR => casts::bvector(words, node),
        _ => node.text().to_string(),
    }
}

/// Any bits as a bvector: a vector as it is, a literal in the other form, everything else through its text.
pub(super) fn as_vector(words: &mut Words, node: &SyntaxNode) -> String {
    let inner = super::bare(node);
    if words.kind(&inner) == Kind::Vector(TargetType::Bvector) {
        return vector(words, node);
    }
    if let Some(literal) = bits_literal(words, &inner) {
        return literal;
    }
    let text = words.say(node);
    let text = operand(node, text);
    format!(
        "(pg_catalog.string_to_array({text}::text, NULL))::real[]::vectors.vector::vectors.bvector"
    )
}

/// `'101'::"bit"`, `B'101'` or `NULL` as a bvector.
fn bits_literal(words: &Words, node: &SyntaxNode) -> Option<String> {
    let bits = literal_bits(words, node)?;
    if bits.is_empty() {
        return Some("NULL::vectors.bvector".to_owned());
    }
    Some(format!(
        "{}::vectors.bvector",
        literals::bits(&bits, TargetType::Bvector)?
    ))
}

/// The bits of `'101'::"bit"` or `B'101'`; none for `NULL`.
fn literal_bits(words: &Words, node: &SyntaxNode) -> Option<String> {
    match node.kind() {
        SyntaxKind::LITERAL if literals::is_null(node) => Some(String::new()),
        SyntaxKind::LITERAL => literals::string(node),
        SyntaxKind::CAST_EXPR => {
            let ty = node.children().find_map(ast::Type::cast)?;
            let written = words.written(&ty)?;
            if !matches!(written.from, SourceType::Bit | SourceType::Varbit) {
                return None;
            }
            let inner = node
                .children()
                .find(|child| ast::Expr::can_cast(child.kind()))?;
            literal_bits(words, &super::bare(&inner))
        }
        _ => None,
    }
}

impl Words<'_> {
    /// Says the default or generated value of a column in the type that the column gets.
    pub(in super::super) fn assign(
        &mut self,
        value: &SyntaxNode,
        change: TypeChange,
        edits: &mut Edits,
    ) {
        let said = match change.to {
            _ if change.array => self.say(value),
            TargetType::Bvector => as_vector(self, value),
            to => {
                let kind = self.kind(value);
                let said = self.say(value);
                match kind {
                    Kind::Vector(from) if from != to => {
                        format!(
                            "{}::{}",
                            casts::through(from, to, operand(value, said)),
                            change.target_sql()
                        )
                    }
                    Kind::Bits if to == TargetType::RealArray => self.array_of_bits(value),
                    _ => said,
                }
            }
        };
        if value.text() != said.as_str() {
            edits.replace(range(value), said);
        }
    }

    fn array_of_bits(&mut self, value: &SyntaxNode) -> String {
        if let Some(literal) =
            literal_bits(self, &super::bare(value)).filter(|bits| !bits.is_empty())
        {
            let array = literals::bits(&literal, TargetType::RealArray)
                .map(|array| format!("{array}::real[]"));
            return array.unwrap_or_else(|| value.text().to_string());
        }
        let said = self.say(value);
        format!(
            "pg_catalog.string_to_array({}::text, NULL)::real[]",
            operand(value, said)
        )
    }
}
