//! In: both servers and a table's place on the target. Out: what makes a run impossible, all of it at once, each with its remedy.

use std::collections::{BTreeMap, HashSet};

use super::{ColumnPlan, Finding, Severity, Wishes};
use crate::catalog::target::Target;
use crate::catalog::{Index, Relation, Source, ident};
use crate::cli::{Format, SchemaSource};

/// Majors that have been moved from and to.
const OLDEST_SOURCE: u32 = 13;
const OLDEST_TARGET: u32 = 14;

/// What is wrong with the two servers before any table is looked at.
pub fn servers(source: &Source, target: &Target, wishes: &Wishes) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut problem = |object: &str, reason: String, remedy: &str| {
        findings.push(Finding::new(Severity::Problem, object, reason).remedy(remedy));
    };
    let cluster = source.system_identifier.as_ref();
    let same_cluster = cluster.is_some() && cluster == target.system_identifier.as_ref();
    if same_cluster && source.database == target.database {
        problem(
            "target",
            "source and target are the same database".into(),
            "name the new cluster in --target",
        );
    }
    for (side, version_num, oldest) in [
        ("source", source.version_num, OLDEST_SOURCE),
        ("target", target.version_num, OLDEST_TARGET),
    ] {
        let version = version_num / 10_000;
        if version < oldest {
            problem(
                side,
                format!("version {version} is older than {oldest}"),
                "upgrade it first",
            );
        }
    }
    if target.encoding != source.encoding {
        let reason = format!(
            "the target's encoding {} is not the source's {}",
            target.encoding, source.encoding
        );
        problem(
            "target",
            reason,
            "make the target database WITH ENCODING of the source, TEMPLATE template0",
        );
    }
    let sessions = i64::try_from(wishes.jobs.max(wishes.index_jobs)).unwrap_or(i64::MAX);
    if sessions.saturating_add(4) > i64::from(target.connections) {
        problem(
            "target",
            format!(
                "its role may have {} connections at once, and the run has up to {}",
                target.connections,
                sessions.saturating_add(4)
            ),
            "lower --jobs and --index-jobs, or raise max_connections, or the CONNECTION LIMIT of the role or the database",
        );
    }
    findings.extend(surroundings(source, target));
    if wishes.format == Format::Native {
        findings.extend(vectors_extension(target));
    }
    findings
}

/// What sorts by a collation that the target lacks is refused in the rehearsal; this says it once, with the remedy.
pub fn collations(source: &Source, target: &Target, selected: &HashSet<u32>) -> Vec<Finding> {
    let mut lacking: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, relation) in &source.collations {
        if selected.contains(relation) && !target.collations.contains(name) {
            let user = source.relation(*relation).map(Relation::display);
            lacking.entry(name).or_default().extend(user);
        }
    }
    let finding = |(name, users): (&str, Vec<String>)| {
        let object = format!("collation {}", ident(name));
        let reason = format!("is not on the target, and is used by {}", users.join(", "));
        Finding::new(Severity::Decision, object, reason).remedy(format!(
            "give the target's system the locale and SELECT pg_import_system_collations('pg_catalog'), or make one of that name there: CREATE COLLATION \
             pg_catalog.{} (…); with --allow-findings those are left out",
            crate::connect::quote(name)
        ))
    };
    lacking.into_iter().map(finding).collect()
}

/// What is otherwise on the target, and worth knowing.
fn surroundings(source: &Source, target: &Target) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.locale != target.locale {
        let reason = format!(
            "text is sorted by {} on the source and by {} on the target",
            source.locale, target.locale
        );
        let note = Finding::new(Severity::Note, "target", reason);
        findings.push(note.remedy(
            "where the order of text matters (ORDER BY, ranges, partitions), make the target database with the source's locale, TEMPLATE template0",
        ));
    }
    if source.version_num < 140_000 {
        let reason = format!(
            "is PostgreSQL {}, which would read a whole table for each part of it: each table is one slice, copied by one connection, and copied again as a whole where it was not done",
            source.version_num / 10_000
        );
        findings.push(Finding::new(Severity::Note, "source", reason));
    }
    for publication in &target.publications {
        let object = format!("publication {} of the target", ident(publication));
        let reason = "is there already, of all tables: a run that is interrupted and has to take rows back is refused, since keys come after the rows";
        let note = Finding::new(Severity::Note, object, reason);
        findings.push(note.remedy("drop it for the move and make it again"));
    }
    for trigger in &target.event_triggers {
        let object = format!("event trigger {} of the target", ident(trigger));
        let note = Finding::new(
            Severity::Note,
            object,
            "is there already, and fires for every statement that makes an object",
        );
        findings.push(
            note.remedy("disable it for the move if it should not: ALTER EVENT TRIGGER … DISABLE"),
        );
    }
    findings
}

