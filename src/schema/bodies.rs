//! In: the rehearsed schema, while its transaction is open, and a session on the source. Out: functions in SQL whose body the target does
//! not understand though the source does: pg_dump makes functions without a look at their bodies. Bodies in other languages are not
//! looked at: their own validators know their syntax only.

use tokio_postgres::{Client, Row};

use super::Step;
use super::rehearse::Refused;
use crate::catalog::class;
use crate::connect::{Session, literal};
use crate::error::{Error, Result, Side, server_message};
use crate::plan::{Finding, Severity};

/// The source as its applications see it, outside of the snapshot: a validator that fails would end the holder's transaction.
pub struct Seen<'a> {
    pub source: &'a Session,
    pub search_path: &'a str,
}

/// The steps are those that the target took; the savepoint stands before and after.
pub async fn broken(
    target: &Client,
    savepoint: &str,
    steps: &[Step],
    seen: &Seen<'_>,
) -> Result<Vec<Refused>> {
    let of_function = |s: &&Step| s.id.is_some_and(|id| id.class == class::ROUTINE);
    let oids: Vec<u32> = steps
        .iter()
        .filter(of_function)
        .filter_map(|s| s.id.map(|id| id.oid))
        .collect();
    let pairs = pairs(target, seen.source, &oids).await?;
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let on = |side| move |e| Error::new(side, "trying the bodies of functions").because(e);
    let looking = |local| {
        format!(
            "SELECT pg_catalog.set_config('check_function_bodies', 'on', {local}), pg_catalog.set_config('search_path', {}, {local})",
            literal(seen.search_path)
        )
    };
    seen.source
        .batch_execute(&looking(false))
        .await
        .map_err(on(Side::Source))?;
    let again = format!(
        "RELEASE {savepoint}; {}; SAVEPOINT {savepoint}",
        looking(true)
    );
    target
        .batch_execute(&again)
        .await
        .map_err(on(Side::Target))?;
    let mut found = Vec::new();
    for (on_source, on_target) in pairs {
        let Err(error) = validate(target, on_target).await else {
            continue;
        };
        target
            .batch_execute(&format!("ROLLBACK TO {savepoint}"))
            .await
            .map_err(on(Side::Target))?;
        let step = steps.iter().find(|s| {
            s.id.is_some_and(|id| id.class == class::ROUTINE && id.oid == on_source)
        });
        if let (Some(step), Ok(())) = (step, validate(seen.source, on_source).await) {
            found.push(refused(step, &error));
        }
    }
    let undone = format!(
        "RELEASE {savepoint}; SET LOCAL search_path = ''; SET LOCAL check_function_bodies = off; SAVEPOINT {savepoint}"
    );
    target
        .batch_execute(&undone)
        .await
        .map_err(on(Side::Target))?;
    Ok(found)
}

async fn validate(client: &Client, oid: u32) -> std::result::Result<(), tokio_postgres::Error> {
    let sql = format!("SELECT pg_catalog.fmgr_sql_validator({oid}::pg_catalog.oid)");
    client.batch_execute(&sql).await
}

fn refused(step: &Step, error: &tokio_postgres::Error) -> Refused {
    // As the dialect names it, which may have found the same.
    let object = step
        .object
        .split_once(' ')
        .map_or(step.object.clone(), |(kind, name)| {
            format!("{} {name}", kind.to_lowercase())
        });
    let reason = format!(
        "the target does not understand its body, and the source does: {}; it is made as it is",
        server_message(error)
    );
    Refused {
        finding: Finding::new(Severity::Decision, object, reason)
            .remedy("change the body by hand after the run; with --allow-findings the run goes on"),
        relation: None,
    }
}

/// The source's functions in SQL with the target's of the same name and number of arguments, where only one has them.
async fn pairs(target: &Client, source: &Client, oids: &[u32]) -> Result<Vec<(u32, u32)>> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let attempt = "looking at the functions in SQL";
    let sql = "SELECT p.oid, n.nspname::text, p.proname::text, p.pronargs FROM pg_catalog.pg_proc p \
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
        WHERE l.lanname = 'sql' AND p.oid = ANY ($1)";
    let ours = source
        .query(sql, &[&oids])
        .await
        .map_err(Error::on(Side::Source, attempt))?;
    let name = |r: &Row| -> (String, String, i16) { (r.get(1), r.get(2), r.get(3)) };
    let sql = "SELECT min(p.oid), count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
        JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
        WHERE l.lanname = 'sql' AND n.nspname = $1 AND p.proname = $2 AND p.pronargs = $3";
    let mut found = Vec::new();
    for row in &ours {
        let (schema, function, arguments) = name(row);
        let alike = ours.iter().filter(|r| name(r) == name(row)).count();
        let theirs = target
            .query_one(sql, &[&schema, &function, &arguments])
            .await
            .map_err(Error::on(Side::Target, attempt))?;
        if let (1, 1, Some(oid)) = (alike, theirs.get::<_, i64>(1), theirs.get(0)) {
            found.push((row.get(0), oid));
        }
    }
    Ok(found)
}
