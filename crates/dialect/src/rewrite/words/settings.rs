//! Query settings of pgvector in a body: `SET LOCAL hnsw.ef_search = 100`, `set_config('ivfflat.probes', …)`.
//!
//! In: the name of a setting, as a name or as a string. Out: that of PGVecto.rs, where it has one. A server takes any setting of a
//! prefix that it does not know, so that the others stay and do nothing: that is noted.

use super::{Words, bare, literals};
use crate::settings::{Becomes, becomes};
use crate::syntax::{all, name, path};
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

pub(super) fn say(words: &mut Words, parameter: &SyntaxNode) -> Option<String> {
    // The SET clauses of a routine are said elsewhere.
    if !words.is_bare() {
        return None;
    }
    let parts = all::<ast::PathRef>(parameter).next();
    let setting = parts.map_or_else(|| name(parameter), |parts| path(parts.syntax()).join("."));
    counterpart(words, &setting).map(str::to_owned)
}

pub(super) fn in_string(words: &mut Words, argument: &SyntaxNode) -> Option<String> {
    let setting = literals::string(&bare(argument))?;
    counterpart(words, &setting).map(|new| format!("'{new}'"))
}

fn counterpart(words: &mut Words, setting: &str) -> Option<&'static str> {
    match becomes(setting, words.real_array()) {
        Becomes::Itself => None,
        Becomes::Counterpart(new) => Some(new),
        Becomes::Nothing => {
            words.note(format!(
                "sets {}, which does nothing on the target",
                setting.to_ascii_lowercase()
            ));
            None
        }
    }
}
