//! In: the target, and the tables that were copied. Out: the digest of what it holds of each, read back in slices by as many connections as
//! copied it. Its slices are cut by the target's own blocks: they are not those of the copy.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codec::digest::Digest;
use tokio::task::JoinSet;

use crate::connect::Session;
use crate::copy::Job;
use crate::copy::convert::reread;
use crate::copy::read::Reader;
use crate::copy::slice::{self, Range};
use crate::error::{Error, Result, Side};
use crate::ledger;
use crate::plan::TablePlan;

/// Rows read back, in any order.
#[derive(Clone, Copy, Default)]
pub(super) struct Back {
    pub rows: u64,
    pub digest: Digest,
}

/// By the tables' OIDs on the source.
pub(super) async fn all(
    job: &Arc<Job>,
    tables: &[TablePlan],
    jobs: usize,
) -> Result<HashMap<u32, Back>> {
    let session = connect(job).await?;
    let sizes = slice::sizes(&session, Side::Target, tables).await?;
    let cut = tables.iter().zip(sizes).map(|(table, size)| {
        let bytes = size.map_or(0, |size| size.bytes);
        (bytes, table.oid, slice::cut(size.ok(), jobs, &[]))
    });
    let mut slices: Vec<(i64, u32, Vec<Range>)> = cut.collect();
    // The largest first, as they were copied.
    slices.sort_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
    let queue: VecDeque<(u32, Range)> = slices
        .into_iter()
        .flat_map(|(_, oid, ranges)| ranges.into_iter().map(move |range| (oid, range)))
        .collect();
    let workers = jobs.min(queue.len());
    let queue = Arc::new(Mutex::new(queue));
    let mut running = JoinSet::new();
    let mut idle = Some(session);
    for _ in 0..workers {
        running.spawn(worker(job.clone(), queue.clone(), idle.take()));
    }
    let mut all: HashMap<u32, Back> = HashMap::new();
    while let Some(ended) = running.join_next().await {
        let ended = ended.map_err(Error::on(Side::Internal, "waiting for the reading back"))?;
        for (oid, part) in ended? {
            let back = all.entry(oid).or_default();
            back.rows += part.rows;
            back.digest.merge(part.digest);
        }
    }
    Ok(all)
}

/// It waits no longer for somebody's lock than for rows.
pub(super) async fn connect(job: &Job) -> Result<Session> {
    let session = job.target.connect().await?;
    ledger::no_longer_than(&session, job.stall_timeout).await?;
    Ok(session)
}

async fn worker(
    job: Arc<Job>,
    queue: Arc<Mutex<VecDeque<(u32, Range)>>>,
    session: Option<Session>,
) -> Result<Vec<(u32, Back)>> {
    let session = match session {
        Some(session) => session,
        None => connect(&job).await?,
    };
    let next = || queue.lock().ok().and_then(|mut queue| queue.pop_front());
    let mut backs = Vec::new();
    while let Some((oid, range)) = next() {
        let table = job.table(oid)?;
        let back = slice_back(&session, table, range, job.stall_timeout).await;
        let back = back.map_err(|e| e.during(format!("verifying {}", table.display)))?;
        backs.push((oid, back));
    }
    Ok(backs)
}

async fn slice_back(
    target: &Session,
    table: &TablePlan,
    range: Range,
    limit: Duration,
) -> Result<Back> {
    let mut reader = Reader::open(target, Side::Target, table, range).await?;
    let converter = reread(table);
    let mut digest = Digest::default();
    let silent = || {
        Error::new(Side::Target, format!("reading {} back", table.display))
            .because(format!("no row has come for {limit:?}"))
            .passing()
    };
    loop {
        let next = tokio::time::timeout(limit, reader.next()).await;
        let Some(batch) = next.map_err(|_| silent())?? else {
            break;
        };
        let found = converter.digest(&batch);
        let attempt = || format!("digesting {}", table.display);
        digest.merge(found.map_err(Error::on(Side::Target, attempt()))?.digest);
    }
    Ok(Back {
        rows: reader.finish()?,
        digest,
    })
}
