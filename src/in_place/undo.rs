//! In: a unit whose columns were not swapped yet. Out: its table as it was, with the indexes that were dropped for the fill.

use super::Work;
use super::build::{self, Under};
use super::guard::{is_there, let_go, strays};
use super::lock::locked;
use super::shadow;
use super::statement::run;
use super::unit::Unit;
use crate::connect::Session;
use crate::connect::quote;
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, State};

pub(super) async fn undo(work: &Work<'_>, line: &Line) -> Result<()> {
    let unit = &line.unit;
    if matches!(line.state, State::Swapped | State::Altered | State::Done) {
        return Err(Error::new(
            Side::Plan,
            format!("undoing the change of {}", unit.display()),
        )
        .because("its columns are of the new type already")
        .remedy("run the same command without --undo: it ends what follows"));
    }
    let session = work.connect().await?;
    if !is_there(&session, unit).await? {
        return gone(work, &session, line).await;
    }
    if unit.shadow.is_some() {
        shadow::undo(work, &session, line).await?;
        tracing::info!("{} is as it was", unit.display());
        return Ok(());
    }
    if line.state != State::Undoing {
        let body = async || {
            let members = unit.members(&session).await?;
            strays(&session, unit, &members).await?;
            for member in members {
                let trigger = quote(&unit.trigger);
                let table = member.quoted();
                // That of a partition goes with its whole.
                if member.oid == unit.root || !member.is_partition {
                    run(
                        &session,
                        &format!("DROP TRIGGER IF EXISTS {trigger} ON {table}"),
                    )
                    .await?;
                }
            }
            run(
                &session,
                &format!("DROP FUNCTION IF EXISTS {}()", unit.function()),
            )
            .await?;
            // Their checks and indexes go with them.
            let drop: Vec<String> = unit
                .columns
                .iter()
                .map(|c| format!("DROP COLUMN IF EXISTS {}", quote(&c.new)))
                .collect();
            run(
                &session,
                &format!("ALTER TABLE {} {}", unit.quoted(), drop.join(", ")),
            )
            .await?;
            crate::ledger::in_place::moved(&session, line.id, State::Undoing).await
        };
        locked(work, &session, unit, "undoing the change of", body).await?;
    }
    crate::fail::point("undoing");
    if line.drops {
        let members = unit.members(&session).await?;
        let away = unit
            .indexes
            .iter()
            .filter(|i| i.of_pgvector && !members.iter().any(|m| m.oid == i.table));
        for index in away {
            tracing::warn!(
                "{} is of a table that has left the tree, and is not made again: {}",
                index.display(),
                index.before
            );
        }
        build::build(work, &session, unit, Under::Before).await?;
    }
    crate::ledger::in_place::forget(&session, line.id).await?;
    tracing::info!("{} is as it was", unit.display());
    Ok(())
}

/// Of a table that was dropped nothing is left but the function, the line, and a new table.
pub(super) async fn gone(work: &Work<'_>, session: &Session, line: &Line) -> Result<()> {
    let unit: &Unit = &line.unit;
    let_go(work.options, session, unit).await?;
    run(
        session,
        &format!("DROP FUNCTION IF EXISTS {}()", unit.function()),
    )
    .await?;
    if unit.shadow.is_some() {
        shadow::away(session, unit).await?;
    }
    crate::ledger::in_place::forget(session, line.id).await?;
    tracing::warn!(
        "{} was dropped meanwhile: there is nothing to change any more",
        unit.display()
    );
    Ok(())
}
