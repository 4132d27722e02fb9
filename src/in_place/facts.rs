//! In: a column of one table. Out: what stands on it, and the same said for the column that takes its place: default, statistics target, storage, options,
//! comment and privileges. NOT NULL has a room of its own.

use super::cast::Casts;
use super::on;
use super::statement::run;
use super::unit::{Column, Fact, Member, Unit};
use crate::connect::{Session, literal, quote};
use crate::error::Result;
use crate::plan::{Finding, Severity};

/// What stands on the columns of one table; None, with a finding, for a default that cannot be said.
pub(super) async fn facts(
    session: &Session,
    member: &Member,
    columns: &[Column],
    casts: &Casts<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Option<Fact>>> {
    let mut facts = Vec::new();
    for column in columns {
        let row = session.query_one(FACTS, &[&member.oid, &column.old]).await;
        let row = row.map_err(on("reading what stands on the columns"))?;
        let default = match row.get::<_, Option<String>>(1) {
            None => None,
            Some(text) if is_literal(&text) => {
                let value = casts.forward(&column.change, &format!("({text})"));
                value.ok()
            }
            Some(text) => {
                let object = format!("column {}.{}", member.display(), column.display());
                let reason = format!("has a default that is more than a value: {text}");
                let finding = Finding::new(Severity::Decision, object, reason);
                findings.push(finding.remedy(
                    "drop it before, and set it again after in PGVecto.rs's words; with --allow-findings the table stays as it is",
                ));
                facts.push(None);
                continue;
            }
        };
        let grants = row.get::<_, Vec<String>>(6).into_iter();
        let grants = grants
            .zip(row.get::<_, Vec<String>>(7))
            .zip(row.get::<_, Vec<bool>>(8));
        facts.push(Some(Fact {
            oid: member.oid,
            schema: member.schema.clone(),
            table: member.name.clone(),
            column: column.old.clone(),
            not_null: row.get(0),
            default,
            statistics: row.get(2),
            storage: row.get(3),
            options: row.get(4),
            comment: row.get(5),
            grants: grants.map(|((p, to), on)| (p, to, on)).collect(),
        }));
    }
    Ok(facts)
}

/// One string literal, or NULL, with nothing but casts behind it.
fn is_literal(text: &str) -> bool {
    let rest = match text.strip_prefix("NULL") {
        Some(rest) => rest,
        None => {
            let text = text.strip_prefix('B').unwrap_or(text);
            let Some(text) = text.strip_prefix('\'') else {
                return false;
            };
            let Some(end) = text.find('\'') else {
                return false;
            };
            &text[end + 1..]
        }
    };
    let of_type = |c: char| c.is_ascii_alphanumeric() || "_.\"() :".contains(c);
    (rest.is_empty() || rest.starts_with("::")) && rest.chars().all(of_type)
}

/// NOT NULL, default, statistics target, storage, options, comment, and the column's own privileges.
const FACTS: &str = "SELECT a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), nullif(a.attstattarget, -1)::int4, \
    CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END, \
    coalesce(a.attoptions, '{}'), pg_catalog.col_description(a.attrelid, a.attnum), \
    ARRAY(SELECT x.privilege_type FROM pg_catalog.aclexplode(a.attacl) WITH ORDINALITY x(grantor, grantee, privilege_type, is_grantable, n) ORDER BY x.n), \
    ARRAY(SELECT CASE x.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END \
      FROM pg_catalog.aclexplode(a.attacl) WITH ORDINALITY x(grantor, grantee, privilege_type, is_grantable, n) ORDER BY x.n), \
    ARRAY(SELECT x.is_grantable FROM pg_catalog.aclexplode(a.attacl) WITH ORDINALITY x(grantor, grantee, privilege_type, is_grantable, n) ORDER BY x.n) \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = $1 AND a.attname = $2 AND NOT a.attisdropped";

/// What stands on the old column stands on the new one; NOT NULL comes when all is filled.
pub(super) async fn stand(session: &Session, unit: &Unit, fact: &Fact) -> Result<()> {
    let name = new_name(unit, fact);
    for statement in standing(fact, name) {
        run(session, &statement).await?;
    }
    default(session, unit, fact, name).await
}

pub(super) fn new_name<'a>(unit: &'a Unit, fact: &Fact) -> &'a str {
    let column = unit.columns.iter().find(|c| c.old == fact.column);
    column.map_or("", |c| &c.new)
}

