//! In: a unit that is not swapped yet. Out: its table as it was, without the triggers, the new table and the notes.

use super::super::Work;
use super::super::lock::locked;
use super::super::statement::run;
use super::super::unit::Unit;
use super::words;
use crate::connect::{Session, quote};
use crate::error::Result;
use crate::ledger::in_place::{Line, forget};

pub(in super::super) async fn undo(work: &Work<'_>, session: &Session, line: &Line) -> Result<()> {
    let unit = &line.unit;
    let body = async || {
        for name in [unit.trigger.clone(), words::emptied(unit)] {
            let (trigger, table) = (quote(&name), unit.quoted());
            run(
                session,
                &format!("DROP TRIGGER IF EXISTS {trigger} ON {table}"),
            )
            .await?;
        }
        let function = unit.function();
        run(session, &format!("DROP FUNCTION IF EXISTS {function}()")).await?;
        away(session, unit).await?;
        forget(session, line.id).await
    };
    locked(work, session, unit, "undoing the change of", body).await?;
    Ok(())
}

/// Also where the old table was dropped.
pub(in super::super) async fn away(session: &Session, unit: &Unit) -> Result<()> {
    let new = words::new_table(unit, super::shadow(unit)?);
    for table in [new, words::notes(unit)] {
        run(session, &format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    Ok(())
}
