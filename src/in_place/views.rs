//! In: the columns that change. Out: the views that hang on them, and on each other, with statements to drop them and to make them again in PGVecto.rs's
//! words: for the swap. What is no plain view, or hangs on a view and is none, is in the way.

use dialect::dump::{Entry, ObjectId};
use dialect::rewrite::Context;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Row};

use super::statement::run;
use super::unit::{Member, Unit};
use super::{findings_of, on};
use crate::catalog::class;
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity};

/// A view, with what is made for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct View {
    pub oid: u32,
    /// As the server names it: qualified and quoted.
    pub name: String,
    /// To be told from what it is later: its definition in pgvector's words.
    pub before: String,
    pub make: Vec<String>,
}

/// The views over the columns, or over a table that goes away, those that others need first, and what keeps them from being made again.
pub(super) async fn read(
    session: &Client,
    members: &[Member],
    unit: &Unit,
    context: &Context,
    findings: &mut Vec<Finding>,
) -> Result<(Vec<View>, bool)> {
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let (names, whole) = (unit.names(), unit.shadow.is_some());
    let failed = || on("reading the views over the columns");
    let rows = session.query(VIEWS, &[&oids, &names, &whole]).await;
    let rows = rows.map_err(failed())?;
    let found: Vec<u32> = rows.iter().map(|r| r.get(0)).collect();
    let others = session.query(OTHERS, &[&found]).await;
    let mut whole = true;
    for row in others.map_err(failed())? {
        whole = false;
        let (what, view): (String, String) = (row.get(0), row.get(1));
        let reason =
            format!("hangs on the view {view}, which would have to be dropped in the swap");
        let finding = Finding::new(Severity::Decision, what, reason);
        findings.push(finding.remedy(
            "drop it before, and make it again after; with --allow-findings the table stays as it is",
        ));
    }
    // A rule of one view that writes to another needs it too, and circles have no order.
    if rows.iter().any(|r| r.get::<_, i32>(6) >= 100) {
        whole = false;
        let finding = Finding::new(
            Severity::Decision,
            "views over the columns",
            "need each other in a circle",
        );
        findings.push(finding.remedy(
            "drop them before, and make them again after; with --allow-findings the table stays as it is",
        ));
    }
    let mut context = context.clone();
    for member in members {
        let changes = unit.columns.iter().map(|c| (c.old.clone(), c.change));
        context.columns.insert(member.oid, changes.collect());
    }
    let mut views = Vec::new();
    for row in &rows {
        let (oid, schema, name): (u32, String, String) = (row.get(0), row.get(1), row.get(2));
        let statements: Vec<String> = row.get(4);
        let entry = Entry {
            object: Some(ObjectId {
                class: class::RELATION,
                oid,
            }),
            name,
            kind: "VIEW".into(),
            schema: Some(schema),
            statements,
            ..Entry::default()
        };
        let translated = dialect::rewrite::entry(&entry, &context);
        whole &= !translated.left_out;
        findings.extend(findings_of(translated.findings, "drop it before, and make it again after; with --allow-findings the table stays as it is"));
        let mut make = translated.statements;
        make.extend(row.get::<_, Vec<String>>(5));
        views.push(View {
            oid,
            name: row.get(3),
            before: before(row),
            make,
        });
    }
    Ok((views, whole))
}

/// All that the server says of it.
fn before(row: &Row) -> String {
    let (own, around): (Vec<String>, Vec<String>) = (row.get(4), row.get(5));
    [own, around].concat().join("; ")
}

/// Before the columns change. One that is not as it was in the plan would not be made again as it is.
pub(super) async fn drop_all(session: &Session, unit: &Unit, members: &[Member]) -> Result<()> {
    if unit.views.is_empty() {
        return Ok(());
    }
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let (names, whole) = (unit.names(), unit.shadow.is_some());
    let rows = session.query(VIEWS, &[&oids, &names, &whole]).await;
    let rows = rows.map_err(on("reading the views over the columns"))?;
    let now: Vec<(u32, String)> = rows.iter().map(|r| (r.get(0), before(r))).collect();
    let then: Vec<(u32, String)> = unit
        .views
        .iter()
        .map(|v| (v.oid, v.before.clone()))
        .collect();
    if now != then {
        return Err(Error::new(
            Side::Target,
            format!("making the views over {} again", unit.display()),
        )
        .because("they are not what they were in the plan")
        .remedy("take the change back (--undo), and begin again"));
    }
    for view in unit.views.iter().rev() {
        run(session, &format!("DROP VIEW {}", view.name)).await?;
    }
    Ok(())
}

