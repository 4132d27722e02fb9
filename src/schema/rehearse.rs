//! In: the translated schema. Out: findings for the statements that the target refuses. All is done in one transaction, many
//! steps behind a savepoint, and behind one each where one of them is refused, in the order in which it will run, and rolled back. Vector indexes
//! are left out: a rollback leaves their directories behind.

use tokio_postgres::Client;
use tokio_postgres::error::{self as db, SqlState};

use super::apply::{TOGETHER, in_turn};
use super::bodies::{self, Seen};
use super::composites::{self, Composite};
use super::doubtful::Doubtful;
use super::late_checks::{Checked, Late, late};
use super::{Phase, Schema, Step};
use crate::catalog::{Relation, class, ident};
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side, server_message};
use crate::plan::{Finding, Severity};

const SAVEPOINT: &str = "pgv2rs_step";
const MOVE_ON: &str = "RELEASE pgv2rs_step; SAVEPOINT pgv2rs_step";
const GO_BACK: &str = "ROLLBACK TO pgv2rs_step";

/// A step that the target refuses.
#[derive(Clone)]
pub struct Refused {
    pub finding: Finding,
    /// The table that it would have made.
    pub relation: Option<u32>,
}

/// One step behind the savepoint, which then stands after it.
async fn try_one(client: &Client, step: &Step) -> std::result::Result<(), tokio_postgres::Error> {
    let mut script = step.script();
    script.push(MOVE_ON.into());
    in_turn(client, &script).await.map_err(|(_, error)| error)
}

/// What is tried beside the schema's own statements.
pub struct Trials<'a> {
    /// Roles that need the schema `vectors`.
    pub readers: &'a [String],
    /// Values that the target may not take, tried when the rows would arrive.
    pub doubtful: &'a [Doubtful],
    /// Row types, compared with what the schema has made.
    pub composites: &'a [Composite],
    /// The tables and sequences that the run writes to.
    pub filled: &'a [&'a Relation],
    /// The source, which understands its own functions.
    pub seen: &'a Seen<'a>,
    /// The tables whose checks may have to wait for all rows.
    pub checked: &'a Checked<'a>,
}

/// Tries every step; those that fail become findings and leave the schema.
pub async fn rehearse(
    client: &Session,
    schema: &mut Schema,
    trials: &Trials<'_>,
) -> Result<Vec<Refused>> {
    let begin = format!("BEGIN; SAVEPOINT {SAVEPOINT}");
    client.batch_execute(&begin).await.map_err(attempt)?;
    let mut findings = Vec::new();
    let steps = std::mem::take(&mut schema.steps);
    let (before, after): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .partition(|step| step.phase == Phase::BeforeData);
    let mut passed = tried(client, before, &mut findings).await?;
    let waiting = take_away(client, trials.checked, &mut passed, &mut findings).await?;
    for column in trials.doubtful {
        findings.extend(column.refused(client, SAVEPOINT).await?);
    }
    findings.extend(closed(client, trials.filled).await?);
    passed.extend(tried(client, after, &mut findings).await?);
    findings.extend(composites::changed(client, trials.composites).await?);
    findings.extend(bodies::broken(client, SAVEPOINT, &passed, trials.seen).await?);
    findings.extend(without_usage(client, trials.readers).await?);
    client.batch_execute("ROLLBACK").await.map_err(attempt)?;
    schema.steps = passed;
    waiting.into_iter().for_each(|step| schema.add(step));
    Ok(findings)
}

/// Tries steps. Out: those that the target takes.
async fn tried(
    client: &Session,
    steps: Vec<Step>,
    findings: &mut Vec<Refused>,
) -> Result<Vec<Step>> {
    let (mut steps, mut passed) = (steps.into_iter(), Vec::new());
    while steps.len() > 0 {
        let some: Vec<Step> = steps.by_ref().take(TOGETHER).collect();
        let asked: Vec<&Step> = some.iter().filter(|step| !untried(step)).collect();
        let done = together(client, &asked).await.map_err(attempt)?;
        for step in some {
            let (passes, finding) = match done || untried(&step) {
                true => (true, None),
                false => alone(client, &step).await?,
            };
            findings.extend(finding);
            passed.extend(passes.then_some(step));
        }
    }
    Ok(passed)
}

/// Does steps, sent together, behind the savepoint, which then stands after them. False where the server refuses one of them, or says that it
/// did not grant what one grants: then none of them is done, and which one it is shows who does them one by one.
async fn together(
    client: &Session,
    steps: &[&Step],
) -> std::result::Result<bool, tokio_postgres::Error> {
    let ungranted = client.ungranted();
    let script: Vec<String> = steps.iter().flat_map(|step| step.script()).collect();
    let tried = in_turn(client, &script).await;
    let done = tried.is_ok() && client.ungranted() == ungranted;
    let moved = if done { MOVE_ON } else { GO_BACK };
    match (tried, client.batch_execute(moved).await) {
        (_, Ok(())) => Ok(done),
        // It has said why it ends the session.
        (Err((_, error)), Err(_)) if is_last_word(&error) => Err(error),
        (_, Err(error)) => Err(error),
    }
}

