//! In: a session on the source. Out: `Source`, what the plan needs to know of it: relations, columns, types, indexes, and what
//! `pg_depend` ties to pgvector. It decides nothing; `plan` does. The target's description is in `target`.

pub mod access;
pub mod checks;
pub mod extensions;
mod members;
pub mod names;
pub mod partitions;
pub mod portable;
pub mod settings;
mod source;
pub mod target;
mod types;

pub use source::{read, tables_now};

use std::collections::{HashMap, HashSet};

use dialect::dump::ObjectId;
use dialect::types::SourceType;

/// By what text is sorted in the database; the columns have other names in other versions.
const LOCALE: &str = "SELECT concat_ws(' ', CASE j->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END, \
    coalesce(j->>'datlocale', j->>'daticulocale', j->>'datcollate'), nullif(j->>'datctype', j->>'datcollate')) \
    FROM (SELECT to_jsonb(d) AS j FROM pg_catalog.pg_database d WHERE d.datname = current_database()) d";

/// The catalogs whose OIDs name a kind of object, in pg_depend and in pg_dump's comments.
pub mod class {
    pub const RELATION: u32 = 1259;
    pub const TYPE: u32 = 1247;
    pub const CONSTRAINT: u32 = 2606;
    pub const ATTRDEF: u32 = 2604;
    pub const REWRITE: u32 = 2618;
    pub const NAMESPACE: u32 = 2615;
    pub const ROUTINE: u32 = 1255;
    pub const TRIGGER: u32 = 2620;
}

/// The source database under the snapshot.
#[derive(Debug, Default)]
pub struct Source {
    pub version_num: u32,
    /// None where the role may not ask for it.
    pub system_identifier: Option<String>,
    pub database: String,
    pub roles: HashSet<String>,
    /// By what text is sorted.
    pub locale: String,
    /// Collations of pg_catalog that columns and indexes name, with the relation.
    pub collations: Vec<(String, u32)>,
    pub encoding: String,
    /// What its applications find names by, where they set no other.
    pub search_path: String,
    pub vector_version: String,
    pub vector_schema: String,
    pub access: access::SourceAccess,
    pub extensions: Vec<extensions::Extension>,
    pub relations: Vec<Relation>,
    pub types: HashMap<u32, Type>,
    pub indexes: Vec<Index>,
    /// Partitioned tables whose rows may belong to other partitions on another cluster, and why.
    pub rerouted: HashMap<u32, String>,
    /// What hangs on members of pgvector, and on which: see `members`.
    pub dependents: HashMap<ObjectId, Vec<String>>,
    /// For these: what they also need that somebody else owns under the schema and name of a member.
    pub doubles: HashMap<ObjectId, Vec<String>>,
    /// What hangs on a column of bits, which may become a vector: (object, table, column).
    pub bit_users: Vec<(ObjectId, u32, String)>,
    /// Names of members that something else in the database has too, pg_catalog apart.
    pub shared_names: HashSet<String>,
    /// All of pg_depend that user objects have: (object, what it needs, deptype).
    pub depends: Vec<(ObjectId, ObjectId, char)>,
}

/// A table, partitioned table, view, materialized view, sequence or foreign table.
#[derive(Debug, Clone)]
pub struct Relation {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// pg_class.relkind
    pub kind: char,
    pub unlogged: bool,
    /// The table that it is a partition of, or those that it inherits from.
    pub parents: Vec<u32>,
    pub is_partition: bool,
    pub rows_estimate: i64,
    pub bytes: i64,
    pub file: u32,
    pub may_select: bool,
    pub primary_key: Vec<String>,
    pub columns: Vec<Column>,
    pub owner: String,
    /// Roles that were granted something on it or one of its columns; `public` is everybody.
    pub grantees: Vec<String>,
}

impl Relation {
    /// For people, and for patterns: as the server quotes it.
    pub fn display(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }

    /// For statements.
    pub fn quoted(&self) -> String {
        crate::connect::quote_qualified(&self.schema, &self.name)
    }

    /// Where the target has it.
    pub fn place(&self) -> (String, String) {
        (self.schema.clone(), self.name.clone())
    }

    /// Of a partition.
    pub fn whole(&self) -> Option<u32> {
        self.parents.first().copied().filter(|_| self.is_partition)
    }

    pub fn id(&self) -> ObjectId {
        ObjectId {
            class: class::RELATION,
            oid: self.oid,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub type_oid: u32,
    pub typmod: i32,
    pub type_text: String,
    /// Generated columns are not copied: the target computes them.
    pub generated: bool,
}

/// A row of pg_type, as far as it decides how a value travels.
#[derive(Debug, Clone, Default)]
pub struct Type {
    /// As format_type prints it, for people.
    pub name: String,
    pub schema: String,
    /// pg_type.typname
    pub type_name: String,
    /// The extension that it belongs to.
    pub extension: Option<String>,
    /// pg_type.typtype
    pub kind: char,
    /// Of an array.
    pub element: u32,
    /// Of a domain.
    pub base: u32,
    pub typmod: i32,
    /// Of a range or multirange: the type of its bounds.
    pub bound: u32,
    /// Of a composite type: those that are not dropped, in order.
    pub attributes: Vec<Attribute>,
    /// It is the row type of this table, whose columns are its attributes.
    pub of_table: Option<u32>,
    pub has_binary: bool,
    /// The type of pgvector that this is.
    pub vector: Option<SourceType>,
}

#[derive(Debug, Clone)]
pub struct Attribute {
    pub name: String,
    pub type_oid: u32,
    pub typmod: i32,
}

#[derive(Debug, Clone)]
pub struct Index {
    pub oid: u32,
    pub table: u32,
    pub name: String,
    pub schema: String,
    pub method: String,
    /// One for each key column: name, and whether the class is pgvector's.
    pub opclasses: Vec<(String, bool)>,
    pub options: Vec<(String, String)>,
    /// The plain column of each key, None where it is an expression.
    pub columns: Vec<Option<String>>,
    /// (class, oid) of the constraint that the index carries.
    pub constraint: Option<u32>,
    /// Not, if CREATE INDEX CONCURRENTLY failed, or if partitions have none that is attached to it.
    pub valid: bool,
}

impl Index {
    pub fn uses_pgvector(&self) -> bool {
        self.opclasses.iter().any(|(_, pgvector)| *pgvector)
    }
}

impl Source {
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.iter().find(|r| r.oid == oid)
    }
}

/// A name as `quote_ident` prints it, but for reserved words: for people, never for statements.
pub fn ident(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts_well && name.chars().all(plain) {
        name.to_string()
    } else {
        crate::connect::quote(name)
    }
}

/// A name as pg_dump writes it into the comment above an entry: on one line.
pub fn dump_name(name: &str) -> String {
    name.replace(['\n', '\r'], " ")
}
