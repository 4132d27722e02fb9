//! In: a new table that is empty, or that an earlier process has filled in part. Out: every row of the old one in it whose key is not noted, in short transactions.
//! How far it is stands in the ledger, committed with the rows. A row that is not noted is where it was when the triggers were made, so each is met
//! once; only a new file of the old table (VACUUM FULL, CLUSTER, TRUNCATE) ends that, and then the fill begins anew.

use std::time::{Duration, Instant};

use super::super::Work;
use super::super::fill::{Filled, next_width};
use super::super::statement::run;
use super::stamps::sound;
use super::words::Words;
use crate::connect::Session;
use crate::copy::throttle::Throttle;
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, Place, at, place};
use crate::progress::human_time;

const LINE_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn fill(
    work: &Work<'_>,
    words: &Words<'_>,
    line: &Line,
    filled: &mut Filled,
) -> Result<()> {
    let (started, mut said) = (Instant::now(), Instant::now());
    let session = work.connect().await?;
    // A place is looked up, and so is a note, whatever the planner thinks of a whole scan.
    run(&session, "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off").await?;
    let throttle = work.options.throttle.map(Throttle::new);
    let (mut width, mut first) = (1_i64, None);
    let mut at = at(&session, line.id).await?;
    filled.passes += 1;
    while let Some(from) = at.blocks {
        let table = now(&session, words).await?;
        if at.file != Some(table.file) {
            sound(&session, words).await?;
            at = anew(&session, words, line.id, at.file.is_some()).await?;
            first = None;
            continue;
        }
        if from >= table.blocks {
            at.blocks = None;
            place(&session, line.id, at).await?;
            break;
        }
        let first = *first.get_or_insert(from);
        let end = (from + width).min(table.blocks);
        let began = Instant::now();
        let batch = batch(&session, words, (from, end), throttle.is_some()).await;
        let there = async {
            let (rows, bytes) = batch?;
            // Its file cannot change any more: the batch has read it.
            let same = now(&session, words).await?.file == table.file;
            if same {
                let blocks = Some(end);
                place(&session, line.id, Place { blocks, ..at }).await?;
            }
            Ok::<_, Error>((rows, bytes, same))
        }
        .await;
        let well = matches!(there, Ok((_, _, true)));
        let ended = run(&session, if well { "COMMIT" } else { "ROLLBACK" }).await;
        let (rows, bytes, same) = there?;
        ended?;
        if !same {
            continue;
        }
        at.blocks = Some(end);
        let took = began.elapsed();
        crate::fail::point("batch");
        filled.rows += rows;
        filled.batches += 1;
        filled.longest_batch_seconds = filled.longest_batch_seconds.max(took.as_secs_f64());
        width = next_width(end - from, rows, took, work.options.batch_rows);
        if said.elapsed() >= LINE_EVERY {
            said = Instant::now();
            let done = (end - first) as f64;
            let left = started
                .elapsed()
                .mul_f64((table.blocks - end) as f64 / done);
            tracing::info!(
                "{}: {} rows filled, {}% of its pages, about {} to go",
                words.unit.display(),
                filled.rows,
                100 * end / table.blocks,
                human_time(left)
            );
        }
        if let Some(throttle) = &throttle {
            throttle.pause(bytes).await;
        }
    }
    run(&session, &format!("ANALYZE {}", words.new)).await?;
    filled.seconds += started.elapsed().as_secs_f64();
    Ok(())
}

fn failed(words: &Words<'_>) -> impl FnOnce(tokio_postgres::Error) -> Error {
    let attempt = format!("filling the new table of {}", words.unit.display());
    move |e| {
        let error = Error::new(Side::Target, attempt).because(e);
        error.remedy("mend it and run the same command again; or take all of it back: pgv2rs-copy in-place --undo")
    }
}

/// The old table's file.
struct Now {
    file: u32,
    blocks: i64,
}

async fn now(session: &Session, words: &Words<'_>) -> Result<Now> {
    let sql = "SELECT pg_catalog.pg_relation_filenode($1::pg_catalog.oid), pg_catalog.pg_relation_size($1::pg_catalog.oid) / pg_catalog.current_setting('block_size')::int8";
    let row = session.query_one(sql, &[&words.unit.root]).await;
    let row = row.map_err(failed(words))?;
    let gone = || {
        Error::new(
            Side::Target,
            format!("filling the new table of {}", words.unit.display()),
        )
        .because("the old one was dropped meanwhile")
    };
    Ok(Now {
        file: row.get::<_, Option<u32>>(0).ok_or_else(gone)?,
        blocks: row.get::<_, Option<i64>>(1).ok_or_else(gone)?,
    })
}

/// It has no index of PGVecto.rs yet, so rolling back harms nothing. That the old table was emptied is then no news any more.
async fn anew(session: &Session, words: &Words<'_>, id: i64, again: bool) -> Result<Place> {
    if again {
        tracing::warn!(
            "{}: it has another file than when the fill began (VACUUM FULL, CLUSTER, TRUNCATE): the fill begins anew",
            words.unit.display()
        );
    }
    let lock = format!("BEGIN; LOCK TABLE {} IN ACCESS SHARE MODE", words.old);
    run(session, &lock).await?;
    let done = async {
        run(session, &format!("TRUNCATE {}", words.new)).await?;
        let nothing = format!(
            "DELETE FROM {} l WHERE ROW({}) IS NULL",
            words.notes,
            words.keys("l.")
        );
        run(session, &nothing).await?;
        let at = Place {
            blocks: Some(0),
            file: Some(now(session, words).await?.file),
        };
        place(session, id, at).await.map(|()| at)
    }
    .await;
    let ended = run(session, if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    let at = done?;
    ended?;
    Ok(at)
}

/// In a transaction that stays open. (rows, bytes)
async fn batch(
    session: &Session,
    words: &Words<'_>,
    (from, end): (i64, i64),
    sized: bool,
) -> Result<(u64, usize)> {
    let size = match sized {
        true => "pg_catalog.pg_column_size(s.*)",
        false => "0",
    };
    let sql = format!(
        "WITH done AS (INSERT INTO {} AS s ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ONLY {} o WHERE o.ctid >= '({from},0)' AND o.ctid < '({end},0)' \
         AND NOT EXISTS (SELECT FROM {} l WHERE {}) RETURNING {size} AS size) \
         SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(size), 0)::int8 FROM done",
        words.new,
        words.columns,
        words.values,
        words.old,
        words.notes,
        words.same("l", "o")
    );
    run(session, "BEGIN").await?;
    let row = session.query_of_table(&sql).await.map_err(failed(words))?;
    let (rows, bytes): (i64, i64) = (row.get(0), row.get(1));
    Ok((rows.unsigned_abs(), usize::try_from(bytes).unwrap_or(0)))
}
