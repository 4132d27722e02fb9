//! In: the target in the rehearsal, with the schema before the data. Out: the steps that take away the checks which no row may meet
//! while it is copied, and put them back when all rows are there. Such a check calls a function that may look at other tables, or says
//! what hangs on the moment or the role. Where the source's own rows break it, it comes back NOT VALID, which a note says.

use tokio_postgres::Client;

use super::rehearse::Refused;
use super::{Phase, Step};
use crate::catalog::checks::broken;
use crate::catalog::{Relation, ident};
use crate::connect::literal;
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity};

/// The source under the snapshot, and the tables that this run makes.
pub struct Checked<'a> {
    pub source: &'a Client,
    pub search_path: &'a str,
    pub tables: &'a [&'a Relation],
}

/// One check: how it goes and how it comes back.
pub struct Late {
    pub away: Step,
    /// What the tables above give is not put back by itself.
    pub back: Option<Step>,
    pub note: Option<Refused>,
}

/// Parents first: a table gives up its own check only when those above have. pg_depend does not name PostgreSQL's own functions, so the
/// stored expression is asked.
const CALLING: &str = r"
WITH RECURSIVE here AS (
    SELECT u.source, c.oid FROM unnest($1::oid[], $2::text[], $3::text[]) u(source, schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = u.schema JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = u.name),
depths AS (
    SELECT oid, 0 AS depth FROM here UNION SELECT i.inhrelid, depth + 1 FROM depths d JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid)
SELECT h.source, h.oid::regclass::text, k.conname::text, pg_get_constraintdef(k.oid), k.conislocal, obj_description(k.oid, 'pg_constraint')
FROM here h JOIN pg_catalog.pg_constraint k ON k.conrelid = h.oid
WHERE k.contype = 'c' AND (k.conbin::text LIKE '%{SQLVALUEFUNCTION %' OR EXISTS (
    SELECT FROM regexp_matches(k.conbin::text, ':(?:op)?funcid ([0-9]+)', 'g') m JOIN pg_catalog.pg_proc f ON f.oid = m[1]::oid
    WHERE f.provolatile <> 'i' OR f.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
        WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = f.oid AND e.deptype = 'e')))
ORDER BY (SELECT max(depth) FROM depths d WHERE d.oid = h.oid), h.source, k.conname";

/// In the order in which they go; they come back in the other.
pub async fn late(target: &Client, checked: &Checked<'_>) -> Result<Vec<Late>> {
    let oids: Vec<u32> = checked.tables.iter().map(|r| r.oid).collect();
    let schemas: Vec<&str> = checked.tables.iter().map(|r| r.schema.as_str()).collect();
    let names: Vec<&str> = checked.tables.iter().map(|r| r.name.as_str()).collect();
    let attempt = "looking for checks that call functions";
    let rows = target.query(CALLING, &[&oids, &schemas, &names]).await;
    let mut found = Vec::new();
    for row in rows.map_err(Error::on(Side::Target, attempt))? {
        let (oid, table, name): (u32, String, String) = (row.get(0), row.get(1), row.get(2));
        let (definition, own): (String, bool) = (row.get(3), row.get(4));
        let Some(relation) = checked.tables.iter().find(|r| r.oid == oid) else {
            continue;
        };
        let object = format!("CHECK {} {}", relation.display(), ident(&name));
        let quoted = crate::connect::quote(&name);
        let step = |phase, object: String, statement| Step {
            table: Some(oid),
            ..Step::own(phase, &object, statement)
        };
        // What the tables above have given went with theirs.
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {quoted}");
        let holds = !breaks(checked, relation, &name).await?;
        let valid = if holds { "" } else { " NOT VALID" };
        // In one message, so in one transaction: the path ends with it, whatever happens.
        let mut add = format!(
            "SELECT pg_catalog.set_config('search_path', {}, true); ALTER TABLE {table} ADD CONSTRAINT {quoted} {definition}{valid}; \
             SELECT pg_catalog.set_config('search_path', '', true)",
            literal(checked.search_path)
        );
        if let Some(comment) = row.get::<_, Option<&str>>(5) {
            let comment = literal(comment);
            add += &format!("; COMMENT ON CONSTRAINT {quoted} ON {table} IS {comment}");
        }
        let reason = "rows of the source break it: it becomes NOT VALID, so that they come and only new rows meet it";
        let finding = Finding::new(Severity::Note, &object, reason)
            .remedy("mend the rows, then ALTER TABLE … VALIDATE CONSTRAINT");
        found.push(Late {
            away: step(
                Phase::BeforeData,
                format!("{object} until the rows are there"),
                drop,
            ),
            back: own.then(|| step(Phase::ForeignKey, object, add)),
            note: (own && !holds).then_some(Refused {
                finding,
                relation: None,
            }),
        });
    }
    Ok(found)
}

/// Whether rows of the source, in this table or those below, break its check.
async fn breaks(checked: &Checked<'_>, relation: &Relation, name: &str) -> Result<bool> {
    let sql = "SELECT pg_catalog.pg_get_expr(conbin, conrelid), connoinherit FROM pg_catalog.pg_constraint \
               WHERE conrelid = $1 AND conname = $2::text AND contype = 'c'";
    let attempt = format!("reading a check of {}", relation.display());
    let row = checked.source.query_opt(sql, &[&relation.oid, &name]).await;
    let Some(row) = row.map_err(Error::on(Side::Source, attempt))? else {
        return Ok(false);
    };
    let only = if row.get(1) { "ONLY " } else { "" };
    let from = format!("{only}{}", relation.quoted());
    let expression = vec![row.get(0)];
    let answers = broken(checked.source, checked.search_path, &from, &expression).await?;
    Ok(answers.contains(&true))
}
