//! In: ordinary indexes and constraints, and what lies in and below their tables. Out: which of them is next, such that no session waits
//! for another's lock. CREATE INDEX locks its table in SHARE mode, so those of one table go on side by side; ADD CONSTRAINT, and what
//! else stands beside an index (CLUSTER ON, REPLICA IDENTITY), wants the table for itself, and may look at the tables below it. It runs nothing.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::catalog::Relation;
use crate::schema::Step;

/// What is known of tables, by their OIDs.
#[derive(Default)]
pub struct Tables {
    bytes: HashMap<u32, u64>,
    /// Partitions and heirs, and theirs.
    below: HashMap<u32, HashSet<u32>>,
}

impl Tables {
    pub fn of(relations: &[Relation]) -> Tables {
        let parents: HashMap<u32, &[u32]> = relations
            .iter()
            .map(|r| (r.oid, r.parents.as_slice()))
            .collect();
        let mut below: HashMap<u32, HashSet<u32>> = HashMap::new();
        for relation in relations {
            let mut above = relation.parents.clone();
            while let Some(parent) = above.pop() {
                if below.entry(parent).or_default().insert(relation.oid) {
                    above.extend(parents.get(&parent).copied().unwrap_or_default());
                }
            }
        }
        let bytes = relations.iter();
        let bytes = bytes.map(|r| (r.oid, r.bytes.unsigned_abs())).collect();
        Tables { bytes, below }
    }

    /// That a step reads.
    pub fn bytes(&self, step: &Step) -> u64 {
        let table = step.table.and_then(|oid| self.bytes.get(&oid));
        table.copied().unwrap_or(0)
    }

    fn below(&self, table: u32) -> impl Iterator<Item = u32> {
        self.below.get(&table).into_iter().flatten().copied()
    }

    /// With all that lies below.
    fn whole(&self, table: u32) -> u64 {
        let below = self.below(table).chain([table]);
        below.filter_map(|oid| self.bytes.get(&oid)).sum()
    }
}

pub struct Queue<'a> {
    tables: &'a Tables,
    waiting: Vec<&'a Step>,
    running: Vec<&'a Step>,
}

impl<'a> Queue<'a> {
    /// The largest table first, whole trees before their parts; of a table that which wants it alone first: other tables' indexes are
    /// left then to fill the time.
    pub fn new(tables: &'a Tables, mut steps: Vec<&'a Step>) -> Queue<'a> {
        steps.sort_by_key(|s| {
            let whole = s.table.map_or(0, |t| tables.whole(t));
            let depth = s.table.map_or(0, |t| tables.below(t).count());
            (Reverse(whole), Reverse(depth), s.table, !alone(s), s.number)
        });
        Queue {
            tables,
            waiting: steps,
            running: Vec::new(),
        }
    }

    /// None: whatever is left waits for one that runs.
    pub fn next(&mut self) -> Option<&'a Step> {
        let free = |step: &&Step| !self.running.iter().any(|other| self.conflict(step, other));
        let at = self.waiting.iter().position(free)?;
        let step = self.waiting.remove(at);
        self.running.push(step);
        Some(step)
    }

    pub fn done(&mut self, step: &Step) {
        self.running.retain(|other| !std::ptr::eq(*other, step));
    }

    fn conflict(&self, a: &Step, b: &Step) -> bool {
        (alone(a) || alone(b)) && {
            let held = self.locked(a);
            self.locked(b).iter().any(|table| held.contains(table))
        }
    }

    /// A step whose table is not known is taken to be of all such.
    fn locked(&self, step: &Step) -> HashSet<Option<u32>> {
        let below = step.table.filter(|_| alone(step));
        let below = below.into_iter().flat_map(|t| self.tables.below(t));
        below.map(Some).chain([step.table]).collect()
    }
}

