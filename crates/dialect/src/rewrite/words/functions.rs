//! Calls of pgvector's functions.
//!
//! In: a call. Out: the operator, function or formula that gives the same on the target, with the type that pgvector's has
//! (PGVecto.rs measures in `real`). A function without an equal is a problem.

use super::kinds::Kind;
use super::{Owner, Words, arrays, casts, equality, operand, operators, settings, sums};
use crate::rewrite::written::integer;
use crate::syntax::{all, child, name};
use crate::types::TargetType;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// Functions of pgvector that a query may call. In a body that is a string each of these words is one.
pub(in super::super) const FUNCTIONS: &[&str] = &[
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
];

/// Functions that PostgreSQL has as well: they are pgvector's where their argument is a vector.
pub(in super::super) const AGGREGATES: &[&str] = &["avg", "sum"];

/// A call, with its own parts said: the name of the function is never taken for a column.
pub(super) fn say(words: &mut Words, call: &SyntaxNode) -> Option<String> {
    let callee = call.children().next()?;
    if !matches!(callee.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR) {
        return None;
    }
    match pgvectors(words, call) {
        Some(function) => {
            let said = translate(words, call, &function);
            Some(said.unwrap_or_else(|| call.text().to_string()))
        }
        None => Some(of_another(words, call, &callee)),
    }
}

