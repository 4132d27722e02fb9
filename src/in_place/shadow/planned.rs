//! In: a unit whose columns can change. Out: what its new table will be; or why it can have none, as findings, each with what to do.

use super::super::indexes::{TAIL, TAIL_FROM};
use super::super::look::Looking;
use super::super::on;
use super::super::unit::{Key, Member, Part, Plain, Shadow, Unit};
use super::stamps::shape;
use super::words;
use crate::cli::Method;
use crate::connect::{Session, quote, quote_qualified};
use crate::error::Result;
use crate::plan::{Finding, Severity};

pub(super) const INSTEAD: &str =
    "use --method add-column; with --allow-findings the table stays as it is";

/// None, with findings, where it can have none. Views are not looked at: see `hanging`.
pub(in super::super) async fn read(
    looking: &Looking<'_>,
    unit: &Unit,
    members: &[Member],
    findings: &mut Vec<Finding>,
) -> Result<Option<Shadow>> {
    let object = format!("table {}", unit.display());
    let finding = |reason: String, remedy: &str| {
        Finding::new(Severity::Decision, object.clone(), reason).remedy(remedy.to_string())
    };
    let row = looking.session.query_one(ABOUT, &[&unit.root]).await;
    let row = row.map_err(on("asking what is about a table"))?;
    let mut refused = Vec::new();
    if members.len() > 1 || row.get(0) {
        let reason = "belongs to a tree of partitions or of inheritance, whose tables cannot be replaced one by one";
        refused.push(finding(reason.into(), INSTEAD));
    }
    if row.get(1) {
        let reason = "is not logged: its rows may vanish in the middle of it";
        refused.push(finding(reason.into(), INSTEAD));
    }
    if !row.get::<_, bool>(2) {
        let reason = "is in a schema in which the role, or the table's owner, may make no table";
        let remedy = format!(
            "GRANT CREATE ON SCHEMA {} to both; or {INSTEAD}",
            quote(&unit.schema)
        );
        refused.push(finding(reason.into(), &remedy));
    }
    for (at, what) in [
        (
            3,
            "has foreign keys from partitioned tables, which cannot be made again without a long lock",
        ),
        (4, "has security labels, which are not carried"),
        (
            5,
            "has foreign keys to partitioned tables, which cannot be made again without a long lock",
        ),
        (
            6,
            "has foreign keys whose triggers are disabled, which would work again",
        ),
        (
            7,
            "has indexes or checks over whole rows of it, which have no words for another table",
        ),
    ] {
        let names: Vec<String> = row.get(at);
        if !names.is_empty() {
            refused.push(finding(format!("{what}: {}", names.join(", ")), INSTEAD));
        }
    }
    for (at, what, so) in [
        (
            8,
            "has privileges that others than its owner have granted",
            "they become the owner's own grants",
        ),
        (
            9,
            "has indexes that are not valid",
            "they go with the old table",
        ),
        (
            10,
            "has foreign keys from other tables",
            "these tables are locked with it in the swap, and the keys are validated after it",
        ),
    ] {
        let names: Vec<String> = row.get(at);
        if !names.is_empty() && looking.method == Method::Shadow {
            let reason = format!("{what} ({}): {so}", names.join(", "));
            findings.push(Finding::new(Severity::Note, object.clone(), reason));
        }
    }
    let rows = looking.session.query(KEY, &[&unit.root]).await;
    let rows = rows.map_err(on("asking for the primary key"))?;
    if rows.is_empty() {
        let reason = "has no primary key, by which changed rows would be found again";
        refused.push(finding(reason.into(), INSTEAD));
    }
    if rows.iter().any(|r| r.get::<_, bool>(2)) {
        let reason = "has a primary key of a domain that is NOT NULL or has a check, which a note without a key breaks";
        refused.push(finding(reason.into(), INSTEAD));
    }
    let key = rows.iter().map(|r| Key {
        column: r.get(0),
        equals: r.get(1),
    });
    let key: Vec<Key> = key.collect();
    let rows = looking.session.query(COLUMNS, &[&unit.root]).await;
    let columns = rows.map_err(on("asking for the columns"))?;
    let columns = columns.iter().map(|r| Plain {
        name: r.get(0),
        generated: r.get(1),
    });
    let mut shadow = Shadow {
        name: free_name(looking, unit).await?,
        key,
        columns: columns.collect(),
        parts: Vec::new(),
        shape: shape(looking.session, unit).await?,
        triggers: String::new(),
        validate: Vec::new(),
    };
    shadow.parts = parts(looking, unit, &shadow).await?;
    if !refused.is_empty() {
        findings.extend(refused);
        return Ok(None);
    }
    Ok(Some(shadow))
}

