//! In: a small catalog and entries made by hand. Out: what the tests of `closing` and `sifting` share. No server is asked.

mod closing;
mod sifting;

use std::collections::{HashMap, HashSet};

use dialect::dump::{Entry, ObjectId};

use super::{Patterns, Selection, Sieve, close};
use crate::catalog::{Index, Relation, Source, class};
use crate::plan::Finding;

const FUNCTION: u32 = 1255;
const EXTENSION: u32 = 3079;
const POLICY: u32 = 3256;
const CAST: u32 = 2605;
const APP: ObjectId = id(class::NAMESPACE, 500);
const LIB: ObjectId = id(class::NAMESPACE, 501);
const VECTOR: ObjectId = id(EXTENSION, 600);

const fn id(class: u32, oid: u32) -> ObjectId {
    ObjectId { class, oid }
}

const fn rel(oid: u32) -> ObjectId {
    id(class::RELATION, oid)
}

fn relation(oid: u32, kind: char, name: &str) -> Relation {
    Relation {
        oid,
        schema: "app".into(),
        name: name.into(),
        kind,
        unlogged: false,
        parents: Vec::new(),
        is_partition: false,
        rows_estimate: 0,
        bytes: 0,
        file: oid,
        may_select: true,
        primary_key: Vec::new(),
        columns: Vec::new(),
        owner: "postgres".into(),
        grantees: Vec::new(),
    }
}

fn partition(oid: u32, name: &str, parent: u32) -> Relation {
    Relation {
        parents: vec![parent],
        is_partition: true,
        ..relation(oid, 'r', name)
    }
}

fn index(oid: u32, table: u32, name: &str, constraint: Option<u32>) -> Index {
    Index {
        oid,
        table,
        name: name.into(),
        schema: "app".into(),
        method: "btree".into(),
        opclasses: Vec::new(),
        options: Vec::new(),
        columns: Vec::new(),
        constraint,
        valid: true,
    }
}

/// items (1) points to owners (2); logs (3) has an identity sequence (4), a primary key (5) and a view (6) over it; the tree
/// (7) has the partition (8), both with an index. A function stands alone in lib.
fn source() -> Source {
    let relations = vec![
        relation(1, 'r', "items"),
        relation(2, 'r', "owners"),
        relation(3, 'r', "logs"),
        relation(4, 'S', "logs_id_seq"),
        relation(6, 'v', "log_view"),
        relation(7, 'p', "tree"),
        partition(8, "tree\n1", 7),
    ];
    let in_app = relations.iter().map(|r| (r.id(), APP, 'n'));
    let mut depends: Vec<_> = in_app.collect();
    depends.extend([
        (id(class::CONSTRAINT, 20), rel(2), 'a'),
        (rel(21), id(class::CONSTRAINT, 20), 'i'),
        (id(class::CONSTRAINT, 10), rel(1), 'a'),
        (id(class::CONSTRAINT, 10), rel(2), 'n'),
        (id(class::CONSTRAINT, 10), rel(21), 'n'),
        (id(POLICY, 11), rel(1), 'a'),
        (rel(4), rel(3), 'i'),
        (id(class::CONSTRAINT, 5), rel(3), 'a'),
        (rel(50), id(class::CONSTRAINT, 5), 'i'),
        (id(class::REWRITE, 60), rel(6), 'i'),
        (id(class::REWRITE, 60), rel(6), 'n'),
        (id(class::REWRITE, 60), rel(3), 'n'),
        (rel(8), rel(7), 'a'),
        (rel(81), rel(8), 'a'),
        (rel(71), rel(7), 'a'),
        (id(FUNCTION, 30), LIB, 'n'),
        (id(FUNCTION, 31), APP, 'n'),
        (id(FUNCTION, 32), APP, 'n'),
        (id(FUNCTION, 32), VECTOR, 'e'),
        (VECTOR, APP, 'n'),
    ]);
    Source {
        relations,
        depends,
        indexes: vec![
            index(21, 2, "owners_pkey", Some(20)),
            index(50, 3, "logs_pkey", Some(5)),
            index(71, 7, "tree\ridx", None),
            index(81, 8, "tree\n1_idx", None),
        ],
        ..Source::default()
    }
}

fn tables(oids: &[u32]) -> Patterns {
    Patterns {
        tables: Some(oids.iter().copied().collect()),
        ..Patterns::default()
    }
}

fn without(oids: &[u32]) -> Patterns {
    Patterns {
        excluded: oids.iter().copied().collect(),
        ..Patterns::default()
    }
}

fn schema_app() -> Patterns {
    Patterns {
        schemas: Some(HashMap::from([("app".to_string(), APP.oid)])),
        ..Patterns::default()
    }
}

/// An entry of the schema app without a number.
fn entry(kind: &str, name: &str, object: ObjectId) -> Entry {
    Entry {
        kind: kind.into(),
        name: name.into(),
        object: Some(object),
        schema: Some("app".into()),
        ..Entry::default()
    }
}

fn numbered(entry: Entry, dump_id: u32, dependencies: &[u32]) -> Entry {
    Entry {
        dump_id,
        dependencies: dependencies.to_vec(),
        ..entry
    }
}

const NONE: ObjectId = id(0, 0);

fn about(kind: &str, name: &str, subject: u32) -> Entry {
    numbered(entry(kind, name, NONE), 900 + subject, &[subject])
}

fn sifted(selection: &Selection, source: &Source, entries: &[Entry]) -> (Vec<bool>, Vec<Finding>) {
    let mut sieve = Sieve::new(selection, source);
    let passed = entries.iter().map(|e| sieve.passes(e)).collect();
    (passed, sieve.findings)
}

fn sorted(oids: &HashSet<u32>) -> Vec<u32> {
    let mut oids: Vec<u32> = oids.iter().copied().collect();
    oids.sort_unstable();
    oids
}
