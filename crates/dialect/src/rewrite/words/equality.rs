//! Whole vectors that are compared or sorted without an operator in the text.
//!
//! In: `IS DISTINCT FROM`, `CASE v WHEN`, `PARTITION BY`, `ORDER BY` and their kin over vectors. Out: the same over arrays of their numbers,
//! which PostgreSQL compares and sorts as pgvector does; PGVecto.rs has no operator class to do it by. Where the vector itself would have
//! to be compared to be shown (DISTINCT, GROUP BY, UNION), that is a problem.

use super::kinds::Kind;
use super::{Words, arrays, bare, casts, functions, literals, operand};
use crate::syntax::{child, name};
use crate::types::TargetType;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

pub(super) const UNNAMED: &str = "groups, sorts or merges rows by whole vectors, and PGVecto.rs has no equality or order of vectors to do it by";

/// `a.* IS DISTINCT FROM b.*`, `NEW = OLD`: rows with vectors in them. PostgreSQL looks for the equality of each column when it compares
/// them, so that neither the text nor the catalog names it, and the target would refuse the comparison only then. Their bytes it compares.
pub(super) fn rows(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let (left, right) = (node.children().next()?, node.children().last()?);
    if words.real_array() || left == right {
        return None;
    }
    if ![&left, &right]
        .into_iter()
        .any(|side| words.is_row_of_vectors(side) || words.kind(side) == Kind::Row)
    {
        return None;
    }
    let sides = [left, right];
    let (operator, nulls) = match sign(node, &sides).as_str() {
        "=" => ("*=", None),
        "<>" | "!=" => ("*<>", None),
        // The operators compare nothing to a row that is NULL as a whole.
        "IS DISTINCT FROM" => ("*<>", Some(1)),
        "IS NOT DISTINCT FROM" => ("*=", Some(2)),
        "<" | "<=" | ">" | ">=" => {
            words.cannot(UNNAMED);
            return None;
        }
        _ => return None,
    };
    let typeless = |side: &SyntaxNode| {
        words.kind(side) == Kind::Literal || side.first_child().is_some_and(|part| is_any(&part))
    };
    let twice = |side: &SyntaxNode| functions::duplicable(side);
    if sides.iter().any(typeless) || nulls.is_some() && !sides.iter().all(twice) {
        words.cannot(UNNAMED);
        return None;
    }
    words.note("compares whole rows with vectors in them by their bytes, since the target has no equality of vectors: equal values in another form, such as 1.0 and 1.00, are different there");
    let [left, right] = sides.map(|side| words.say(&side));
    let compared = format!("({left} OPERATOR(pg_catalog.{operator}) {right})");
    Some(match nulls {
        Some(nulls) => {
            format!("coalesce({compared}, (pg_catalog.num_nulls({left}, {right}) = {nulls}))")
        }
        None => compared,
    })
}

fn is_any(node: &SyntaxNode) -> bool {
    matches!(
        node.kind(),
        SyntaxKind::ANY_FN | SyntaxKind::ALL_FN | SyntaxKind::SOME_FN
    )
}

/// What stands between two operands, in capitals.
pub(super) fn sign(node: &SyntaxNode, sides: &[SyntaxNode; 2]) -> String {
    let between = node
        .children_with_tokens()
        .filter(|part| part.as_node().is_none_or(|part| !sides.contains(part)))
        .filter(|part| !part.kind().is_trivia());
    let sign: String = between
        .map(|part| part.to_string().to_ascii_uppercase())
        .collect();
    let words: Vec<&str> = sign.split_ascii_whitespace().collect();
    words.join(" ")
}

/// `ROW(a, v) IS DISTINCT FROM ROW(b, w)`, `(a, v) = (b, w)`: PostgreSQL compares the parts one by one.
pub(super) fn tuples(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let parts = |side: Option<SyntaxNode>| -> Option<Vec<SyntaxNode>> {
        let side = side.filter(|side| side.kind() == SyntaxKind::TUPLE_EXPR)?;
        Some(side.children().collect())
    };
    let lefts = parts(node.children().next())?;
    let rights = parts(node.children().last())?;
    let mut said = Vec::new();
    for pair in lefts.into_iter().zip(rights) {
        let pair = [pair.0, pair.1];
        let of = pair.iter().find_map(|part| compared(words, part));
        let sortable = |of: &Kind| matches!(of, Kind::Vector(of) if *of != TargetType::Svector);
        if matches!(of, Some(Kind::Vectors(_) | Kind::Row | Kind::Rows)) && !is_equality(node) {
            words.cannot(UNNAMED);
        }
        if let Some(of) = of.filter(|of| sortable(of) || is_equality(node)) {
            for part in pair {
                let text = as_values(words, &part, of);
                said.push((part, text));
            }
        }
    }
    (!said.is_empty()).then(|| words.say_with(node, &said))
}