pub fn vectors_extension(target: &Target) -> Option<Finding> {
    let (reason, remedy) = match (&target.vectors_installed, &target.vectors_available) {
        (None, None) => (
            "the target has no extension \"vectors\" to install".to_string(),
            "install PGVecto.rs 0.4.0 on the target, or move to real[] with --format real-array",
        ),
        _ if !target.vectors_preloaded => (
            "\"vectors\" is not in the target's shared_preload_libraries".to_string(),
            "ALTER SYSTEM SET shared_preload_libraries = 'vectors.so' (keep what is there), then restart the target",
        ),
        (None, Some(_)) if !target.superuser => (
            "the extension \"vectors\" is not installed, and only a superuser can do that"
                .to_string(),
            "run CREATE EXTENSION vectors as a superuser, or connect as one",
        ),
        (Some(version), _) | (None, Some(version)) if !version.starts_with("0.4.") => (
            format!("the target has vectors {version}; this program writes for 0.4"),
            "upgrade PGVecto.rs to 0.4.0",
        ),
        _ => return None,
    };
    Some(Finding::new(Severity::Problem, "target", reason).remedy(remedy))
}

/// Only an owner may build an index, and vector indexes are built with --schema-source existing too.
pub fn ownership(source: &Source, relation: &Relation, target: &Target) -> Option<Finding> {
    let there = target.relations.get(&relation.place())?;
    let mut indexes = source.indexes.iter();
    let indexed = indexes.any(|i| i.table == relation.oid && i.uses_pgvector());
    (indexed && !there.owned).then(|| {
        let object = format!("table {}", relation.display());
        let reason = "is not the target's role's own, so it may not build its vector indexes";
        Finding::new(Severity::Problem, object, reason)
            .remedy("connect as its owner, or GRANT that role to the one that connects")
    })
}

/// Whether the table's place on the target is free, or as it must be with --schema-source existing.
pub fn places(
    relation: &Relation,
    columns: &[ColumnPlan],
    target: &Target,
    wishes: &Wishes,
) -> Vec<Finding> {
    let object = format!("table {}", relation.display());
    let problem = |reason: String, remedy: &str| {
        Finding::new(Severity::Problem, object.clone(), reason).remedy(remedy.to_string())
    };
    let mut findings = Vec::new();
    let existing = target
        .relations
        .get(&(relation.schema.clone(), relation.name.clone()));
    match (existing, wishes.schema_source) {
        (None, SchemaSource::Dump) => {}
        (None, SchemaSource::Existing) => findings.push(problem(
            "is not on the target".into(),
            "create it, or drop --schema-source existing",
        )),
        (Some(there), SchemaSource::Existing) if there.kind != relation.kind => findings.push(problem(
            format!("is not a {} on the target", if relation.kind == 'p' { "partitioned table" } else { "plain table" }),
            "with --schema-source existing each table and each partition is filled by itself: make it as on the source",
        )),
        (Some(there), _) if there.has_rows => findings.push(problem(
            "is on the target already and is not empty".into(),
            "empty or drop it there: rows are never mixed; or leave it out with --exclude-table",
        )),
        (Some(_), SchemaSource::Dump) => findings.push(problem(
            "is on the target already (empty)".into(),
            "drop it there, or fill it as it is with --schema-source existing",
        )),
        (Some(there), SchemaSource::Existing) => {
            if !there.may_fill {
                let grant = format!("GRANT SELECT, INSERT, DELETE ON {} TO {} (and USAGE on its schema; its policies must not bind the role)", relation.quoted(), crate::connect::quote(&target.access.role));
                findings.push(problem("the target's role may not fill it".into(), &grant));
            }
            for obstacle in &there.obstacles {
                findings.push(
                    Finding::new(Severity::Problem, object.clone(), format!("has {obstacle} on the target already"))
                        .remedy("drop it and make it again after the copy: rows come first, then indexes, keys and triggers"),
                );
            }
            findings.extend(columns.iter().filter_map(|c| {
                let found = there.columns.iter().find(|(name, _)| *name == c.name);
                let wanted = c.target_text();
                match found {
                    None => Some(problem(
                        format!("has no column {} on the target", c.name),
                        "add it, or drop --schema-source existing",
                    )),
                    // With an empty search_path format_type qualifies user types on both sides.
                    Some((_, ty)) if *ty == wanted => None,
                    Some((_, ty)) => Some(problem(
                        format!("column {} is {ty} on the target, not {wanted}", c.name),
                        "change the type there, or use --map",
                    )),
                }
            }));
        }
    }
    findings
}

/// pg_dump knows no index that is not valid, but for those of partitioned tables.
pub fn invalid_indexes(source: &Source, selected: &HashSet<u32>) -> Vec<Finding> {
    let indexes = source.indexes.iter();
    let invalid = indexes.filter(|i| !i.valid && selected.contains(&i.table));
    let finding = |i: &Index| {
        let object = format!("index {}.{}", ident(&i.schema), ident(&i.name));
        let partitioned = source.relation(i.table).is_some_and(|r| r.kind == 'p');
        let (reason, remedy) = match partitioned {
            true => (
                "is not valid on the source, since not every partition has one that is attached to it: it comes as it is",
                "make and attach the missing ones, on either side",
            ),
            false => (
                "is not valid on the source, as after a CREATE INDEX CONCURRENTLY that failed: it does not come",
                "REINDEX it before the move if it is wanted, or drop it",
            ),
        };
        Finding::new(Severity::Note, object, reason).remedy(remedy)
    };
    invalid.map(finding).collect()
}