/// What hangs on the table and is neither carried nor made again.
pub(in super::super) async fn hanging(session: &Session, unit: &Unit) -> Result<Vec<Finding>> {
    let views: Vec<u32> = unit.views.iter().map(|v| v.oid).collect();
    let rows = session.query(HANGING, &[&unit.root, &views]).await;
    let rows = rows.map_err(on("asking what hangs on a table"))?;
    let found = rows.iter().map(|row| {
        let (object, again): (String, Option<String>) = (row.get(0), row.get(1));
        let reason = format!(
            "hangs on table {}, which another one replaces",
            unit.display()
        );
        let remedy = match again {
            Some(again) => {
                format!("drop it before, and after: {again}; or --recreate-views; or {INSTEAD}")
            }
            None => format!("drop it before, and make it again after; or {INSTEAD}"),
        };
        Finding::new(Severity::Decision, object, reason).remedy(remedy)
    });
    Ok(found.collect())
}

/// Keys and indexes: the primary key first, and the others of the old table; those on its vectors in PGVecto.rs's words.
async fn parts(looking: &Looking<'_>, unit: &Unit, shadow: &Shadow) -> Result<Vec<Part>> {
    let sql = format!(
        "SELECT x.indexrelid, c.relname::text, x.indisunique, {TAIL}, k.contype::text, k.conname::text, \
        CASE WHEN k.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END, pg_catalog.pg_get_constraintdef(k.oid), \
        (SELECT s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace), c.reloptions, \
        ARRAY(SELECT pg_catalog.format('ALTER COLUMN %s SET STATISTICS %s', a.attnum, a.attstattarget) FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = c.oid AND a.attstattarget >= 0 ORDER BY a.attnum) {TAIL_FROM} \
        LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x') \
        WHERE x.indrelid = $1 AND x.indislive AND (x.indisvalid OR x.indexrelid = ANY ($2)) AND x.indexrelid <> ALL ($3) \
        ORDER BY k.contype IS DISTINCT FROM 'p', k.contype IS NULL, x.indexrelid"
    );
    let known: Vec<u32> = unit.indexes.iter().map(|i| i.oid).collect();
    let rows = looking
        .session
        .query(&sql, &[&unit.root, &known, &unit.left_out])
        .await;
    let rows = rows.map_err(on("asking for keys and indexes"))?;
    let table = words::new_table(unit, shadow);
    let mut parts = Vec::new();
    for row in &rows {
        let (oid, index): (u32, String) = (row.get(0), row.get(1));
        let temporary = format!("pgv2rs_{oid}");
        let (quoted, unique) = (quote(&temporary), row.get::<_, bool>(2));
        let made = |tail: &str| {
            let unique = if unique { "UNIQUE " } else { "" };
            format!("CREATE {unique}INDEX {quoted} ON {table}{tail}")
        };
        let tail: String = row.get(3);
        let kind: Option<String> = row.get(4);
        let name = row.get::<_, Option<String>>(5).unwrap_or(index);
        let own = unit.indexes.iter().find(|i| i.oid == oid);
        let mut make = Vec::new();
        match (kind.as_deref(), own) {
            (Some("x"), _) => {
                let definition: String = row.get(7);
                make.push(format!(
                    "ALTER TABLE {table} ADD CONSTRAINT {quoted} {definition}"
                ));
                let options: Option<Vec<String>> = row.get(9);
                make.extend(options.map(|o| {
                    let name = quote_qualified(&unit.schema, &temporary);
                    format!("ALTER INDEX {name} SET ({})", o.join(", "))
                }));
            }
            (Some(kind), _) => {
                make.push(made(&tail));
                let kind = if kind == "p" { "PRIMARY KEY" } else { "UNIQUE" };
                let deferrable: String = row.get(6);
                make.push(format!(
                    "ALTER TABLE {table} ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}{deferrable}"
                ));
            }
            (None, Some(own)) => {
                let head = format!("{} ON {}", quote(&own.name), unit.quoted());
                let tail = own.instead.split_once(&head).map_or("", |(_, tail)| tail);
                make.push(made(tail));
            }
            (None, None) => make.push(made(&tail)),
        }
        if own.is_none() {
            let statistics: Vec<String> = row.get(10);
            let name = quote_qualified(&unit.schema, &temporary);
            make.extend(statistics.iter().map(|s| format!("ALTER INDEX {name} {s}")));
        }
        parts.push(Part {
            temporary,
            name,
            constraint: kind.is_some(),
            vector: own.is_some_and(|i| i.vector),
            before: own.map(|i| i.before.clone()),
            make,
            tablespace: row.get(8),
        });
    }
    Ok(parts)
}

