//! In: a session, and the columns that are to change. Out: the units of the plan, with all that stands on their columns, and a finding for all
//! that would be lost or in the way. It writes nothing; what it tries is rolled back.

use std::collections::HashSet;

use dialect::rewrite::Context;
use tokio_postgres::Client;

use super::cast::Casts;
use super::facts;
use super::unit::{Column, Fact, Member, Unit, members};
use super::views::{self, View};
use super::{indexes, on, shadow};
use crate::catalog::target::Target;
use crate::catalog::{Source, ident};
use crate::cli::Method;
use crate::connect::{Session, quote};
use crate::error::Result;
use crate::plan::{Finding, Severity, in_place};
use crate::roles::RoleWishes;

/// The last of a table's triggers before a row is written, as names are sorted.
pub(super) const TRIGGER: &str = "~pgv2rs";

/// Names are cut there.
pub(super) const LONGEST_NAME: usize = 63;

pub(super) struct Looking<'a> {
    pub(super) session: &'a Session,
    pub(super) source: &'a Source,
    pub(super) target: &'a Target,
    pub(super) method: Method,
    /// Views are dropped and made again.
    pub(super) recreate_views: bool,
    /// Whether the role may keep ordinary triggers from firing.
    pub(super) replica: bool,
}

impl Looking<'_> {
    /// A unit that can be changed, or why not.
    pub(super) async fn unit(
        &self,
        decided: &in_place::Unit<'_>,
        context: &Context,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Unit>> {
        let casts = casts(self.source);
        let mut refused = Vec::new();
        let root = decided.root;
        for (column, change, _) in &decided.columns {
            let object = format!("column {}.{}", root.display(), ident(column));
            if let Err(why) = casts.forward(change, "v") {
                refused.push(Finding::new(Severity::Decision, object, why).remedy(LEFT_AS_IT_IS));
            }
        }
        let members = members(self.session, root.oid).await?;
        let names: Vec<String> = decided.columns.iter().map(|(c, _, _)| c.clone()).collect();
        refused.extend(self.owned(&members).await?);
        refused.extend(self.hanging(&members, &names).await?);
        refused.extend(self.surroundings(&members, findings).await?);
        if !refused.is_empty() {
            findings.extend(refused);
            return Ok(None);
        }
        let free = self.free_names(&members, &names).await?;
        let columns = decided.columns.iter().zip(free);
        let columns: Vec<Column> = columns
            .map(|((old, change, why), new)| Column {
                old: old.clone(),
                new,
                change: *change,
                from: type_text(self.source, root.oid, old),
                why: why.clone(),
            })
            .collect();
        let mut found = Vec::new();
        for member in &members {
            found.extend(facts::facts(self.session, member, &columns, &casts, findings).await?);
        }
        let Some(facts) = found.into_iter().collect::<Option<Vec<Fact>>>() else {
            return Ok(None);
        };
        let mut unit = Unit {
            root: root.oid,
            schema: root.schema.clone(),
            name: root.name.clone(),
            columns,
            facts,
            indexes: Vec::new(),
            left_out: Vec::new(),
            views: Vec::new(),
            readers: self.readers(&members),
            trigger: TRIGGER.into(),
            shadow: None,
            may_have_shadow: false,
        };
        (unit.indexes, unit.left_out) =
            indexes::read(self, &unit, &members, context, findings).await?;
        // With add-column it is only to be offered.
        let mut why_none = Vec::new();
        if self.method != Method::AlterType {
            let shadow = shadow::planned::read(self, &unit, &members, &mut why_none).await?;
            unit.may_have_shadow = shadow.is_some();
            unit.shadow = shadow.filter(|_| self.method == Method::Shadow);
        }
        if self.method == Method::Shadow && unit.shadow.is_none() {
            findings.extend(why_none);
            return Ok(None);
        }
        if self.recreate_views {
            let (views, whole) =
                views::read(self.session, &members, &unit, context, findings).await?;
            if !whole {
                return Ok(None);
            }
            findings.extend(views.iter().map(again));
            unit.views = views;
        }
        if self.method == Method::AlterType {
            return Ok(Some(unit));
        }
        let hanging = shadow::planned::hanging(self.session, &unit).await?;
        unit.may_have_shadow &= hanging.is_empty();
        if let Some(shadow) = &unit.shadow {
            // As the new table has them.
            for index in &mut unit.indexes {
                let temporary = &index.temporary;
                let part = shadow.parts.iter().find(|p| p.temporary == *temporary);
                index.beside = part.map_or(String::new(), |p| p.make.join("; "));
            }
            if !hanging.is_empty() {
                findings.extend(hanging);
                return Ok(None);
            }
        }
        Ok(Some(unit))
    }

    /// Whoever owns or reads one of the tables.
    fn readers(&self, members: &[Member]) -> Vec<String> {
        let relations = members.iter().filter_map(|m| self.source.relation(m.oid));
        RoleWishes::default().readers(relations, self.target)
    }

    async fn owned(&self, members: &[Member]) -> Result<Vec<Finding>> {
        let sql = "SELECT pg_catalog.pg_has_role(relowner, 'USAGE'), relrowsecurity AND pg_catalog.row_security_active(oid), \
            pg_catalog.has_schema_privilege(relowner, $2::pg_catalog.text::pg_catalog.regnamespace, 'USAGE'), pg_catalog.pg_get_userbyid(relowner)::text \
            FROM pg_catalog.pg_class WHERE oid = $1";
        let mut found = Vec::new();
        for member in members {
            let row = self
                .session
                .query_one(sql, &[&member.oid, &quote(&self.source.vector_schema)])
                .await;
            let row = row.map_err(on("asking whose the tables are"))?;
            let problem = |reason: &str, remedy: &str| {
                let object = format!("table {}", member.display());
                Finding::new(Severity::Problem, object, reason).remedy(remedy)
            };
            if !row.get::<_, bool>(0) {
                found.push(problem(
                    "is not the role's own, so it may not change it",
                    "connect as its owner, or GRANT that role to the one that connects",
                ));
            }
            if !row.get::<_, bool>(2) {
                let (schema, owner) = (quote(&self.source.vector_schema), quote(row.get(3)));
                found.push(problem(
                    "is of a role that may not use the schema of pgvector: the trigger, which has its rights, would refuse every write",
                    &format!("GRANT USAGE ON SCHEMA {schema} TO {owner}"),
                ));
            }
            if row.get(1) {
                found.push(problem(
                    "hides rows from the role by its policies, which would stay as they are",
                    "ALTER ROLE … BYPASSRLS as a superuser, or connect as a role that they do not bind",
                ));
            }
        }
        Ok(found)
    }

    /// What hangs on the columns and is not carried.
    async fn hanging(&self, members: &[Member], columns: &[String]) -> Result<Vec<Finding>> {
        let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
        let rows = self
            .session
            .query(HANGING, &[&oids, &columns, &self.recreate_views])
            .await;
        let rows = rows.map_err(on("asking what hangs on the columns"))?;
        let mut found: Vec<Finding> = rows
            .iter()
            .map(|row| {
                let (what, column): (String, String) = (row.get(0), row.get(1));
                let (drop, make): (Option<String>, Option<String>) = (row.get(2), row.get(3));
                let reason = format!("hangs on column {column}, which becomes another type");
                let remedy = match (drop, make) {
                    (Some(drop), Some(make)) => {
                        format!("before: {drop}; after, in PGVecto.rs's words: {make}")
                    }
                    (Some(drop), None) => format!("before: {drop}; and make it again after"),
                    _ => "drop it before, and make it again after".to_string(),
                };
                let finding = Finding::new(Severity::Decision, what, reason);
                finding.remedy(format!(
                    "{remedy}. With --allow-findings the table stays as it is"
                ))
            })
            .collect();
        let rows = self.session.query(ROW_TYPES, &[&oids]).await;
        for row in rows.map_err(on("asking what is of the tables' row types"))? {
            let (object, table): (String, String) = (row.get(0), row.get(1));
            let reason = format!(
                "holds rows of the type of {table}: their vectors would be NULL after the change"
            );
            let finding = Finding::new(Severity::Decision, object, reason);
            found.push(finding.remedy(
                "give it a type of its own first; with --allow-findings the table stays as it is",
            ));
        }
        Ok(found)
    }

    /// What else is about the tables: publications, triggers, rules, indexes of PGVecto.rs.
    async fn surroundings(
        &self,
        members: &[Member],
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Finding>> {
        let mut refused = Vec::new();
        for member in members {
            let object = format!("table {}", member.display());
            let row = self.session.query_one(SURROUNDINGS, &[&member.oid]).await;
            let row = row.map_err(on("asking what is about the tables"))?;
            let names = |at: usize| row.get::<_, Vec<String>>(at);
            let (publications, vectors) = (names(0), names(4));
            let (later, ordinary, always) = (names(1), names(2), names(3));
            let mut refuse = |reason: String, remedy: &str| {
                let finding = Finding::new(Severity::Decision, object.clone(), reason);
                refused.push(finding.remedy(format!(
                    "{remedy}; with --allow-findings the table stays as it is"
                )));
            };
            if !publications.is_empty() {
                refuse(
                    format!(
                        "is published by {}: its subscribers have neither the new column nor its type, and would stop",
                        publications.join(", ")
                    ),
                    "take it out of the publication first (ALTER PUBLICATION … DROP TABLE), and put it back when the subscribers have PGVecto.rs",
                );
            }
            if row.get(5) {
                refuse(
                    "is filled by a subscription, which goes on in pgvector's words: svector would take the places of sparsevec's text for others".into(),
                    "drop it from the subscription first",
                );
            }
            if row.get(7) {
                refuse(
                    "is a table of a composite type (OF), which says what its columns are".into(),
                    "ALTER TABLE … NOT OF first",
                );
            }
            let unproven: Vec<String> = row.get(6);
            if !unproven.is_empty() {
                refuse(
                    format!(
                        "has checks that are NOT VALID ({}): a row that breaks one could not be written again",
                        unproven.join(", ")
                    ),
                    "VALIDATE or drop them first",
                );
            }
            if self.method != Method::AddColumn {
                if !vectors.is_empty() {
                    let what = match self.method {
                        Method::Shadow => "a swap",
                        _ => "a rewrite",
                    };
                    refuse(
                        format!(
                            "has indexes of PGVecto.rs already ({}), which {what} that is rolled back destroys",
                            vectors.join(", ")
                        ),
                        "use --method add-column, or drop them first and make them again after",
                    );
                }
                continue;
            }
            let later: Vec<String> = later.into_iter().filter(|t| t.as_str() > TRIGGER).collect();
            if !later.is_empty() {
                refuse(
                    format!(
                        "has a trigger that fires after this program's ({}) and may change the vector once more",
                        later.join(", ")
                    ),
                    "rename it (ALTER TRIGGER … RENAME TO …), so that it sorts before ~pgv2rs",
                );
            }
            let rules: Vec<String> = row.get(8);
            if !rules.is_empty() {
                refuse(
                    format!(
                        "has rules for UPDATE that are enabled ALWAYS or REPLICA: {}",
                        rules.join(", ")
                    ),
                    "ALTER TABLE … DISABLE RULE for the time",
                );
            }
            if !ordinary.is_empty() && !self.replica {
                refuse(
                    format!(
                        "has triggers or rules that would fire for every row of the fill ({}), and the role may not set session_replication_role",
                        ordinary.join(", ")
                    ),
                    "connect as a superuser, or GRANT SET ON PARAMETER session_replication_role (PostgreSQL 15)",
                );
            }
            if !always.is_empty() {
                let reason = format!(
                    "has triggers that fire for every row of the fill, as they are enabled ALWAYS or REPLICA: {}",
                    always.join(", ")
                );
                let note = Finding::new(Severity::Note, object.clone(), reason);
                findings.push(note.remedy("disable them for the time, if they should not"));
            }
        }
        Ok(refused)
    }

    /// A name for each new column that no table of the unit has.
    async fn free_names(&self, members: &[Member], columns: &[String]) -> Result<Vec<String>> {
        let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
        let sql =
            "SELECT DISTINCT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = ANY ($1)";
        let rows = self.session.query(sql, &[&oids]).await;
        let rows = rows.map_err(on("looking for free names"))?;
        let mut taken: HashSet<String> = rows.iter().map(|r| r.get(0)).collect();
        let mut names = Vec::new();
        for column in columns {
            let mut number = 1;
            let name = loop {
                let suffix = match number {
                    1 => String::new(),
                    n => format!("_{n}"),
                };
                let mut name = format!("migrate_{column}");
                while name.len() + suffix.len() > LONGEST_NAME {
                    name.pop();
                }
                name.push_str(&suffix);
                if taken.insert(name.clone()) {
                    break name;
                }
                number += 1;
            };
            names.push(name);
        }
        Ok(names)
    }
}

fn again(view: &View) -> Finding {
    let object = format!("view {}", view.name);
    let reason = "is dropped and made again in the swap, with its owner, privileges and comments";
    Finding::new(Severity::Note, object, reason).remedy(view.make.join("; "))
}

const LEFT_AS_IT_IS: &str =
    "choose another type with --map; with --allow-findings the table stays as it is";

pub(super) fn casts(source: &Source) -> Casts<'_> {
    let mut types = source.types.values();
    Casts {
        vector_schema: &source.vector_schema,
        halfvec: types.any(|t| t.vector == Some(dialect::types::SourceType::Halfvec)),
    }
}

