//! In: the old table, locked. Out: statements: what has to be done before it is dropped, what after the new one has its name, and what may come later. All is read from the
//! catalog under the lock, so what was changed since the plan is carried too; names stay right, since the new table has the old one's then.

use super::super::on;
use super::words::{self, Words};
use crate::connect::Session;
use crate::error::Result;

#[derive(Default)]
pub(super) struct Carried {
    /// While both tables are there.
    pub(super) before: Vec<String>,
    /// When the new table has its name.
    pub(super) after: Vec<String>,
    /// Then: for each foreign key that was valid, its OID.
    pub(super) later: Vec<String>,
}

/// Not what is said of these indexes, which the new table has not.
pub(super) async fn carried(
    session: &Session,
    words: &Words<'_>,
    without: &[u32],
) -> Result<Carried> {
    let unit = words.unit;
    let ours = [unit.trigger.clone(), words::emptied(unit)];
    let (new, old) = (&words.new, &words.old);
    let rows = session
        .query(STATEMENTS, &[&unit.root, new, old, &&ours[..], &without])
        .await;
    let rows = rows.map_err(on("reading what stands on the old table"))?;
    let mut carried = Carried::default();
    for row in rows {
        let (step, statement): (i32, String) = (row.get(0), row.get(1));
        match step {
            ..100 => carried.before.push(statement),
            100..900 => carried.after.push(statement),
            _ => carried.later.push(statement),
        }
    }
    Ok(carried)
}

