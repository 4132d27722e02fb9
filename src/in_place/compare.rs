//! In: a unit whose rows are all filled. Out: how many rows were compared, each new value with what its old one is by the casts back.

use super::cast::Casts;
use super::unit::Unit;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};

/// Blocks compared by one statement: it holds back vacuum as long as it runs.
const BLOCKS: i64 = 16_384;

/// Compares every row that there is, and says the first that is not as it must be.
pub(super) async fn compare(session: &Session, unit: &Unit, casts: &Casts<'_>) -> Result<u64> {
    let differs = differs(unit, casts)?;
    let mut rows = 0;
    for member in unit
        .members(session)
        .await?
        .iter()
        .filter(|m| !m.partitioned)
    {
        let pieces = Pieces {
            attempt: format!("comparing the new columns of {}", member.display()),
            table: member.quoted(),
            row: "o",
            from: format!("ONLY {} o WHERE true", member.quoted()),
            wrong: &differs,
            how: "are not what their old column holds",
            remedy: "nothing was swapped; pgv2rs-copy in-place --undo takes the new columns away",
        };
        rows += pieces.compared(session).await?;
    }
    Ok(rows)
}

/// A comparison that is done piece by piece.
pub(super) struct Pieces<'a> {
    pub(super) attempt: String,
    /// The table whose blocks are the pieces, and its name in `from`.
    pub(super) table: String,
    pub(super) row: &'a str,
    /// What follows FROM, with a condition.
    pub(super) from: String,
    /// Whether a row is wrong, and how.
    pub(super) wrong: &'a str,
    pub(super) how: &'a str,
    pub(super) remedy: &'a str,
}

impl Pieces<'_> {
    /// How many rows there are, none of them wrong.
    pub(super) async fn compared(&self, session: &Session) -> Result<u64> {
        let attempt = || self.attempt.clone();
        let failed = |e: tokio_postgres::Error| Error::new(Side::Target, attempt()).because(e);
        let size = "SELECT pg_catalog.pg_relation_size($1::pg_catalog.text::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::int8";
        let blocks = session.query_one(size, &[&self.table]).await;
        let blocks: i64 = blocks.map_err(failed)?.get(0);
        let (row, wrong) = (self.row, self.wrong);
        let (mut rows, mut at) = (0, 0);
        loop {
            let end = at + BLOCKS;
            // The last one has no end: the table may have grown.
            let until = match end < blocks {
                true => format!(" AND {row}.ctid < '({end},0)'"),
                false => String::new(),
            };
            let sql = format!(
                "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE {wrong}), (pg_catalog.min({row}.ctid) FILTER (WHERE {wrong}))::pg_catalog.text \
                 FROM {} AND {row}.ctid >= '({at},0)'{until}",
                self.from
            );
            let found = session.query_of_table(&sql).await.map_err(failed)?;
            let (all, wrong): (i64, i64) = (found.get(0), found.get(1));
            if wrong > 0 {
                let first: Option<String> = found.get(2);
                return Err(Error::new(Side::Verification, attempt())
                    .because(format!(
                        "{wrong} rows {}; the first is at ctid {}",
                        self.how,
                        first.unwrap_or_default()
                    ))
                    .remedy(self.remedy.to_string()));
            }
            rows += all.unsigned_abs();
            at = end;
            if at >= blocks {
                return Ok(rows);
            }
        }
    }
}

fn differs(unit: &Unit, casts: &Casts<'_>) -> Result<String> {
    let one = |c: &super::unit::Column| {
        let of_row = |name: &str| format!("o.{}", quote(name));
        casts.differs(&c.change, &of_row(&c.old), &of_row(&c.new))
    };
    let all: std::result::Result<Vec<String>, String> = unit.columns.iter().map(one).collect();
    let all = all.map_err(Error::on(Side::Internal, "comparing the new columns"))?;
    Ok(all.join(" OR "))
}
