//! In: --schema, --table, --exclude-table, and pg_depend. Out: which relations come, and which entries of the dump go with them.
//! `pg_dump -t` leaves out the types, functions and extensions that a table needs, so the dump is of everything and is
//! filtered here by the closure of dependencies.

use std::collections::{HashMap, HashSet};

use dialect::dump::{Entry, ObjectId};
use tokio_postgres::Client;

use crate::catalog::{Source, class};
use crate::cli::Options;
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity};

/// What the user's patterns match on the source.
#[derive(Debug, Default)]
pub struct Patterns {
    pub schemas: Option<HashSet<String>>,
    pub tables: Option<HashSet<u32>>,
    pub excluded: HashSet<u32>,
}

/// Evaluates the patterns on the server: they are its regular expressions in disguise. One that matches nothing is a mistake.
pub async fn patterns(client: &Client, options: &Options) -> Result<Patterns> {
    let mut found = Patterns::default();
    if !options.schemas.is_empty() {
        let mut names = HashSet::new();
        for pattern in &options.schemas {
            let Pattern { name, .. } = pattern_of(pattern)?;
            let sql = "SELECT nspname::text, 0::oid FROM pg_catalog.pg_namespace \
                WHERE nspname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default";
            names.extend(
                rows(client, sql, &[&name], "--schema", pattern)
                    .await?
                    .into_iter()
                    .map(|r| r.0),
            );
        }
        found.schemas = Some(names);
    }
    if !options.tables.is_empty() {
        found.tables = Some(relations(client, &options.tables, "--table").await?);
    }
    found.excluded = relations(client, &options.excluded_tables, "--exclude-table").await?;
    Ok(found)
}

async fn relations(client: &Client, patterns: &[String], option: &str) -> Result<HashSet<u32>> {
    // Without a schema a pattern means what the role's own search_path shows, as in pg_dump.
    let visible = "SELECT c.relname::text, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default \
        AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) AND n.nspname NOT LIKE 'pg\\_%' \
        ELSE n.nspname OPERATOR(pg_catalog.~) $2 COLLATE pg_catalog.default END";
    let mut found = HashSet::new();
    for pattern in patterns {
        let Pattern { schema, name } = pattern_of(pattern)?;
        let schema = schema.unwrap_or_default();
        found.extend(
            rows(client, visible, &[&name, &schema], option, pattern)
                .await?
                .into_iter()
                .map(|r| r.1),
        );
    }
    Ok(found)
}

async fn rows(
    client: &Client,
    sql: &str,
    params: &[&(dyn postgres_types::ToSql + Sync)],
    option: &str,
    pattern: &str,
) -> Result<Vec<(String, u32)>> {
    let attempt = format!("looking for {option} {pattern}");
    let on = |attempt: String| Error::on::<tokio_postgres::Error>(Side::Source, attempt);
    client
        .batch_execute("RESET search_path")
        .await
        .map_err(on(attempt.clone()))?;
    let found = client.query(sql, params).await;
    client
        .batch_execute("SET search_path = ''")
        .await
        .map_err(on(attempt.clone()))?;
    let found = found.map_err(on(attempt.clone()))?;
    if found.is_empty() {
        return Err(Error::new(Side::Plan, attempt)
            .because("nothing on the source matches")
            .remedy("check the pattern's spelling; quote mixed case: '\"Items\"'"));
    }
    Ok(found.iter().map(|r| (r.get(0), r.get(1))).collect())
}

#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    schema: Option<String>,
    name: String,
}

/// psql's rules: `*` and `?` are wild, letters fold to lower case outside double quotes, the dot parts schema and name.
fn pattern_of(text: &str) -> Result<Pattern> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        let part = &mut parts[last];
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            '*' if !quoted => part.push_str(".*"),
            '?' if !quoted => part.push('.'),
            '$' => part.push_str("\\$"),
            _ if quoted && "|*+?()[]{}.^\\".contains(c) => part.extend(['\\', c]),
            _ if quoted => part.push(c),
            _ => part.extend(c.to_lowercase()),
        }
    }
    let whole = |part: String| format!("^({part})$");
    let mut parts = parts.into_iter().map(whole);
    match (parts.next(), parts.next(), parts.next(), quoted) {
        (Some(name), None, None, false) => Ok(Pattern { schema: None, name }),
        (Some(schema), Some(name), None, false) => Ok(Pattern {
            schema: Some(schema),
            name,
        }),
        _ => Err(
            Error::new(Side::Plan, format!("reading the pattern {text}"))
                .because("it is not name or schema.name")
                .remedy("close the quotes; leave the database's name away"),
        ),
    }
}

