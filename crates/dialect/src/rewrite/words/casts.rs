//! Types, and casts from and to them.
//!
//! In: a type or a cast. Out: the same on the target, through `vectors.vector` and `real[]` where PGVecto.rs has no direct cast: it
//! casts between `vector` and each other type, and between `vector` and `real[]`, and knows no other arrays. Text of a vector is
//! written as pgvector writes it.

use super::kinds::Kind;
use super::{Place, Words, bare, columns, literals, mention, operand};
use crate::rewrite::written::Written;
use crate::syntax::child;
use crate::types::{SourceType, TargetType, TypeChange};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// A type where it stands alone: of a parameter, a result, an attribute.
pub(super) fn say_type(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let ty = ast::Type::cast(node.clone())?;
    let found = words.written(&ty).filter(|found| !is_bits(*found))?;
    let setof = node
        .first_token()
        .filter(|token| token.kind() == SyntaxKind::SETOF_KW);
    let sql = target_sql(words, found);
    Some(if setof.is_some() {
        format!("SETOF {sql}")
    } else {
        sql
    })
}

fn is_bits(found: Written) -> bool {
    matches!(found.from, SourceType::Bit | SourceType::Varbit)
}

fn target_sql(words: &mut Words, found: Written) -> String {
    let change = TypeChange {
        from: found.from,
        to: words.usual(found.from),
        dims: found.dims,
        array: found.array,
    };
    if let Some(refusal) = change.refusal() {
        words.cannot(format!("has a type with {refusal}"));
    }
    change.target_sql()
}

pub(super) fn say(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let ty: ast::Type = child(node)?;
    let inner = inner(node)?;
    let from = words.kind(&inner);
    match words.written(&ty) {
        Some(found) if is_bits(found) => match words.kind(node) {
            Kind::Vector(TargetType::Bvector) => Some(columns::bits_unless_carried(words, node)),
            _ => None,
        },
        Some(found) => {
            let text = value(words, &inner, from, found);
            let sql = target_sql(words, found);
            Some(compose(node, &inner, &text, &ty, &sql))
        }
        None => {
            let Kind::Vector(from) = from else {
                if is_text(&ty) {
                    held_in_text(words, &inner);
                }
                return None;
            };
            let text = from_vector(words, &inner, from, &ty)?;
            Some(compose(
                node,
                &inner,
                &text,
                &ty,
                &ty.syntax().text().to_string(),
            ))
        }
    }
}

/// What is cast.
fn inner(node: &SyntaxNode) -> Option<SyntaxNode> {
    node.children()
        .find(|child| ast::Expr::can_cast(child.kind()))
}

/// The cast with another value and type. `real[] '{1}'` is no expression, so that form takes the colons.
fn compose(node: &SyntaxNode, inner: &SyntaxNode, text: &str, ty: &ast::Type, sql: &str) -> String {
    if node.children().next().as_ref() == Some(ty.syntax()) {
        return format!("{text}::{sql}");
    }
    node.children_with_tokens()
        .map(|element| match element.as_node() {
            Some(child) if child == inner => text.to_owned(),
            Some(child) if child == ty.syntax() => sql.to_owned(),
            _ => element.to_string(),
        })
        .collect()
}

/// What is cast to a vector type, up to the last step.
fn value(words: &mut Words, inner: &SyntaxNode, from: Kind, found: Written) -> String {
    let to = words.usual(found.from);
    let sparse = found.from == SourceType::Sparsevec;
    if found.array {
        let literal = literals::string(&bare(inner));
        if sparse && literal.is_some() {
            words.cannot("has a literal of an array of sparse vectors");
        }
        if let (Some(literal), TargetType::RealArray) = (literal, to) {
            // One array of two dimensions: its rows stand without quotes.
            let rows = literals::vector(&literal.replace('"', ""), false, to);
            return rows.unwrap_or_else(|| inner.text().to_string());
        }
        return words.say(inner);
    }
    if let Some(literal) = literals::string(&bare(inner)) {
        return literals::vector(&literal, sparse, to).unwrap_or_else(|| {
            words.cannot(format!(
                "has a literal of the type {} that is not understood",
                found.from
            ));
            inner.text().to_string()
        });
    }
    let text = words.say(inner);
    let text = operand(inner, text);
    match source(words, from, found.from) {
        _ if literals::is_null(&bare(inner)) => text,
        Kind::Vector(from) => through(from, to, text),
        Kind::Array => through_array(to, text),
        Kind::Text | Kind::Literal if sparse => {
            words.cannot("casts a text to sparsevec, whose text counts from 1 in pgvector and from 0 in PGVecto.rs");
            text
        }
        Kind::Text if to == TargetType::RealArray => {
            format!("pg_catalog.translate({text}, '[]', '{{}}')")
        }
        Kind::Unknown | Kind::Other if sparse && !words.is_bare() => {
            words.cannot("casts something to sparsevec whose type its text does not tell");
            text
        }
        _ => text,
    }
}

/// What is known of a value that is cast, also from the functions that the catalog lists.
fn source(words: &Words, from: Kind, to: SourceType) -> Kind {
    let listed = |function: String| {
        words
            .members()
            .iter()
            .any(|member| mention::is_named(member, &function))
    };
    match from {
        Kind::Unknown | Kind::Other if listed(format!("array_to_{to}")) => Kind::Array,
        Kind::Unknown => [
            SourceType::Vector,
            SourceType::Halfvec,
            SourceType::Sparsevec,
        ]
        .into_iter()
        .find(|from| listed(format!("{from}_to_{to}")))
        .map_or(from, |from| Kind::Vector(words.usual(from))),
        from => from,
    }
}

