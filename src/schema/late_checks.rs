//! In: the target in the rehearsal, with the schema before the data. Out: the steps that take away the checks, of tables and of domains,
//! which no row may meet while it is copied, and put them back when all rows are there. Such a check calls a function that may look at other tables, or says
//! what hangs on the moment or the role. Where the source's own rows break it, it comes back NOT VALID, which a note says.

use std::collections::HashMap;

use dialect::dump::ObjectId;
use tokio_postgres::{Client, Row};

use super::rehearse::Refused;
use super::{Around, Phase, Step};
use crate::catalog::checks::broken;
use crate::catalog::portable::type_within;
use crate::catalog::{Relation, Type, class, ident};
use crate::connect::literal;
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity};

/// The source under the snapshot, and the tables that this run makes.
pub struct Checked<'a> {
    pub source: &'a Client,
    pub search_path: &'a str,
    pub tables: &'a [&'a Relation],
    pub types: &'a HashMap<u32, Type>,
}

/// One check: how it goes and how it comes back.
pub struct Late {
    pub away: Step,
    /// What the tables above give is not put back by itself.
    pub back: Option<Step>,
    pub note: Option<Refused>,
}

/// Whether a check `k` calls what may answer otherwise while rows are missing. pg_depend does not name PostgreSQL's own functions, so the
/// stored expression is asked.
const CALLS: &str = r"(k.conbin::text LIKE '%{SQLVALUEFUNCTION %' OR EXISTS (
    SELECT FROM regexp_matches(k.conbin::text, ':(?:op)?funcid ([0-9]+)', 'g') m JOIN pg_catalog.pg_proc f ON f.oid = m[1]::oid
    WHERE f.provolatile <> 'i' OR f.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
        WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = f.oid AND e.deptype = 'e')))";

