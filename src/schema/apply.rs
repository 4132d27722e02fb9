//! In: rehearsed steps. Out: the schema on the target. What comes before the data is one transaction: all of it, or nothing.

use tokio_postgres::Client;

use super::{Phase, Schema, Step};
use crate::error::{Error, Result, Side};

/// Applies the schema before the data.
pub async fn apply(client: &Client, schema: &Schema) -> Result<()> {
    let attempt =
        |e: tokio_postgres::Error| Error::new(Side::Target, "applying the schema").because(e);
    client.batch_execute("BEGIN").await.map_err(attempt)?;
    for step in schema.of(Phase::BeforeData) {
        run_step(client, step).await?;
    }
    client.batch_execute("COMMIT").await.map_err(attempt)
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
            let back = step.around.iter().map(|a| a.back);
            let back: Vec<&str> = ["RESET ROLE"].into_iter().chain(back).collect();
            let _ = client.batch_execute(&back.join("; ")).await;
            let attempt = format!("creating {}", step.object);
            return Err(Error::new(Side::Target, attempt).because(error));
        }
    }
    Ok(())
}
