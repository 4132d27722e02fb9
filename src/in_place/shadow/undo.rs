//! In: a unit that is not swapped yet. Out: its table as it was, without the new one, the notes and the triggers.

use super::super::Work;
use super::super::guard::is_there;
use super::super::lock::locked;
use super::super::statement::run;
use super::words;
use crate::connect::{Session, quote};
use crate::error::Result;
use crate::ledger::in_place::{Line, forget};

/// The new table, the notes and the triggers go; the old table is as it always was.
pub(in super::super) async fn undo(work: &Work<'_>, line: &Line) -> Result<()> {
    let unit = &line.unit;
    let session = work.connect().await?;
    if !is_there(&session, unit).await? {
        return gone(&session, line).await;
    }
    let body = async || {
        for name in [unit.trigger.clone(), words::emptied(unit)] {
            let drop = format!(
                "DROP TRIGGER IF EXISTS {} ON {}",
                quote(&name),
                unit.quoted()
            );
            run(&session, &drop).await?;
        }
        away(&session, line).await
    };
    locked(work, &session, unit, "undoing the change of", body).await?;
    tracing::info!("{} is as it was", unit.display());
    Ok(())
}

/// Of a table that was dropped meanwhile.
pub(in super::super) async fn gone(session: &Session, line: &Line) -> Result<()> {
    away(session, line).await?;
    tracing::warn!(
        "{} was dropped meanwhile: there is nothing to change any more",
        line.unit.display()
    );
    Ok(())
}

async fn away(session: &Session, line: &Line) -> Result<()> {
    let unit = &line.unit;
    run(
        session,
        &format!("DROP FUNCTION IF EXISTS {}()", unit.function()),
    )
    .await?;
    let new = words::new_table(unit, super::shadow(unit)?);
    for table in [new, words::notes(unit)] {
        run(session, &format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    forget(session, line.id).await
}