async fn free_name(looking: &Looking<'_>, unit: &Unit) -> Result<String> {
    let mut number = 1;
    loop {
        let suffix = match number {
            1 => String::new(),
            n => format!("_{n}"),
        };
        let mut name = format!("migrate_{}", unit.name);
        while name.len() + suffix.len() > super::super::look::LONGEST_NAME {
            name.pop();
        }
        name.push_str(&suffix);
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2) \
            OR EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = $1 AND t.typname = $2)";
        let row = looking.session.query_one(sql, &[&unit.schema, &name]).await;
        if !row
            .map_err(on("looking for a free name"))?
            .get::<_, bool>(0)
        {
            return Ok(name);
        }
        number += 1;
    }
}

/// In a tree; not logged; who may make a table beside it; foreign keys from partitioned tables; security labels; foreign keys to partitioned tables, and with disabled triggers; whole rows in
/// expressions; grantors that are not the owner; indexes that are not valid; tables with foreign keys to it.
const ABOUT: &str = "SELECT c.relkind <> 'r' OR c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)), c.relpersistence <> 'p', \
    pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE') AND pg_catalog.has_schema_privilege(c.relowner, c.relnamespace, 'CREATE'), \
    ARRAY(SELECT DISTINCT k.conname::text FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class f ON f.oid = k.conrelid \
      WHERE k.confrelid = c.oid AND k.contype = 'f' AND (f.relkind = 'p' OR f.relispartition AND k.conparentid <> 0) ORDER BY 1), \
    ARRAY(SELECT DISTINCT l.provider FROM pg_catalog.pg_seclabel l WHERE l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objoid = c.oid ORDER BY 1), \
    ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class f ON f.oid = k.confrelid WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0 AND f.relkind = 'p' ORDER BY 1), \
    ARRAY(SELECT DISTINCT k.conname::text FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_constraint k ON k.oid = g.tgconstraint WHERE k.contype = 'f' AND c.oid IN (k.conrelid, k.confrelid) AND g.tgenabled <> 'O' ORDER BY 1), \
    ARRAY(SELECT i.relname::text FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid AND pg_catalog.concat(x.indexprs, x.indpred) LIKE '%:varattno 0 %' UNION ALL \
      SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.conbin::text LIKE '%:varattno 0 %'), \
    ARRAY(SELECT DISTINCT x.grantor::pg_catalog.regrole::text FROM (SELECT c.relacl AS acl UNION ALL SELECT a.attacl FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped) g, \
      pg_catalog.aclexplode(g.acl) x WHERE x.grantor <> c.relowner ORDER BY 1), \
    ARRAY(SELECT i.relname::text FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid AND NOT x.indisvalid ORDER BY 1), \
    ARRAY(SELECT DISTINCT k.conrelid::pg_catalog.regclass::text FROM pg_catalog.pg_constraint k WHERE k.confrelid = c.oid AND k.conrelid <> c.oid AND k.contype = 'f' ORDER BY 1) \
    FROM pg_catalog.pg_class c WHERE c.oid = $1";