fn type_text(source: &Source, table: u32, column: &str) -> String {
    let relation = source.relation(table);
    let columns = relation.map_or(&[][..], |r| &r.columns);
    let column = columns.iter().find(|c| c.name == column);
    column.map_or(String::new(), |c| c.type_text.clone())
}

/// (what it is, the column, how to drop it, how it is made). Indexes and the column's own default are carried.
pub(super) const HANGING: &str = "SELECT DISTINCT pg_catalog.pg_describe_object(CASE WHEN r.oid IS NOT NULL THEN 1259 ELSE d.classid END, \
      CASE WHEN r.oid IS NOT NULL THEN r.ev_class ELSE d.objid END, CASE WHEN r.oid IS NOT NULL THEN 0 ELSE d.objsubid END), a.attname::text, \
    CASE WHEN r.rulename = '_RETURN' AND v.relkind = 'm' THEN pg_catalog.format('DROP MATERIALIZED VIEW %s', v.oid::pg_catalog.regclass) \
      WHEN r.rulename = '_RETURN' THEN pg_catalog.format('DROP VIEW %s', v.oid::pg_catalog.regclass) \
      WHEN k.oid IS NOT NULL THEN pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::pg_catalog.regclass, k.conname) \
      WHEN t.oid IS NOT NULL THEN pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::pg_catalog.regclass) \
      WHEN p.oid IS NOT NULL THEN pg_catalog.format('DROP POLICY %I ON %s', p.polname, p.polrelid::pg_catalog.regclass) END, \
    CASE WHEN r.rulename = '_RETURN' THEN pg_catalog.format('CREATE %sVIEW %s AS %s', CASE v.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, \
        v.oid::pg_catalog.regclass, pg_catalog.rtrim(pg_catalog.btrim(pg_catalog.pg_get_viewdef(v.oid)), ';')) \
      WHEN k.oid IS NOT NULL THEN pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::pg_catalog.regclass, k.conname, pg_catalog.pg_get_constraintdef(k.oid)) \
      WHEN t.oid IS NOT NULL THEN pg_catalog.pg_get_triggerdef(t.oid) END \
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
    LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid \
    LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class \
    LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid \
    LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objid \
    LEFT JOIN pg_catalog.pg_policy p ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = d.objid \
    LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.oid = d.objid \
    LEFT JOIN pg_catalog.pg_class i ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.oid = d.objid \
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) AND a.attname = ANY ($2) \
      AND i.relkind IS DISTINCT FROM 'i' AND i.relkind IS DISTINCT FROM 'I' AND (k.contype IS NULL OR k.contype <> 'n') \
      AND NOT (f.oid IS NOT NULL AND f.adrelid = a.attrelid AND f.adnum = a.attnum) \
      AND NOT ($3 AND r.oid IS NOT NULL AND v.relkind = 'v') ORDER BY 1, 2";

