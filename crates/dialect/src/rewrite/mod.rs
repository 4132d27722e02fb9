//! One entry of a dump said in the target's words.
//!
//! In: an entry, and what the source's catalog says about its object ([`Context`]). Out: statements for the target and findings
//! ([`Translated`]). Text alone cannot tell whose operator `OPERATOR(public.<->)` is, so the catalog decides which objects are
//! touched; an object that it does not name keeps its bytes. No file, no connection, no state between entries.

mod binding;
mod body;
mod composite;
mod domain;
mod expression;
mod extension;
mod index;
mod left_out;
mod mention;
mod not_null;
mod older;
pub mod roles;
mod routine;
mod table;
mod whole;
mod words;
mod written;

pub use left_out::LeftOut;

use crate::dump::{Entry, ObjectId, SESSION};
use crate::index::IndexDesc;
use crate::syntax::{self, Edits};
use crate::types::TypeChange;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Columns that change their type, by relation (or composite type) and name.
pub type Columns = HashMap<u32, BTreeMap<String, TypeChange>>;

/// What decides how entries are translated.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Major version of the target server.
    pub target_version: u32,
    /// Major version of the source server.
    pub source_version: u32,
    /// The schema that pgvector lives in on the source.
    pub vector_schema: String,
    /// No extension on the target: vectors become `real[]`.
    pub real_array: bool,
    /// `optimizing.optimizing_threads` of every vector index.
    pub index_threads: u32,
    /// Every column that changes its type, by the `pg_class` OID of its table (or materialized view) and its name.
    pub columns: Columns,
    /// Columns of a domain whose base changes, in the same way: their own type keeps its name.
    pub over_domains: Columns,
    /// Columns with vectors inside of composites, in the same way, and whether each is one composite: not an array, a range or a domain.
    pub holders: HashMap<u32, BTreeMap<String, bool>>,
    /// The types of rows with vectors in them, by schema and name.
    pub row_types: HashSet<(String, String)>,
    /// Attributes of composite types that change, by `pg_type` OID of the composite and attribute name.
    pub attributes: Columns,
    /// OIDs of relations by schema and name: texts name them so.
    pub relations: HashMap<(String, String), u32>,
    /// Every domain that changes its base type, by `pg_type` OID.
    pub domains: HashMap<u32, TypeChange>,
    /// Every index that uses `hnsw`, `ivfflat` or any operator class of pgvector, by `pg_class` OID.
    pub indexes: HashMap<u32, IndexDesc>,
    /// Objects that `pg_depend` ties to members of the extension, with the members
    /// (`operator public.<->(public.vector,public.vector)`). A view stands under its `pg_class` id, a default or a constraint under
    /// its own; a table only if an expression inside of its `CREATE TABLE` needs a member.
    pub dependents: HashMap<ObjectId, Vec<String>>,
    /// For objects in `dependents`: what they need as well that has the name of a member of pgvector but belongs to somebody else
    /// (`operator public.<->(text,text)`). In their texts such a name is unclear.
    pub doubles: HashMap<ObjectId, Vec<String>>,
    /// Names of pgvector (operators like `<->`, functions, types) that something else outside of pg_catalog has too: in a
    /// body that is a string such a word is unclear.
    pub shared_names: HashSet<String>,
    /// Functions of triggers on relations with vectors, by `pg_proc` OID: their NEW and OLD hold vectors.
    pub fired_over_vectors: HashSet<u32>,
    /// The schema that `--compat-operators` installs into.
    pub compat_schema: Option<String>,
    pub roles: roles::Roles,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Translated, and said.
    Note,
    /// Left out unless somebody decides.
    Decision,
}

/// Something about an object that its owner should know. It holds names, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// `index public.i`
    pub object: String,
    pub reason: String,
    /// Empty where nothing is to be done.
    pub remedy: String,
}

