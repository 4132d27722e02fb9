//! In: a target that holds all rows. Out: sequences with the source's values, and fresh
//! statistics. What the target refuses is noted; the rest goes on.

use std::sync::Mutex;

use futures::future::try_join_all;
use tokio_postgres::Client;

use super::{AfterData, Failed, Notes, connect};
use crate::catalog::Relation;
use crate::connect::Endpoint;
use crate::error::{Error, Result, Side};

/// Sequences do not live in a snapshot: their values are read now, after the rows, so that none is behind a copied row.
/// Returns how many were set.
pub async fn sequences(
    source: &Endpoint,
    target: &Client,
    sequences: &[&Relation],
    after: &mut AfterData,
) -> Result<usize> {
    if sequences.is_empty() {
        return Ok(0);
    }
    let source = match source.connect().await {
        Ok(session) => session,
        Err(error) => {
            after.refused("all sequences", &error, Vec::new());
            return Ok(0);
        }
    };
    // Someone's ALTER must not make the end of a run wait for hours.
    let on = Error::on(Side::Source, "reading the sequences");
    source
        .batch_execute("SET lock_timeout = '10s'")
        .await
        .map_err(on)?;
    let mut moved = 0;
    for sequence in sequences {
        let name = sequence.quoted();
        let read = format!("SELECT last_value, is_called FROM {name}");
        let attempt = format!("reading sequence {}", sequence.display());
        let row = match source.query_one(&read, &[]).await {
            Ok(row) => row,
            Err(e) => {
                let error = Error::new(Side::Source, attempt).because(e);
                after.refused(
                    &format!("SEQUENCE {}", sequence.display()),
                    &error,
                    Vec::new(),
                );
                continue;
            }
        };
        let (value, called): (i64, bool) = (row.get(0), row.get(1));
        let set = "SELECT pg_catalog.setval($1::text::pg_catalog.regclass, $2, $3)";
        let done = target.query_one(set, &[&name, &value, &called]).await;
        let attempt = format!("setting sequence {}", sequence.display());
        let by_hand = format!(
            "SELECT pg_catalog.setval({}, {value}, {called})",
            crate::connect::literal(&name)
        );
        match done {
            Ok(_) => moved += 1,
            Err(e) => refused(
                after,
                &format!("SEQUENCE {}", sequence.display()),
                attempt,
                e,
                by_hand,
            )?,
        }
    }
    Ok(moved)
}

/// Statistics make queries fast, not right: a refusal is said, and fails nothing. `relations` are quoted names; `jobs` are analyzed at a time,
/// and look for what has no schema in the source's search_path.
pub async fn analyze(
    target: &Endpoint,
    notes: &Notes<'_>,
    search_path: &str,
    relations: &[String],
    jobs: usize,
    after: &mut AfterData,
) -> Result<()> {
    let queue = Mutex::new(relations.iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let worker = async |at| {
        let session = match connect(target, notes).await {
            // The others do its share.
            Err(_) if at > 0 => return Ok(Vec::new()),
            session => session?,
        };
        session.look_in(search_path).await?;
        let mut refused = Vec::new();
        while let Some(name) = next() {
            let sql = format!("ANALYZE {name}");
            let Err(e) = session.batch_execute(&sql).await else {
                continue;
            };
            let error = Error::new(Side::Target, format!("analyzing {name}")).because(e);
            if error.sqlstate().is_none() {
                return Err(error);
            }
            tracing::warn!("{}", error.chain());
            refused.push(Failed {
                object: sql.clone(),
                reason: error.server_says(),
                ddl: vec![sql],
            });
        }
        Ok(refused)
    };
    let workers = (0..jobs.min(relations.len())).map(worker);
    let refused = try_join_all(workers).await?;
    after.optional.extend(refused.into_iter().flatten());
    Ok(())
}

/// Notes what the server refused; a lost connection ends the run.
fn refused(
    after: &mut AfterData,
    object: &str,
    attempt: String,
    error: tokio_postgres::Error,
    by_hand: String,
) -> Result<()> {
    let answered = error.as_db_error().is_some();
    let error = Error::new(Side::Target, attempt).because(error);
    if !answered {
        return Err(error);
    }
    after.refused(object, &error, vec![by_hand]);
    Ok(())
}
