//! Functions and procedures: the settings and the bodies that the catalog does not tie to pgvector.
//!
//! In: a routine that no entry of `pg_depend` ties to pgvector. Out: its text unchanged, but for query settings of pgvector in its
//! `SET` clauses. A body that is a string may still use pgvector: that is said, and never more than that.

use super::{Draft, Statement};
use crate::settings::{self, Becomes};
use crate::syntax::{all, name, path, range};
use squawk_syntax::ast::{self, AstNode};
use std::collections::BTreeSet;

pub(super) fn translate(draft: &mut Draft) {
    draft.each(|draft, statement| {
        query_settings(draft, statement);
        for option in all::<ast::AsFuncOption>(&statement.root) {
            let bodies = all::<ast::Literal>(option.syntax()).filter_map(|literal| literal.string_value());
            let words: BTreeSet<&str> = bodies.flat_map(|body| suspicious(&body)).collect();
            if !words.is_empty() {
                let words: Vec<&str> = words.into_iter().collect();
                draft.note(
                    format!("its body may use pgvector: {}", words.join(", ")),
                    "check it on the target: names of PGVecto.rs need the schema vectors, and <-> is squared there",
                );
            }
        }
    });
}

const TYPES_AND_FUNCTIONS: &[&str] = &[
    "vector",
    "halfvec",
    "sparsevec",
    "l2_distance",
    "inner_product",
    "cosine_distance",
    "l1_distance",
    "hamming_distance",
    "jaccard_distance",
    "l2_normalize",
    "binary_quantize",
    "subvector",
    "vector_dims",
    "vector_norm",
    "hnsw",
    "ivfflat",
];
const OPERATORS: &[&str] = &["<->", "<=>", "<#>", "<+>", "<~>", "<%>"];

/// Words in a body that pgvector also has.
fn suspicious(body: &str) -> Vec<&'static str> {
    let identifiers: BTreeSet<String> = body
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .map(str::to_lowercase)
        .collect();
    let operators: BTreeSet<&str> = body
        .split(|letter: char| !"<>=~#%+-*/!@&|^?".contains(letter))
        .collect();
    let named = TYPES_AND_FUNCTIONS
        .iter()
        .filter(|word| identifiers.contains(**word));
    let operated = OPERATORS
        .iter()
        .filter(|operator| operators.contains(**operator));
    named.chain(operated).copied().collect()
}

fn query_settings(draft: &mut Draft, statement: &mut Statement) {
    for option in all::<ast::SetFuncOption>(&statement.root) {
        let Some(parameter) = all::<ast::ConfigParameterRef>(option.syntax()).next() else {
            continue;
        };
        let setting = all::<ast::PathRef>(parameter.syntax()).next().map_or_else(
            || name(parameter.syntax()),
            |parts| path(parts.syntax()).join("."),
        );
        match settings::becomes(&setting, draft.context.real_array) {
            Becomes::Itself => {}
            Becomes::Counterpart(new) => {
                statement
                    .edits
                    .replace(range(parameter.syntax()), format!("\"{new}\""));
                draft.note(format!("its setting {setting} becomes {new}"), "");
            }
            Becomes::Nothing => {
                statement.edits.replace(range(option.syntax()), "");
                draft.note(
                    format!(
                        "its setting {setting} has no counterpart on the target and is left out"
                    ),
                    "",
                );
            }
        }
    }
}
