//! In: a unit whose rows are all filled. Out: how many rows were compared, each new value with what its old one is by the casts back.

use super::cast::Casts;
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
