//! In: a target that holds all rows. Out: sequences with the source's values, and fresh
//! statistics. What the target refuses is noted; the rest goes on.

use std::sync::Mutex;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::{AfterData, Failed, Notes, connect};
use crate::catalog::Relation;
use crate::connect::{Endpoint, literal};
use crate::error::{Error, Result, Side};

/// So many sequences are under way: a server far away takes as long to answer as to read and set many of them.
const AT_A_TIME: usize = 100;

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
    let each = stream::iter(sequences).map(|sequence| one_sequence(&source, target, sequence));
    let mut moved = 0;
    let mut done = each.buffered(AT_A_TIME);
    while let Some(done) = done.next().await {
        match done? {
            None => moved += 1,
            Some((object, error, by_hand)) => after.refused(&object, &error, by_hand),
        }
    }
    Ok(moved)
}

/// Out: nothing, or of what is refused its object, the reason, and what to do by hand. A lost target ends the run.
async fn one_sequence(
    source: &Client,
    target: &Client,
    sequence: &Relation,
) -> Result<Option<(String, Error, Vec<String>)>> {
    let (name, display) = (sequence.quoted(), sequence.display());
    let object = format!("SEQUENCE {display}");
    let read = format!("SELECT last_value, is_called FROM {name}");
    let row = match source.query_typed_one(&read, &[]).await {
        Ok(row) => row,
        Err(e) => {
            let attempt = format!("reading sequence {display}");
            let error = Error::new(Side::Source, attempt).because(e);
            return Ok(Some((object, error, Vec::new())));
        }
    };
    let (value, called): (i64, bool) = (row.get(0), row.get(1));
    let set = "SELECT pg_catalog.setval($1::text::pg_catalog.regclass, $2, $3)";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&name, Type::TEXT),
        (&value, Type::INT8),
        (&called, Type::BOOL),
    ];
    let Err(e) = target.query_typed_one(set, &parameters).await else {
        return Ok(None);
    };
    let answered = e.as_db_error().is_some();
    let error = Error::new(Side::Target, format!("setting sequence {display}")).because(e);
    if !answered {
        return Err(error);
    }
    let by_hand = format!(
        "SELECT pg_catalog.setval({}, {value}, {called})",
        literal(&name)
    );
    Ok(Some((object, error, vec![by_hand])))
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