pub(super) async fn make_all(session: &Session, unit: &Unit) -> Result<()> {
    for view in &unit.views {
        let mut statements = view.make.iter();
        if let Some(create) = statements.next() {
            run(session, create).await?;
        }
        // What default privileges have given it, it had not.
        let sql = "SELECT DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END \
            FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x WHERE c.oid = $1::pg_catalog.text::pg_catalog.regclass AND x.grantee <> c.relowner";
        let given = session.query(sql, &[&view.name]).await;
        for row in given.map_err(on("looking at a view's privileges"))? {
            let who: String = row.get(0);
            run(session, &format!("REVOKE ALL ON {} FROM {who}", view.name)).await?;
        }
        for statement in statements {
            run(session, statement).await?;
        }
    }
    Ok(())
}

/// OID, schema, name, qualified name, what names columns (the view itself, defaults, rules, triggers), and what does not (owner, privileges, comments).
const VIEWS: &str = "WITH RECURSIVE v(oid, level) AS ( \
      SELECT r.ev_class, 1 FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
        JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid AND r.rulename = '_RETURN' \
        WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) AND (a.attname = ANY ($2) OR $3 AND d.refobjsubid = 0) \
      UNION SELECT r.ev_class, v.level + 1 FROM v JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = v.oid \
        JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid AND r.ev_class <> v.oid WHERE v.level < 100) \
    SELECT c.oid, n.nspname::text, c.relname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), \
      ARRAY[pg_catalog.format('CREATE VIEW %I.%I%s AS %s', n.nspname, c.relname, \
        (SELECT ' WITH (' || pg_catalog.string_agg(o, ', ') || ')' FROM unnest(c.reloptions) o), pg_catalog.rtrim(pg_catalog.btrim(pg_catalog.pg_get_viewdef(c.oid)), ';'))] \
      || ARRAY(SELECT pg_catalog.format('ALTER VIEW %I.%I ALTER COLUMN %I SET DEFAULT %s', n.nspname, c.relname, a.attname, pg_catalog.pg_get_expr(f.adbin, f.adrelid)) \
        FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE f.adrelid = c.oid ORDER BY a.attnum) \
      || ARRAY(SELECT pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), ';') FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN' ORDER BY r.rulename) \
      || ARRAY(SELECT pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal ORDER BY t.tgname), \
      ARRAY[pg_catalog.format('ALTER VIEW %I.%I OWNER TO %I', n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))] \
      || CASE WHEN c.relacl IS NOT NULL THEN ARRAY[pg_catalog.format('REVOKE ALL ON %I.%I FROM PUBLIC, %I', n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))] ELSE '{}' END \
      || ARRAY(SELECT pg_catalog.format('GRANT %s ON %I.%I TO %s%s', x.privilege_type, n.nspname, c.relname, \
        CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable AND x.grantee <> c.relowner THEN ' WITH GRANT OPTION' ELSE '' END) \
        FROM pg_catalog.aclexplode(c.relacl) WITH ORDINALITY x(grantor, grantee, privilege_type, is_grantable, n) ORDER BY x.n) \
      || ARRAY(SELECT pg_catalog.format('GRANT %s (%I) ON %I.%I TO %s%s', x.privilege_type, a.attname, n.nspname, c.relname, \
        CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) \
        FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) WITH ORDINALITY x(grantor, grantee, privilege_type, is_grantable, n) WHERE a.attrelid = c.oid ORDER BY a.attnum, x.n) \
      || ARRAY(SELECT CASE d.objsubid WHEN 0 THEN pg_catalog.format('COMMENT ON VIEW %I.%I IS %L', n.nspname, c.relname, d.description) \
        ELSE pg_catalog.format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname, a.attname, d.description) END \
        FROM pg_catalog.pg_description d LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid \
        WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = c.oid ORDER BY d.objsubid), v.level \
    FROM (SELECT oid, max(level) AS level FROM v GROUP BY oid) v JOIN pg_catalog.pg_class c ON c.oid = v.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'v' ORDER BY v.level, c.oid";

/// What hangs on these views and is none of them: (what, the view).
const OTHERS: &str = "SELECT DISTINCT pg_catalog.pg_describe_object(CASE WHEN r.oid IS NOT NULL THEN 1259 ELSE d.classid END, \
      CASE WHEN r.oid IS NOT NULL THEN r.ev_class ELSE d.objid END, CASE WHEN r.oid IS NOT NULL THEN 0 ELSE d.objsubid END), c.oid::pg_catalog.regclass::text \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_depend d ON (d.refclassid, d.refobjid) IN (('pg_catalog.pg_class'::pg_catalog.regclass, c.oid), \
      ('pg_catalog.pg_type'::pg_catalog.regclass, c.reltype), ('pg_catalog.pg_type'::pg_catalog.regclass, (SELECT t.typarray FROM pg_catalog.pg_type t WHERE t.oid = c.reltype))) \
    LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid \
    LEFT JOIN pg_catalog.pg_class u ON u.oid = r.ev_class \
    WHERE c.oid = ANY ($1) AND d.deptype <> 'i' AND NOT (r.oid IS NOT NULL AND u.oid = ANY ($1)) \
      AND NOT (d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid AND t.tgrelid = c.oid)) \
      AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = c.oid)) \
      AND NOT (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype IN ('i', 'a')) ORDER BY 1, 2";