/// Parents first: a table gives up its own check only when those above have.
const OF_TABLES: &str = r"
WITH RECURSIVE here AS (
    SELECT u.source, c.oid FROM unnest($1::oid[], $2::text[], $3::text[]) u(source, schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = u.schema JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = u.name),
depths AS (
    SELECT oid, 0 AS depth FROM here UNION SELECT i.inhrelid, depth + 1 FROM depths d JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid)
SELECT h.source, h.oid::regclass::text, k.conname::text, pg_get_constraintdef(k.oid), k.conislocal, obj_description(k.oid, 'pg_constraint')
FROM here h JOIN pg_catalog.pg_constraint k ON k.conrelid = h.oid
WHERE k.contype = 'c' AND {calls}
ORDER BY (SELECT max(depth) FROM depths d WHERE d.oid = h.oid), h.source, k.conname";

const OF_DOMAINS: &str = r"
SELECT u.source, t.oid::regtype::text, k.conname::text, pg_get_constraintdef(k.oid), true, obj_description(k.oid, 'pg_constraint')
FROM unnest($1::oid[], $2::text[], $3::text[]) u(source, schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = u.schema JOIN pg_catalog.pg_type t ON t.typnamespace = n.oid AND t.typname = u.name
JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid
WHERE k.contype = 'c' AND {calls} ORDER BY u.source, k.conname";

/// In the order in which they go; they come back in the other. `passed` are the steps that made what is there: others of the same
/// name are somebody else's.
pub async fn late(target: &Client, checked: &Checked<'_>, passed: &[Step]) -> Result<Vec<Late>> {
    let made = |class, oid| passed.iter().any(|s| s.id == Some(ObjectId { class, oid }));
    let tables = checked
        .tables
        .iter()
        .filter(|r| made(class::RELATION, r.oid));
    let tables = tables.map(|r| (r.oid, r.schema.as_str(), r.name.as_str()));
    let domains = checked
        .types
        .iter()
        .filter(|(oid, t)| t.kind == 'd' && made(class::TYPE, **oid));
    let domains = domains.map(|(oid, t)| (*oid, t.schema.as_str(), t.type_name.as_str()));
    let mut found = Vec::new();
    for row in calling(target, OF_TABLES, tables.collect()).await? {
        let (oid, name): (u32, String) = (row.get(0), row.get(2));
        let Some(relation) = checked.tables.iter().find(|r| r.oid == oid) else {
            continue;
        };
        let shown = relation.display();
        let broken = breaks(checked, relation, &name).await?;
        found.push(one(checked, &row, ("TABLE", &shown), Some(oid), broken));
    }
    for row in calling(target, OF_DOMAINS, domains.collect()).await? {
        let (oid, shown): (u32, String) = (row.get(0), row.get(1));
        let broken = values_break(checked, oid).await?;
        found.push(one(checked, &row, ("DOMAIN", &shown), None, broken));
    }
    Ok(found)
}

async fn calling(target: &Client, sql: &str, of: Vec<(u32, &str, &str)>) -> Result<Vec<Row>> {
    let oids: Vec<u32> = of.iter().map(|o| o.0).collect();
    let schemas: Vec<&str> = of.iter().map(|o| o.1).collect();
    let names: Vec<&str> = of.iter().map(|o| o.2).collect();
    let sql = sql.replace("{calls}", CALLS);
    let rows = target.query(&sql, &[&oids, &schemas, &names]).await;
    rows.map_err(Error::on(
        Side::Target,
        "looking for checks that call functions",
    ))
}

/// The check of a row of one of the queries; `broken` says whether the source's rows break it, and how.
fn one(
    checked: &Checked<'_>,
    row: &Row,
    (kind, shown): (&str, &str),
    table: Option<u32>,
    broken: Option<&str>,
) -> Late {
    let (place, name, definition): (String, String, String) = (row.get(1), row.get(2), row.get(3));
    // What the tables above have given goes and comes with theirs.
    let own: bool = row.get(4);
    let object = format!("CHECK {shown} {}", ident(&name));
    let name = crate::connect::quote(&name);
    let step = |phase, object: &str, statement| Step {
        table,
        ..Step::own(phase, object, statement)
    };
    let drop = format!("ALTER {kind} {place} DROP CONSTRAINT IF EXISTS {name}");
    let valid = broken.map_or("", |_| " NOT VALID");
    let add = format!("ALTER {kind} {place} ADD CONSTRAINT {name} {definition}{valid}");
    let comment = row.get::<_, Option<&str>>(5).map(|comment| {
        let on = if kind == "DOMAIN" { "DOMAIN " } else { "" };
        format!(
            "COMMENT ON CONSTRAINT {name} ON {on}{place} IS {}",
            literal(comment)
        )
    });
    let note = broken.filter(|_| own).map(|reason| Refused {
        finding: Finding::new(Severity::Note, &object, reason).remedy(format!(
            "look at the rows, then ALTER {kind} … VALIDATE CONSTRAINT"
        )),
        relation: None,
    });
    Late {
        away: step(
            Phase::BeforeData,
            &format!("{object} until the rows are there"),
            drop,
        ),
        back: own.then(|| Step {
            around: vec![Around::names(checked.search_path)],
            statements: [add].into_iter().chain(comment).collect(),
            ..step(Phase::ForeignKey, &object, String::new())
        }),
        note,
    }
}

const BROKEN: &str = "rows of the source break it: it becomes NOT VALID, so that they come and only new rows meet it";

/// Whether rows of the source, in this table or those below, break its check.
async fn breaks(
    checked: &Checked<'_>,
    relation: &Relation,
    name: &str,
) -> Result<Option<&'static str>> {
    let sql = "SELECT pg_catalog.pg_get_expr(conbin, conrelid), connoinherit FROM pg_catalog.pg_constraint \
               WHERE conrelid = $1 AND conname = $2::text AND contype = 'c'";
    let attempt = format!("reading a check of {}", relation.display());
    let row = checked.source.query_opt(sql, &[&relation.oid, &name]).await;
    let Some(row) = row.map_err(Error::on(Side::Source, attempt))? else {
        return Ok(None);
    };
    let only = if row.get(1) { "ONLY " } else { "" };
    let from = format!("{only}{}", relation.quoted());
    let expression = vec![row.get(0)];
    let answers = broken(checked.source, checked.search_path, &from, &expression).await?;
    Ok(answers.contains(&true).then_some(BROKEN))
}

/// Whether values of the source break a check of their domain. PostgreSQL does not look for them inside other values, and refuses to
/// try.
async fn values_break(checked: &Checked<'_>, domain: u32) -> Result<Option<&'static str>> {
    let within = |oid| type_within(checked.types, oid, &|oid, _| oid == domain).is_some();
    let mut inside = false;
    for relation in checked.tables {
        let columns = relation.columns.iter().filter(|c| within(c.type_oid));
        let again: Vec<String> = columns
            .inspect(|c| inside |= c.type_oid != domain)
            .map(|c| {
                // Read again, a value meets the checks of its type.
                let (name, ty) = (crate::connect::quote(&c.name), &c.type_text);
                format!("pg_catalog.length(((({name})::text)::{ty})::text) >= 0")
            })
            .collect();
        let from = format!("ONLY {}", relation.quoted());
        let answers = broken(checked.source, checked.search_path, &from, &again).await?;
        if answers.contains(&true) {
            return Ok(Some(BROKEN));
        }
    }
    Ok(inside.then_some(
        "its values stand inside of others, where PostgreSQL does not look for them: it becomes NOT VALID, and new values meet it",
    ))
}