/// From one vector type to another, up to the last step.
pub(super) fn through(from: TargetType, to: TargetType, text: String) -> String {
    match (from, to) {
        (TargetType::RealArray, _) | (_, TargetType::RealArray) => text,
        (from, to) if from == to || from == TargetType::Vector || to == TargetType::Vector => text,
        _ => format!("{text}::vectors.vector"),
    }
}

fn through_array(to: TargetType, text: String) -> String {
    let text = if text.ends_with("::real[]") || to == TargetType::RealArray {
        text
    } else {
        format!("{text}::real[]")
    };
    match to {
        TargetType::Vector | TargetType::RealArray => text,
        _ => format!("{text}::vectors.vector"),
    }
}

/// A vector that is cast to something else, up to the last step; nothing where the cast is the same on the target.
fn from_vector(
    words: &mut Words,
    inner: &SyntaxNode,
    from: TargetType,
    ty: &ast::Type,
) -> Option<String> {
    let target = ty.syntax().text().to_string();
    let is_text = is_text(ty);
    // Bits are said as bits, and numbers of a vector are real.
    let as_it_is = from == TargetType::Bvector
        || (target == "real[]" && matches!(from, TargetType::Vector | TargetType::RealArray));
    if as_it_is || (!is_text && !target.ends_with("[]")) {
        return None;
    }
    let said = words.say(inner);
    let said = operand(inner, said);
    if !is_text {
        let numbers = as_array(from, said);
        return Some(numbers);
    }
    text_of(words, from, said)
}

fn is_text(ty: &ast::Type) -> bool {
    matches!(ty, ast::Type::VarcharType(_) | ast::Type::CharacterType(_))
        || ty.syntax().text() == "text"
}

/// Vectors inside of what PostgreSQL makes a text or a document of.
pub(super) fn held_in_text(words: &mut Words, node: &SyntaxNode) {
    if words.holds_vectors(node) {
        words.note("makes a text or a document of arrays or whole rows with vectors in them, in PGVecto.rs's form: with blanks, sparse ones counted from 0, bits as lists");
    }
}

/// `t := q`, `RETURN q`: PL/pgSQL casts what it is given to the type of the variable or of the function.
pub(super) fn assigned(words: &mut Words, expression: &SyntaxNode) -> Option<String> {
    let statement = expression.parent()?;
    let to = match statement.kind() {
        SyntaxKind::PLPGSQL_RETURN_STMT | SyntaxKind::PLPGSQL_RETURN_NEXT_STMT => words.returns,
        SyntaxKind::PLPGSQL_ASSIGN_STMT => {
            let target: ast::PlpgsqlAssignTarget = child(&statement)?;
            words.named(&[target.syntax().text().to_string().to_lowercase()])
        }
        SyntaxKind::PLPGSQL_VAR_INIT => {
            let declared: ast::PlpgsqlVarDecl = ast::PlpgsqlVarDecl::cast(statement.parent()?)?;
            words.type_kind(&child(declared.syntax())?)
        }
        _ => return None,
    };
    let target = expression.descendants().find_map(ast::Target::cast)?;
    let value = target.syntax().children().next()?;
    let alone = value.text() == expression.text().to_string().trim();
    if to != Kind::Text || !alone {
        return None;
    }
    held_in_text(words, &value);
    let text = shown_in_text(words, &value)?;
    Some(words.say_with(expression, &[(value, text)]))
}

pub(super) fn as_array(from: TargetType, text: String) -> String {
    match from {
        TargetType::Vector => format!("{text}::real[]"),
        TargetType::RealArray => text,
        _ => format!("{text}::vectors.vector::real[]"),
    }
}

/// A vector where PostgreSQL makes a text of it without a cast: in pgvector's form. Bits are said as bits already.
pub(super) fn shown_in_text(words: &mut Words, node: &SyntaxNode) -> Option<String> {
    let Kind::Vector(from) = words.kind(node) else {
        return None;
    };
    if from == TargetType::Bvector {
        return None;
    }
    let said = words.say(node);
    text_of(words, from, operand(node, said))
}

/// The text of a vector as pgvector prints it: `[1,2.5]`. An array of real prints its numbers in the same way.
fn text_of(words: &mut Words, from: TargetType, text: String) -> Option<String> {
    if from == TargetType::Svector {
        let problem = "shows a sparse vector as text, which counts from 1 in pgvector and from 0 in PGVecto.rs";
        match words.place {
            Place::Query => words.note(problem),
            _ => words.cannot(problem),
        }
        return None;
    }
    if words.place == Place::Immutable {
        words.cannot("uses the text of a vector, which PGVecto.rs writes in another form");
        return None;
    }
    let numbers = as_array(from, text);
    Some(format!(
        "pg_catalog.translate(({numbers})::text, '{{}}', '[]')"
    ))
}

/// A cast to bits of what is a bvector.
pub(super) fn bvector(words: &mut Words, node: &SyntaxNode) -> String {
    let (Some(ty), Some(inner)) = (child::<ast::Type>(node), inner(node)) else {
        return node.text().to_string();
    };
    let text = columns::as_vector(words, &inner);
    match words.written(&ty).and_then(|found| found.dims) {
        Some(dims) => format!("{text}::vectors.bvector({dims})"),
        None => text,
    }
}