/// Whether the step wants more of its table than the SHARE lock of CREATE INDEX.
fn alone(step: &Step) -> bool {
    const SHARING: [&str; 3] = ["CREATE INDEX ", "CREATE UNIQUE INDEX ", "ALTER INDEX "];
    let shares = |s: &String| SHARING.iter().any(|words| s.starts_with(words));
    !step.statements.iter().all(shares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Phase;

    fn tables(described: &[(u32, &[u32], u64)]) -> Tables {
        let mut tables = Tables::default();
        for (oid, below, bytes) in described {
            tables.bytes.insert(*oid, *bytes);
            tables.below.insert(*oid, below.iter().copied().collect());
        }
        tables
    }

    fn step(table: u32, name: &str, statements: &[&str]) -> Step {
        Step {
            table: Some(table),
            statements: statements.iter().map(|s| s.to_string()).collect(),
            ..Step::own(Phase::Index, name, String::new())
        }
    }

    fn index(table: u32, name: &str) -> Step {
        step(table, name, &["CREATE INDEX i ON t USING btree (a);"])
    }

    fn key(table: u32, name: &str) -> Step {
        step(
            table,
            name,
            &["ALTER TABLE ONLY t ADD CONSTRAINT k PRIMARY KEY (a);"],
        )
    }

    /// All that could run now.
    fn ready(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.next().map(|s| s.object.clone())).collect()
    }

    #[test]
    fn indexes_of_one_table_run_together_and_its_key_alone_before_them() {
        let tables = tables(&[(1, &[], 10), (2, &[], 90)]);
        let steps = [index(1, "a"), index(1, "b"), key(1, "k"), index(2, "large")];
        let mut queue = Queue::new(&tables, steps.iter().collect());
        assert_eq!(ready(&mut queue), ["large", "k"]);
        queue.done(&steps[3]);
        assert_eq!(ready(&mut queue), [""; 0]);
        queue.done(&steps[2]);
        assert_eq!(ready(&mut queue), ["a", "b"]);
    }

    #[test]
    fn an_index_that_the_table_is_clustered_on_runs_alone() {
        let tables = tables(&[(1, &[], 10)]);
        let create = "CREATE UNIQUE INDEX i ON t USING btree (a);";
        let more = [
            "ALTER TABLE t CLUSTER ON i;",
            "ALTER TABLE ONLY t REPLICA IDENTITY USING INDEX i;",
        ];
        for more in more {
            let steps = [index(1, "plain"), step(1, "more", &[create, more])];
            let mut queue = Queue::new(&tables, steps.iter().collect());
            assert_eq!(ready(&mut queue), ["more"]);
            queue.done(&steps[1]);
            assert_eq!(ready(&mut queue), ["plain"]);
        }
    }

    #[test]
    fn statistics_of_an_index_need_nothing_of_its_table() {
        let tables = tables(&[(1, &[], 10)]);
        let create = "CREATE INDEX i ON t USING btree ((a + 1));";
        let more = "ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 10;";
        let steps = [index(1, "plain"), step(1, "more", &[create, more])];
        let mut queue = Queue::new(&tables, steps.iter().collect());
        assert_eq!(ready(&mut queue).len(), 2);
    }

    #[test]
    fn a_key_of_a_whole_tree_waits_for_no_partition_and_none_for_it() {
        // 1 is divided into 2 and 3, 2 into 4.
        let tables = tables(&[(1, &[2, 3, 4], 0), (2, &[4], 0), (3, &[], 50), (4, &[], 20)]);
        let steps = [
            index(3, "third"),
            key(1, "whole"),
            index(4, "fourth"),
            key(2, "half"),
            index(1, "of whole"),
        ];
        let mut queue = Queue::new(&tables, steps.iter().collect());
        assert_eq!(ready(&mut queue), ["whole"]);
        queue.done(&steps[1]);
        assert_eq!(ready(&mut queue), ["of whole", "third", "half"]);
        queue.done(&steps[3]);
        assert_eq!(ready(&mut queue), ["fourth"]);
    }
}
