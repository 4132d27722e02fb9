//! What hangs on an object that is left out.
//!
//! In: entries in order and what became of them. Out: the same, but an entry that cannot stand without one that was left out is
//! left out too, and says so. A plain dump names dependencies for comments and privileges only, so the names of relations in the
//! statements decide for the rest. Functions are not followed: a name is not enough to know one.

use super::{Draft, Finding, Severity, Translated};
use crate::dump::{Entry, SESSION};
use crate::syntax::{first, parse, path, with_stack};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::HashSet;

/// Numbers of entries and names of relations that are left out. One of these follows both sections of a dump.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    entries: HashSet<u32>,
    relations: HashSet<Vec<String>>,
    /// Constraints without a name on the target: schema, table, name.
    unnamed: HashSet<Vec<String>>,
    /// With the blank that stands between them and a table in the name of an entry.
    publications: Vec<String>,
}

impl LeftOut {
    /// Also counts as left out: a relation that somebody else decided not to make.
    pub fn relation(&mut self, schema: &str, name: &str) {
        self.relations
            .insert(on_one_line(vec![schema.to_owned(), name.to_owned()]));
    }

    /// What becomes of an entry: left out, if it hangs on something that is, else what `translate` makes of it. Comments and
    /// privileges go with their object, and so do the attachment of a partition or of its index, the second half of a view,
    /// and whatever else names a relation that is not there.
    pub fn follow(&mut self, entry: &Entry, translate: impl FnOnce() -> Translated) -> Translated {
        let translated = match self.reason(entry) {
            Some(reason) => Translated {
                findings: vec![finding(entry, reason)],
                left_out: true,
                ..Translated::default()
            },
            None => translate(),
        };
        self.unnamed.extend(translated.unnamed.iter().cloned());
        if translated.left_out {
            self.entries.insert(entry.dump_id);
            self.relations.extend(relation(entry));
            if entry.kind == "PUBLICATION" {
                self.publications.push(format!("{} ", entry.name));
            }
        }
        translated
    }

    /// Why an entry goes with one that went before.
    fn reason(&self, entry: &Entry) -> Option<String> {
        if entry.kind == "COMMENT" && !self.unnamed.is_empty() && self.is_on_unnamed(entry) {
            return Some(
                "is on a NOT NULL constraint, whose name the target does not keep".to_owned(),
            );
        }
        if entry.kind == SESSION || (self.entries.is_empty() && self.relations.is_empty()) {
            return None;
        }
        if entry
            .dependencies
            .iter()
            .any(|dependency| self.entries.contains(dependency))
        {
            return Some("left out with the object that it belongs to".to_owned());
        }
        if let Some(publication) = self
            .publications
            .iter()
            .find(|name| entry.kind.starts_with("PUBLICATION ") && entry.name.starts_with(*name))
        {
            return Some(format!(
                "needs the publication {}, which is left out",
                publication.trim_end()
            ));
        }
        let names = with_stack(&entry.statements, || self.first_missing(entry))??;
        Some(format!("needs {}, which is left out", names.join(".")))
    }

    fn is_on_unnamed(&self, entry: &Entry) -> bool {
        let is_on = |tree: SyntaxNode| {
            let constraint: ast::ConstraintNameRef = first(&tree)?;
            let table: ast::TableNameRef = first(&tree)?;
            let mut parts = path(table.syntax());
            parts.extend(path(constraint.syntax()));
            Some(self.unnamed.contains(&parts))
        };
        let mut trees = entry
            .statements
            .iter()
            .filter_map(|statement| parse(statement));
        trees.any(|tree| is_on(tree) == Some(true))
    }

    fn first_missing(&self, entry: &Entry) -> Option<Vec<String>> {
        let trees = entry
            .statements
            .iter()
            .filter_map(|statement| parse(statement));
        trees.into_iter().find_map(|tree| {
            // A view that is replaced is the one that was made before: its own name counts too.
            let is_name = |kind| matches!(kind, SyntaxKind::PATH | SyntaxKind::PATH_REF);
            let names = tree.descendants().filter(|node| is_name(node.kind()));
            names
                .map(|name| on_one_line(path(&name)))
                .find(|name| self.relations.contains(name))
        })
    }
}

/// As pg_dump writes names into its comments.
fn on_one_line(name: Vec<String>) -> Vec<String> {
    name.into_iter()
        .map(|part| part.replace(['\n', '\r'], " "))
        .collect()
}

/// The name of what an entry makes, where other statements name it by that.
fn relation(entry: &Entry) -> Option<Vec<String>> {
    let kinds = [
        "TABLE",
        "FOREIGN TABLE",
        "VIEW",
        "MATERIALIZED VIEW",
        "INDEX",
        "SEQUENCE",
        "TYPE",
        "DOMAIN",
    ];
    let schema = entry.schema.clone()?;
    kinds
        .contains(&entry.kind.as_str())
        .then(|| vec![schema, entry.name.clone()])
}

fn finding(entry: &Entry, reason: String) -> Finding {
    let object = Draft::new(entry, &super::Context::default()).object();
    Finding {
        severity: Severity::Note,
        object,
        reason,
        remedy: String::new(),
    }
}