/// Columns whose values have a row of one of the tables in them, at any depth: (column, table).
const ROW_TYPES: &str = "WITH RECURSIVE t(oid, root) AS ( \
      SELECT c.reltype, c.oid FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) \
      UNION SELECT u.oid, t.root FROM t JOIN pg_catalog.pg_type u ON u.typelem = t.oid OR u.typbasetype = t.oid OR u.oid IN ( \
        SELECT k.reltype FROM pg_catalog.pg_class k JOIN pg_catalog.pg_attribute a ON a.attrelid = k.oid AND a.atttypid = t.oid AND NOT a.attisdropped WHERE k.relkind = 'c')) \
    SELECT DISTINCT pg_catalog.format('column %s.%I', a.attrelid::pg_catalog.regclass, a.attname), t.root::pg_catalog.regclass::text \
    FROM t JOIN pg_catalog.pg_attribute a ON a.atttypid = t.oid AND NOT a.attisdropped \
    JOIN pg_catalog.pg_class u ON u.oid = a.attrelid AND u.relkind IN ('r', 'p', 'm') WHERE t.oid <> 0 ORDER BY 1";

/// Publications; triggers before a row of INSERT and UPDATE; triggers and rules of UPDATE that a replica does not fire, and that it does;
/// indexes of PGVecto.rs.
const SURROUNDINGS: &str = "SELECT ARRAY(SELECT DISTINCT p.pubname::text FROM pg_catalog.pg_publication_tables p WHERE (p.schemaname, p.tablename) = (n.nspname, c.relname) ORDER BY 1), \
    ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0), \
    ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled = 'O' AND t.tgtype & 16 <> 0 \
      UNION ALL SELECT r.rulename::text FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '2' AND r.ev_enabled = 'O'), \
    ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('A', 'R') AND t.tgtype & 16 <> 0), \
    ARRAY(SELECT i.relname::text FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_am m ON m.oid = i.relam \
      WHERE x.indrelid = c.oid AND m.amname = 'vectors'), \
    EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid), \
    ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND NOT k.convalidated), c.reloftype <> 0, \
    ARRAY(SELECT r.rulename::text FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '2' AND r.ev_enabled IN ('A', 'R')) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";

/// Whether a session may keep ordinary triggers from firing: tried.
pub(super) async fn may_be_replica(client: &Client) -> bool {
    let tried = client
        .batch_execute("SET session_replication_role = replica; RESET session_replication_role")
        .await;
    tried.is_ok()
}
