//! pgvector's operators.
//!
//! In: an operation. Out: the same with PGVecto.rs's operator. Distances are `double precision` in pgvector and `real` in PGVecto.rs, and `<->` is
//! squared there: where the number can be seen it is cast, and a root is taken; as the whole key of an order it stays bare, so that
//! an index is used.

use super::kinds::Kind;
use super::{
    Owner, Place, Words, above, arrays, casts, columns, functions, literals, operand, sorting, sums,
};
use crate::syntax::name;
use crate::types::TargetType;
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// Operators that say by themselves what they are.
pub(in super::super) const DISTANCES: &[&str] = &["<->", "<=>", "<#>", "<+>", "<~>", "<%>"];
/// Operators that PostgreSQL has for its own types.
const COMMON: &[&str] = &["+", "-", "*", "||", "=", "<>", "!=", "<", "<=", ">", ">="];

pub(super) struct Operation {
    schema: Option<String>,
    operator: String,
    left: SyntaxNode,
    right: SyntaxNode,
}

/// An operation with two operands, whoever's operator it is.
fn operation(node: &SyntaxNode) -> Option<Operation> {
    let (left, right) = (node.children().next()?, node.children().last()?);
    if node.kind() != SyntaxKind::BIN_EXPR || left == right {
        return None;
    }
    let qualified = node
        .children()
        .find(|child| child.kind() == SyntaxKind::OPERATOR_CALL);
    let Some(call) = qualified else {
        let between = node.children_with_tokens().filter(|element| {
            element.as_node() != Some(&left) && element.as_node() != Some(&right)
        });
        let operator: String = between
            .filter(|element| !element.kind().is_trivia())
            .map(|element| element.to_string())
            .collect();
        return Some(Operation {
            schema: None,
            operator,
            left,
            right,
        });
    };
    let schema = call
        .descendants()
        .find(|part| part.kind() == SyntaxKind::PATH_SEGMENT_REF)
        .map(|part| name(&part));
    let text = call.text().to_string();
    let inside = text.rsplit_once('(')?.1.trim_end().strip_suffix(')')?;
    let operator = inside
        .rsplit_once('.')
        .map_or(inside, |(_, operator)| operator);
    Some(Operation {
        schema,
        operator: operator.trim().to_owned(),
        left,
        right,
    })
}

pub(super) fn say(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let Some(operation) = pgvectors(words, node) else {
        return beside_text(words, node);
    };
    let operands = [&operation.left, &operation.right];
    let operator = operation.operator.as_str();
    if !DISTANCES.contains(&operator) {
        return common(words, operator, operands);
    }
    if sorting::is_key(node) {
        return bare_distance(words, operator, operands);
    }
    let shown = above(node).is_some_and(|above| above.kind() == SyntaxKind::TARGET);
    words.shows_distance |= shown && !sums::needed(words, operator, operands);
    value(words, operator, operands)
}

/// The distance that an expression is, bare.
pub(super) fn distance(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let operation = pgvectors(words, node)?;
    let operands = [&operation.left, &operation.right];
    if !DISTANCES.contains(&operation.operator.as_str())
        || sums::needed(words, &operation.operator, operands)
    {
        return None;
    }
    bare_distance(
        words,
        &operation.operator,
        [&operation.left, &operation.right],
    )
}

/// The operation, if its operator is pgvector's.
fn pgvectors(words: &mut Words, node: &SyntaxNode) -> Option<Operation> {
    let operation = operation(node)?;
    let operator = operation.operator.as_str();
    let common = COMMON.contains(&operator);
    if !common && !DISTANCES.contains(&operator) {
        return None;
    }
    if words.owner(operation.schema.as_deref(), operator, Some(true)) == Owner::Another {
        return None;
    }
    let kinds = [words.kind(&operation.left), words.kind(&operation.right)];
    let of_bits = matches!(operator, "<~>" | "<%>");
    let known = match kinds {
        kinds if of_bits && (kinds.contains(&Kind::Bits) || kinds.contains(&Kind::BitArray)) => {
            Some(true)
        }
        kinds if kinds.contains(&Kind::Vector(TargetType::Bvector)) && !of_bits => Some(false),
        [a, b] if a.is_vector() == Some(true) || b.is_vector() == Some(true) => Some(true),
        [a, b] if a.is_vector() == Some(false) || b.is_vector() == Some(false) => Some(false),
        _ => None,
    };
    if operator == "||" {
        match words.joined(node) {
            Joined::Vectors => {}
            Joined::Unknown if words.is_bare() => {
                if kinds.iter().any(|kind| kind.is_vector() == Some(true)) {
                    words.cannot(
                        "uses the operator || beside a vector over something whose type its text does not tell",
                    );
                }
                return None;
            }
            Joined::Unknown => {}
            Joined::Text | Joined::Arrays | Joined::Others => return None,
        }
    }
    // PostgreSQL has operators of these names for its own types.
    if words.is_bare() && operation.schema.is_none() && (common || operator == "<->") {
        match words.evidence([&operation.left, &operation.right], !common) {
            Some(true) => return Some(operation),
            None if !common => words.unknown_distance(),
            _ => {}
        }
        return None;
    }
    match words.owner(operation.schema.as_deref(), operator, known) {
        Owner::Pgvector => Some(operation),
        Owner::Another => None,
        Owner::Unclear => {
            words.unclear.insert(format!("uses the operator {operator}, which is not pgvector's alone, and its text does not tell whose it is"));
            None
        }
    }
}

