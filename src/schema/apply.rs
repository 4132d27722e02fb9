//! In: rehearsed steps. Out: the schema on the target. Each step after the data is one transaction with
//! the ledger's line for it: all of it, or nothing.

use futures::future::poll_immediate;
use tokio_postgres::Client;

use super::{Phase, Schema, Step};
use crate::error::{Error, Result, Side};

/// So many steps are sent together: a target far away takes as long to answer as to do many of them.
pub(super) const TOGETHER: usize = 100;

/// Applies the schema before the data, in the caller's transaction.
pub async fn before_data(client: &Client, schema: &Schema) -> Result<()> {
    let steps: Vec<&Step> = schema.of(Phase::BeforeData).collect();
    for steps in steps.chunks(TOGETHER) {
        steps.iter().for_each(|step| say(step));
        let script = steps
            .iter()
            .flat_map(|step| step.script().into_iter().map(|s| (&step.object, s)));
        let (objects, script): (Vec<&String>, Vec<String>) = script.unzip();
        let done = in_turn(client, &script).await;
        done.map_err(|(at, error)| creating(objects[at], error))?;
    }
    Ok(())
}

fn creating(object: &str, error: tokio_postgres::Error) -> Error {
    Error::new(Side::Target, format!("creating {object}")).because(error)
}

/// Runs one step and the statement that notes it: all, or nothing. A vector index must not be made in a transaction that may be rolled
/// back from here: its statements are one message, which the server does without another word of ours.
pub async fn run_whole(client: &Client, step: &Step, note: &str) -> Result<()> {
    say(step);
    let mut script = step.script();
    script.push(note.into());
    let done = match step.vector {
        true => client.batch_execute(&script.join(";\n")).await,
        false => {
            script.insert(0, "BEGIN".into());
            // After a refusal this is a rollback.
            script.push("COMMIT".into());
            in_turn(client, &script).await.map_err(|(_, error)| error)
        }
    };
    done.map_err(|error| creating(&step.object, error))
}

/// Sends each statement before the one before it is answered; the server does them in this order, also when nobody waits for them any more.
/// Out: which was refused first, and why. What comes after it is sent as well, so this is for transactions, in which it is not done.
pub(super) async fn in_turn(
    client: &Client,
    statements: &[String],
) -> std::result::Result<(), (usize, tokio_postgres::Error)> {
    let (mut answers, mut refused) = (Vec::new(), None);
    for (at, statement) in statements.iter().enumerate() {
        let mut answer = Box::pin(client.batch_execute(statement));
        // The first poll is what sends it; the answer may be there already.
        match poll_immediate(&mut answer).await {
            None => answers.push((at, answer)),
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let sent = error.as_db_error().is_some();
                refused.get_or_insert((at, error));
                // Nothing may be done without what could not be sent.
                if !sent {
                    break;
                }
            }
        }
    }
    for (at, answer) in answers {
        if let Err(error) = answer.await
            && refused.as_ref().is_none_or(|(first, _)| at < *first)
        {
            refused = Some((at, error));
        }
    }
    refused.map_or(Ok(()), Err)
}

fn say(step: &Step) {
    tracing::debug!(object = %step.object, "{}", step.shown_script().join(";\n"));
}

/// Runs one step, statement by statement.
pub async fn run_step(client: &Client, step: &Step) -> Result<()> {
    say(step);
    for statement in &step.script() {
        if let Err(error) = client.batch_execute(statement).await {
            // What the step has set is not for those after it. In a transaction this fails as all else does, and is undone.
            let back = step.around.iter().map(|a| a.back.as_ref());
            let back: Vec<&str> = ["RESET ROLE"].into_iter().chain(back).collect();
            let _ = client.batch_execute(&back.join("; ")).await;
            return Err(creating(&step.object, error));
        }
    }
    Ok(())
}
