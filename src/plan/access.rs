//! In: what the two roles may do, and what the run needs. Out: what they lack, all of it at once, each with the GRANT that mends it.
//! A superuser lacks nothing. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Finding, Severity};
use crate::catalog::target::Target;
use crate::catalog::{Relation, Source, dump_name, ident};
use crate::cli::Format;
use crate::connect::quote;

/// What the schema's steps need on the target.
#[derive(Debug, Default)]
pub struct Needs {
    /// Schemas in which something is made.
    pub schemas: BTreeSet<String>,
    /// What the database itself has to allow: schemas, publications, extensions.
    pub in_database: Vec<String>,
    /// For whom default privileges are set.
    pub defaults: BTreeSet<String>,
    /// Who is to own something, and where: in schemas, or (None) a publication in the database itself.
    pub owners: BTreeMap<String, BTreeSet<Option<String>>>,
}

impl Needs {
    /// What a table needs that is not in the dump; `owner` on the target.
    pub fn unread(&mut self, relation: &Relation, owner: Option<&str>) {
        let schema = dump_name(&relation.schema);
        if let Some(owner) = owner {
            let places = self.owners.entry(owner.to_string()).or_default();
            places.insert(Some(schema.clone()));
        }
        self.schemas.insert(schema);
    }

    /// Pairs of an owner and a schema that is there already, which only a superuser needs not to ask about.
    pub fn strange(&self, target: &Target) -> Vec<(String, Option<String>)> {
        if target.superuser {
            return Vec::new();
        }
        let pairs = self
            .owners
            .iter()
            .flat_map(|(owner, places)| places.iter().map(move |p| (owner.clone(), p.clone())));
        pairs.collect()
    }
}

fn problem(object: String, reason: String, remedy: String) -> Finding {
    Finding::new(Severity::Problem, object, reason).remedy(remedy)
}

/// What is missing on the source: pg_dump and the copy read every table that comes.
pub fn source(source: &Source, selected: &HashSet<u32>) -> Vec<Finding> {
    let role = &source.access.role;
    let object = || format!("the source's role {}", ident(role));
    let to = quote(role);
    let relations = source.relations.iter();
    let read: Vec<&Relation> = relations
        .filter(|r| selected.contains(&r.oid) && "rpS".contains(r.kind))
        .collect();
    let mut findings = Vec::new();
    let mut closed: BTreeSet<&String> = read.iter().map(|r| &r.schema).collect();
    closed.insert(&source.vector_schema);
    closed.retain(|s| source.access.closed.contains(*s));
    if !closed.is_empty() {
        let names = list(closed.iter().map(|s| quote(s)));
        findings.push(problem(
            object(),
            format!("may not use {}", counted(closed.len(), "schema", &names)),
            format!("GRANT USAGE ON SCHEMA {names} TO {to}"),
        ));
    }
    for (kinds, what, keyword) in [("rp", "table", "TABLE"), ("S", "sequence", "SEQUENCE")] {
        let unread = read
            .iter()
            .filter(|r| kinds.contains(r.kind) && !r.may_select);
        let unread: Vec<String> = unread.map(|r| r.quoted()).collect();
        if unread.is_empty() {
            continue;
        }
        let names = list(unread.iter().cloned());
        findings.push(problem(
            object(),
            format!("may not read {}", counted(unread.len(), what, &names)),
            format!("GRANT SELECT ON {keyword} {names} TO {to}; the short way since PostgreSQL 14: GRANT pg_read_all_data TO {to}"),
        ));
    }
    let bound = read.iter().filter(|r| source.access.bound.contains(&r.oid));
    let bound: Vec<String> = bound.map(|r| r.quoted()).collect();
    if !bound.is_empty() {
        let names = list(bound.iter().cloned());
        findings.push(problem(
            object(),
            format!("would see a part of the rows only: row-level security binds it on {}", counted(bound.len(), "table", &names)),
            format!("as a superuser: ALTER ROLE {to} BYPASSRLS; or connect as the tables' owner (where they do not FORCE ROW LEVEL SECURITY)"),
        ));
    }
    findings
}

/// What is missing on the target before any object is looked at.
pub fn target(target: &Target, format: Format) -> Vec<Finding> {
    let mut findings = Vec::new();
    if target.superuser {
        return findings;
    }
    let to = quote(&target.access.role);
    let mut lacks = |reason: &str, remedy: String| {
        let object = format!("the target's role {}", ident(&target.access.role));
        findings.push(problem(object, reason.into(), remedy));
    };
    if format == Format::Native && target.access.vectors == Some(false) {
        let remedy = format!("as a superuser: GRANT USAGE ON SCHEMA vectors TO {to}");
        lacks("may not use the schema vectors", remedy);
    }
    match target.access.schemas.get("pgv2rs") {
        Some(true) => {}
        Some(false) => lacks(
            "may not write to the ledger of runs in the schema pgv2rs, which is another role's",
            "connect as that role, or have it forget its runs with pgv2rs-copy clean".into(),
        ),
        None if !target.access.creates => lacks(
            "may not make the schema pgv2rs for the ledger, by which an interrupted run goes on",
            format!("as a superuser: CREATE SCHEMA pgv2rs AUTHORIZATION {to}"),
        ),
        None => {}
    }
    if !target.access.temporary {
        let grant = format!(
            "GRANT TEMPORARY ON DATABASE {} TO {to}",
            quote(&target.database)
        );
        lacks(
            "may not make temporary tables: vectors are sampled in one, and the index worker is asked by one",
            grant,
        );
    }
    findings
}