fn is_last_word(error: &tokio_postgres::Error) -> bool {
    let severity = error.as_db_error().and_then(|e| e.parsed_severity());
    matches!(severity, Some(db::Severity::Fatal | db::Severity::Panic))
}

/// Whether the target takes the step, and what there is to say of it.
async fn alone(client: &Session, step: &Step) -> Result<(bool, Option<Refused>)> {
    let ungranted = client.ungranted();
    let Err(error) = try_one(client, step).await else {
        let finding = match client.ungranted() > ungranted {
            true => not_granted(client, step).await?,
            false => None,
        };
        return Ok((true, finding));
    };
    if error.as_db_error().is_none() {
        return Err(attempt(error));
    }
    client.batch_execute(GO_BACK).await.map_err(attempt)?;
    let Some(severity) = severity(step, error.code()) else {
        return Ok((false, None));
    };
    let finding = Finding::new(
        severity,
        &step.object,
        format!("the target refuses it: {}", said(step, &error)),
    )
    .remedy(remedy(step, severity));
    let relation = step
        .id
        .filter(|id| id.class == class::RELATION)
        .map(|id| id.oid);
    Ok((false, Some(Refused { finding, relation })))
}

fn attempt(error: tokio_postgres::Error) -> Error {
    Error::new(Side::Target, "rehearsing the schema").because(error)
}

/// Vector indexes, whose files a rollback leaves behind, and what is empty before the rows are there.
fn untried(step: &Step) -> bool {
    step.vector || step.phase == Phase::Refresh
}

/// The privileges that the source gives are in force by now, and an owner may have taken its own. Out: a finding for each that the role
/// may not fill.
async fn closed(client: &Client, filled: &[&Relation]) -> Result<Vec<Refused>> {
    let sql = "SELECT r.number FROM unnest($1::text[]) WITH ORDINALITY AS r(name, number) JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(r.name) \
        WHERE NOT (pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AND CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'UPDATE') \
          ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT') END) ORDER BY r.number";
    let names: Vec<String> = filled.iter().map(|relation| relation.quoted()).collect();
    let rows = client.query(sql, &[&names]).await;
    let rows = rows.map_err(Error::on(Side::Target, "asking what the role may fill"))?;
    let numbers = rows.iter().map(|row| row.get::<_, i64>(0));
    let closed = numbers.filter_map(|number| filled.get(usize::try_from(number - 1).ok()?));
    Ok(closed.map(|relation| cannot_fill(relation)).collect())
}

fn cannot_fill(relation: &Relation) -> Refused {
    let (kind, needed) = match relation.kind {
        'S' => ("SEQUENCE", "UPDATE"),
        _ => ("TABLE", "SELECT, INSERT"),
    };
    let name = relation.quoted();
    let object = format!("{} {}", kind.to_lowercase(), relation.display());
    let reason = format!(
        "the target's role may not fill it once its privileges are as on the source: it needs {needed}, and USAGE on its schema"
    );
    let remedy = format!(
        "--no-privileges; or a superuser; or on the source, until the move is done: GRANT {needed} ON {kind} {name} TO {owner}; GRANT USAGE ON SCHEMA {} TO {owner}",
        quote(&relation.schema),
        owner = quote(&relation.owner)
    );
    Refused {
        finding: Finding::new(Severity::Problem, object, reason).remedy(remedy),
        relation: None,
    }
}

/// Takes away the checks that no row may meet while it is copied. Out: the steps that put them back.
async fn take_away(
    client: &Client,
    checked: &Checked<'_>,
    passed: &mut Vec<Step>,
    findings: &mut Vec<Refused>,
) -> Result<Vec<Step>> {
    let mut waiting = Vec::new();
    for Late { away, back, note } in late(client, checked, passed).await? {
        let tried = try_one(client, &away).await;
        tried.map_err(Error::on(Side::Target, "rehearsing the schema"))?;
        passed.push(away);
        waiting.extend(back);
        findings.extend(note);
    }
    waiting.reverse();
    Ok(waiting)
}

fn remedy(step: &Step, severity: Severity) -> String {
    // Settings of a database are its owner's.
    match (step.object.starts_with("setting "), severity) {
        (true, Severity::Note) => "it is left out: where the application relies on it, do without or move to a PostgreSQL that knows it".into(),
        (true, _) => format!("as the database's owner or a superuser: {}, and run again; --allow-findings goes on without it", step.shown().join("; ")),
        (false, _) => "mend what the message names on the target, or let --allow-findings leave the object out".into(),
    }
}

