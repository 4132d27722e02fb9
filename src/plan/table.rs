//! In: a relation whose rows come, and what is decided of its columns. Out: the unit of the copy that it is: a table, or a partition
//! tree that is copied through its topmost table.

use dialect::types::TypeChange;
use serde::{Deserialize, Serialize};

use super::travel::Travel;
use super::trees::Tree;
use super::{Finding, Severity};
use crate::catalog::{Relation, Source};
use crate::connect::NAMES_IN_FULL;
use crate::copy::slice::Range;

/// One table whose rows are copied, or a partition tree that is copied through its topmost table; a slice of its own.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TablePlan {
    pub oid: u32,
    pub file: u32,
    pub schema: String,
    pub name: String,
    pub display: String,
    pub primary_key: Vec<String>,
    pub rows_estimate: i64,
    pub bytes: i64,
    /// Copied columns, in order; generated ones are not among them.
    pub columns: Vec<ColumnPlan>,
    pub tree: Option<Tree>,
}

impl TablePlan {
    pub fn quoted(&self) -> String {
        crate::connect::quote_qualified(&self.schema, &self.name)
    }

    /// What stands after FROM, on either side.
    pub fn from(&self) -> String {
        match self.tree {
            Some(_) => self.quoted(),
            None => format!("ONLY {}", self.quoted()),
        }
    }

    /// What stands after FROM where values may be printed: the table goes by the name `t`. Only what goes as text holds names of objects;
    /// asking for them in full keeps a query from parallel workers, so no other one does.
    pub fn rows(&self, range: Range) -> String {
        let full = self.text().then(|| NAMES_IN_FULL.to_string());
        let conditions: Vec<String> = full.into_iter().chain(range.condition()).collect();
        match conditions.is_empty() {
            true => format!("{} t", self.from()),
            false => format!("{} t WHERE {}", self.from(), conditions.join(" AND ")),
        }
    }

    /// The tables that hold its rows.
    pub fn files(&self) -> &[u32] {
        match &self.tree {
            Some(tree) => &tree.leaves,
            None => std::slice::from_ref(&self.oid),
        }
    }

    /// Whether the target takes its rows as text COPY.
    pub fn text(&self) -> bool {
        self.columns.iter().any(|c| c.travel == Travel::Text)
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ColumnPlan {
    pub name: String,
    pub type_oid: u32,
    pub type_text: String,
    pub travel: Travel,
    /// What the column's type becomes. A domain keeps its name; its base type changes.
    pub change: Option<TypeChange>,
    /// Why this conversion, where it is not the usual one.
    pub why: Option<String>,
}

impl ColumnPlan {
    pub fn target_text(&self) -> String {
        self.change
            .map_or_else(|| self.type_text.clone(), |change| change.target_sql())
    }
}

pub fn table_plan(relation: &Relation, columns: Vec<ColumnPlan>) -> TablePlan {
    TablePlan {
        oid: relation.oid,
        file: relation.file,
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        display: relation.display(),
        primary_key: relation.primary_key.clone(),
        rows_estimate: relation.rows_estimate,
        bytes: relation.bytes,
        columns,
        tree: None,
    }
}

pub fn tree_plan(
    source: &Source,
    top: &Relation,
    columns: Vec<ColumnPlan>,
    tree: &Tree,
) -> TablePlan {
    let leaves = || tree.leaves.iter().filter_map(|oid| source.relation(*oid));
    TablePlan {
        rows_estimate: leaves().map(|leaf| leaf.rows_estimate.max(0)).sum(),
        bytes: leaves().map(|leaf| leaf.bytes).sum(),
        tree: Some(tree.clone()),
        ..table_plan(top, columns)
    }
}

pub fn through_parent(top: &Relation, tree: &Tree) -> Finding {
    let reason = format!(
        "its {} are copied through it, by one connection: it is partitioned by {}, so a row may belong to another partition on the target",
        crate::report::count_of(tree.leaves.len(), "partition"),
        tree.why
    );
    Finding::new(Severity::Note, format!("table {}", top.display()), reason)
}
