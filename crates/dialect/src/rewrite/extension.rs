//! The extension itself, and what names it.
//!
//! In: `CREATE EXTENSION vector` and statements that depend on it by name. Out: `CREATE EXTENSION vectors`, or nothing where the
//! target needs no extension. Also here: entries whose text holds secrets, and the remedies that several findings share.

use super::{Draft, Statement};
use crate::syntax::{self, name};
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

/// A remedy for an object that uses members of pgvector, with what is known about the members.
pub(super) fn remedy(base: &str, members: &[String], real_array: bool) -> String {
    let mut remedy = base.to_owned();
    // PGVecto.rs's words help nobody on a target without it.
    for (member, hint) in HINTS.iter().filter(|_| !real_array) {
        if members.iter().any(|used| used.contains(member)) {
            remedy.push_str("; ");
            remedy.push_str(hint);
        }
    }
    remedy
}

/// What PGVecto.rs says instead, by a part of the member's description.
const HINTS: &[(&str, &str)] = &[
    (
        ".<->(",
        "operator(vectors.<->) is the squared Euclidean distance there: the order is the same, a threshold r becomes r * r",
    ),
    (".<=>(", "the same distance there is operator(vectors.<=>)"),
    (".<#>(", "the same distance there is operator(vectors.<#>)"),
    (
        ".<~>(",
        "Hamming distance is operator(vectors.<->) over bvector there; operator(vectors.<~>) is Jaccard",
    ),
    (
        ".<%>(",
        "Jaccard distance is operator(vectors.<~>) over bvector there",
    ),
    (".<+>(", "there is no taxicab distance there"),
    (".l1_distance(", "there is no taxicab distance there"),
    (
        ".l2_distance(",
        "l2_distance is sqrt(a operator(vectors.<->) b) there",
    ),
    (
        ".cosine_distance(",
        "cosine_distance is operator(vectors.<=>) there",
    ),
    (
        ".inner_product(",
        "inner_product is the negative of operator(vectors.<#>) there",
    ),
    (
        ".vector_dims(",
        "the same function there is vectors.vector_dims",
    ),
    (
        ".vector_norm(",
        "the same function there is vectors.vector_norm",
    ),
    (
        ".l2_normalize(",
        "the same function there is vectors.vector_normalize",
    ),
    (
        ".binary_quantize(",
        "the same function there is vectors.binarize, over vectors.vector only",
    ),
    (
        ".subvector(",
        "subvector(e, s, n) is e[s - 1:s - 1 + n] there",
    ),
    (
        "for access method btree",
        "PGVecto.rs has no equality or order of vectors: no unique, primary or foreign key, no GROUP BY",
    ),
    (".=(", "PGVecto.rs has no equality of vectors"),
];
