//! In: rehearsed steps. Out: the schema on the target. Each step after the data is one transaction with
//! the ledger's line for it: all of it, or nothing.

use tokio_postgres::Client;

use super::{Phase, Schema, Step};
use crate::error::{Error, Result, Side};

/// Applies the schema before the data, in the caller's transaction.
pub async fn before_data(client: &Client, schema: &Schema) -> Result<()> {
    for step in schema.of(Phase::BeforeData) {
        run_step(client, step).await?;
    }
    Ok(())
}

/// Runs one step and the statement that notes it: all, or nothing. A vector index must not be made in a transaction that may be rolled
/// back from here: its statements are one message, which the server does without another word of ours.
pub async fn run_whole(client: &Client, step: &Step, note: &str) -> Result<()> {
    let failed = |e: tokio_postgres::Error| {
        Error::new(Side::Target, format!("creating {}", step.object)).because(e)
    };
    if step.vector {
        let mut script = step.script();
        script.push(note.into());
        let script = script.join(";\n");
        tracing::debug!(object = %step.object, "{script}");
        let done = client.batch_execute(&script).await;
        return done.map_err(failed);
    }
    client.batch_execute("BEGIN").await.map_err(failed)?;
    let done = match run_step(client, step).await {
        Ok(()) => client.batch_execute(note).await.map_err(failed),
        failed => failed,
    };
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await.map_err(failed);
    done.and(ended)
}

/// Runs one step, statement by statement.
pub async fn run_step(client: &Client, step: &Step) -> Result<()> {
    for statement in &step.script() {
        match step.secret {
            true => tracing::debug!(object = %step.object, "its statement is not shown"),
            false => tracing::debug!(object = %step.object, "{statement}"),
        }
        if let Err(error) = client.batch_execute(statement).await {
            // What the step has set is not for those after it. In a transaction this fails as all else does, and is undone.
            let back = step.around.iter().map(|a| a.back.as_ref());
            let back: Vec<&str> = ["RESET ROLE"].into_iter().chain(back).collect();
            let _ = client.batch_execute(&back.join("; ")).await;
            let attempt = format!("creating {}", step.object);
            return Err(Error::new(Side::Target, attempt).because(error));
        }
    }
    Ok(())
}
