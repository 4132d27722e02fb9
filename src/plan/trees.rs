//! In: the source's partition trees, and which of them may put a row elsewhere on another cluster. Out: the trees that are copied as
//! a whole, through their topmost such table: read from it, and written into it, so that the target finds each row's place.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Finding, Severity};
use crate::catalog::{Relation, Source};

/// A partition tree that is one unit of the copy.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Tree {
    /// The tables that hold its rows, by OID.
    pub leaves: Vec<u32>,
    /// Why not each of them by itself.
    pub why: String,
}

#[derive(Default)]
pub struct Trees {
    /// By the OID of the table that the rows go through.
    pub units: HashMap<u32, Tree>,
    /// Tables that are copied with one of them.
    pub members: HashSet<u32>,
    pub findings: Vec<(u32, Finding)>,
}

pub fn trees(source: &Source, selected: &HashSet<u32>) -> Trees {
    let mut trees = Trees::default();
    let by_oid: HashMap<u32, &Relation> = source.relations.iter().map(|r| (r.oid, r)).collect();
    for relation in source.relations.iter().filter(|r| r.is_partition) {
        let Some(top) = top(source, &by_oid, relation) else {
            continue;
        };
        let comes = selected.contains(&top.oid);
        if comes && let Some(finding) = not_with(top, relation, selected) {
            trees.findings.push((top.oid, finding));
        }
        trees.members.insert(relation.oid);
        if relation.kind == 'r' && comes {
            let unit = trees.units.entry(top.oid).or_insert_with(|| Tree {
                leaves: Vec::new(),
                why: source.rerouted[&top.oid].clone(),
            });
            unit.leaves.push(relation.oid);
        }
    }
    trees
}

/// The topmost table above this one whose rows may belong to other partitions on another cluster.
fn top<'a>(
    source: &Source,
    by_oid: &HashMap<u32, &'a Relation>,
    relation: &Relation,
) -> Option<&'a Relation> {
    let mut found = None;
    let mut above = relation.whole();
    while let Some(one) = above.and_then(|oid| by_oid.get(&oid)) {
        if source.rerouted.contains_key(&one.oid) {
            found = Some(*one);
        }
        above = one.whole();
    }
    found
}

/// Reading the tree from its top reads every leaf, so all of them must come.
fn not_with(top: &Relation, leaf: &Relation, selected: &HashSet<u32>) -> Option<Finding> {
    let reason = match leaf.kind {
        'f' => "is a foreign table",
        _ if !selected.contains(&leaf.oid) => "does not come",
        _ => return None,
    };
    let reason = format!(
        "its rows are copied through it, as their partitions may be others on the target; but its partition {} {reason}",
        leaf.display()
    );
    let object = format!("table {}", top.display());
    Some(Finding::new(Severity::Decision, object, reason).remedy(
        "detach that partition first, or take the whole tree; with --allow-findings the tree is left out",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32, kind: char, parent: Option<u32>) -> Relation {
        Relation {
            parents: parent.into_iter().collect(),
            is_partition: parent.is_some(),
            kind,
            ..crate::plan::tests::table(oid, &format!("t{oid}"), Vec::new())
        }
    }

    /// 1 over 2 and 3; 3 over 4 and 5, which is over 6.
    fn source(rerouted: &[u32]) -> Source {
        Source {
            relations: vec![
                table(1, 'p', None),
                table(2, 'r', Some(1)),
                table(3, 'p', Some(1)),
                table(4, 'r', Some(3)),
                table(5, 'p', Some(3)),
                table(6, 'r', Some(5)),
            ],
            rerouted: rerouted.iter().map(|oid| (*oid, "why".into())).collect(),
            ..Source::default()
        }
    }

    #[test]
    fn the_topmost_such_table_is_the_unit_of_all_leaves_below() {
        let all = HashSet::from([1, 2, 3, 4, 5, 6]);
        let found = trees(&source(&[3, 5]), &all);
        assert_eq!(found.units.len(), 1);
        assert_eq!(found.units[&3].leaves, [4, 6]);
        assert_eq!(found.members, HashSet::from([4, 5, 6]));
        assert!(found.findings.is_empty());
        assert!(trees(&source(&[]), &all).units.is_empty());
    }

    #[test]
    fn a_leaf_that_does_not_come_is_a_finding_of_the_tree() {
        let found = trees(&source(&[1]), &HashSet::from([1, 2, 3, 5, 6]));
        assert_eq!(found.findings.len(), 1);
        assert_eq!(found.findings[0].0, 1);
        let mut source = source(&[1]);
        source.relations[1].kind = 'f';
        let found = trees(&source, &HashSet::from([1, 2, 3, 4, 5, 6]));
        assert!(found.findings[0].1.reason.contains("foreign table"));
    }
}
