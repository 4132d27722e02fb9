//! The extension itself, and what names it.
//!
//! In: `CREATE EXTENSION vector` and statements that depend on it by name. Out: `CREATE EXTENSION vectors`, or nothing where the
//! target needs no extension. Also here: entries whose text holds secrets, and the remedies that several findings share.

use super::words::{AGGREGATES, FUNCTIONS};
use super::{Draft, Statement};
use crate::dump::Entry;
use crate::syntax::{self, name};
use crate::types::SourceType;
use squawk_syntax::ast::{self, AstNode};

/// The remedy where no better one is known.
pub(super) const BY_HAND: &str =
    "create it by hand on the target, or run with --allow-findings to leave it out";

pub(super) fn create(draft: &mut Draft) {
    draft.statements.clear();
    if !draft.context.real_array {
        draft
            .statements
            .push("CREATE EXTENSION IF NOT EXISTS vectors".to_owned());
    }
}

/// Privileges on functions and types of the extension itself, which pg_dump writes where they differ from the extension's own.
/// The members are not on the target; those of PGVecto.rs have its own privileges.
pub(super) fn of_member(entry: &Entry, schema: &str) -> bool {
    let name = entry.name.as_str();
    let ours = entry.schema.as_deref() == Some(schema)
        && matches!(entry.kind.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
    ours && match name.split_once(' ') {
        Some(("TYPE", ty)) => SourceType::of_extension(ty).is_some(),
        Some(("FUNCTION" | "AGGREGATE", signature)) => is_member(signature, schema),
        _ => false,
    }
}

/// Whether a function with this name and these arguments cannot be another's: it would be in the extension's place.
fn is_member(signature: &str, schema: &str) -> bool {
    let Some((function, args)) = signature.split_once('(') else {
        return false;
    };
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    let known = |arg: &str| {
        let qualified = arg.trim().rsplit_once('.');
        let of_ours = qualified.is_some_and(|(place, ty)| {
            (place == schema || place == quoted) && SourceType::of_extension(ty).is_some()
        });
        of_ours || arg.trim() == "bit"
    };
    let args: Vec<&str> = args.trim_end_matches(')').split(',').collect();
    let ours = FUNCTIONS.contains(&function) || AGGREGATES.contains(&function);
    ours && args.first().is_some_and(|first| known(first))
}

/// Subscriptions and user mappings carry passwords in clear: they are not run, and their text is not shown.
pub(super) fn secret(draft: &mut Draft) {
    draft.decide(
        "its definition holds connection secrets and would act on other servers",
        "create it by hand on the target when the copy is done, or run with --allow-findings to leave it out",
    );
}

/// `ALTER … DEPENDS ON EXTENSION vector` has no meaning on the target: a drop of pgvector does not happen there.
pub(super) fn edit(draft: &mut Draft, statement: &mut Statement) {
    let Some(depends) = syntax::first::<ast::DependsOnExtension>(&statement.root) else {
        return;
    };
    if syntax::first::<ast::ExtensionRef>(depends.syntax())
        .is_some_and(|extension| name(extension.syntax()) == "vector")
    {
        statement.dropped = true;
        draft.note("its dependency on the extension vector is left out", "");
    }
}
