//! In: a unit whose rows are all filled. Out: how many rows were compared, each new value with what its old one is by the casts back; and the
//! stamp that the trigger, its function and the columns carry, by which the swap knows that all written since has passed the same trigger.

use tokio_postgres::Client;

use super::cast::Casts;
use super::on;
use super::unit::{Member, Unit};
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};

/// Blocks compared by one statement: it holds back vacuum as long as it runs.
const BLOCKS: i64 = 16_384;

/// Compares every row that there is, and says the first that is not as it must be.
pub(super) async fn compare(session: &Session, unit: &Unit, casts: &Casts<'_>) -> Result<u64> {
    let mut rows = 0;
    for member in unit.members(session).await? {
        if !member.partitioned {
            rows += of_member(session, unit, &member, casts).await?;
        }
    }
    Ok(rows)
}

async fn of_member(
    session: &Session,
    unit: &Unit,
    member: &Member,
    casts: &Casts<'_>,
) -> Result<u64> {
    let attempt = format!("comparing the new columns of {}", member.display());
    let failed = |e: tokio_postgres::Error| Error::new(Side::Target, attempt.clone()).because(e);
    let blocks = member.blocks(session).await?;
    let differs = differs(unit, casts)?;
    let mut rows = 0;
    let mut at = 0;
    loop {
        let end = at + BLOCKS;
        // The last one has no end: the table may have grown.
        let until = match end < blocks {
            true => format!(" AND ctid < '({end},0)'"),
            false => String::new(),
        };
        let sql = format!(
            "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE {differs}), (pg_catalog.min(ctid) FILTER (WHERE {differs}))::pg_catalog.text \
             FROM ONLY {} WHERE ctid >= '({at},0)'{until}",
            member.quoted()
        );
        let row = session.query_of_table(&sql).await.map_err(failed)?;
        let (all, wrong): (i64, i64) = (row.get(0), row.get(1));
        if wrong > 0 {
            let first: Option<String> = row.get(2);
            return Err(Error::new(Side::Verification, attempt)
                .because(format!(
                    "{wrong} rows are not what their old column holds; the first is at ctid {}",
                    first.unwrap_or_default()
                ))
                .remedy(
                    "nothing was swapped; pgv2rs-copy in-place --undo takes the new columns away",
                ));
        }
        rows += all.unsigned_abs();
        at = end;
        if at >= blocks {
            return Ok(rows);
        }
    }
}

fn differs(unit: &Unit, casts: &Casts<'_>) -> Result<String> {
    let one = |c: &super::unit::Column| casts.differs(&c.change, &quote(&c.old), &quote(&c.new));
    let all: std::result::Result<Vec<String>, String> = unit.columns.iter().map(one).collect();
    let all = all.map_err(Error::on(Side::Internal, "comparing the new columns"))?;
    Ok(all.join(" OR "))
}

/// What must not change between the comparison and the swap: the tables and their files, all triggers before their rows as they stand in the catalog, the
/// function, and the columns. Who disables a trigger and enables it again, or rewrites a column, leaves another row behind.
pub(super) async fn stamp(client: &Client, unit: &Unit) -> Result<String> {
    let members: Vec<u32> = unit.members(client).await?.iter().map(|m| m.oid).collect();
    let columns: Vec<&str> = unit
        .columns
        .iter()
        .flat_map(|c| [c.old.as_str(), c.new.as_str()])
        .collect();
    let sql = "SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(':', c.oid, c.relfilenode, t.said, a.said), ' ' ORDER BY c.oid), '') \
        FROM pg_catalog.pg_class c \
        LEFT JOIN LATERAL (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', g.oid, g.xmin, g.tgenabled, p.oid, p.xmin), ',' ORDER BY g.oid) AS said \
          FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgtype & 3 = 3) t ON true \
        LEFT JOIN LATERAL (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', b.attnum, b.atttypid, b.atttypmod, b.xmin), ',' ORDER BY b.attnum) AS said \
          FROM pg_catalog.pg_attribute b WHERE b.attrelid = c.oid AND NOT b.attisdropped AND b.attname = ANY ($2)) a ON true \
        WHERE c.oid = ANY ($1)";
    let row = client.query_one(sql, &[&members, &columns]).await;
    Ok(row.map_err(on("looking at the trigger"))?.get(0))
}