/// A distance as a number of the type and the meaning that it has in pgvector.
pub(super) fn value(
    words: &mut Words,
    operator: &str,
    operands: [&SyntaxNode; 2],
) -> Option<String> {
    if matches!(operator, "<~>" | "<%>") && !measured_as_vectors(words, operands) {
        return of_bits(words, operator, operands);
    }
    if sums::needed(words, operator, operands) {
        return sums::distance(words, operator, operands);
    }
    let distance = bare_distance(words, operator, operands)?;
    words.single_precision();
    let number = format!("({distance})::double precision");
    if operator == "<%>" {
        words.note("shows a Jaccard distance, which of two empty sets is 1 in pgvector and NaN in PGVecto.rs");
    }
    Some(match operator {
        "<->" => format!("pg_catalog.sqrt({number})"),
        _ => number,
    })
}

/// The operator alone: its order is pgvector's, its number is not.
fn bare_distance(words: &mut Words, operator: &str, operands: [&SyntaxNode; 2]) -> Option<String> {
    if sums::needed(words, operator, operands) {
        return sums::distance(words, operator, operands);
    }
    if matches!(operator, "<~>" | "<%>") {
        if !measured_as_vectors(words, operands) {
            return of_bits(words, operator, operands);
        }
        let [left, right] = operands.map(|operand| columns::as_vector(words, operand));
        let target = if operator == "<~>" { "<->" } else { "<~>" };
        return Some(format!("{left} OPERATOR(vectors.{target}) {right}"));
    }
    let [left, right] = aligned(words, operands);
    Some(format!("{left} OPERATOR(vectors.{operator}) {right}"))
}

fn measured_as_vectors(words: &Words, operands: [&SyntaxNode; 2]) -> bool {
    operands
        .iter()
        .any(|operand| matches!(words.kind(operand), Kind::Vector(_)))
}

/// Both operands in one type: that of a column, since an index is over it.
fn aligned(words: &mut Words, operands: [&SyntaxNode; 2]) -> [String; 2] {
    let [left, right] = operands.map(|operand| words.kind(operand));
    let is_name = |node: &SyntaxNode| {
        matches!(
            super::bare(node).kind(),
            SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR
        )
    };
    let [left_text, right_text] = operands.map(|node| {
        let text = words.say(node);
        operand(node, text)
    });
    match (left, right) {
        (Kind::Vector(a), Kind::Vector(b))
            if a != b && (is_name(operands[0]) || !is_name(operands[1])) =>
        {
            [left_text, converted(b, a, right_text)]
        }
        (Kind::Vector(a), Kind::Vector(b)) if a != b => [converted(a, b, left_text), right_text],
        (Kind::Vector(a), Kind::Literal) => [left_text, literal(words, operands[1], a, right_text)],
        (Kind::Literal, Kind::Vector(b)) => [literal(words, operands[0], b, left_text), right_text],
        _ => [left_text, right_text],
    }
}

fn converted(from: TargetType, to: TargetType, text: String) -> String {
    format!("{}::{}", casts::through(from, to, text), to.sql_name())
}

/// A literal without a type takes that of the other operand.
fn literal(words: &mut Words, node: &SyntaxNode, beside: TargetType, text: String) -> String {
    let sparse = beside == TargetType::Svector;
    let Some(value) = literals::string(&super::bare(node)).filter(|_| sparse) else {
        return text;
    };
    literals::vector(&value, sparse, beside).unwrap_or_else(|| {
        words.cannot("has a literal of the type sparsevec that is not understood");
        text
    })
}

