//! The expression of a vector index.
//!
//! In: the key of an index over columns whose new types are known. Out: edits that say it in PGVecto.rs's words, and the type that
//! the key then has. Understood are columns, casts between vector types, `binary_quantize`, `l2_normalize` and `subvector`, in any nesting; anything
//! else is refused with a reason.

use super::mention;
use super::written::{integer, written};
use crate::syntax::{Edits, name, range};
use crate::types::{TargetType, TypeChange, default_target};
use squawk_syntax::ast::{self, AstNode};
use std::collections::BTreeMap;

/// Where the names of an expression are looked up.
pub(super) struct Scope<'a> {
    pub(super) schema: &'a str,
    pub(super) columns: Option<&'a BTreeMap<String, TypeChange>>,
    pub(super) over_domains: Option<&'a BTreeMap<String, TypeChange>>,
}

/// What is known of an expression on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) over: TargetType,
    /// The type modifier that PGVecto.rs will see in the outermost node.
    pub(super) modifier: Option<u32>,
    /// The length of its values, where the text tells.
    length: Option<u32>,
}

pub(super) fn translate(
    expression: &ast::Expr,
    scope: &Scope,
    edits: &mut Edits,
) -> Result<Shape, String> {
    match expression {
        ast::Expr::ParenExpr(paren) => translate(&inner(paren.syntax())?, scope, edits),
        ast::Expr::NameRef(column) => scope.column(&name(column.syntax())),
        ast::Expr::CastExpr(cast) => translate_cast(cast, scope, edits),
        ast::Expr::CallExpr(call) => translate_call(call, scope, edits),
        _ => Err(NOT_UNDERSTOOD.to_owned()),
    }
}

const NOT_UNDERSTOOD: &str = "its expression is not one that can be translated";

fn inner(node: &squawk_syntax::SyntaxNode) -> Result<ast::Expr, String> {
    node.children()
        .find_map(ast::Expr::cast)
        .ok_or_else(|| NOT_UNDERSTOOD.to_owned())
}

impl Scope<'_> {
    fn column(&self, column: &str) -> Result<Shape, String> {
        let both = [self.columns, self.over_domains].into_iter().flatten();
        let change = both.filter_map(|columns| columns.get(column)).next();
        let change = change.ok_or_else(|| {
            format!("column {column} keeps its type, which PGVecto.rs has no vector index for")
        })?;
        if change.array {
            return Err(format!("column {column} is an array of vectors"));
        }
        Ok(Shape {
            over: change.to,
            modifier: change.dims,
            length: change.dims,
        })
    }
}

/// `(e)::public.halfvec(4)` becomes `(e)::vectors.vecf16(4)`.
///
/// PGVecto.rs casts between `vector` and each other type only, so that any other pair goes through `vectors.vector`.
fn translate_cast(cast: &ast::CastExpr, scope: &Scope, edits: &mut Edits) -> Result<Shape, String> {
    let ty = cast.ty().ok_or(NOT_UNDERSTOOD)?;
    let found = written(&ty, scope.schema)
        .filter(|found| !found.array)
        .ok_or(NOT_UNDERSTOOD)?;
    let operand = inner(cast.syntax())?;
    let from = translate(&operand, scope, edits)?;
    let to = default_target(found.from);
    if from.over == TargetType::RealArray {
        return Err("real[] has no vector index".to_owned());
    }
    if let (Some(length), Some(dims)) = (from.length, found.dims)
        && length != dims
    {
        return Err(format!(
            "its expression casts {length} dimensions to {dims}"
        ));
    }
    if from.over != to && from.over != TargetType::Vector && to != TargetType::Vector {
        edits.insert(range(operand.syntax()).end, "::vectors.vector");
    }
    let change = TypeChange {
        from: found.from,
        to,
        dims: found.dims,
        array: false,
    };
    if let Some(refusal) = change.refusal() {
        return Err(format!("its expression has {refusal}"));
    }
    edits.replace(range(ty.syntax()), change.target_sql());
    Ok(Shape {
        over: to,
        modifier: found.dims,
        length: found.dims.or(from.length),
    })
}

