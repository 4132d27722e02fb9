//! In: a session on the source. Out: what hangs on members of pgvector, by pg_depend, under the object in whose statement it is
//! written; and where a text alone could not tell whose operator or function it names. It decides nothing.

use tokio_postgres::{Client, Row};

use dialect::dump::ObjectId;

use super::source::rows;
use super::{Source, class};
use crate::error::Result;

/// Fills `dependents`, `doubles`, `bit_users` and `shared_names`.
pub async fn read(client: &Client, source: &mut Source) -> Result<()> {
    for row in rows(client, "what depends on pgvector", USERS).await? {
        let what: &str = row.get(4);
        for object in objects(&row) {
            match what {
                "bits" => source.bit_users.push((object, row.get(6), row.get(7))),
                "member" => add(source.dependents.entry(object).or_default(), &row),
                _ => add(source.doubles.entry(object).or_default(), &row),
            }
        }
    }
    let known = &source.dependents;
    source
        .doubles
        .retain(|object, _| known.contains_key(object));
    let names = rows(client, "names that pgvector shares", SHARED_NAMES).await?;
    source.shared_names = names.iter().map(|r| r.get(0)).collect();
    Ok(())
}

/// The object, and the one in whose statement it stands: a view for its query, a table for its defaults and checks. A view's
/// rule has no statement of its own.
fn objects(row: &Row) -> Vec<ObjectId> {
    let (class, oid): (u32, u32) = (row.get(0), row.get(1));
    let itself = ObjectId { class, oid };
    match (row.get(2), row.get(3)) {
        (Some(class), Some(oid)) if itself.class == class::REWRITE => vec![ObjectId { class, oid }],
        (Some(class), Some(oid)) => vec![ObjectId { class, oid }, itself],
        _ => vec![itself],
    }
}

fn add(described: &mut Vec<String>, row: &Row) {
    let description: String = row.get(5);
    if !described.contains(&description) {
        described.push(description);
    }
}

/// (class, object, class and OID of the object in whose text it stands, what it hangs on: a member, a double or a column of
/// bits, its description, table and column of the bits).
const USERS: &str = "
WITH member AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.oid = d.refobjid
    WHERE d.deptype = 'e' AND e.extname = 'vector'
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.typarray FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.oid = d.refobjid
    WHERE e.extname = 'vector' AND t.typarray <> 0),
used AS (
    SELECT classid, objid, 0 AS sub, 'member' AS what FROM member
    UNION ALL
    SELECT DISTINCT 'pg_catalog.pg_operator'::regclass::oid, o.oid, 0, 'double' FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_operator p USING (oprname, oprnamespace)
    JOIN member m ON m.classid = 'pg_catalog.pg_operator'::regclass AND m.objid = p.oid
    WHERE NOT EXISTS (SELECT FROM member s WHERE s.classid = m.classid AND s.objid = o.oid)
    UNION ALL
    SELECT DISTINCT 'pg_catalog.pg_proc'::regclass::oid, o.oid, 0, 'double' FROM pg_catalog.pg_proc o
    JOIN pg_catalog.pg_proc p USING (proname, pronamespace)
    JOIN member m ON m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid
    WHERE NOT EXISTS (SELECT FROM member s WHERE s.classid = m.classid AND s.objid = o.oid)
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass::oid, b.attrelid, b.attnum, 'bits' FROM pg_catalog.pg_attribute b
    JOIN pg_catalog.pg_class c ON c.oid = b.attrelid
    WHERE b.atttypid IN (1560, 1561, 1562, 1563) AND b.attnum > 0 AND NOT b.attisdropped
        AND c.relkind IN ('r', 'p', 'm', 'f') AND c.oid >= 16384)
SELECT DISTINCT d.classid, d.objid,
    CASE WHEN r.oid IS NOT NULL AND r.rulename = '_RETURN' THEN 1259::oid WHEN a.oid IS NOT NULL THEN 1259::oid
         WHEN k.conrelid <> 0 AND k.contype = 'c' THEN 1259::oid WHEN k.contypid <> 0 THEN 1247::oid
         WHEN c.relkind = 'c' THEN 1247::oid WHEN x.oid IS NOT NULL THEN 2606::oid END,
    CASE WHEN r.oid IS NOT NULL AND r.rulename = '_RETURN' THEN r.ev_class WHEN a.oid IS NOT NULL THEN a.adrelid
         WHEN k.conrelid <> 0 AND k.contype = 'c' THEN k.conrelid WHEN k.contypid <> 0 THEN k.contypid
         WHEN c.relkind = 'c' THEN c.reltype WHEN x.oid IS NOT NULL THEN x.oid END,
    u.what, pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0), d.refobjid,
    (SELECT b.attname::text FROM pg_catalog.pg_attribute b WHERE u.what = 'bits' AND b.attrelid = d.refobjid AND b.attnum = u.sub)
FROM pg_catalog.pg_depend d
JOIN used u ON u.classid = d.refclassid AND u.objid = d.refobjid AND u.sub = d.refobjsubid
LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = d.objid
LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_catalog.pg_constraint x ON c.relkind IN ('i', 'I') AND x.conindid = c.oid AND x.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::regclass AND t.oid = d.objid
WHERE d.deptype IN ('n', 'a')
    AND NOT EXISTS (SELECT FROM member s WHERE s.classid = d.classid AND s.objid = d.objid)
    -- a column's type, and a domain's base, are edited; they are no riddle
    AND NOT (c.oid IS NOT NULL AND d.objsubid > 0 AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))
    AND NOT (t.oid IS NOT NULL AND t.typtype = 'd')
    AND NOT (t.oid IS NOT NULL AND t.typelem <> 0)
    -- that a column is NOT NULL says nothing about what it holds
    AND NOT (u.what = 'bits' AND k.oid IS NOT NULL AND k.contype = 'n')";

const SHARED_NAMES: &str = "
WITH member AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.oid = d.refobjid
    WHERE d.deptype = 'e' AND e.extname = 'vector'),
named AS (
    SELECT 'pg_catalog.pg_operator'::regclass::oid AS class, oid, oprname::text AS name, oprnamespace AS schema FROM pg_catalog.pg_operator
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass::oid, oid, proname::text, pronamespace FROM pg_catalog.pg_proc
    UNION ALL
    -- a table has a type of its name, and its name in a body is a table's
    SELECT 'pg_catalog.pg_type'::regclass::oid, oid, typname::text, typnamespace FROM pg_catalog.pg_type WHERE typtype <> 'c')
SELECT DISTINCT n.name FROM named n JOIN member m ON m.classid = n.class AND m.objid = n.oid
WHERE EXISTS (SELECT FROM named o WHERE o.class = n.class AND o.name = n.name AND o.oid <> n.oid
    AND o.schema <> 'pg_catalog'::regnamespace
    AND NOT EXISTS (SELECT FROM member s WHERE s.classid = o.class AND s.objid = o.oid))";
