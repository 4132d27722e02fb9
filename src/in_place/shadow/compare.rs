//! In: a new table that is filled. Out: how many rows were compared, each with its row of the old one by the casts back, and that it has none besides. What is noted as
//! changed is left out: it is compared when it is taken over.

use super::super::compare::Pieces;
use super::words::Words;
use crate::connect::Session;
use crate::error::Result;

const REMEDY: &str = "nothing was swapped; where ALTER TABLE has rewritten the old table meanwhile, no trigger fired for that: pgv2rs-copy in-place --undo, and begin again";

pub(super) async fn compare(session: &Session, words: &Words<'_>) -> Result<u64> {
    let attempt = format!("comparing the new table of {}", words.unit.display());
    let noted = |row: &str| {
        format!(
            "NOT EXISTS (SELECT FROM {} l WHERE {})",
            words.notes,
            words.same("l", row)
        )
    };
    let there = Pieces {
        attempt: attempt.clone(),
        table: words.old.clone(),
        row: "o",
        from: format!(
            "ONLY {} o LEFT JOIN {} s ON {} WHERE {}",
            words.old,
            words.new,
            words.same("s", "o"),
            noted("o")
        ),
        wrong: &words.differs,
        how: "are not what they are in the old table",
        remedy: REMEDY,
    };
    let rows = there.compared(session).await?;
    let besides = Pieces {
        attempt,
        table: words.new.clone(),
        row: "s",
        from: format!(
            "ONLY {} s WHERE NOT EXISTS (SELECT FROM ONLY {} o WHERE {}) AND {}",
            words.new,
            words.old,
            words.same("o", "s"),
            noted("s")
        ),
        wrong: "true",
        how: "of the new table are not in the old one",
        remedy: REMEDY,
    };
    besides.compared(session).await?;
    Ok(rows)
}
