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
    written_as(ty, &|parts| match parts {
        [qualifier, name] if qualifier == schema => SourceType::of_extension(name),
        _ => None,
    })
}

/// The same where the caller knows which path is a type of pgvector.
pub(super) fn written_as(
    ty: &ast::Type,
    of_extension: &impl Fn(&[String]) -> Option<SourceType>,
) -> Option<Written> {
    let (from, dims) = match ty {
        ast::Type::ArrayType(array) => {
            let element = written_as(&array.ty()?, of_extension)?;
            return (!element.array).then_some(Written {
                array: true,
                ..element
            });
        }
        ast::Type::PathType(path) => {
            let parts = mention::path_of(path)?;
            // In quotes it is the type without a length: the keyword alone has one bit.
            let from = match parts.as_slice() {
                [name] if name == "bit" => SourceType::Bit,
                parts => of_extension(parts)?,
            };
            (from, modifier(path.arg_list()))
        }
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