fn translate_call(call: &ast::CallExpr, scope: &Scope, edits: &mut Edits) -> Result<Shape, String> {
    let function = mention::function(call.syntax(), scope.schema).ok_or(NOT_UNDERSTOOD)?;
    let args: Option<Vec<ast::Expr>> = call
        .arg_list()
        .ok_or(NOT_UNDERSTOOD)?
        .args()
        .map(|arg| arg.expr())
        .collect();
    match (function.as_str(), args.as_deref()) {
        ("binary_quantize", Some([vector])) => binarize(call, vector, scope, edits),
        ("subvector", Some([vector, start, count])) => {
            slice(call, vector, [start, count], scope, edits)
        }
        ("l2_normalize", Some([vector])) => {
            let callee = inner(call.syntax())?;
            edits.replace(range(callee.syntax()), "vectors.vector_normalize");
            let from = translate(vector, scope, edits)?;
            Ok(Shape {
                modifier: None,
                ..from
            })
        }
        _ => Err(format!(
            "its expression calls {}.{function}, which PGVecto.rs has not in an index",
            scope.schema
        )),
    }
}

/// `public.binary_quantize(e)` becomes `vectors.binarize(e)`, which takes `vectors.vector` only. Both use `> 0`.
fn binarize(
    call: &ast::CallExpr,
    vector: &ast::Expr,
    scope: &Scope,
    edits: &mut Edits,
) -> Result<Shape, String> {
    let callee = inner(call.syntax())?;
    edits.replace(range(callee.syntax()), "vectors.binarize");
    let from = translate(vector, scope, edits)?;
    match from.over {
        TargetType::Vector => {}
        TargetType::Vecf16 => edits.insert(range(vector.syntax()).end, "::vectors.vector"),
        other => {
            return Err(format!(
                "its expression calls binary_quantize over what becomes {other}"
            ));
        }
    }
    Ok(Shape {
        over: TargetType::Bvector,
        modifier: None,
        length: from.length,
    })
}

/// `public.subvector(e, 2, 3)` becomes `(e[1:4])`: from 0, and the end is not part of it. pgvector counts from 1.
fn slice(
    call: &ast::CallExpr,
    vector: &ast::Expr,
    bounds: [&ast::Expr; 2],
    scope: &Scope,
    edits: &mut Edits,
) -> Result<Shape, String> {
    let [start, count] = bounds.map(|bound| match bound {
        ast::Expr::Literal(literal) => integer(literal).filter(|number| *number > 0),
        _ => None,
    });
    let (Some(start), Some(count)) = (start, count) else {
        return Err(
            "its expression calls subvector with bounds that are not positive numbers".to_owned(),
        );
    };
    let (from, to) = (
        start - 1,
        (start - 1).checked_add(count).ok_or(NOT_UNDERSTOOD)?,
    );
    let (whole, argument) = (range(call.syntax()), range(vector.syntax()));
    let bare = matches!(vector, ast::Expr::NameRef(_) | ast::Expr::ParenExpr(_));
    edits.replace(whole.start..argument.start, if bare { "(" } else { "((" });
    let shape = translate(vector, scope, edits)?;
    if !matches!(shape.over, TargetType::Vector | TargetType::Vecf16) {
        return Err(format!(
            "its expression calls subvector over what becomes {}",
            shape.over
        ));
    }
    if shape.length.is_some_and(|length| to > length) {
        return Err("its expression calls subvector beyond the end of the vector".to_owned());
    }
    edits.replace(
        argument.end..whole.end,
        format!("{}[{from}:{to}])", if bare { "" } else { ")" }),
    );
    Ok(Shape {
        over: shape.over,
        modifier: None,
        length: Some(count),
    })
}