/// What becomes of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Translated {
    /// To run on the target, in order; empty if the object is left out or the target needs nothing.
    pub statements: Vec<String>,
    pub findings: Vec<Finding>,
    pub left_out: bool,
    /// Roles that the target lacks, with what they were named for: that is not among the statements.
    pub missing_roles: Vec<(String, roles::Need)>,
    /// NOT NULL constraints whose names the target does not keep, as schema, table and name: nothing can be said about them there.
    pub unnamed: Vec<Vec<String>>,
}

/// Translates one entry.
pub fn entry(entry: &Entry, context: &Context) -> Translated {
    let deep = || {
        let mut draft = Draft::new(entry, context);
        draft.unreadable();
        draft.finish()
    };
    syntax::with_stack(&entry.statements, || translate(entry, context)).unwrap_or_else(deep)
}

fn translate(entry: &Entry, context: &Context) -> Translated {
    let mut draft = Draft::new(entry, context);
    match entry.kind.as_str() {
        SESSION => older::session(&mut draft),
        "EXTENSION" if entry.name == "vector" => extension::create(&mut draft),
        "COMMENT" if entry.name == "EXTENSION vector" => draft.statements.clear(),
        _ if extension::of_member(entry, &context.vector_schema) => {
            draft.statements.clear();
            draft.note(
                "is about a member of pgvector, which is not on the target; left out",
                "",
            );
        }
        "SUBSCRIPTION" | "SUBSCRIPTION TABLE" | "USER MAPPING" => extension::secret(&mut draft),
        _ => match entry.object.and_then(|object| {
            context
                .indexes
                .get(&object.oid)
                .filter(|_| entry.kind == "INDEX")
        }) {
            Some(desc) => index::translate(&mut draft, desc),
            None => object(&mut draft),
        },
    }
    roles::edit(draft.finish(), &context.roles)
}

/// Any entry that is not about the extension itself or one of its indexes.
fn object(draft: &mut Draft) {
    match draft.entry.kind.as_str() {
        "TABLE" | "FOREIGN TABLE" => table::translate(draft),
        "DOMAIN" => domain::translate(draft),
        "FUNCTION" | "PROCEDURE" => routine::translate(draft),
        "TYPE" => composite::translate(draft),
        _ => whole::translate(draft),
    }
}

const DISPENSABLE: &str =
    "nothing has to be done: it is left out, and no row and no answer depends on it";

/// An entry on its way through the translators.
pub(crate) struct Draft<'a> {
    entry: &'a Entry,
    context: &'a Context,
    statements: Vec<String>,
    findings: Vec<Finding>,
    left_out: bool,
    unnamed: Vec<Vec<String>>,
}

/// One statement of a draft: its tree, what changes in it, what has to follow it.
pub(crate) struct Statement {
    root: squawk_syntax::SyntaxNode,
    edits: Edits,
    /// Statements that run after this one.
    then: Vec<String>,
    /// The statement itself is not needed on the target.
    dropped: bool,
}

impl<'a> Draft<'a> {
    fn new(entry: &'a Entry, context: &'a Context) -> Self {
        Self {
            entry,
            context,
            statements: entry.statements.clone(),
            findings: Vec::new(),
            left_out: false,
            unnamed: Vec::new(),
        }
    }

    /// `index public.i`
    fn object(&self) -> String {
        let kind = self.entry.kind.to_lowercase();
        match &self.entry.schema {
            Some(schema) => format!("{kind} {schema}.{}", self.entry.name),
            None => format!("{kind} {}", self.entry.name),
        }
    }

    fn note(&mut self, reason: impl Into<String>, remedy: impl Into<String>) {
        self.find(Severity::Note, reason.into(), remedy.into());
    }

    fn decide(&mut self, reason: impl Into<String>, remedy: impl Into<String>) {
        self.left_out = true;
        self.find(Severity::Decision, reason.into(), remedy.into());
    }

