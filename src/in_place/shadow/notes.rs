//! In: keys of rows that have changed, as the trigger has noted them. Out: these rows in the new table as they are in the old one, each compared, and the notes gone:
//! all that one snapshot shows, in one transaction. Piece by piece would not do: two rows that have exchanged a unique value can only change together.

use super::super::statement::run;
use super::words::Words;
use crate::connect::Session;
use crate::error::{Error, Result, Side};

/// What was taken over.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) rows: u64,
    /// The old table was emptied meanwhile, so all of it was.
    pub(super) emptied: bool,
}

impl Taken {
    pub(super) fn merge(&mut self, other: Taken) {
        self.rows += other.rows;
        self.emptied |= other.emptied;
    }
}

/// A session for this: few keys are looked up in large tables, whatever the planner knows of these.
pub(super) async fn prepare(session: &Session) -> Result<()> {
    run(session, "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET vectors.enable_index = off").await
}

pub(super) async fn take_over(session: &Session, words: &Words<'_>) -> Result<Taken> {
    run(session, "BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let done = visible(session, words).await;
    let ended = run(session, if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    let taken = done?;
    ended?;
    Ok(taken)
}

/// What is taken over would be looked through again each time.
pub(super) async fn vacuum(session: &Session, words: &Words<'_>) -> Result<()> {
    run(session, &format!("VACUUM {}", words.notes)).await
}

async fn visible(session: &Session, words: &Words<'_>) -> Result<Taken> {
    let attempt = || format!("taking over the changed rows of {}", words.unit.display());
    let failed = |e: tokio_postgres::Error| {
        let error = Error::new(Side::Target, attempt()).because(e);
        error.remedy("mend it and run the same command again; or take all of it back: pgv2rs-copy in-place --undo")
    };
    let count = |row: tokio_postgres::Row, at: usize| row.get::<_, i64>(at).unsigned_abs();
    let one = async |sql: &str| session.query_of_table(sql).await.map_err(failed);
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {}), EXISTS (SELECT FROM {0} l WHERE ROW({}) IS NULL)",
        words.notes,
        words.keys("l.")
    );
    let row = one(&sql).await?;
    let (any, emptied): (bool, bool) = (row.get(0), row.get(1));
    if !any {
        return Ok(Taken::default());
    }
    // Of a table that was emptied every row.
    let (from, away) = match emptied {
        true => (format!("ONLY {} o", words.old), String::new()),
        false => (
            format!(
                "{} l JOIN ONLY {} o ON {}",
                words.noted(),
                words.old,
                words.same("o", "l")
            ),
            format!(" USING {} l WHERE {}", words.noted(), words.same("s", "l")),
        ),
    };
    let delete = format!(
        "WITH done AS (DELETE FROM {} s{away} RETURNING 1) SELECT pg_catalog.count(*) FROM done",
        words.new
    );
    let deleted = count(one(&delete).await?, 0);
    let insert = format!(
        "WITH done AS (INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {from} RETURNING 1) SELECT pg_catalog.count(*) FROM done",
        words.new, words.columns, words.values
    );
    let inserted = count(one(&insert).await?, 0);
    let compare = format!(
        "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE {}) FROM {from} LEFT JOIN {} s ON {}",
        words.differs,
        words.new,
        words.same("s", "o")
    );
    let row = one(&compare).await?;
    let (compared, wrong) = (row.get::<_, i64>(0).unsigned_abs(), row.get::<_, i64>(1));
    if compared != inserted || wrong > 0 {
        return Err(Error::new(Side::Verification, attempt())
            .because(format!(
                "of {compared} rows {inserted} were written, and {wrong} are not what they are in the old table"
            ))
            .remedy("nothing was swapped; pgv2rs-copy in-place --undo drops the new table"));
    }
    let done = format!("DELETE FROM {}", words.notes);
    let ended = session.batch_execute(&done).await;
    ended.map_err(failed)?;
    Ok(Taken {
        rows: deleted.max(inserted),
        emptied,
    })
}
