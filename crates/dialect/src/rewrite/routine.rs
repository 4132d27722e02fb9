//! Functions and procedures: signature, settings and body.
//!
//! In: a routine. Out: its types and what stands in its text in the target's words, and its body as well where that is a string: SQL
//! and PL/pgSQL are parsed, translated and quoted again. A body that cannot be translated for sure keeps its bytes: the routine is made,
//! and what its body would no longer find is a finding.

use super::words::{Place, Words};
use super::{Draft, Statement, body};
use crate::settings::{self, Becomes};
use crate::syntax::{all, name, path, range};
use squawk_syntax::ast::{self, AstNode};

pub(super) fn translate(draft: &mut Draft) {
    draft.each(|draft, statement| {
        let mut words = draft.words(&statement.root, Place::Query);
        words.edit(&statement.root, &mut statement.edits);
        draft.take(words);
        query_settings(draft, statement);
        if all::<ast::AsFuncOption>(&statement.root).next().is_some() {
            let mut words = Words::bare(draft.context);
            let fired = &draft.context.fired_over_vectors;
            words.fires_over_vectors = draft
                .entry
                .object
                .is_some_and(|object| fired.contains(&object.oid));
            body::translate(draft, statement, words);
        }
    });
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
