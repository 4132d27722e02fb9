//! In: rehearsed steps. Out: the schema on the target. Each step after the data is one transaction with
//! the ledger's line for it: all of it, or nothing.

use futures::future::poll_immediate;
use tokio_postgres::Client;

use super::{Phase, Schema, Step};
use crate::connect::Session;
use crate::error::{Error, Result, Side};

/// Of a transaction in which steps are done one behind the other.
pub(super) const SAVEPOINT: &str = "pgv2rs_step";

/// So many steps are sent together: a target far away takes as long to answer as to do many of them.
pub(super) const TOGETHER: usize = 100;

/// Applies the schema before the data, in the caller's transaction.
pub async fn before_data(client: &Session, schema: &Schema) -> Result<()> {
    let failed = |e: tokio_postgres::Error| {
        Error::new(Side::Target, "creating the schema before the data").because(e)
    };
    let savepoint = |verb: &str| format!("{verb} {SAVEPOINT}");
    let begun = client.batch_execute(&savepoint("SAVEPOINT")).await;
    begun.map_err(failed)?;
    let steps: Vec<&Step> = schema.of(Phase::BeforeData).collect();
    for steps in steps.chunks(TOGETHER) {
        steps.iter().for_each(|step| say(step));
        if !together(client, steps).await.map_err(failed)? {
            for step in steps {
                run_step(client, step).await?;
            }
        }
    }
    let released = client.batch_execute(&savepoint("RELEASE")).await;
    released.map_err(failed)
}

/// Does steps, sent together, behind the savepoint, which then stands after them. False where the server refuses one of them, or says that it
/// did not grant what one grants: then none of them is done, and which one it is shows who does them one by one.
pub(super) async fn together(
    client: &Session,
    steps: &[&Step],
) -> std::result::Result<bool, tokio_postgres::Error> {
    let ungranted = client.ungranted();
    let script: Vec<String> = steps.iter().flat_map(|step| step.script()).collect();
    let tried = in_turn(client, &script).await;
    let done = tried.is_ok() && client.ungranted() == ungranted;
    let moved = match done {
        true => format!("RELEASE {SAVEPOINT}; SAVEPOINT {SAVEPOINT}"),
        false => format!("ROLLBACK TO {SAVEPOINT}"),
    };
    let moved = client.batch_execute(&moved).await;
    match tried {
        // The reason, where the session is lost.
        Err(error) if moved.is_err() => Err(error),
        _ => moved.map(|()| done),
    }
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
            in_turn(client, &script).await
        }
    };
    done.map_err(|e| Error::new(Side::Target, format!("creating {}", step.object)).because(e))
}

/// Sends each statement before the one before it is answered; the server does them in this order. Out: the first refusal. What comes after it
/// is done as well, so this is for transactions, in which nothing is.
async fn in_turn(
    client: &Client,
    statements: &[String],
) -> std::result::Result<(), tokio_postgres::Error> {
    let mut answers = Vec::new();
    for statement in statements {
        let mut answer = Box::pin(client.batch_execute(statement));
        // The first poll is what sends it.
        match poll_immediate(&mut answer).await {
            Some(answered) => answered?,
            None => answers.push(answer),
        }
    }
    let mut all = Ok(());
    for answer in answers {
        let answered = answer.await;
        all = all.and(answered);
    }
    all
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
            let attempt = format!("creating {}", step.object);
            return Err(Error::new(Side::Target, attempt).because(error));
        }
    }
    Ok(())
}
