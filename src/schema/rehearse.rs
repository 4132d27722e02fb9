//! In: the translated schema. Out: findings for the statements that the target refuses. All is done in one transaction, a
//! savepoint a step, in the order in which it will run, and rolled back. Vector indexes are left out: a rollback leaves their directories behind.

use tokio_postgres::Client;

use super::{Phase, Schema};
use crate::catalog::class;
use crate::error::{Error, Result, Side, server_message};
use crate::plan::{Finding, Severity};

const SAVEPOINT: &str = "SAVEPOINT pgv2rs_step";

/// A step that the target refuses.
pub struct Refused {
    pub finding: Finding,
    /// The table that it would have made.
    pub relation: Option<u32>,
}

/// Tries every step; those that fail become findings and leave the schema.
pub async fn rehearse(client: &Client, schema: &mut Schema) -> Result<Vec<Refused>> {
    let attempt =
        |e: tokio_postgres::Error| Error::new(Side::Target, "rehearsing the schema").because(e);
    client.batch_execute("BEGIN").await.map_err(attempt)?;
    let mut findings = Vec::new();
    let mut passed = Vec::new();
    for step in std::mem::take(&mut schema.steps) {
        if step.vector || step.phase == Phase::Refresh {
            passed.push(step);
            continue;
        }
        let sql = format!(
            "{SAVEPOINT};\n{};\nRELEASE {SAVEPOINT}",
            step.script().join(";\n")
        );
        let Err(error) = client.batch_execute(&sql).await else {
            passed.push(step);
            continue;
        };
        if error.as_db_error().is_none() {
            return Err(attempt(error));
        }
        client
            .batch_execute(&format!("ROLLBACK TO {SAVEPOINT}; RELEASE {SAVEPOINT}"))
            .await
            .map_err(attempt)?;
        let finding =
            Finding::new(Severity::Decision, &step.object, format!("the target refuses it: {}", server_message(&error)))
                .remedy("mend what the message names on the target, or let --allow-findings leave the object out");
        let relation = step
            .id
            .filter(|id| id.class == class::RELATION)
            .map(|id| id.oid);
        findings.push(Refused { finding, relation });
    }
    client.batch_execute("ROLLBACK").await.map_err(attempt)?;
    schema.steps = passed;
    Ok(findings)
}
