//! Sort keys: where a distance stands bare, so that an index is used.
//!
//! In: a distance, or an element of ORDER BY. Out: whether the distance is the whole key of a query's own order, and for a key that
//! is only a name or a number the distance that it stands for. Everything that is visible is cast elsewhere, and an index orders by the
//! bare operator only. DISTINCT and GROUP BY need the key to be what they show.

use super::{Words, above, bare, kinds, operators};
use crate::syntax::{all, child, name};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// Whether an expression is the whole key of the order of a query that shows its rows as they are.
pub(super) fn is_key(node: &SyntaxNode) -> bool {
    above(node)
        .filter(|above| above.kind() == SyntaxKind::SORT_BY)
        .is_some_and(|key| query(&key).is_some() || of_window(&key))
}

/// Whether an element is in the order of a window, which an index can give as well. RANGE adds to the keys, and needs their type.
fn of_window(sort_by: &SyntaxNode) -> bool {
    let window = sort_by
        .ancestors()
        .nth(3)
        .filter(|node| node.kind() == SyntaxKind::WINDOW_SPEC);
    let select = sort_by.ancestors().find_map(ast::Select::cast);
    let grouped =
        select.is_some_and(|select| child::<ast::GroupByClause>(select.syntax()).is_some());
    window.is_some_and(|window| {
        !grouped
            && !window
                .text()
                .to_string()
                .to_ascii_uppercase()
                .contains("RANGE")
    })
}

/// The query whose order an element is in.
fn query(sort_by: &SyntaxNode) -> Option<ast::Select> {
    let clause = sort_by.parent()?.parent()?;
    let select = ast::Select::cast(clause.parent()?)?;
    let shown: ast::SelectClause = child(select.syntax())?;
    let merged = child::<ast::DistinctClause>(shown.syntax()).is_some()
        || child::<ast::GroupByClause>(select.syntax()).is_some();
    (!merged).then_some(select)
}

/// `ORDER BY distance` where the list shows a distance under that name, or `ORDER BY 2`: the distance itself is the key.
pub(super) fn say(words: &mut Words, sort_by: &SyntaxNode) -> Option<String> {
    let key = sort_by.children().next()?;
    let select = query(sort_by)?;
    let clause: ast::SelectClause = child(select.syntax())?;
    let list: ast::TargetList = child(clause.syntax())?;
    let mut targets = list
        .syntax()
        .children()
        .filter(|target| target.kind() == SyntaxKind::TARGET);
    let target = match key.kind() {
        SyntaxKind::NAME_REF => {
            let wanted = name(&key);
            targets.find(|target| {
                child::<ast::AsName>(target).is_some()
                    && kinds::shown_as(target).as_ref() == Some(&wanted)
            })?
        }
        SyntaxKind::LITERAL => {
            let number = all::<ast::Literal>(&key).next()?.integer_value()?;
            // An asterisk shows an unknown number of columns.
            let at = usize::try_from(number).ok()?.checked_sub(1)?;
            let shown: Vec<SyntaxNode> = targets.collect();
            let known = shown
                .iter()
                .take(at)
                .all(|target| target.children().next().is_some());
            shown.get(at).filter(|_| known)?.clone()
        }
        _ => return None,
    };
    let distance = operators::distance(words, &bare(&target.children().next()?))?;
    let rest: String = sort_by
        .children_with_tokens()
        .skip_while(|element| element.as_node() != Some(&key))
        .skip(1)
        .map(|element| element.to_string())
        .collect();
    Some(format!("{distance}{rest}"))
}
