//! A vector type as a statement of pg_dump writes it.
//!
//! In: a type node. Out: which type of the source it is, with its modifier: `public.vector(3)`, `extensions."vector"`,
//! `public.halfvec(3)[]`, `bit(8)`, `bit varying(8)`. What becomes of it is decided elsewhere.

use super::mention;
use crate::types::SourceType;
use squawk_syntax::ast;

/// A vector type, or a type that somebody may have declared to hold vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) from: SourceType,
    pub(super) dims: Option<u32>,
    pub(super) array: bool,
}

pub(super) fn written(ty: &ast::Type, schema: &str) -> Option<Written> {
    let (from, dims) = match ty {
        ast::Type::ArrayType(array) => {
            let element = written(&array.ty()?, schema)?;
            return (!element.array).then_some(Written {
                array: true,
                ..element
            });
        }
        ast::Type::PathType(path) => (
            mention::of_extension(path, schema)?,
            modifier(path.arg_list()),
        ),
        ast::Type::BitType(bit) => (SourceType::Bit, Some(modifier(bit.arg_list()).unwrap_or(1))),
        ast::Type::BitVaryingType(bit) => (SourceType::Varbit, modifier(bit.arg_list())),
        _ => return None,
    };
    Some(Written {
        from,
        dims,
        array: false,
    })
}

/// The number in a type modifier.
fn modifier(list: Option<ast::ArgList>) -> Option<u32> {
    let arg = list?.args().next()?;
    match arg.expr()? {
        ast::Expr::Literal(literal) => integer(&literal),
        _ => None,
    }
}

/// A plain number.
pub(super) fn integer(literal: &ast::Literal) -> Option<u32> {
    u32::try_from(literal.integer_value()?).ok()
}