/// Whether a comparison asks no more than whether its operands are the same.
fn is_equality(node: &SyntaxNode) -> bool {
    node.children_with_tokens().any(|part| {
        matches!(
            part.kind(),
            SyntaxKind::EQ
                | SyntaxKind::NEQ
                | SyntaxKind::NEQB
                | SyntaxKind::IS_DISTINCT_FROM
                | SyntaxKind::IS_NOT_DISTINCT_FROM
        )
    })
}

/// `a IS DISTINCT FROM b`
pub(super) fn distinct_from(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let is_test = |kind| {
        matches!(
            kind,
            SyntaxKind::IS_DISTINCT_FROM | SyntaxKind::IS_NOT_DISTINCT_FROM
        )
    };
    let test = node.children().find(|child| is_test(child.kind()))?;
    let (left, right) = (node.children().next()?, node.children().last()?);
    let of = [&left, &right]
        .into_iter()
        .find_map(|side| compared(words, side))?;
    let [left, right] = [&left, &right].map(|side| as_values(words, side, of));
    Some(format!("{left} {} {right}", test.text()))
}

/// `CASE v WHEN a THEN …`
pub(super) fn case(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let subject = node
        .children()
        .next()
        .filter(|first| ast::Expr::can_cast(first.kind()))?;
    let of = compared(words, &subject)?;
    let list: ast::WhenClauseList = child(node)?;
    let tested = list
        .syntax()
        .children()
        .filter_map(|when| when.children().next());
    let mut said = vec![(subject.clone(), as_values(words, &subject, of))];
    for value in tested {
        let text = as_values(words, &value, of);
        said.push((value, text));
    }
    Some(words.say_with(node, &said))
}

/// The expressions of `PARTITION BY` and `DISTINCT ON`.
pub(super) fn list(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let said: Vec<(SyntaxNode, String)> = node
        .children()
        .filter_map(|value| {
            let of = compared(words, &value)?;
            let text = as_values(words, &value, of);
            Some((value, text))
        })
        .collect();
    (!said.is_empty()).then(|| words.say_with(node, &said))
}

/// `count(DISTINCT v)`
pub(super) fn counted(words: &mut Words, list: &SyntaxNode) -> Option<String> {
    child::<ast::Distinct>(list)?;
    let said: Vec<(SyntaxNode, String)> = list
        .children()
        .filter_map(ast::Arg::cast)
        .filter_map(|arg| Some(arg.expr()?.syntax().clone()))
        .filter_map(|value| {
            let of = compared(words, &value)?;
            let text = as_values(words, &value, of);
            Some((value, text))
        })
        .collect();
    (!said.is_empty()).then(|| words.say_with(list, &said))
}

/// A key of an order that is a vector.
pub(super) fn sorted(words: &mut Words, sort_by: &SyntaxNode) -> Option<String> {
    let key = sort_by.children().next()?;
    let sortable = |of: &Kind| matches!(of, Kind::Vector(of) if *of != TargetType::Svector);
    let of = compared(words, &key).filter(sortable)?;
    let select = sort_by.ancestors().skip(1).find_map(ast::Select::cast);
    if select.is_some_and(|select| child::<ast::GroupByClause>(select.syntax()).is_some()) {
        return None;
    }
    let text = as_values(words, &key, of);
    Some(words.say_with(sort_by, &[(key, text)]))
}

/// What a query would have to compare to show it.
pub(super) fn look(words: &mut Words, node: &SyntaxNode) {
    let merges = match node.kind() {
        SyntaxKind::GROUPING_EXPR => node
            .children()
            .next()
            .is_some_and(|key| compares(words, &key)),
        SyntaxKind::SELECT_CLAUSE => {
            let distinct: Option<ast::DistinctClause> = child(node);
            distinct.is_some_and(|distinct| child::<ast::DistinctOn>(distinct.syntax()).is_none())
                && shows_vector(words, node)
        }
        SyntaxKind::COMPOUND_SELECT => {
            let is_operator = |kind| {
                matches!(
                    kind,
                    SyntaxKind::UNION | SyntaxKind::INTERSECT | SyntaxKind::EXCEPT
                )
            };
            let operator = node.children().find(|part| is_operator(part.kind()));
            let all = operator.is_some_and(|part| {
                part.text()
                    .to_string()
                    .to_ascii_uppercase()
                    .ends_with("ALL")
            });
            let first: Option<ast::SelectClause> =
                node.descendants().find_map(ast::SelectClause::cast);
            !all && first.is_some_and(|clause| shows_vector(words, clause.syntax()))
        }
        _ => false,
    };
    if merges {
        words.cannot(UNNAMED);
    }
    if tests_by_name(node)
        && (words.is_bare() || is_extreme(node) || tests_rows(words, node))
        && tested(words, node)
    {
        words.cannot("compares whole vectors by IN, BETWEEN, NULLIF or their kin, which look for an operator of that name where PGVecto.rs's are not");
    }
}

