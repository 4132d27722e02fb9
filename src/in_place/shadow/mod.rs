//! In: a unit with a primary key, and where the ledger says that it stands. Out: its columns in their new type, in a new table that has taken the old one's
//! place and name. The old table is only read: rows are copied in short transactions, a trigger notes the keys of those that change, and what is noted is
//! taken over again as it is then. So no write of others ever touches the new table or its indexes.
//!
//! Why that loses nothing: a change and the note of its key commit together, and so do the taking over of a key and the end of its note. In any one snapshot
//! a key without a note is in both tables as it is, or was never copied because it had one. The fill leaves out noted keys; `notes` takes all that are visible
//! over at once, in one snapshot; `compare` leaves out what is noted; and the swap goes on only when nothing is.

mod begin;
mod carry;
mod compare;
mod fill;
mod notes;
pub(super) mod planned;
mod stamps;
mod swap;
mod undo;
mod words;

use std::time::{Duration, Instant};

use super::build::searched;
use super::fill::Filled;
use super::report::Changed;
use super::snapshots::{looking, older_snapshots};
use super::statement::run;
use super::unit::{Part, Shadow, Unit};
use super::{Work, on};
use crate::after_data::{Built, probe};
use crate::cli::Method;
use crate::connect::{Session, literal};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::Line;
use words::Words;

pub(super) use swap::validate;
pub(super) use undo::{away, undo};

/// So often the table may be emptied or rewritten between a comparison and its swap.
const COMPARED_AGAIN: u32 = 5;

/// What is left of the notes when it is taken over in less than this.
const CAUGHT_UP: Duration = Duration::from_millis(100);

pub(super) async fn change(work: &Work<'_>, unit: &Unit, line: Option<Line>) -> Result<Changed> {
    let session = work.connect().await?;
    let line = match line {
        Some(line) => line,
        None => begin::begin(work, &session, unit).await?,
    };
    // With what the beginning has written down.
    let unit = &line.unit;
    crate::fail::point("kept");
    let mut changed = Changed::of(unit, Method::Shadow);
    let shadow = shadow(unit)?;
    let words = Words::new(unit, shadow, &work.casts)?;
    let mut filled = Filled::default();
    tracing::info!("{}: filling the new table", unit.display());
    fill::fill(work, &words, &line, &mut filled).await?;
    crate::fail::point("filled");
    let own = work.connect().await?;
    notes::prepare(&own).await?;
    // Keys that are noted may stand for several states until all of them are taken over: only then other keys hold, and the primary key finds them.
    let (first, others) = shadow.parts.split_at(1);
    let mut built = parts(&session, unit, first).await?;
    let mut taken = notes::take_over(&own, &words).await?;
    crate::fail::point("taken-over");
    built.extend(parts(&session, unit, others).await?);
    taken.merge(caught_up(work, &own, &words).await?);
    let vector = shadow.parts.iter().filter(|p| p.vector);
    let named = vector.map(|p| (unit.schema.as_str(), p.temporary.as_str(), p.display()));
    let weak = searched(&session, named).await?;
    for _ in 0..COMPARED_AGAIN {
        tracing::info!("{}: comparing every row", unit.display());
        stamps::sound(&session, &words).await?;
        let file = stamps::file(&session, unit).await?;
        changed.verified_rows = compare::compare(&own, &words).await?;
        work.ledger
            .in_place_verified(line.id, changed.verified_rows)
            .await?;
        crate::fail::point("compared");
        older_snapshots(work, &session, unit, &looking(&session).await?).await?;
        let swapped = swap::swap(work, (&session, &own), &words, &line, &file).await?;
        let Some((held, last)) = swapped else {
            tracing::warn!(
                "{}: it was emptied or rewritten since its rows were compared: looked through again",
                unit.display()
            );
            continue;
        };
        crate::fail::point("swapped");
        taken.merge(last);
        changed.applied_rows = Some(taken.rows);
        changed.filled = Some(filled);
        changed.indexes = built;
        changed.weak_indexes = weak;
        changed.swap_seconds = held.seconds;
        changed.swap_tries = held.tries;
        return Ok(changed);
    }
    Err(
        Error::new(Side::Target, format!("swapping {}", unit.display()))
            .because("it is emptied or rewritten again and again")
            .remedy("let it be, and run the same command again"),
    )
}

fn shadow(unit: &Unit) -> Result<&Shadow> {
    unit.shadow.as_ref().ok_or_else(|| {
        Error::new(Side::Internal, format!("changing {}", unit.display()))
            .because("its line in the ledger knows no new table")
    })
}

/// Takes over what is noted until little is left.
async fn caught_up(work: &Work<'_>, own: &Session, words: &Words<'_>) -> Result<notes::Taken> {
    let since = Instant::now();
    let mut taken = notes::Taken::default();
    loop {
        notes::vacuum(own, words).await?;
        let began = Instant::now();
        taken.merge(notes::take_over(own, words).await?);
        if began.elapsed() < CAUGHT_UP {
            return Ok(taken);
        }
        if since.elapsed() >= work.options.retry_for {
            return Err(Error::new(
                Side::Target,
                format!("catching up with {}", words.unit.display()),
            )
            .because("its rows change faster than they are taken over")
            .remedy("run the same command again when less is written: it goes on from here"));
        }
    }
}

/// Keys and indexes that are not there yet. Nobody else uses the table, so nothing has to be built beside writers.
async fn parts(
    session: &Session,
    unit: &Unit,
    parts: impl IntoIterator<Item = &Part>,
) -> Result<Vec<Built>> {
    let mut built = Vec::new();
    for part in parts {
        let started = Instant::now();
        let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = $1 AND c.relname = $2)";
        let row = session
            .query_one(there, &[&unit.schema, &part.temporary])
            .await;
        if !row.map_err(on("looking for an index"))?.get::<_, bool>(0) {
            tracing::info!("building {}", part.display());
            if part.vector {
                probe::worker_answers(session).await?;
            }
            let space = literal(part.tablespace.as_deref().unwrap_or_default());
            run(session, &format!("SET default_tablespace = {space}")).await?;
            crate::fail::point("before-index");
            // In one message, and so in one transaction.
            let made = session.execute_on_table(&part.make.join("; ")).await;
            made.map_err(Error::on(
                Side::Target,
                format!("building {}", part.display()),
            ))?;
            crate::fail::point("after-index");
            run(session, "SET default_tablespace = ''").await?;
        }
        built.push(Built {
            index: part.display(),
            before: part.before.clone(),
            ddl: part.make.clone(),
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    Ok(built)
}