/// Functions of PostgreSQL that make texts and documents of whatever they are given.
const WRITERS: &[&str] = &[
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "format",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// A call of somebody else's function.
fn of_another(words: &mut Words, call: &SyntaxNode, callee: &SyntaxNode) -> String {
    let name = callee.text().to_string();
    let plain = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    if WRITERS.contains(&plain.to_ascii_lowercase().as_str()) {
        let args = args(call);
        args.iter().for_each(|arg| casts::held_in_text(words, arg));
        let texts = args.into_iter().filter_map(|arg| {
            let text = casts::shown_in_text(words, &arg)?;
            Some((arg, text))
        });
        let mut parts: Vec<(SyntaxNode, String)> = texts.collect();
        parts.push((callee.clone(), name));
        return words.say_with(call, &parts);
    }
    let args = args(call);
    let mut parts = arrays::called(words, &plain.to_ascii_lowercase(), call, &args);
    if !parts.is_empty() {
        parts.push((callee.clone(), name));
        return words.say_with(call, &parts);
    }
    let said = match name.as_str() {
        "count" => child::<ast::ArgList>(call).and_then(|list| {
            Some((
                list.syntax().clone(),
                equality::counted(words, list.syntax())?,
            ))
        }),
        "set_config"
        | "pg_catalog.set_config"
        | "current_setting"
        | "pg_catalog.current_setting" => {
            let setting = args.into_iter().next();
            setting
                .and_then(|setting| Some((setting.clone(), settings::in_string(words, &setting)?)))
        }
        _ => None,
    };
    match said {
        Some(part) => words.say_with(call, &[(callee.clone(), name), part]),
        None => name + &after(words, call, callee),
    }
}

/// What follows the name of the function.
fn after(words: &mut Words, call: &SyntaxNode, callee: &SyntaxNode) -> String {
    let mut text = String::new();
    for element in call
        .children_with_tokens()
        .skip_while(|element| element.as_node() != Some(callee))
        .skip(1)
    {
        match element.as_node() {
            Some(child) => text.push_str(&words.say(child)),
            None => text.push_str(&element.to_string()),
        }
    }
    text
}

/// The function of pgvector that a call calls, if it is one.
fn pgvectors(words: &mut Words, call: &SyntaxNode) -> Option<String> {
    let (schema, function) = callee(call)?;
    let aggregate = AGGREGATES.contains(&function.as_str());
    let kinds: Vec<Kind> = args(call).iter().map(|arg| words.kind(arg)).collect();
    let known = kinds
        .iter()
        .filter_map(|kind| kind.is_vector())
        .reduce(|a, b| a || b);
    if words.is_bare()
        && !(FUNCTIONS.contains(&function.as_str()) || aggregate && known == Some(true))
    {
        return None;
    }
    // Of a function over bits, bits tell as much as vectors.
    let known = match function.as_str() {
        "hamming_distance" | "jaccard_distance" if kinds.contains(&Kind::Bits) => Some(true),
        _ => known,
    };
    match words.owner(schema.as_deref(), &function, known) {
        Owner::Pgvector => Some(function),
        Owner::Another => None,
        Owner::Unclear => {
            words.unclear.insert(format!("calls {function}, which is not pgvector's alone, and its text does not tell whose it is"));
            None
        }
    }
}

pub(super) fn callee(call: &SyntaxNode) -> Option<(Option<String>, String)> {
    let callee = call.children().next()?;
    if callee.kind() == SyntaxKind::NAME_REF {
        return Some((None, name(&callee)));
    }
    let parts: Vec<String> = callee
        .children()
        .filter(|part| part.kind() == SyntaxKind::NAME_REF)
        .map(|part| name(&part))
        .collect();
    match parts.as_slice() {
        [schema, function] => Some((Some(schema.clone()), function.clone())),
        _ => None,
    }
}

/// The arguments, without names and orders.
pub(super) fn args(call: &SyntaxNode) -> Vec<SyntaxNode> {
    let list: Option<ast::ArgList> = child(call);
    let args = list.into_iter().flat_map(|list| list.args());
    args.filter_map(|arg| arg.expr())
        .map(|expr| expr.syntax().clone())
        .collect()
}

fn translate(words: &mut Words, call: &SyntaxNode, function: &str) -> Option<String> {
    let args = args(call);
    match (function, args.as_slice()) {
        ("l2_distance", [a, b]) => operators::value(words, "<->", [a, b]),
        ("cosine_distance", [a, b]) => operators::value(words, "<=>", [a, b]),
        ("inner_product", [a, b]) => {
            operators::value(words, "<#>", [a, b]).map(|negative| format!("(- {negative})"))
        }
        ("l1_distance", [a, b]) => operators::value(words, "<+>", [a, b]),
        ("hamming_distance", [a, b]) => operators::value(words, "<~>", [a, b]),
        ("jaccard_distance", [a, b]) => operators::value(words, "<%>", [a, b]),
        ("vector_dims", [_]) if words.real_array() => {
            Some(format!("pg_catalog.cardinality{}", list(words, call)))
        }
        ("vector_dims", [_]) => Some(format!("vectors.vector_dims{}", list(words, call))),
        ("vector_norm" | "l2_norm", [_]) if !words.real_array() => {
            words.single_precision();
            Some(format!(
                "(vectors.vector_norm{})::double precision",
                list(words, call)
            ))
        }
        ("vector_norm" | "l2_norm", [vector]) => sums::norm(words, function, vector),
        ("l2_normalize", [_]) if !words.real_array() => {
            words.note(
                "normalizes vectors: of a vector of zeros pgvector gives zeros, and PGVecto.rs NaN",
            );
            Some(format!("vectors.vector_normalize{}", list(words, call)))
        }
        ("binary_quantize", [_]) if !words.real_array() => {
            Some(super::columns::bits_unless_carried(words, call))
        }
        ("subvector", [vector, start, count]) => slice(words, vector, start, count),
        ("avg" | "sum", [vector]) if !words.real_array() => {
            Some(aggregate(words, call, function, vector))
        }
        _ => {
            let target = if words.real_array() {
                "real[]"
            } else {
                "PGVecto.rs"
            };
            words.cannot(format!(
                "calls {function} of pgvector, which {target} has not"
            ));
            None
        }
    }
}

fn list(words: &mut Words, call: &SyntaxNode) -> String {
    let callee = call.children().next();
    callee.map_or_else(String::new, |callee| after(words, call, &callee))
}

/// `binary_quantize(e)` as the vector that it is on the target.
pub(super) fn binarize(words: &mut Words, call: &SyntaxNode) -> String {
    let Some(vector) = args(call).into_iter().next() else {
        return call.text().to_string();
    };
    let said = words.say(&vector);
    let said = match words.kind(&vector) {
        Kind::Vector(from) if from != TargetType::Vector => {
            format!("{}::vectors.vector", operand(&vector, said))
        }
        _ => said,
    };
    format!("vectors.binarize({said})")
}

/// `subvector(e, 2, 3)` is `(e)[1:4]`, from 0 and half open. Where the bounds are not numbers, or of a type that has no such slices, an
/// array is cut, which clamps its bounds as pgvector does.
fn slice(
    words: &mut Words,
    vector: &SyntaxNode,
    start: &SyntaxNode,
    count: &SyntaxNode,
) -> Option<String> {
    let kind = words.kind(vector);
    let said = words.say(vector);
    let said = operand(vector, said);
    let number = |node: &SyntaxNode| {
        ast::Literal::cast(super::bare(node)).and_then(|literal| integer(&literal))
    };
    if let (Some(from @ 1..), Some(length @ 1..), false) =
        (number(start), number(count), words.real_array())
    {
        let end = (from - 1).checked_add(length)?;
        return Some(format!("(({said})[{}:{end}])", from - 1));
    }
    if !duplicable(start) {
        words.cannot("calls subvector with a start that would have to be computed twice");
        return None;
    }
    let (start, count) = (words.say(start), words.say(count));
    let array = match kind {
        Kind::Vector(TargetType::Vecf16) => format!("({said}::vectors.vector::real[])"),
        _ => format!("({said}::real[])"),
    };
    let cut = format!("({array}[({start}):({start}) + ({count}) - 1])");
    Some(match kind {
        _ if words.real_array() => cut,
        Kind::Vector(TargetType::Vecf16) => format!("{cut}::vectors.vector::vectors.vecf16"),
        _ => format!("{cut}::vectors.vector"),
    })
}

/// PGVecto.rs has avg and sum over `vector` and `svector`.
fn aggregate(words: &mut Words, call: &SyntaxNode, function: &str, vector: &SyntaxNode) -> String {
    let half = match words.kind(vector) {
        Kind::Vector(kind) => kind == TargetType::Vecf16,
        _ => words
            .members()
            .iter()
            .any(|member| member.contains(&format!("{function}(")) && member.contains("halfvec")),
    };
    if !half {
        return format!("vectors.{function}{}", list(words, call));
    }
    let said = words.say(vector);
    let cast = format!("{}::vectors.vector", operand(vector, said));
    let callee = call.children().next();
    let parts: Vec<(SyntaxNode, String)> = callee
        .map(|callee| (callee, format!("vectors.{function}")))
        .into_iter()
        .chain([(vector.clone(), cast)])
        .collect();
    format!("({})::vectors.vecf16", words.say_with(call, &parts))
}

/// Whether an expression may stand twice: names, numbers, parameters, casts of these.
pub(super) fn duplicable(node: &SyntaxNode) -> bool {
    let calls =
        all::<ast::CallExpr>(node).next().is_some() || all::<ast::Select>(node).next().is_some();
    !calls
}

impl Words<'_> {
    /// What a call gives.
    pub(super) fn call_kind(&self, call: &SyntaxNode) -> Kind {
        if let Some(kind) = self.array_call_kind(call) {
            return kind;
        }
        let Some((schema, function)) = callee(call) else {
            return Kind::Unknown;
        };
        let first = || {
            args(call)
                .first()
                .map_or(Kind::Unknown, |arg| self.kind(arg))
        };
        if schema.is_none() && function == "coalesce" {
            return self.first_vector(&args(call));
        }
        if self.owner(schema.as_deref(), &function, None) == Owner::Another {
            return Kind::Unknown;
        }
        match function.as_str() {
            "binary_quantize" if !self.real_array() => Kind::Vector(TargetType::Bvector),
            "l2_normalize" | "subvector" | "avg" | "sum" => first(),
            name if FUNCTIONS.contains(&name) => Kind::Other,
            _ => Kind::Unknown,
        }
    }
}

/// Functions behind pgvector's operators that user-made aggregates and operators are made of, and those of PGVecto.rs.
const IMPLEMENTATIONS: &[(&str, &str)] = &[
    ("vector_add", "vectors._vectors_vecf32_operator_add"),
    ("vector_sub", "vectors._vectors_vecf32_operator_sub"),
    ("vector_mul", "vectors._vectors_vecf32_operator_mul"),
    ("halfvec_add", "vectors._vectors_vecf16_operator_add"),
    ("halfvec_sub", "vectors._vectors_vecf16_operator_sub"),
    ("halfvec_mul", "vectors._vectors_vecf16_operator_mul"),
];

/// `SFUNC = public.vector_add`
pub(super) fn say_implementation(words: &mut Words, value: &SyntaxNode) -> Option<String> {
    let ty: ast::PathType = child(value)?;
    let parts = crate::rewrite::mention::path_of(&ty)?;
    let [schema, function] = parts.as_slice() else {
        return None;
    };
    let (_, target) = IMPLEMENTATIONS.iter().find(|(name, _)| name == function)?;
    let ours = words.owner(Some(schema), function, Some(true)) == Owner::Pgvector;
    (ours && !words.real_array()).then(|| (*target).to_owned())
}