    fn find(&mut self, severity: Severity, reason: String, remedy: String) {
        let finding = Finding {
            severity,
            object: self.object(),
            reason,
            remedy,
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// The members of pgvector that the object needs, if the catalog names any.
    fn members(&self) -> Option<&'a [String]> {
        self.context
            .dependents
            .get(&self.entry.object?)
            .map(Vec::as_slice)
    }

    /// A part of the object is left out unless somebody decides; the rest of it comes.
    fn lose(&mut self, reason: impl Into<String>, remedy: impl Into<String>) {
        self.find(Severity::Decision, reason.into(), remedy.into());
    }

    /// Edits every statement: with what the caller knows of this kind of object, then with what an older target needs. A type of
    /// pgvector that remains afterwards is a finding: nobody said what becomes of it.
    fn each(&mut self, mut edit: impl FnMut(&mut Self, &mut Statement)) {
        let texts = std::mem::take(&mut self.statements);
        for text in texts {
            let Some(root) = syntax::parse(&text) else {
                self.unparsed(&text);
                self.statements.push(text);
                continue;
            };
            let mut statement = Statement {
                root,
                edits: Edits::default(),
                then: Vec::new(),
                dropped: false,
            };
            edit(self, &mut statement);
            extension::edit(self, &mut statement);
            older::edit(self, &mut statement);
            self.remaining(&statement);
            if !statement.dropped {
                self.statements.push(statement.edits.apply(&text));
            }
            self.statements.append(&mut statement.then);
        }
    }

    fn remaining(&mut self, statement: &Statement) {
        let schema = &self.context.vector_schema;
        let members = self.members().unwrap_or_default();
        let member = mention::left(&statement.root, schema, members, &statement.edits);
        let left = mention::types(&statement.root, schema)
            .find(|(range, _)| !statement.edits.cover(range));
        // Where the object is left out already, the reason is known.
        let silent = statement.dropped || self.left_out;
        if let (Some((_, name)), false) = (left, silent) {
            let reason = format!(
                "mentions the type {schema}.{name} of pgvector in a place that is not known"
            );
            self.decide(reason, extension::BY_HAND);
        }
        if let (Some(name), false) = (member, silent) {
            self.decide(
                format!("is made of {schema}.{name} of pgvector, which PGVecto.rs has not"),
                extension::BY_HAND,
            );
        }
    }

    /// A statement that the parser does not know passes unchanged, unless it may hold something that has to be edited.
    fn unparsed(&mut self, text: &str) {
        if mention::in_text(text, &self.context.vector_schema) || self.needs_edit() {
            self.decide(
                "a statement of it is not understood by the parser, and it uses pgvector",
                extension::BY_HAND,
            );
        }
    }

    /// The statements are too deep to be parsed at all.
    fn unreadable(&mut self) {
        if self.entry.kind == "SESSION" {
            return;
        }
        for text in self.statements.clone() {
            self.unparsed(&text);
        }
    }

    fn needs_edit(&self) -> bool {
        let Some(object) = self.entry.object.filter(|object| object.oid != 0) else {
            return false;
        };
        self.context.dependents.contains_key(&object)
            || self.context.domains.contains_key(&object.oid)
            || self.context.indexes.contains_key(&object.oid)
            || self.context.attributes.contains_key(&object.oid)
            || self.context.columns.contains_key(&object.oid)
    }

    /// No row and no answer depends on it: nobody has to decide whether to go on without it.
    fn is_dispensable(&self) -> bool {
        let unenforced = |text: &String| text.ends_with(" NOT ENFORCED");
        self.entry.kind == "STATISTICS"
            || self.entry.kind.ends_with("CONSTRAINT")
                && self.entry.statements.iter().any(unenforced)
    }

    fn finish(mut self) -> Translated {
        if self.left_out && self.is_dispensable() {
            for finding in &mut self.findings {
                finding.severity = Severity::Note;
                finding.remedy = DISPENSABLE.to_owned();
            }
        }
        let statements = if self.left_out {
            Vec::new()
        } else {
            self.statements
        };
        Translated {
            statements,
            findings: self.findings,
            left_out: self.left_out,
            missing_roles: Vec::new(),
            unnamed: self.unnamed,
        }
    }
}