/// Statements for what stands on a column, under this name, apart from NOT NULL and its default.
pub(super) fn standing(fact: &Fact, name: &str) -> Vec<String> {
    let (table, column) = (fact.quoted(), quote(name));
    let alter = |what: String| format!("ALTER TABLE ONLY {table} ALTER COLUMN {column} {what}");
    let mut statements = Vec::new();
    // Both columns of a row may not fit a page: PLAIN comes when the old one is gone.
    let storage = fact.storage.iter().filter(|s| *s != "PLAIN");
    statements.extend(storage.map(|s| alter(format!("SET STORAGE {s}"))));
    statements.extend(
        fact.statistics
            .iter()
            .map(|n| alter(format!("SET STATISTICS {n}"))),
    );
    if !fact.options.is_empty() {
        statements.push(alter(format!("SET ({})", fact.options.join(", "))));
    }
    statements.extend(
        fact.comment
            .iter()
            .map(|c| format!("COMMENT ON COLUMN {table}.{column} IS {}", literal(c))),
    );
    statements.extend(grants(fact, name));
    statements
}

/// The default as a literal of the new type.
pub(super) async fn default(session: &Session, unit: &Unit, fact: &Fact, name: &str) -> Result<()> {
    let column = unit.columns.iter().find(|c| c.old == fact.column);
    let (Some(value), Some(column)) = (&fact.default, column) else {
        return Ok(());
    };
    let sql = format!("SELECT ({value})::pg_catalog.text");
    let row = session.query_one(&sql, &[]).await;
    let value: Option<String> = row.map_err(on("converting a column's default"))?.get(0);
    let Some(value) = value else {
        return Ok(());
    };
    let (value, ty) = (literal(&value), column.change.to.sql_name());
    let (table, name) = (fact.quoted(), quote(name));
    run(
        session,
        &format!("ALTER TABLE ONLY {table} ALTER COLUMN {name} SET DEFAULT {value}::{ty}"),
    )
    .await
}

/// What has to wait for the swap.
pub(super) fn plain(fact: &Fact) -> Option<String> {
    let (table, column) = (fact.quoted(), quote(&fact.column));
    let plain = fact.storage.as_ref().filter(|s| *s == "PLAIN");
    plain.map(|_| format!("ALTER TABLE ONLY {table} ALTER COLUMN {column} SET STORAGE PLAIN"))
}

/// `GRANT SELECT ("c") ON "s"."t" TO …`, for the column under this name.
fn grants(fact: &Fact, name: &str) -> Vec<String> {
    let grants = fact.grants.iter();
    let grant = |(privilege, to, further): &(String, String, bool)| {
        let further = if *further { " WITH GRANT OPTION" } else { "" };
        format!(
            "GRANT {privilege} ({}) ON {} TO {}{further}",
            quote(name),
            fact.quoted(),
            crate::roles::role(to)
        )
    };
    grants.map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_a_literal_only_with_nothing_but_casts_behind_it() {
        for yes in [
            "'[1,2,3]'::public.vector",
            "B'101'::\"bit\"",
            "NULL::public.vector(3)",
            "'{1:1}/3'::\"We ird\".sparsevec",
        ] {
            assert!(is_literal(yes), "{yes}");
        }
        for no in [
            "public.random_vector()",
            "('[1]'::public.vector + '[2]'::public.vector)",
            "'[1]'::public.vector + '[2]'::public.vector",
            "'[1]'::public.vector OPERATOR(public.+) x",
            "ARRAY[random()]::public.vector",
        ] {
            assert!(!is_literal(no), "{no}");
        }
    }
}
