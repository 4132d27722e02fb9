//! Arrays of vectors that are compared, searched or sorted.
//!
//! In: `=`, `@>`, `array_position` and their kin over arrays of vectors. Out: the same over arrays of their texts, which are equal where
//! the vectors are. The operators are PostgreSQL's for all arrays, and look for that of the elements when they run: neither the text nor
//! the catalog names it, and PGVecto.rs has none. What needs an order of vectors, or gives one back, is a problem.

use super::kinds::Kind;
use super::{Place, Words, bare, equality, functions, literals, operand};
use crate::syntax::{child, name};
use crate::types::TargetType;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

const UNORDERED: &str = "compares, sorts or searches arrays or composites of vectors, and PGVecto.rs has no equality or order of vectors to do it by";

const COMPARISONS: &[&str] = &[
    "=",
    "<>",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "@>",
    "<@",
    "&&",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
];

/// Functions that ask for no more than the places of equal elements.
const PLACES: &[&str] = &["array_position", "array_positions"];

/// Functions that compare elements to give some of them back, or whole arrays.
const COMPARING: &[&str] = &[
    "array_remove",
    "array_replace",
    "array_sort",
    "max",
    "min",
    "mode",
    "nullif",
    "percentile_disc",
    "width_bucket",
];

/// `array_agg(v) = …`, `vs @> …`, `vs IS DISTINCT FROM …`
pub(super) fn say(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let sides = [node.children().next()?, node.children().last()?];
    if sides[0] == sides[1] {
        return None;
    }
    let sign = equality::sign(node, &sides);
    let rows = sides.iter().any(|side| words.kind(side) == Kind::Rows);
    if rows && COMPARISONS.contains(&sign.as_str()) {
        words.cannot(UNORDERED);
    }
    let of = sides.iter().find_map(|side| of(words, side))?;
    let equality = matches!(
        sign.as_str(),
        "=" | "<>" | "!=" | "IS DISTINCT FROM" | "IS NOT DISTINCT FROM"
    );
    let overlap = matches!(sign.as_str(), "@>" | "<@" | "&&");
    if !equality && !overlap {
        if matches!(sign.as_str(), "<" | "<=" | ">" | ">=") && of != TargetType::RealArray {
            words.cannot(UNORDERED);
        }
        return None;
    }
    // Arrays of arrays compare themselves, and know no elements but numbers.
    if of == TargetType::RealArray {
        if overlap {
            words.cannot(UNORDERED);
        }
        return None;
    }
    let [left, right] = sides.map(|side| as_texts(words, &side, of));
    let text = format!("{left} {sign} {right}");
    Some(match words.is_bare() {
        true => format!("({text})"),
        false => text,
    })
}

/// A call, and the parts of it that are said as texts.
pub(super) fn called(
    words: &mut Words,
    function: &str,
    call: &SyntaxNode,
    args: &[SyntaxNode],
) -> Vec<(SyntaxNode, String)> {
    let of = args.iter().find_map(|arg| of(words, arg));
    let rows = |arg| matches!(words.kind(arg), Kind::Row | Kind::Rows);
    let rows = args.iter().any(rows);
    if of.is_none() && !rows {
        return Vec::new();
    }
    let distinct = child::<ast::ArgList>(call)
        .is_some_and(|list| child::<ast::Distinct>(list.syntax()).is_some());
    let places = PLACES.contains(&function);
    match (args, of) {
        ([array, vector, ..], Some(of)) if places && of != TargetType::RealArray => {
            let array = (array.clone(), as_texts(words, array, of));
            vec![array, (vector.clone(), as_text(words, vector, of))]
        }
        _ => {
            let compares = COMPARING.contains(&function) || distinct && function != "count";
            if places || compares && of != Some(TargetType::RealArray) {
                words.cannot(UNORDERED);
            }
            Vec::new()
        }
    }
}

/// What joins or sorts by arrays of vectors, or is a key over them.
pub(super) fn look(words: &mut Words, node: &SyntaxNode) {
    let orders = |kind: Kind| match kind {
        Kind::Vectors(of) => of != TargetType::RealArray,
        kind => matches!(kind, Kind::Row | Kind::Rows),
    };
    let merges = match node.kind() {
        SyntaxKind::PARTITION_ITEM if !is_included(node) => {
            let key = node.children().next();
            key.is_some_and(|key| orders(words.kind(&key)))
        }
        SyntaxKind::SORT_BY => node
            .children()
            .next()
            .is_some_and(|key| orders(words.kind(&key))),
        SyntaxKind::JOIN_USING_CLAUSE | SyntaxKind::CONSTRAINT_COLUMN_REF_LIST
            if !is_included(node) =>
        {
            let columns = node
                .descendants()
                .filter(|part| part.kind() == SyntaxKind::COLUMN_NAME_REF);
            let kind = |column: SyntaxNode| words.named(&[name(&column)]);
            columns.map(kind).any(orders)
        }
        _ => false,
    };
    if merges {
        words.cannot(UNORDERED);
    }
}

