//! In: the old table. Out: what must be as it was, as texts to be compared: its triggers since they were made, its shape since the plan, its file since a comparison.

use super::super::on;
use super::super::unit::Unit;
use super::words::{self, Words};
use crate::connect::Session;
use crate::error::{Error, Result, Side};

/// The triggers stand and fire for everybody, as ever since they were made.
pub(super) async fn sound(session: &Session, words: &Words<'_>) -> Result<()> {
    if triggers(session, words.unit).await? == words.shadow.triggers {
        return Ok(());
    }
    let attempt = format!("looking at the triggers of {}", words.unit.display());
    Err(Error::new(Side::Target, attempt)
        .because("they are not as they were made")
        .remedy("somebody has dropped, disabled or changed one, so changes since then may be missing: pgv2rs-copy in-place --undo, and begin again"))
}

pub(super) async fn triggers(session: &Session, unit: &Unit) -> Result<String> {
    let ours = [unit.trigger.clone(), words::emptied(unit)];
    let sql = "SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat_ws('/', g.oid, g.xmin, g.tgenabled, p.oid, p.xmin), ' ' ORDER BY g.oid), '') \
        FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid WHERE g.tgrelid = $1 AND g.tgname = ANY ($2)";
    let row = session.query_one(sql, &[&unit.root, &&ours[..]]).await;
    Ok(row.map_err(on("looking at the triggers"))?.get(0))
}

/// What a comparison is of: the old table's file, and its columns as they stand in the catalog. A rewrite by ALTER TABLE fires no trigger.
pub(super) async fn file(session: &Session, unit: &Unit) -> Result<String> {
    let sql = "SELECT pg_catalog.concat(pg_catalog.pg_relation_filenode(c.oid), ' ', (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', a.attnum, a.xmin), ' ' ORDER BY a.attnum) \
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)) FROM pg_catalog.pg_class c WHERE c.oid = $1";
    let row = session.query_one(sql, &[&unit.root]).await;
    Ok(row.map_err(on("looking at a table's file"))?.get(0))
}

/// What the new table was made after: columns, checks, keys, indexes, identities, owner.
pub(super) async fn shape(session: &Session, unit: &Unit) -> Result<String> {
    let row = session.query_one(SHAPE, &[&unit.root]).await;
    Ok(row.map_err(on("looking at a table's shape"))?.get(0))
}

const SHAPE: &str = "SELECT pg_catalog.md5(pg_catalog.concat_ws('|', c.relowner, c.relpersistence, c.relam, c.relispartition, c.reloftype, c.reloptions::text, c.reltablespace, (SELECT t.reloptions::text FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attstorage, a.attcompression, \
          pg_catalog.pg_get_expr(f.adbin, f.adrelid)), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum \
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', k.conname, pg_catalog.pg_get_constraintdef(k.oid)), ',' ORDER BY k.oid) FROM pg_catalog.pg_constraint k \
        WHERE k.conrelid = c.oid AND k.contype <> 'f'), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', i.relname, pg_catalog.pg_get_indexdef(i.oid), i.reltablespace, \
          (SELECT pg_catalog.string_agg(coalesce(b.attstattarget, -1)::text, ' ' ORDER BY b.attnum) FROM pg_catalog.pg_attribute b WHERE b.attrelid = i.oid)), ',' ORDER BY i.relname) FROM pg_catalog.pg_index x \
        JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid AND x.indislive AND x.indisvalid), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', s.seqtypid, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle), ',' ORDER BY s.seqrelid) \
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid WHERE d.refobjid = c.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'i'))) \
    FROM pg_catalog.pg_class c WHERE c.oid = $1";
