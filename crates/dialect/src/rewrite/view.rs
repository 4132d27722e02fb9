//! Views that pg_dump writes as a placeholder first.
//!
//! In: a view that the catalog ties to no member of pgvector. Out: its text unchanged, but for the placeholder of a view in a
//! cycle of dependencies (`SELECT NULL::public.vector(3) AS v`): its columns must have the types that the real view will have.

use super::written::{Written, written};
use super::{Draft, Statement};
use crate::syntax::{child, range};
use crate::types::{TargetType, TypeChange, default_target};
use squawk_syntax::ast::{self, AstNode};

pub(super) fn translate(draft: &mut Draft) {
    draft.each(|draft, statement| {
        if edit(statement, &draft.context.vector_schema, draft.context.real_array) {
            draft.note(
                "its placeholder in the first half of the dump gives each vector column the usual type of the target",
                "where a column of its tables was mapped to another type, create the view by hand",
            );
        }
    });
}

fn edit(statement: &mut Statement, schema: &str, real_array: bool) -> bool {
    let mut edited = false;
    for cast in crate::syntax::all::<ast::CastExpr>(&statement.root) {
        let (Some(ty), Some(literal)) = (cast.ty(), child::<ast::Literal>(cast.syntax())) else {
            continue;
        };
        let is_null = matches!(literal.kind(), Some(ast::LitKind::Null(_)));
        let in_target = cast
            .syntax()
            .parent()
            .is_some_and(|parent| ast::Target::can_cast(parent.kind()));
        let Some(found) = written(&ty, schema).filter(|_| is_null && in_target) else {
            continue;
        };
        // A column of bits stays one unless it was decided otherwise, which a placeholder cannot know.
        if crate::types::SourceType::of_extension(&found.from.to_string()).is_some() {
            statement
                .edits
                .replace(range(ty.syntax()), usual(found, real_array).target_sql());
            edited = true;
        }
    }
    edited
}

fn usual(found: Written, real_array: bool) -> TypeChange {
    let to = if real_array {
        TargetType::RealArray
    } else {
        default_target(found.from)
    };
    TypeChange {
        from: found.from,
        to,
        dims: found.dims,
        array: found.array,
    }
}