/// What is missing for the schema's steps. `strangers` are owners with schemas that they may not make objects in.
pub fn steps(
    target: &Target,
    needs: &Needs,
    strangers: &[(String, Option<String>)],
) -> Vec<Finding> {
    if target.superuser {
        return Vec::new();
    }
    let role = &target.access.role;
    let object = || format!("the target's role {}", ident(role));
    let to = quote(role);
    let mut findings = Vec::new();
    // What is installed already is not installed again.
    let installed = |object: &str| {
        let offer = object
            .strip_prefix("EXTENSION ")
            .and_then(|name| target.extensions.get(name));
        offer.is_some_and(|o| o.installed.is_some())
    };
    let in_database = needs.in_database.iter().map(String::as_str);
    let in_database: Vec<&str> = in_database.filter(|object| !installed(object)).collect();
    if !in_database.is_empty() && !target.access.creates {
        let names = in_database.join(", ");
        findings.push(problem(
            object(),
            format!("may not create in the database what comes: {names}"),
            format!(
                "GRANT CREATE ON DATABASE {} TO {to}",
                quote(&target.database)
            ),
        ));
    }
    let closed = needs
        .schemas
        .iter()
        .filter(|s| target.access.schemas.get(*s) == Some(&false));
    let closed: Vec<String> = closed.map(|s| quote(s)).collect();
    if !closed.is_empty() {
        let names = closed.join(", ");
        findings.push(problem(
            object(),
            format!(
                "may not create anything in {}",
                counted(closed.len(), "schema", &names)
            ),
            format!("GRANT USAGE, CREATE ON SCHEMA {names} TO {to}"),
        ));
    }
    let foreign = needs
        .owners
        .keys()
        .filter(|o| !target.access.becomes.contains(*o));
    let foreign: Vec<String> = foreign.map(|o| quote(o)).collect();
    if !foreign.is_empty() {
        let names = foreign.join(", ");
        findings.push(problem(
            object(),
            format!("may not act for {names}, and use what is theirs: what comes is owned or granted by them"),
            format!("{}; or --no-owner makes all of it {to}'s; or --role-map names other owners", membership(target, &names)),
        ));
    }
    let defaults = needs
        .defaults
        .iter()
        .filter(|r| !target.access.becomes.contains(*r));
    let defaults: Vec<String> = defaults.map(|r| quote(r)).collect();
    if !defaults.is_empty() {
        let names = defaults.join(", ");
        findings.push(problem(
            object(),
            format!("may not set default privileges for {names}"),
            format!(
                "{}; or --no-privileges; or --role-map names others",
                membership(target, &names)
            ),
        ));
    }
    for (owner, place) in strangers {
        let (place, grant) = match place {
            Some(schema) => (
                format!("schema {}", ident(schema)),
                format!("SCHEMA {}", quote(schema)),
            ),
            None => (
                "the database".into(),
                format!("DATABASE {}", quote(&target.database)),
            ),
        };
        findings.push(problem(
            format!("role {}", ident(owner)),
            format!("is to own objects in {place}, where it may not create any: only a superuser can make it their owner"),
            format!("GRANT CREATE ON {grant} TO {}; or --no-owner", quote(owner)),
        ));
    }
    findings
}

/// Makes the role a member of those that are to own something, with all that they may do.
fn membership(target: &Target, names: &str) -> String {
    let to = quote(&target.access.role);
    let grant = format!("GRANT {names} TO {to}");
    match (target.version_num >= 160_000, target.access.inherits) {
        (true, _) => format!("{grant} WITH INHERIT TRUE, SET TRUE"),
        (false, true) => grant,
        (false, false) => format!("{grant}; ALTER ROLE {to} INHERIT"),
    }
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn counted(number: usize, what: &str, names: &str) -> String {
    match number {
        1 => format!("{what} {names}"),
        n => format!("{n} {what}s: {names}"),
    }
}

/// The tables and sequences that the role may not read. pg_dump must not touch them either.
pub fn unread(source: &Source) -> Vec<&Relation> {
    let relations = source.relations.iter();
    let unread = relations.filter(|r| {
        "rpS".contains(r.kind) && (!r.may_select || source.access.closed.contains(&r.schema))
    });
    unread.collect()
}
