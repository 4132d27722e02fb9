//! In: a plan, and the source as it was then. Out: what the ledger keeps of them, by which a later process goes on; and whether the source
//! is still what the run began with.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::catalog::{Relation, Source};
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Plan, Severity, TablePlan};
use crate::schema::{self, Schema, Step};
use crate::select::Selection;

/// What was decided when the run began. It holds until its end: the target is not as it was found any more.
#[derive(Clone, Deserialize, Serialize)]
pub struct Recorded {
    pub tables: Vec<TablePlan>,
    pub findings: Vec<Finding>,
    /// What comes: kind, schema and name.
    pub relations: Vec<(char, String, String)>,
    /// Every relation that the source had.
    pub known: Vec<u32>,
    /// What follows the rows. What comes before may hold secrets, and is done.
    pub steps: Vec<Step>,
    /// What stood in the dump, by name, each with the hash of its statements.
    pub entries: BTreeMap<String, String>,
}

impl Recorded {
    pub fn new(
        source: &Source,
        selection: &Selection,
        plan: Plan,
        schema: &Schema,
        entries: BTreeMap<String, String>,
    ) -> Recorded {
        let comes = |r: &&Relation| {
            let owner = selection.owner(r.id());
            selection.relations.contains(&r.oid)
                && !plan.left_out.contains(&r.oid)
                && !owner.is_some_and(|o| plan.left_out.contains(&o))
        };
        let later = schema.steps.iter();
        let later = later.filter(|s| s.phase > schema::Phase::BeforeData && !s.secret);
        let numbered = (0..).zip(later).map(|(number, step)| Step {
            number,
            ..step.clone()
        });
        Recorded {
            relations: source
                .relations
                .iter()
                .filter(comes)
                .map(|r| (r.kind, r.schema.clone(), r.name.clone()))
                .collect(),
            known: source.relations.iter().map(|r| r.oid).collect(),
            steps: numbered.collect(),
            tables: plan.tables,
            findings: plan.findings,
            entries,
        }
    }

    /// Refuses a source whose schema is not what the run began with; what is new there is named, and is not moved.
    pub fn as_it_is_now(
        &mut self,
        source: &Source,
        entries: &BTreeMap<String, String>,
    ) -> Result<()> {
        let (added, mut changed) = changes(&self.entries, entries);
        for table in &self.tables {
            let now = source.relation(table.oid);
            let same = |r: &&Relation| (&r.schema, &r.name) == (&table.schema, &table.name);
            if now.filter(same).is_none() {
                changed.push(format!("TABLE {}: another one has its name", table.display));
            } else if let Some(tree) = &table.tree
                && leaves(source, table.oid) != tree.leaves.iter().copied().collect()
            {
                changed.push(format!("TABLE {}: its partitions", table.display));
            }
        }
        // A table that was there and is a partition now has its rows in two places.
        let attached = added
            .iter()
            .filter_map(|name| name.strip_prefix("TABLE ATTACH "));
        let known = attached.filter(|name| self.entries.contains_key(&format!("TABLE {name}")));
        changed.extend(known.map(|name| format!("TABLE ATTACH {name}")));
        if !changed.is_empty() {
            let more = changed.len().saturating_sub(5);
            let mut some = changed[..changed.len() - more].join(", ");
            if more > 0 {
                some.push_str(&format!(", and {more} more"));
            }
            return Err(Error::new(Side::Plan, "going on with the run")
                .because(format!("the source's schema has changed since it began: {some}"))
                .remedy("put it back, and run the same command again; or start again: pgv2rs-copy clean, and an empty target"));
        }
        for name in added {
            tracing::warn!("new on the source since the run began, and not moved: {name}");
            let found = Finding::new(
                Severity::Decision,
                name,
                "new on the source since the run began: it is not on the target",
            );
            self.findings.push(found.remedy("move it by hand"));
        }
        for table in &mut self.tables {
            if let Some(now) = source.relation(table.oid).filter(|_| table.tree.is_none()) {
                table.bytes = now.bytes;
                table.rows_estimate = now.rows_estimate;
            }
        }
        Ok(())
    }
}

/// The tables that hold rows in the tree under this one.
fn leaves(source: &Source, top: u32) -> HashSet<u32> {
    let partitions = source.relations.iter().filter(|r| r.is_partition);
    let under = partitions.filter(|r| {
        let mut above = r.whole();
        while let Some(oid) = above.filter(|oid| *oid != top) {
            above = source.relation(oid).and_then(Relation::whole);
        }
        above.is_some()
    });
    under.filter(|r| r.kind == 'r').map(|r| r.oid).collect()
}

/// What stands in the dump now and what stood there: (added, changed or gone).
pub fn changes(
    was: &BTreeMap<String, String>,
    is: &BTreeMap<String, String>,
) -> (Vec<String>, Vec<String>) {
    let added = is.keys().filter(|name| !was.contains_key(*name));
    let changed = was
        .iter()
        .filter(|(name, hash)| is.get(*name) != Some(hash));
    (
        added.cloned().collect(),
        changed.map(|(name, _)| name.clone()).collect(),
    )
}