/// `v IN (…)`, `v BETWEEN a AND b`, `nullif(v, a)`, `greatest(v, a)`: a catalog's text shows most of them with operators, a body does not.
fn tests_by_name(node: &SyntaxNode) -> bool {
    let is_in = |element: squawk_syntax::SyntaxElement| {
        matches!(element.kind(), SyntaxKind::IN_KW | SyntaxKind::NOT_IN)
    };
    match node.kind() {
        SyntaxKind::BIN_EXPR => node.children_with_tokens().any(is_in),
        SyntaxKind::BETWEEN_EXPR => true,
        SyntaxKind::CALL_EXPR => {
            let called = node.children().next().map(|function| name(&function));
            called.is_some_and(|called| ["nullif", "greatest", "least"].contains(&called.as_str()))
        }
        _ => false,
    }
}

/// `greatest(v, a)`: not even the catalog knows that it compares.
fn is_extreme(node: &SyntaxNode) -> bool {
    let called = node.children().next().map(|function| name(&function));
    node.kind() == SyntaxKind::CALL_EXPR
        && called.is_some_and(|called| ["greatest", "least"].contains(&called.as_str()))
}

/// `pair IN (SELECT …)`: nor does it know that the parts of rows are compared.
fn tests_rows(words: &Words, node: &SyntaxNode) -> bool {
    let tested = node.children().next();
    tested.is_some_and(|tested| words.kind(&tested).is_vector() == Some(false))
}

fn tested(words: &Words, node: &SyntaxNode) -> bool {
    let call: Option<ast::ArgList> = child(node);
    let values = call.as_ref().map_or(node, |list| list.syntax());
    let values = values.children().map(|value| {
        ast::Arg::cast(value.clone())
            .and_then(|arg| arg.expr())
            .map_or(value, |expr| expr.syntax().clone())
    });
    values.into_iter().any(|value| compares(words, &value))
}

pub(super) fn shows_vector(words: &Words, clause: &SyntaxNode) -> bool {
    let list: Option<ast::TargetList> = child(clause);
    let targets = list
        .into_iter()
        .flat_map(|list| list.syntax().children().collect::<Vec<_>>());
    targets
        .filter_map(|target| target.children().next())
        .any(|shown| compares(words, &shown))
}

fn compares(words: &Words, node: &SyntaxNode) -> bool {
    match words.kind(node) {
        Kind::Vector(to) => !matches!(to, TargetType::RealArray | TargetType::Bvector),
        Kind::Vectors(to) => to != TargetType::RealArray,
        Kind::Row | Kind::Rows => true,
        _ => false,
    }
}

/// What a vector is, or an array of them, that has to be compared as something else. Bits are said as bits, and arrays compare themselves.
fn compared(words: &mut Words, node: &SyntaxNode) -> Option<Kind> {
    if !compares(words, node) {
        return None;
    }
    let kind = words.kind(node);
    words.compared |= kind.is_vector() == Some(true);
    Some(kind)
}

/// A vector as what is compared in its place. The text of a sparse vector is the same for equal ones.
fn as_values(words: &mut Words, node: &SyntaxNode, beside: Kind) -> String {
    let beside = match beside {
        Kind::Vector(of) => of,
        Kind::Vectors(of) => return arrays::as_texts(words, node, of),
        Kind::Row | Kind::Rows => {
            words.cannot(UNNAMED);
            return words.say(node);
        }
        _ => return words.say(node),
    };
    let kind = words.kind(node);
    let said = words.say(node);
    let inner = bare(node);
    if literals::is_null(&inner) {
        return said;
    }
    let text = operand(node, said);
    let text = match kind {
        Kind::Literal => format!("{text}::{}", beside.sql_name()),
        _ => text,
    };
    match (kind, beside) {
        (_, TargetType::Svector) => format!("{text}::text"),
        (Kind::Vector(of), _) => casts::as_array(of, text),
        (_, beside) => casts::as_array(beside, text),
    }
}
