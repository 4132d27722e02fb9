//! In: a session on the source. Out: findings for what pg_dump's schema does not hold and nobody would miss before it is too late:
//! large objects, subscriptions (to a role that is no superuser), the database's own privileges and comment, and policies that bind who was above them. Its settings are the matter of
//! `schema::settings`.

use std::collections::BTreeSet;

use dialect::rewrite::roles::Roles;
use tokio_postgres::Client;

use crate::catalog::ident;
use crate::catalog::target::Target;
use crate::cli::Options;
use crate::connect::quote;
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity};
use crate::roles;

/// `there` is the target, as it is described; `roles` says who is there.
pub async fn find(
    source: &Client,
    options: &Options,
    roles: &Roles,
    there: &Target,
) -> Result<Vec<Finding>> {
    let whole = options.scope.is_whole();
    let database = &there.database;
    let mut findings = large_objects(source, whole).await?;
    findings.extend(bound(source, options, roles, there).await?);
    if whole {
        findings.extend(subscriptions(source).await?);
        if !options.roles.no_privileges {
            findings.extend(privileges(source, roles, database).await?);
        }
        findings.extend(comment(source, database).await?);
    }
    Ok(findings)
}

fn on(attempt: &str) -> impl FnOnce(tokio_postgres::Error) -> Error {
    Error::on(Side::Source, attempt.to_string())
}

/// Materialized views whose owner is above all policies on the source, and not on the target.
async fn bound(
    source: &Client,
    options: &Options,
    roles: &Roles,
    there: &Target,
) -> Result<Vec<Finding>> {
    let sql = "SELECT DISTINCT o.rolname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles o ON o.oid = c.relowner \
        WHERE c.relkind = 'm' AND (o.rolsuper OR o.rolbypassrls) AND EXISTS (SELECT FROM pg_catalog.pg_class t \
          WHERE t.relrowsecurity AND (t.relforcerowsecurity OR t.relowner <> c.relowner)) ORDER BY 1";
    let rows = source.query(sql, &[]).await;
    let rows = rows.map_err(on("looking for policies"))?;
    let owners = rows.iter().filter_map(|r| match options.roles.no_owner {
        true => Some(there.access.role.as_str()),
        false => roles.on_target(r.get(0)),
    });
    let bound: BTreeSet<&str> = owners.filter(|o| !there.unbound.contains(*o)).collect();
    let finding = |owner: &str| {
        let reason = "is to own materialized views that on the source no policy binds: on the target they hold what policies let it see";
        Finding::new(Severity::Note, format!("role {}", ident(owner)), reason).remedy(format!(
            "where a view reads a table with row-level security, as a superuser on the target: ALTER ROLE {} BYPASSRLS",
            quote(owner)
        ))
    };
    Ok(bound.into_iter().map(finding).collect())
}

/// With a part of the database they were not asked for, as in pg_dump.
async fn large_objects(source: &Client, whole: bool) -> Result<Vec<Finding>> {
    let sql = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata";
    let row = source.query_one(sql, &[]).await;
    let count: i64 = row.map_err(on("looking for large objects"))?.get(0);
    let severity = if whole {
        Severity::Decision
    } else {
        Severity::Note
    };
    let reason = format!("the database holds {count}, which are not moved");
    let finding = Finding::new(severity, "large objects", reason).remedy(
        "move them by pg_dump --large-objects; columns that name one by OID keep the number",
    );
    Ok((count > 0).then_some(finding).into_iter().collect())
}

/// pg_dump shows them to superusers only, whose findings the dialect makes. Their names are for everybody.
async fn subscriptions(source: &Client) -> Result<Vec<Finding>> {
    let sql = "SELECT s.subname::text FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid \
        WHERE d.datname = current_database() AND current_setting('is_superuser') = 'off' ORDER BY 1";
    let rows = source.query(sql, &[]).await;
    let rows = rows.map_err(on("looking for subscriptions"))?;
    let finding = |name: String| {
        let object = format!("subscription {}", ident(&name));
        let reason = "feeds this database from another server, and is not moved";
        Finding::new(Severity::Decision, object, reason).remedy(
            "make it on the target when the copy is done; --allow-findings goes on without it",
        )
    };
    Ok(rows.iter().map(|r| finding(r.get(0))).collect())
}

/// The target's database was made by somebody who decided who may use it: what the source says is told, not done.
async fn privileges(source: &Client, roles: &Roles, database: &str) -> Result<Option<Finding>> {
    let sql = "SELECT CASE x.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END, x.privilege_type, x.is_grantable \
        FROM pg_catalog.pg_database d CROSS JOIN pg_catalog.aclexplode(d.datacl) x \
        WHERE d.datname = current_database() AND x.grantee <> d.datdba ORDER BY 1, 2";
    let rows = source.query(sql, &[]).await;
    let rows = rows.map_err(on("reading the database's privileges"))?;
    let set =
        "SELECT datacl IS NOT NULL FROM pg_catalog.pg_database WHERE datname = current_database()";
    let row = source.query_one(set, &[]).await;
    let set: bool = row.map_err(on("reading the database's privileges"))?.get(0);
    let granted: Vec<(String, String, bool)> = rows
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2)))
        .collect();
    // What everybody has where nobody has said anything.
    let usual = |role: &str, privilege: &str| {
        role == "public" && ["CONNECT", "TEMPORARY"].contains(&privilege)
    };
    let name = quote(database);
    let mut statements = Vec::new();
    for privilege in ["CONNECT", "TEMPORARY"] {
        let has = granted
            .iter()
            .any(|(r, p, _)| r == "public" && p == privilege);
        if set && !has {
            statements.push(format!("REVOKE {privilege} ON DATABASE {name} FROM PUBLIC"));
        }
    }
    for (role, privilege, grantable) in granted.iter().filter(|(r, p, _)| !usual(r, p)) {
        let role = roles.on_target(role).unwrap_or(role);
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        statements.push(format!(
            "GRANT {privilege} ON DATABASE {name} TO {}{option}",
            roles::role(role)
        ));
    }
    let finding = Finding::new(
        Severity::Note,
        "privileges on the database",
        "are the target database's own; those of the source are not carried",
    );
    Ok((!statements.is_empty()).then(|| finding.remedy(statements.join("; "))))
}

async fn comment(source: &Client, database: &str) -> Result<Option<Finding>> {
    let sql = "SELECT pg_catalog.shobj_description(oid, 'pg_database') IS NOT NULL FROM pg_catalog.pg_database WHERE datname = current_database()";
    let row = source.query_one(sql, &[]).await;
    let there: bool = row.map_err(on("reading the database's comment"))?.get(0);
    let finding = Finding::new(
        Severity::Note,
        "comment on the database",
        "is the target database's own; that of the source is not carried",
    );
    let remedy = format!("COMMENT ON DATABASE {} IS …", quote(database));
    Ok(there.then(|| finding.remedy(remedy)))
}