/// `INCLUDE (vs)`
fn is_included(node: &SyntaxNode) -> bool {
    let above = node.ancestors().skip(1).take(2);
    let clause = |above: &SyntaxNode| {
        matches!(
            above.kind(),
            SyntaxKind::INDEX_INCLUDE_CLAUSE | SyntaxKind::CONSTRAINT_INCLUDE_CLAUSE
        )
    };
    above.into_iter().any(|above| clause(&above))
}

/// What the elements of an array of vectors are.
pub(super) fn of(words: &Words, node: &SyntaxNode) -> Option<TargetType> {
    match words.kind(node) {
        Kind::Vectors(of) => Some(of),
        _ => None,
    }
}

/// An array of vectors as one of their texts. A text tells 0 from -0, which are equal.
pub(super) fn as_texts(words: &mut Words, node: &SyntaxNode, of: TargetType) -> String {
    let said = as_text(words, node, of);
    match literals::is_null(&bare(node)) {
        true => said,
        false => format!("{said}::text[]"),
    }
}

/// An array or an element of it.
fn as_text(words: &mut Words, node: &SyntaxNode, of: TargetType) -> String {
    let kind = words.kind(node);
    let said = words.say(node);
    if literals::is_null(&bare(node)) {
        return said;
    }
    // Bits are shown as bits, and an expression that is kept has to give the same for ever.
    if of == TargetType::Bvector
        || words.place == Place::Immutable
        || (kind == Kind::Literal && of == TargetType::Svector)
    {
        words.cannot(UNORDERED);
    }
    let said = operand(node, said);
    let said = match kind {
        Kind::Literal if said.contains('{') => format!("{said}::{}[]", of.sql_name()),
        Kind::Literal => format!("{said}::{}", of.sql_name()),
        _ => said,
    };
    format!("pg_catalog.regexp_replace(({said})::text, '-0(?=[],}}])', '0', 'g')")
}

impl Words<'_> {
    /// Of `ARRAY[v, w]` or `ARRAY(SELECT v …)`. Bits are said as bits there.
    pub(super) fn array_kind(&self, node: &SyntaxNode) -> Kind {
        let elements: Vec<SyntaxNode> = node.children().collect();
        array_of(self.first_vector(&elements))
    }

    /// Of `vs[1]`. An array of arrays gives nothing for one index.
    pub(super) fn element_kind(&self, node: &SyntaxNode) -> Kind {
        match node.children().next().map(|array| self.kind(&array)) {
            Some(Kind::Vectors(of)) if of != TargetType::RealArray => Kind::Vector(of),
            Some(Kind::Rows) => Kind::Row,
            _ => Kind::Unknown,
        }
    }

    /// What a call of one of PostgreSQL's functions over arrays gives; `vs` in `v = ANY (vs)`.
    pub(super) fn array_call_kind(&self, call: &SyntaxNode) -> Option<Kind> {
        let args = functions::args(call);
        let any = call.children().find(|part| {
            matches!(
                part.kind(),
                SyntaxKind::ANY_FN | SyntaxKind::ALL_FN | SyntaxKind::SOME_FN
            )
        });
        if let Some(any) = any {
            return Some(self.element_kind(&any));
        }
        let (None, function) = functions::callee(call)? else {
            return None;
        };
        match function.as_str() {
            "array_agg" => Some(array_of(self.first_vector(&args))),
            "array_append" | "array_cat" | "array_prepend" | "array_remove" | "array_replace"
            | "array_sample" | "array_shuffle" | "trim_array" => {
                Some(array_of(self.first_vector(&args)))
            }
            "unnest" => match self.first_vector(&args) {
                Kind::Vectors(of) if of != TargetType::RealArray => Some(Kind::Vector(of)),
                _ => None,
            },
            _ => None,
        }
    }
}

pub(super) fn array_of(element: Kind) -> Kind {
    match element {
        Kind::Vector(of) | Kind::Vectors(of) if of != TargetType::Bvector => Kind::Vectors(of),
        Kind::Vectors(of) => Kind::Vectors(of),
        Kind::Row | Kind::Rows => Kind::Rows,
        _ => Kind::Array,
    }
}
