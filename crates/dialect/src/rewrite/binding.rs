//! How strongly operators bind.
//!
//! In: the tree of a text that a person wrote. Out: parentheses as PostgreSQL would set them, where the parser's tree has another
//! shape: it binds operators of one strength from the right, and takes BETWEEN and ISNULL for part of the operand before them. What
//! pg_dump writes has parentheses around every operation, and needs none of this.

use crate::syntax::{Edits, range};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// Adds the parentheses of a tree that begins at this place of the text. Whether there are any.
pub(super) fn parentheses(tree: &SyntaxNode, at: usize, edits: &mut Edits) -> bool {
    let mut any = false;
    for node in tree.descendants() {
        let Some(operator) = operator(&node) else {
            continue;
        };
        let ends = match operator.as_str() {
            "+" | "-" | "*" | "/" | "%" | "^" => cut(&node, true).into_iter().collect(),
            "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" => cut(&node, false).into_iter().collect(),
            _ => chain(&node),
        };
        for end in ends {
            any = true;
            edits.insert(at + range(&node).start, "(");
            edits.insert(at + end, ")");
        }
    }
    any
}

/// The sign between two operands; nothing for AND, IN, LIKE and kin.
fn operator(node: &SyntaxNode) -> Option<String> {
    if node.kind() != SyntaxKind::BIN_EXPR {
        return None;
    }
    let sign = node
        .children_with_tokens()
        .skip(1)
        .find(|element| !element.kind().is_trivia())?;
    let text = sign.to_string();
    let is_sign = text.starts_with(|letter: char| letter.is_ascii_punctuation());
    (is_sign || sign.kind() == SyntaxKind::OPERATOR_CALL).then_some(text)
}

/// Where the operands of a chain of operators of one strength end, so that each pair of parentheses begins where the chain does.
fn chain(node: &SyntaxNode) -> Vec<usize> {
    let is_link = |node: &SyntaxNode| is_custom(node).is_some();
    let inside = node
        .parent()
        .is_some_and(|above| is_link(&above) && above.children().last().as_ref() == Some(node));
    if inside {
        return Vec::new();
    }
    let (mut ends, mut distance, mut link) = (Vec::new(), false, node.clone());
    loop {
        distance |= is_custom(&link) == Some(true);
        match link.children().last().filter(is_link) {
            Some(next) => {
                ends.extend(next.children().next().map(|operand| range(&operand).end));
                link = next;
            }
            None => {
                ends.extend(cut(&link, true));
                break;
            }
        }
    }
    if distance { ends } else { Vec::new() }
}

/// Whether an operator that is neither arithmetic nor a comparison is one of pgvector's distances.
fn is_custom(node: &SyntaxNode) -> Option<bool> {
    let custom = node.children().find(|child| {
        matches!(
            child.kind(),
            SyntaxKind::CUSTOM_OP | SyntaxKind::OPERATOR_CALL
        )
    })?;
    let text = custom.text().to_string();
    let distance = super::words::DISTANCES
        .iter()
        .any(|distance| text == *distance || text.contains(&format!("{distance})")));
    (node.kind() == SyntaxKind::BIN_EXPR).then_some(distance)
}

/// Where the last operand of an operation ends, if the tree goes on with what PostgreSQL applies to the whole operation.
fn cut(node: &SyntaxNode, before_between: bool) -> Option<usize> {
    let last = node.children().last()?;
    let first = last.children().next();
    let at_start = |node: &SyntaxNode| node.text_range().start() == last.text_range().start();
    match last.kind() {
        SyntaxKind::BETWEEN_EXPR if before_between => match first.filter(at_start) {
            Some(operand) => Some(range(&operand).end),
            // After a cast it stands beside its operand.
            None => last.prev_sibling().map(|operand| range(&operand).end),
        },
        SyntaxKind::POSTFIX_EXPR => {
            let text = last.text().to_string().to_ascii_uppercase();
            first
                .filter(|_| !text.ends_with("LOCAL"))
                .map(|operand| range(&operand).end)
        }
        SyntaxKind::BIN_EXPR | SyntaxKind::PREFIX_EXPR => cut(&last, before_between),
        _ => None,
    }
}
