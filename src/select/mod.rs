//! In: --schema, --table, --exclude-table, and pg_depend. Out: which relations come, and which entries of the dump go with them.
//! `pg_dump -t` leaves out the types, functions and extensions that a table needs, so the dump is of everything and is
//! filtered here by the closure of dependencies: `patterns` asks the server what is named, `closure` decides what comes,
//! `sieve` walks the dump. Nothing is translated here.

mod closure;
mod patterns;
mod sieve;
#[cfg(test)]
mod tests;

pub use closure::{close, offered};
pub use patterns::{Patterns, patterns};
pub use sieve::Sieve;

use std::collections::{HashMap, HashSet};

use dialect::dump::ObjectId;

use crate::plan::Finding;

/// What comes.
pub struct Selection {
    scope: Scope,
    /// What is excluded, and all that is a part of it, with the relation that the exclusion is about.
    excluded: HashMap<ObjectId, u32>,
    /// What would come, but needs something that is excluded, with the relation that the exclusion is about.
    barred: HashMap<ObjectId, u32>,
    /// What needs an extension that the target lacks, with the extension's OID.
    lacking: HashMap<ObjectId, u32>,
    owners: HashMap<ObjectId, u32>,
    /// Schemas that were named.
    schemas: HashSet<String>,
    pub relations: HashSet<u32>,
    pub findings: Vec<Finding>,
}

enum Scope {
    Everything,
    /// Only exclusions: whatever is neither excluded nor barred.
    AllBut,
    Only(HashSet<ObjectId>),
}

impl Selection {
    /// The relation whose part an object is.
    pub fn owner(&self, object: ObjectId) -> Option<u32> {
        self.owners.get(&object).copied()
    }

    fn comes(&self, object: ObjectId) -> bool {
        if self.lacking.contains_key(&object) {
            return false;
        }
        match &self.scope {
            Scope::Everything => true,
            Scope::AllBut => {
                !self.excluded.contains_key(&object) && !self.barred.contains_key(&object)
            }
            Scope::Only(wanted) => wanted.contains(&object),
        }
    }
}