/// What comes.
pub struct Selection {
    /// None: everything.
    wanted: Option<HashSet<ObjectId>>,
    owners: HashMap<ObjectId, u32>,
    pub relations: HashSet<u32>,
    pub findings: Vec<Finding>,
}

/// Closes the patterns' matches over what they need and what belongs to them.
pub fn close(source: &Source, patterns: &Patterns) -> Selection {
    let owners = owners(source);
    let everything =
        patterns.schemas.is_none() && patterns.tables.is_none() && patterns.excluded.is_empty();
    let mut closure = Closure {
        source,
        owners: &owners,
        wanted: HashSet::new(),
    };
    for relation in &source.relations {
        let root = ancestors(source, relation.oid);
        let excluded = root.iter().any(|oid| patterns.excluded.contains(oid));
        let named = match (&patterns.tables, &patterns.schemas) {
            (Some(tables), _) => root.iter().any(|oid| tables.contains(oid)),
            (None, Some(schemas)) => schemas.contains(&relation.schema),
            (None, None) => true,
        };
        if named && !excluded {
            closure.add(relation.id());
        }
    }
    let mut wanted = closure.wanted;
    wanted.retain(|o| {
        o.class != class::RELATION
            || !ancestors(source, o.oid)
                .iter()
                .any(|a| patterns.excluded.contains(a))
    });
    let relations = source
        .relations
        .iter()
        .filter(|r| everything || wanted.contains(&r.id()))
        .map(|r| r.oid)
        .collect();
    let pulled = |r: &&crate::catalog::Relation| {
        let named = patterns
            .tables
            .as_ref()
            .is_some_and(|t| !ancestors(source, r.oid).iter().any(|a| t.contains(a)));
        named && r.kind == 'r' && wanted.contains(&r.id())
    };
    let note = |r: &crate::catalog::Relation| {
        Finding::new(
            Severity::Note,
            format!("table {}", r.display()),
            "comes too: a selected table needs it",
        )
    };
    let findings = source.relations.iter().filter(pulled).map(note).collect();
    // Only exclusions: whatever is no part of an excluded relation comes, functions and types that nobody needs included.
    let only_exclusions = patterns.schemas.is_none() && patterns.tables.is_none();
    if only_exclusions && !everything {
        let is_excluded = |oid: &u32| {
            ancestors(source, *oid)
                .iter()
                .any(|a| patterns.excluded.contains(a))
        };
        for (object, _, _) in &source.depends {
            let owner = owners
                .get(object)
                .copied()
                .or((object.class == class::RELATION).then_some(object.oid));
            if !owner.as_ref().is_some_and(is_excluded) {
                wanted.insert(*object);
            }
        }
    }
    Selection {
        wanted: (!everything).then_some(wanted),
        owners,
        relations,
        findings,
    }
}

/// A table and the partitioned tables above it.
fn ancestors(source: &Source, oid: u32) -> Vec<u32> {
    let mut line = vec![oid];
    while let Some(parent) = line
        .last()
        .and_then(|o| source.relation(*o))
        .filter(|r| r.is_partition)
        .and_then(|r| r.parent)
    {
        line.push(parent);
    }
    line
}

/// The relation whose part an object is: its indexes, constraints, defaults, triggers, rules, policies, owned sequences.
fn owners(source: &Source) -> HashMap<ObjectId, u32> {
    let relations: HashSet<u32> = source.relations.iter().map(|r| r.oid).collect();
    let mut owners: HashMap<ObjectId, u32> = source
        .depends
        .iter()
        .filter(|(object, needs, kind)| {
            let part = matches!(kind, 'a' | 'i')
                && needs.class == class::RELATION
                && relations.contains(&needs.oid);
            part && (object.class != class::RELATION
                || source.relation(object.oid).is_some_and(|r| r.kind == 'S'))
        })
        .map(|(object, needs, _)| (*object, needs.oid))
        .collect();
    for index in &source.indexes {
        owners.insert(
            ObjectId {
                class: class::RELATION,
                oid: index.oid,
            },
            index.table,
        );
        if let Some(constraint) = index.constraint {
            owners.insert(
                ObjectId {
                    class: class::CONSTRAINT,
                    oid: constraint,
                },
                index.table,
            );
        }
    }
    owners
}

