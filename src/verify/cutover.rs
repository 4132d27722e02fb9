//! In: the tables, and what the copy's snapshot saw. Out: for each table whether it is still what was copied, so that a user who
//! has stopped the writers knows that it is safe to switch. It looks at committed changes only, as of now.

use serde::Serialize;

use crate::connect::{Endpoint, Session, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "why")]
pub enum Cutover {
    Unchanged,
    Changed(String),
    /// It could not be looked at without waiting.
    Unknown(String),
}

/// `rows` are the counts under the snapshot, in the order of `tables`.
pub async fn check(
    source: &Endpoint,
    tables: &[TablePlan],
    rows: &[u64],
    visible: &str,
) -> Result<Vec<Cutover>> {
    let session = source.connect().await?;
    // Someone's ALTER must not make the end of a run wait for hours.
    let sql = "SET lock_timeout = '10s'";
    session
        .batch_execute(sql)
        .await
        .map_err(Error::on(Side::Source, "asking what has changed"))?;
    let mut answers = Vec::new();
    for (table, rows) in tables.iter().zip(rows) {
        answers.push(one(&session, table, *rows, visible).await?);
    }
    Ok(answers)
}

async fn one(session: &Session, table: &TablePlan, rows: u64, visible: &str) -> Result<Cutover> {
    let attempt = || format!("asking whether {} has changed", table.display);
    let sql = "SELECT n.nspname::text, c.relname::text, coalesce(pg_catalog.pg_relation_filenode(c.oid), 0::oid) \
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";
    let found = session
        .query_opt(sql, &[&table.oid])
        .await
        .map_err(Error::on(Side::Source, attempt()))?;
    let Some(found) = found else {
        return Ok(Cutover::Changed("it was dropped".into()));
    };
    if found.get::<_, u32>(2) != table.file {
        return Ok(Cutover::Changed("it was truncated or rewritten".into()));
    }
    let name = quote_qualified(found.get(0), found.get(1));
    // xmin is the low half of a transaction id; its epoch is that of now, or the one before where it would lie ahead of now.
    // A row from further back is frozen, and any epoch in the past is right for it.
    let sql = format!(
        "WITH now AS MATERIALIZED (SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) AS next) \
         SELECT count(*), count(*) FILTER (WHERE NOT pg_catalog.txid_visible_in_snapshot( \
           CASE WHEN x.id < 3 THEN x.id ELSE (now.next >> 32 << 32) + x.id \
             - CASE WHEN x.id > (now.next & 4294967295) THEN 4294967296 ELSE 0 END END, $1::text::pg_catalog.txid_snapshot)) \
         FROM ONLY {name} t, now, LATERAL (SELECT t.xmin::pg_catalog.text::pg_catalog.int8 AS id) x"
    );
    let row = match session.query_one(&sql, &[&visible]).await {
        Ok(row) => row,
        Err(e) if e.code().is_some_and(|c| c.code() == "55P03") => {
            return Ok(Cutover::Unknown("someone holds a lock on it".into()));
        }
        Err(e) => return Err(Error::new(Side::Source, attempt()).because(e)),
    };
    let (now, newer): (i64, i64) = (row.get(0), row.get(1));
    Ok(match (now.unsigned_abs() == rows, newer) {
        (true, 0) => Cutover::Unchanged,
        (_, 0) => Cutover::Changed(format!("{rows} rows were copied, it holds {now} now")),
        _ => Cutover::Changed(format!("{newer} rows were inserted or updated since")),
    })
}