/// (step, statement): below 100 before the old table is dropped, from 900 on after the commit. $1 the old table, $2 the new one's name, $3 the old one's, $4 this program's triggers,
/// $5 indexes that the new table has not. Where an identity stands is read last, and under a lock that ALTER SEQUENCE takes: its numbers need none on the table.
/// Privileges: what the new table was given by default goes first.
const STATEMENTS: &str = "WITH o AS (SELECT c.*, c.relowner::pg_catalog.regrole::text AS owner FROM pg_catalog.pg_class c WHERE c.oid = $1::oid), \
    said AS (SELECT $2::text AS new, $3::text AS t, $4::text[] AS ours), \
    sequences AS (SELECT d.deptype, s.oid, s.relname::text AS name, s.oid::pg_catalog.regclass::text AS full_name, a.attname, s.relacl, s.relpersistence, q.seqtypid, q.seqincrement, \
        pg_catalog.pg_get_serial_sequence(said.new, a.attname::text) AS new_name \
      FROM said, pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid \
      JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 AND d.deptype IN ('a', 'i')), \
    keys AS (SELECT k.*, pg_catalog.pg_get_constraintdef(k.oid) AS def, k.conrelid::pg_catalog.regclass::text AS whose FROM pg_catalog.pg_constraint k \
      WHERE k.contype = 'f' AND k.conparentid = 0 AND $1 IN (k.conrelid, k.confrelid)), \
    given AS (SELECT 0 AS kind, said.t AS name, '' AS list, o.relacl AS acl, o.owner FROM o, said UNION ALL \
      SELECT 1, said.t, pg_catalog.format(' (%I)', a.attname), a.attacl, o.owner FROM o, said, pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attacl IS NOT NULL AND NOT a.attisdropped UNION ALL \
      SELECT 2, 'SEQUENCE ' || s.full_name, '', s.relacl, o.owner FROM o, sequences s WHERE s.deptype = 'i') \
    SELECT step, statement FROM ( \
    SELECT 10 AS step, s.oid::int8 AS n, pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.%I', s.full_name, said.new, s.attname) AS statement FROM sequences s, said WHERE s.deptype = 'a' UNION ALL \
    SELECT 10, s.oid::int8, pg_catalog.format('ALTER SEQUENCE %s AS %s', s.new_name, s.seqtypid::pg_catalog.regtype) FROM sequences s WHERE s.deptype = 'i' UNION ALL \
    SELECT 11, s.oid::int8, pg_catalog.format('ALTER SEQUENCE %s SET UNLOGGED', s.new_name) FROM sequences s WHERE s.deptype = 'i' AND s.relpersistence = 'u' UNION ALL \
    SELECT 14, s.oid::int8, pg_catalog.format('ALTER SEQUENCE %s INCREMENT BY %s', s.full_name, s.seqincrement) FROM sequences s WHERE s.deptype = 'i' UNION ALL \
    SELECT 15, s.oid::int8, pg_catalog.format('SELECT pg_catalog.setval(%L::pg_catalog.regclass, last_value, is_called) FROM %s', s.new_name, s.full_name) FROM sequences s WHERE s.deptype = 'i' UNION ALL \
    SELECT 13, k.oid::int8, pg_catalog.format('ALTER TABLE ONLY %s DROP CONSTRAINT %I', k.whose, k.conname) FROM keys k WHERE k.conrelid <> $1 UNION ALL \
    SELECT 100, s.oid::int8, pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', s.new_name, s.name) FROM sequences s WHERE s.deptype = 'i' UNION ALL \
    SELECT 110, k.oid::int8, pg_catalog.format('ALTER TABLE ONLY %s ADD CONSTRAINT %I %s%s', k.whose, k.conname, k.def, CASE WHEN k.convalidated THEN ' NOT VALID' ELSE '' END) FROM keys k UNION ALL \
    SELECT 120, r.oid::int8, pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), ';') FROM pg_catalog.pg_rewrite r WHERE r.ev_class = $1 UNION ALL \
    SELECT 121, r.oid::int8, pg_catalog.format('ALTER TABLE %s %s RULE %I', said.t, CASE r.ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, r.rulename) \
      FROM said, pg_catalog.pg_rewrite r WHERE r.ev_class = $1 AND r.ev_enabled <> 'O' UNION ALL \
    SELECT 130, g.oid::int8, pg_catalog.pg_get_triggerdef(g.oid) FROM said, pg_catalog.pg_trigger g WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND g.tgname <> ALL (said.ours) UNION ALL \
    SELECT 131, g.oid::int8, pg_catalog.format('ALTER TABLE %s %s TRIGGER %I', said.t, CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, g.tgname) \
      FROM said, pg_catalog.pg_trigger g WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND g.tgname <> ALL (said.ours) AND g.tgenabled <> 'O' UNION ALL \
    SELECT 140, p.oid::int8, pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, said.t, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, \
        CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, \
        (SELECT pg_catalog.string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::pg_catalog.regrole::text END, ', ') FROM pg_catalog.unnest(p.polroles) r), \
        ' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')') \
      FROM said, pg_catalog.pg_policy p WHERE p.polrelid = $1 UNION ALL \
    SELECT 141, 0, pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', said.t) FROM o, said WHERE o.relrowsecurity UNION ALL \
    SELECT 142, 0, pg_catalog.format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', said.t) FROM o, said WHERE o.relforcerowsecurity UNION ALL \
    SELECT 150, x.oid::int8, pg_catalog.pg_get_statisticsobjdef(x.oid) FROM pg_catalog.pg_statistic_ext x WHERE x.stxrelid = $1 UNION ALL \
    SELECT 151, x.oid::int8, pg_catalog.format('ALTER STATISTICS %I.%I OWNER TO %s', n.nspname, x.stxname, x.stxowner::pg_catalog.regrole) \
      FROM pg_catalog.pg_statistic_ext x JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace WHERE x.stxrelid = $1 UNION ALL \
    SELECT 152, x.oid::int8, pg_catalog.format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, x.stxname, x.stxstattarget) \
      FROM pg_catalog.pg_statistic_ext x JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace WHERE x.stxrelid = $1 AND x.stxstattarget >= 0 UNION ALL \
    SELECT 160, a.attnum, pg_catalog.format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', said.t, a.attname, a.attstattarget) \
      FROM said, pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0 UNION ALL \
    SELECT 161, a.attnum, pg_catalog.format('ALTER TABLE ONLY %s ALTER COLUMN %I SET (%s)', said.t, a.attname, pg_catalog.array_to_string(a.attoptions, ', ')) \
      FROM said, pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attoptions IS NOT NULL UNION ALL \
    SELECT 170, 0, pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s', said.t, CASE o.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' \
        ELSE (SELECT pg_catalog.format('USING INDEX %I', i.relname) FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = $1 AND x.indisreplident) END) \
      FROM o, said WHERE o.relreplident IN ('f', 'n') OR o.relreplident = 'i' AND EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = $1 AND x.indisreplident AND x.indexrelid <> ALL ($5::oid[])) UNION ALL \
    SELECT 171, 0, pg_catalog.format('ALTER TABLE %s CLUSTER ON %I', said.t, i.relname) FROM said, pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
      WHERE x.indrelid = $1 AND x.indisclustered AND x.indexrelid <> ALL ($5) UNION ALL \
    SELECT 180, i.oid::int8, pg_catalog.format('ALTER INDEX %s DEPENDS ON EXTENSION %I', i.oid::pg_catalog.regclass, e.extname) FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.oid AND d.deptype = 'x' JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
      WHERE x.indrelid = $1 AND x.indisvalid AND x.indexrelid <> ALL ($5) UNION ALL \
    SELECT 181, g.oid::int8, pg_catalog.format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION %I', g.tgname, said.t, e.extname) FROM said, pg_catalog.pg_trigger g \
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = g.oid AND d.deptype = 'x' JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
      WHERE g.tgrelid = $1 AND NOT g.tgisinternal UNION ALL \
    SELECT 200, g.kind, pg_catalog.format('REVOKE ALL ON %s FROM PUBLIC, %s', g.name, g.owner) FROM given g WHERE g.kind <> 1 AND g.acl IS NOT NULL UNION ALL \
    SELECT 201, g.kind * 100000 + x.n, pg_catalog.format('GRANT %s%s ON %s TO %s%s', x.privilege_type, g.list, g.name, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::pg_catalog.regrole::text END, \
        CASE WHEN x.is_grantable AND x.grantee::pg_catalog.regrole::text <> g.owner THEN ' WITH GRANT OPTION' ELSE '' END) \
      FROM given g, pg_catalog.aclexplode(g.acl) WITH ORDINALITY x(grantor, grantee, privilege_type, is_grantable, n) UNION ALL \
    SELECT 202, g.kind, pg_catalog.format('GRANT ALL ON %s TO %s', g.name, g.owner) FROM given g WHERE g.kind <> 1 AND g.acl IS NULL UNION ALL \
    SELECT 300, d.objsubid, CASE d.objsubid WHEN 0 THEN pg_catalog.format('COMMENT ON TABLE %s IS %L', said.t, d.description) ELSE pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', said.t, a.attname, d.description) END \
      FROM said, pg_catalog.pg_description d LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid \
      WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = $1 UNION ALL \
    SELECT 301, k.oid::int8, pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, k.conrelid::pg_catalog.regclass, d.description) FROM pg_catalog.pg_constraint k \
      JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objoid = k.oid WHERE $1 IN (k.conrelid, CASE k.contype WHEN 'f' THEN k.confrelid END) UNION ALL \
    SELECT 302, i.oid::int8, pg_catalog.format('COMMENT ON INDEX %s IS %L', i.oid::pg_catalog.regclass, d.description) FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
      JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = i.oid WHERE x.indrelid = $1 AND x.indisvalid AND x.indexrelid <> ALL ($5) UNION ALL \
    SELECT 303, g.oid::int8, pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', g.tgname, said.t, d.description) FROM said, pg_catalog.pg_trigger g \
      JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objoid = g.oid WHERE g.tgrelid = $1 UNION ALL \
    SELECT 304, p.oid::int8, pg_catalog.format('COMMENT ON POLICY %I ON %s IS %L', p.polname, said.t, d.description) FROM said, pg_catalog.pg_policy p \
      JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objoid = p.oid WHERE p.polrelid = $1 UNION ALL \
    SELECT 305, r.oid::int8, pg_catalog.format('COMMENT ON RULE %I ON %s IS %L', r.rulename, said.t, d.description) FROM said, pg_catalog.pg_rewrite r \
      JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objoid = r.oid WHERE r.ev_class = $1 UNION ALL \
    SELECT 306, x.oid::int8, pg_catalog.format('COMMENT ON STATISTICS %I.%I IS %L', n.nspname, x.stxname, d.description) FROM pg_catalog.pg_statistic_ext x JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace \
      JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass AND d.objoid = x.oid WHERE x.stxrelid = $1 UNION ALL \
    SELECT 307, s.oid::int8, pg_catalog.format('COMMENT ON SEQUENCE %s IS %L', s.full_name, d.description) FROM sequences s \
      JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = s.oid WHERE s.deptype = 'i' UNION ALL \
    SELECT 900, k.oid::int8, pg_catalog.format('SELECT oid FROM pg_catalog.pg_constraint WHERE conrelid = %L::pg_catalog.regclass AND conname = %L', k.whose, k.conname) FROM keys k WHERE k.convalidated \
    ) all_of_it ORDER BY step, n";
