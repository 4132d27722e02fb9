//! In: a unit, and where the ledger says that it stands. Out: its columns in their new type, by new columns beside the old ones: added with a trigger
//! that keeps them in step, filled, indexed, compared, and put in the old ones' place in one short transaction. Until that, `undo` leaves
//! the table as it was.

use super::Work;
use super::build::{self, Under};
use super::compare::compare;
use super::facts::stand;
use super::fill::{Filled, fill};
use super::guard::{as_planned, facts_of};
use super::lock::locked;
use super::not_null::not_null;
use super::report::Changed;
use super::snapshots::{looking, older_snapshots};
use super::statement::run;
use super::swap::swap;
use super::trigger::{keep, new_children, sound_stamp};
use super::unit::Unit;
use crate::cli::Method;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::Line;

/// So often a trigger may have been touched between a comparison and its swap.
const COMPARED_AGAIN: u32 = 5;

pub(super) async fn change(work: &Work<'_>, unit: &Unit, line: Option<Line>) -> Result<Changed> {
    let session = work.connect().await?;
    let line = match line {
        Some(line) => line,
        None => begin(work, &session, unit).await?,
    };
    crate::fail::point("kept");
    let mut changed = Changed::of(unit, Method::AddColumn);
    if work.options.drop_old_index && !line.drops {
        work.ledger.in_place_drops(line.id).await?;
    }
    if work.options.drop_old_index || line.drops {
        drop_old_indexes(work, &session, unit).await?;
    }
    crate::fail::point("old-index-dropped");
    let mut filled = Filled::default();
    for _ in 0..COMPARED_AGAIN {
        new_children(work, &session, unit).await?;
        tracing::info!("{}: filling the new columns", unit.display());
        fill(work, unit, &mut filled).await?;
        crate::fail::point("filled");
        let looked = looking(&session).await?;
        let built = build::build(work, &session, unit, Under::Temporary).await?;
        let weak = build::probed(&session, unit, Under::Temporary).await?;
        not_null(work, &session, unit).await?;
        crate::fail::point("not-null");
        tracing::info!("{}: comparing every row", unit.display());
        let stamp = sound_stamp(&session, unit).await?;
        changed.verified_rows = compare(&session, unit, &work.casts).await?;
        work.ledger
            .in_place_verified(line.id, changed.verified_rows)
            .await?;
        crate::fail::point("compared");
        older_snapshots(work, &session, unit, &looked).await?;
        if let Some(held) = swap(work, &session, unit, &line, &stamp).await? {
            changed.filled = Some(filled);
            changed.indexes = built;
            changed.weak_indexes = weak;
            changed.swap_seconds = held.seconds;
            changed.swap_tries = held.tries;
            crate::fail::point("swapped");
            return Ok(changed);
        }
        tracing::warn!(
            "{}: its trigger, its columns or its partitions have changed since the rows were compared: looked through again",
            unit.display()
        );
    }
    Err(Error::new(
        Side::Target,
        format!("swapping the columns of {}", unit.display()),
    )
    .because("its trigger, columns or partitions change again and again")
    .remedy("let them be, and run the same command again"))
}

/// The new columns, all that stands on the old ones, and the trigger, with the line in the ledger.
async fn begin(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<Line> {
    work.ledger.in_place_tables().await?;
    tracing::info!(
        "{}: adding the new columns and their trigger",
        unit.display()
    );
    let body = async || {
        let members = unit.members(session).await?;
        let add: Vec<String> = unit
            .columns
            .iter()
            .map(|c| format!("ADD COLUMN {} {}", quote(&c.new), c.change.target_sql()))
            .collect();
        run(
            session,
            &format!("ALTER TABLE {} {}", unit.quoted(), add.join(", ")),
        )
        .await?;
        as_planned(session, unit, &members, &work.casts).await?;
        for fact in facts_of(unit, &members) {
            stand(session, unit, fact).await?;
        }
        keep(work, session, unit, &members).await?;
        let line = crate::ledger::in_place::begin(session, Method::AddColumn, unit).await?;
        crate::fail::point("adding");
        Ok(line)
    };
    let (line, _) = locked(work, session, unit, "adding columns to", body).await?;
    Ok(line)
}

/// Indexes of pgvector would take every row of the fill in once more.
async fn drop_old_indexes(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<()> {
    // What is a part of another goes with it.
    for index in unit
        .indexes
        .iter()
        .filter(|i| i.of_pgvector && i.parent.is_none())
    {
        build::drop_known(work, session, unit, index).await?;
    }
    Ok(())
}