/// For a GRANT or REVOKE that is not the role's to do the server has a warning only.
async fn not_granted(client: &Client, step: &Step) -> Result<Option<Refused>> {
    if severity(step, None).is_none() || held(client, &step.statements).await? {
        return Ok(None);
    }
    let reason = "the target's role may not grant or revoke what it says, or not all of it; the server only warns of that";
    let remedy = format!(
        "as the owner or a superuser, after the run: {}; or --no-privileges",
        step.shown().join("; ")
    );
    Ok(Some(Refused {
        finding: Finding::new(Severity::Decision, &step.object, reason).remedy(remedy),
        relation: None,
    }))
}

/// Whether the statements grant what is granted already, as it is on a schema that somebody has prepared.
async fn held(client: &Client, statements: &[String]) -> Result<bool> {
    for statement in statements {
        let Some((role, schema, privileges)) = granted_on_schema(statement) else {
            return Ok(false);
        };
        let sql = "SELECT bool_and(pg_catalog.has_schema_privilege(coalesce(r.role, 0::oid), s.schema, p)) \
            FROM (SELECT pg_catalog.to_regrole($1)::oid AS role) r, (SELECT pg_catalog.to_regnamespace($2)::oid AS schema) s, unnest($3::text[]) AS p";
        let row = client
            .query_one(sql, &[&role, &schema, &privileges])
            .await
            .map_err(Error::on(Side::Target, "asking what is granted already"))?;
        if row.get::<_, Option<bool>>(0) != Some(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Role, schema and privileges of a GRANT as pg_dump writes it; the role and the schema as they stand there, quoted or not. `PUBLIC`
/// is no role, and what it is granted everybody has.
fn granted_on_schema(statement: &str) -> Option<(&str, &str, Vec<String>)> {
    let (privileges, rest) = statement
        .strip_prefix("GRANT ")?
        .split_once(" ON SCHEMA ")?;
    let (rest, option) = match rest.strip_suffix(" WITH GRANT OPTION") {
        Some(rest) => (rest, " WITH GRANT OPTION"),
        None => (rest, ""),
    };
    let (schema, role) = rest.split_once(" TO ")?;
    let privileges = if privileges == "ALL" {
        "USAGE,CREATE"
    } else {
        privileges
    };
    let each = privileges.split(',').map(|p| format!("{p}{option}"));
    Some((role, schema, each.collect()))
}

/// What the server said; of a secret no more than the code, for a message may repeat the value.
fn said(step: &Step, error: &tokio_postgres::Error) -> String {
    let code = error.code().map_or("", |c| c.code());
    match step.secret {
        true => format!("SQLSTATE {code}"),
        false => server_message(error),
    }
}

/// What a refusal of the step means; nothing, where what it is for is asked after all steps.
fn severity(step: &Step, code: Option<&SqlState>) -> Option<Severity> {
    // CREATE EXTENSION has given the extension its comment already; only its owner may do so again.
    let of_extension = step.object.starts_with("COMMENT EXTENSION ");
    match step.object.as_str() {
        crate::roles::GRANT => None,
        _ if of_extension => Some(Severity::Note),
        // Of a role that is not there no setting is a step, so that what is undefined is the setting: the source's PostgreSQL is newer.
        object if object.starts_with("setting ") && code == Some(&SqlState::UNDEFINED_OBJECT) => {
            Some(Severity::Note)
        }
        _ => Some(Severity::Decision),
    }
}

/// A GRANT by a role that may not grant is only a warning: asked for is what counts. `public` is everybody.
async fn without_usage(target: &Client, roles: &[String]) -> Result<Vec<Refused>> {
    if roles.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT r FROM unnest($1::text[]) AS r \
        WHERE NOT pg_catalog.has_schema_privilege(r::name, 'vectors', 'USAGE')";
    let attempt = "asking who may use the schema vectors";
    let rows = target
        .query(sql, &[&roles])
        .await
        .map_err(Error::on(Side::Target, attempt))?;
    let lacking: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = lacking.iter().map(|r| ident(r)).collect();
    let object = match lacking.len() {
        1 => format!("role {}", names.join("")),
        _ => format!("roles {}", names.join(", ")),
    };
    // One statement that can be taken as it stands.
    let grantees: Vec<String> = lacking.iter().map(|r| crate::roles::role(r)).collect();
    let reason =
        "owning or reading tables that come, without USAGE on the schema vectors of the target";
    let finding = Finding::new(Severity::Note, object, reason).remedy(format!(
        "as a superuser: GRANT USAGE ON SCHEMA vectors TO {}",
        grantees.join(", ")
    ));
    Ok(vec![Refused {
        finding,
        relation: None,
    }])
}