/// Bits that stay bits: PostgreSQL counts them itself since 14.
fn of_bits(words: &mut Words, operator: &str, operands: [&SyntaxNode; 2]) -> Option<String> {
    let [left, right] = operands.map(|node| {
        let text = words.say(node);
        operand(node, text)
    });
    if operator == "<~>" {
        return Some(format!(
            "(pg_catalog.bit_count({left} # {right}))::double precision"
        ));
    }
    if !operands
        .iter()
        .all(|operand| functions::duplicable(operand))
    {
        words.cannot(
            "uses the Jaccard distance of bits over operands that would have to be computed twice",
        );
        return None;
    }
    Some(format!(
        "(CASE WHEN pg_catalog.bit_count({left} & {right}) = 0 THEN 1::double precision ELSE 1 - pg_catalog.bit_count({left} & {right})::double precision / pg_catalog.bit_count({left} | {right}) END)"
    ))
}

/// Arithmetic, concatenation and comparison.
fn common(words: &mut Words, operator: &str, operands: [&SyntaxNode; 2]) -> Option<String> {
    let operator = if operator == "!=" { "<>" } else { operator };
    let comparison = !matches!(operator, "+" | "-" | "*" | "||");
    let kinds = operands.map(|operand| words.kind(operand));
    let arrays = words.real_array() || kinds.contains(&Kind::Vector(TargetType::RealArray));
    let text = match operator {
        "||" => return concatenated(words, operands, kinds),
        _ if arrays && !comparison => {
            words.cannot(format!(
                "uses the operator {operator} of pgvector, which real[] has not"
            ));
            return None;
        }
        _ => {
            words.compared |= comparison;
            let [left, right] = aligned(words, operands);
            let schema = if arrays { "pg_catalog" } else { "vectors" };
            format!("{left} OPERATOR({schema}.{operator}) {right}")
        }
    };
    // The word OPERATOR binds in another strength than the sign; pg_dump has parentheses around either.
    Some(if words.is_bare() {
        format!("({text})")
    } else {
        text
    })
}

/// What is joined to a text is a text of its own, in pgvector's form.
fn beside_text(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let Operation {
        operator,
        left,
        right,
        ..
    } = operation(node)?;
    if operator != "||" || words.joined(node) != Joined::Text {
        return None;
    }
    let texts: Vec<(SyntaxNode, String)> = [left, right]
        .into_iter()
        .filter_map(|side| {
            let text = casts::shown_in_text(words, &side)?;
            Some((side, text))
        })
        .collect();
    (!texts.is_empty()).then(|| words.say_with(node, &texts))
}

/// Two vectors one after the other: PGVecto.rs has no such operator, arrays have. An array joined to NULL is itself, a vector is NULL.
fn concatenated(words: &mut Words, operands: [&SyntaxNode; 2], kinds: [Kind; 2]) -> Option<String> {
    let half = kinds.contains(&Kind::Vector(TargetType::Vecf16));
    let mut nulls = Vec::new();
    let [left, right] = operands.map(|node| {
        let kind = words.kind(node);
        let written = literals::string(&super::bare(node));
        if let Some(array) =
            written.and_then(|value| literals::vector(&value, false, TargetType::RealArray))
        {
            return format!("{array}::real[]");
        }
        let said = words.say(node);
        let text = operand(node, said);
        if !is_constant(node) {
            nulls.push((node, format!("{text} IS NULL")));
        }
        match kind {
            Kind::Vector(TargetType::Vecf16) => format!("{text}::vectors.vector::real[]"),
            _ => format!("{text}::real[]"),
        }
    });
    if !nulls.iter().all(|(node, _)| functions::duplicable(node)) {
        words.cannot(
            "joins vectors that would have to be computed twice, to know whether one is NULL",
        );
        return None;
    }
    let mut array = format!("({left} OPERATOR(pg_catalog.||) {right})");
    if !nulls.is_empty() {
        let tests: Vec<String> = nulls.into_iter().map(|(_, test)| test).collect();
        array = format!(
            "(CASE WHEN {} THEN NULL ELSE {array} END)",
            tests.join(" OR ")
        );
    }
    Some(match (words.real_array(), half) {
        (true, _) => array,
        (false, true) => format!("{array}::vectors.vector::vectors.vecf16"),
        (false, false) => format!("{array}::vectors.vector"),
    })
}