struct Closure<'a> {
    source: &'a Source,
    owners: &'a HashMap<ObjectId, u32>,
    wanted: HashSet<ObjectId>,
}

impl Closure<'_> {
    /// An object, all that it needs, and all that is a part of it with what that needs; but no table only because a foreign key
    /// points there.
    fn add(&mut self, first: ObjectId) {
        let mut open = vec![first];
        while let Some(object) = open.pop() {
            if !self.wanted.insert(object) {
                continue;
            }
            let constraint = object.class == class::CONSTRAINT;
            let needs =
                self.source.depends.iter().filter(|(o, n, _)| {
                    *o == object && !(constraint && n.class == class::RELATION)
                });
            open.extend(needs.map(|(_, n, _)| *n));
            if object.class == class::RELATION {
                open.extend(
                    self.owners
                        .iter()
                        .filter(|(_, owner)| **owner == object.oid)
                        .map(|(part, _)| *part),
                );
            }
        }
    }
}

impl Selection {
    pub fn owner(&self, object: ObjectId) -> Option<u32> {
        self.owners.get(&object).copied()
    }

    /// Whether an entry of the dump comes.
    pub fn holds(&self, entry: &Entry, source: &Source) -> bool {
        let Some(wanted) = &self.wanted else {
            return true;
        };
        let Some(object) = entry.object.filter(|o| o.class != 0) else {
            return self.follows(entry, source);
        };
        let foreign = || {
            let mut needs = source
                .depends
                .iter()
                .filter(|(o, n, _)| *o == object && n.class == class::RELATION);
            entry.kind == "FK CONSTRAINT"
                && needs.any(|(_, n, _)| source.relation(n.oid).is_some() && !wanted.contains(n))
        };
        wanted.contains(&object) && !foreign()
    }

    /// Comments, privileges and attachments have no OID of their own: they come with what they are about.
    fn follows(&self, entry: &Entry, source: &Source) -> bool {
        let Some(wanted) = &self.wanted else {
            return true;
        };
        let schema = entry.schema.as_deref().unwrap_or_default();
        let relation = |name: &str| {
            let found = source
                .relations
                .iter()
                .find(|r| r.schema == schema && r.name == name);
            found.is_some_and(|r| wanted.contains(&r.id()))
        };
        match entry.kind.as_str() {
            "TABLE ATTACH" => {
                let found = source
                    .relations
                    .iter()
                    .find(|r| r.schema == schema && r.name == entry.name);
                let parent = found.and_then(|r| r.parent);
                found.is_some_and(|r| wanted.contains(&r.id()))
                    && parent.is_some_and(|oid| {
                        wanted.contains(&ObjectId {
                            class: class::RELATION,
                            oid,
                        })
                    })
            }
            "INDEX ATTACH" => {
                let found = source
                    .indexes
                    .iter()
                    .find(|i| i.schema == schema && i.name == entry.name);
                let above =
                    |i: &crate::catalog::Index| source.relation(i.table).and_then(|r| r.parent);
                found.is_some_and(|i| {
                    let oids = [Some(i.table), above(i)];
                    oids.iter().flatten().all(|&oid| {
                        wanted.contains(&ObjectId {
                            class: class::RELATION,
                            oid,
                        })
                    })
                })
            }
            "MATERIALIZED VIEW DATA" | "SEQUENCE OWNED BY" => relation(&entry.name),
            // `TABLE items`, `COLUMN items.embedding`, `FUNCTION f(…)`: the name is the only thread.
            "COMMENT" | "ACL" | "SECURITY LABEL" => {
                let subject = entry
                    .name
                    .split_once(' ')
                    .map_or(entry.name.as_str(), |(_, name)| name);
                relation(subject) || relation(subject.split('.').next().unwrap_or(subject))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_folded_and_anchored_like_psqls() {
        let pattern = |schema: Option<&str>, name: &str| Pattern {
            schema: schema.map(Into::into),
            name: name.into(),
        };
        assert_eq!(pattern_of("Items*").unwrap(), pattern(None, "^(items.*)$"));
        assert_eq!(
            pattern_of("app.\"A.b*\"").unwrap(),
            pattern(Some("^(app)$"), "^(A\\.b\\*)$")
        );
        assert!(pattern_of("a.b.c").is_err());
        assert!(pattern_of("\"a").is_err());
    }
}
