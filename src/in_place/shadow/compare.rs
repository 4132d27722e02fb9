//! In: a new table that is filled. Out: how many rows were compared, each with its row of the old one by the casts back, and that it has none besides. What is noted as
//! changed is left out: it is compared when it is taken over.

use super::super::on;
use super::words::Words;
use crate::connect::Session;
use crate::error::{Error, Result, Side};

/// Blocks compared by one statement: it holds back vacuum as long as it runs.
const BLOCKS: i64 = 16_384;

pub(super) async fn compare(session: &Session, words: &Words<'_>) -> Result<u64> {
    let noted = |row: &str| {
        format!(
            "NOT EXISTS (SELECT FROM {} l WHERE {})",
            words.notes,
            words.same("l", row)
        )
    };
    let there = format!(
        "pg_catalog.count(*) FILTER (WHERE {differs}), (pg_catalog.min(o.ctid) FILTER (WHERE {differs}))::pg_catalog.text \
         FROM ONLY {} o LEFT JOIN {} s ON {} WHERE {} AND o",
        words.old,
        words.new,
        words.same("s", "o"),
        noted("o"),
        differs = words.differs
    );
    let rows = pieces(
        session,
        words,
        (&words.old, &there, "are not what they are in the old table"),
    )
    .await?;
    let besides = format!(
        "pg_catalog.count(*), pg_catalog.min(s.ctid)::pg_catalog.text FROM ONLY {} s WHERE NOT EXISTS (SELECT FROM ONLY {} o WHERE {}) AND {} AND s",
        words.new,
        words.old,
        words.same("o", "s"),
        noted("s")
    );
    pieces(
        session,
        words,
        (
            &words.new,
            &besides,
            "of the new table are not in the old one",
        ),
    )
    .await?;
    Ok(rows)
}

/// Counts rows of a table and those that are wrong, piece by piece.
async fn pieces(
    session: &Session,
    words: &Words<'_>,
    (table, wrong, how): (&str, &str, &str),
) -> Result<u64> {
    let attempt = format!("comparing the new table of {}", words.unit.display());
    let failed = |e: tokio_postgres::Error| Error::new(Side::Target, attempt.clone()).because(e);
    let size = "SELECT pg_catalog.pg_relation_size($1::pg_catalog.text::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::int8";
    let row = session.query_one(size, &[&table]).await;
    let blocks: i64 = row.map_err(on("asking how large a table is"))?.get(0);
    let (mut rows, mut at) = (0_u64, 0_i64);
    loop {
        let end = at + BLOCKS;
        let row_of = &wrong[wrong.len() - 1..];
        // The last one has no end: the table may have grown.
        let until = match end < blocks {
            true => format!(" AND {row_of}.ctid < '({end},0)'"),
            false => String::new(),
        };
        let sql = format!("SELECT pg_catalog.count(*), {wrong}.ctid >= '({at},0)'{until}");
        let row = session.query_of_table(&sql).await.map_err(failed)?;
        let (all, wrong): (i64, i64) = (row.get(0), row.get(1));
        if wrong > 0 {
            let first: Option<String> = row.get(2);
            return Err(Error::new(Side::Verification, attempt)
                .because(format!(
                    "{wrong} rows {how}; the first is at ctid {}",
                    first.unwrap_or_default()
                ))
                .remedy("nothing was swapped; where ALTER TABLE has rewritten the old table meanwhile, no trigger fired for that: pgv2rs-copy in-place --undo, and begin again"));
        }
        rows += all.unsigned_abs();
        at = end;
        if at >= blocks {
            return Ok(rows);
        }
    }
}