/// `'[1,2]'::vector`
fn is_constant(node: &SyntaxNode) -> bool {
    let node = super::bare(node);
    node.kind() == SyntaxKind::CAST_EXPR
        && node
            .children()
            .any(|inner| literals::string(&super::bare(&inner)).is_some())
}

/// What `||` joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    Vectors,
    Text,
    /// Arrays of vectors, or vectors to such arrays: the operator is PostgreSQL's.
    Arrays,
    /// Arrays, documents, bits: nothing of pgvector's.
    Others,
    Unknown,
}

/// What a text is beside is text, but for arrays and documents, which take it in. A literal takes the other's type.
fn join(left: Kind, right: Kind) -> Joined {
    match (left, right) {
        (Kind::Vector(TargetType::Bvector), _) | (_, Kind::Vector(TargetType::Bvector)) => {
            Joined::Others
        }
        (Kind::Vector(_), Kind::Vector(_) | Kind::Literal) | (Kind::Literal, Kind::Vector(_)) => {
            Joined::Vectors
        }
        (Kind::Vectors(_), _) | (_, Kind::Vectors(_)) => Joined::Arrays,
        (Kind::Array, _) | (_, Kind::Array) => Joined::Others,
        (Kind::Text, _) | (_, Kind::Text) | (Kind::Literal, Kind::Literal | Kind::Other) => {
            Joined::Text
        }
        (Kind::Unknown, _) | (_, Kind::Unknown) => Joined::Unknown,
        _ => Joined::Others,
    }
}

impl Words<'_> {
    /// What an operation gives.
    pub(super) fn operation_kind(&self, node: &SyntaxNode) -> Kind {
        let Some(operation) = operation(node) else {
            return Kind::Unknown;
        };
        match operation.operator.as_str() {
            "||" => match self.joined(node) {
                Joined::Text => Kind::Text,
                Joined::Arrays => {
                    arrays::array_of(self.first_vector(&[operation.left, operation.right]))
                }
                Joined::Others => Kind::Other,
                Joined::Unknown if self.is_bare() => Kind::Unknown,
                Joined::Vectors | Joined::Unknown => {
                    self.first_vector(&[operation.left, operation.right])
                }
            },
            "+" | "-" | "*" => {
                let kinds = [self.kind(&operation.left), self.kind(&operation.right)];
                kinds
                    .into_iter()
                    .find(|kind| kind.is_vector() == Some(true))
                    .unwrap_or(Kind::Unknown)
            }
            _ => Kind::Other,
        }
    }

    /// What the operator of a `||` joins. PostgreSQL joins from the left, and the first operands decide; the parser's tree has the rest of a
    /// chain on the right.
    fn joined(&self, node: &SyntaxNode) -> Joined {
        let is_joint = |node: &SyntaxNode| operation(node).filter(|joint| joint.operator == "||");
        let mut root = node.clone();
        while let Some(above) = root
            .parent()
            .filter(|above| is_joint(above).is_some_and(|joint| joint.right == root))
        {
            root = above;
        }
        let mut so_far = Kind::Unknown;
        let mut found = Joined::Unknown;
        let mut next = Some(root);
        let mut first = true;
        while let Some(link) = next {
            let Some(joint) = is_joint(&link) else { break };
            if first {
                so_far = self.kind(&joint.left);
                first = false;
            }
            let beside = match is_joint(&joint.right) {
                Some(inner) => self.kind(&inner.left),
                None => self.kind(&joint.right),
            };
            found = join(so_far, beside);
            so_far = match found {
                Joined::Vectors if so_far == Kind::Literal => beside,
                Joined::Vectors => so_far,
                Joined::Text => Kind::Text,
                Joined::Arrays if matches!(so_far, Kind::Vectors(_)) => so_far,
                Joined::Arrays => beside,
                Joined::Others => Kind::Other,
                Joined::Unknown => Kind::Unknown,
            };
            if link == *node {
                return found;
            }
            next = Some(joint.right);
        }
        found
    }

    /// A check that compares what the target computes with less precision.
    pub(super) fn single_precision(&mut self) {
        if self.place == Place::Check {
            self.note("compares a measure that PGVecto.rs computes in single precision: a value next to the bound may be judged otherwise there");
        }
    }
}