/// Each column of the primary key, with the operator that its index knows for equal, and whether it is of a domain without NULL.
const KEY: &str = "SELECT a.attname::text, pg_catalog.format('OPERATOR(%I.%s)', n.nspname, p.oprname), EXISTS (WITH RECURSIVE d AS ( \
      SELECT t.oid, t.typbasetype, t.typnotnull FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid AND t.typtype = 'd' UNION ALL \
      SELECT t.oid, t.typbasetype, t.typnotnull FROM d JOIN pg_catalog.pg_type t ON t.oid = d.typbasetype AND t.typtype = 'd') \
      SELECT FROM d WHERE d.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = d.oid)) \
    FROM pg_catalog.pg_index x CROSS JOIN LATERAL pg_catalog.generate_series(0, x.indnkeyatts - 1) u(n) \
    JOIN pg_catalog.pg_opclass o ON o.oid = x.indclass[u.n] \
    JOIN pg_catalog.pg_amop m ON m.amopfamily = o.opcfamily AND m.amoplefttype = o.opcintype AND m.amoprighttype = o.opcintype AND m.amopstrategy = 3 \
    JOIN pg_catalog.pg_operator p ON p.oid = m.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = p.oprnamespace, pg_catalog.pg_attribute a \
    WHERE x.indrelid = $1 AND x.indisprimary AND a.attrelid = x.indrelid AND a.attnum = x.indkey[u.n] ORDER BY u.n";

const COLUMNS: &str = "SELECT attname::text, attgenerated <> '' FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

/// Whatever depends on the table or its row type and is not of the table itself: (what it is, how it is made again). Foreign keys of others are carried.
const HANGING: &str = "SELECT DISTINCT pg_catalog.pg_describe_object(CASE WHEN r.oid IS NOT NULL THEN 'pg_catalog.pg_class'::pg_catalog.regclass ELSE d.classid END, \
      CASE WHEN r.oid IS NOT NULL THEN r.ev_class ELSE d.objid END, CASE WHEN r.oid IS NOT NULL THEN 0 ELSE d.objsubid END), \
    CASE WHEN r.rulename = '_RETURN' THEN pg_catalog.format('CREATE %sVIEW %s AS %s', CASE v.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, \
      v.oid::pg_catalog.regclass, pg_catalog.rtrim(pg_catalog.btrim(pg_catalog.pg_get_viewdef(v.oid)), ';')) END \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_depend d ON (d.refclassid, d.refobjid) IN (('pg_catalog.pg_class'::pg_catalog.regclass, c.oid), \
      ('pg_catalog.pg_type'::pg_catalog.regclass, c.reltype), ('pg_catalog.pg_type'::pg_catalog.regclass, (SELECT t.typarray FROM pg_catalog.pg_type t WHERE t.oid = c.reltype))) \
      OR d.deptype <> 'i' AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid IN (SELECT i.objid FROM pg_catalog.pg_depend i \
        WHERE i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.refobjid = c.oid AND i.deptype = 'i') \
      OR d.deptype = 'e' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid \
    LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid \
    LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class \
    LEFT JOIN pg_catalog.pg_class k ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND k.oid = d.objid \
    WHERE c.oid = $1 AND NOT coalesce(r.ev_class = c.oid OR r.ev_class = ANY ($2), false) AND NOT coalesce(k.oid = ANY ($2), false) \
      AND NOT (k.oid IS NOT NULL AND k.relkind IN ('i', 'S', 't') AND d.deptype IN ('a', 'i')) \
      AND d.classid NOT IN ('pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass) \
      AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = c.oid)) \
      AND NOT (d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid AND (t.tgrelid = c.oid OR t.tgisinternal))) \
      AND NOT (d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.oid = d.objid AND p.polrelid = c.oid)) \
      AND NOT (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'i') \
      AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype <> 'e') \
    UNION ALL SELECT 'subscription ' || s.subname, NULL FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid WHERE r.srrelid = $1 ORDER BY 1";
