//! In: the slices that the ledger lays out, and a snapshot. Out: their rows on the target, each slice committed whole with its line in
//! the ledger. It builds no index and verifies nothing beyond its own counts.

pub mod convert;
mod gather;
pub mod read;
mod reject;
pub mod slice;
mod stall;
pub mod throttle;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codec::convert::Converter;
use codec::digest::Digest;
use futures::future::{join, try_join};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::catalog::target::Types;
use crate::cli::Overflow;
use crate::connect::{Endpoint, Session};
use crate::error::{Error, Result, Side};
use crate::ledger::slices::{self, Counted};
use crate::ledger::{self, Claim, Slicing};
use crate::patience::Patience;
use crate::plan::TablePlan;
use crate::progress::Progress;
use crate::snapshot::Readers;
use convert::Part;
use read::Reader;
use reject::Refused;
use throttle::Throttle;
use write::{Spare, Writer};

/// A batch ends with the message that fills it, so it has up to twice as much, or one row that is longer. It is about one CopyData message to the target. All batches of a slice that are in flight, read and converted, fit a core's second cache: with
/// 1 MiB they do not, and each of the copies that a row goes through waits for memory (150,000 x vector(768): 1.13 times the CPU of
/// psql's pipe, 0.99 times with 256 KiB). With 32 KiB it is as fast, and a job more takes 0.4 MiB instead of
/// 1.6; of vector(10000), where the end of a batch cuts each row, a copy takes 6 % more CPU than with 128 KiB.
pub const BATCH_BYTES: usize = 32 << 10;

/// Batches of one slice between the two sockets, beside the one that is being read: the rest is the kernel's, whose buffers are larger.
const IN_FLIGHT: usize = 2;
/// Where the pool converts them, so that more than one of its threads can.
const IN_POOL: usize = 4;

/// What the copy of a table's slices has counted. Rows read, converted and taken by the target were one number for each slice before it
/// was committed; what the source counts by itself is compared when all are there.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Copied {
    pub slices: u64,
    /// On the target.
    pub rows: u64,
    /// Of the source, set aside in the ledger.
    pub rejected: u64,
    #[serde(skip)]
    pub digest: Digest,
    pub bytes: u64,
    /// Of all slices together; they may have been copied at the same time.
    pub seconds: f64,
}

/// What one slice's stream has counted.
struct Streamed {
    decoded: u64,
    converted: u64,
    rejected: u64,
    reported: u64,
    digest: Digest,
    bytes: u64,
}

/// What every part of a run needs to reach the rows.
pub struct Shared {
    pub target: Endpoint,
    pub readers: Readers,
    pub overflow: Overflow,
    /// Rows that cannot be converted are set aside, and stop nothing.
    pub rejects: bool,
    /// Where pgvector lives on the source.
    pub vector_schema: String,
    /// The source's own search_path.
    pub search_path: String,
    pub progress: Progress,
    pub slicing: Slicing,
    pub patience: Arc<Patience>,
    pub stall_timeout: Duration,
    /// Bytes that may be on their way at once, beside the longest row.
    pub memory: usize,
    pub throttle: Option<Throttle>,
}

/// The copy as all of its workers see it.
pub struct Job {
    pub shared: Shared,
    types: Types,
    tables: HashMap<u32, TablePlan>,
    /// The first COPY's beginning and the last commit.
    span: Mutex<Option<(Instant, Instant)>>,
    /// What claiming and noting slices has taken, in microseconds.
    ledger: AtomicU64,
    budget: Arc<Semaphore>,
    monitor: Session,
}

impl std::ops::Deref for Job {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// What the budget is counted in.
const UNIT: usize = 1 << 10;

impl Job {
    pub async fn new(shared: Shared, tables: &[TablePlan]) -> Result<Job> {
        let monitor = shared.target.connect().await?;
        let types = crate::catalog::target::types(&monitor).await?;
        // A type that is missing is found before any row is written.
        for table in tables {
            convert::converter(table, shared.overflow, &types)
                .map_err(|e| e.during(format!("planning the copy of {}", table.display)))?;
        }
        Ok(Job {
            types,
            tables: tables.iter().map(|t| (t.oid, t.clone())).collect(),
            span: Mutex::default(),
            ledger: AtomicU64::default(),
            budget: Arc::new(Semaphore::new(shared.units())),
            monitor,
            shared,
        })
    }

    /// By its OID on the source.
    pub fn table(&self, oid: u32) -> Result<&TablePlan> {
        let known = self.tables.get(&oid);
        known.ok_or_else(|| {
            Error::new(Side::Internal, format!("looking for table {oid}"))
                .because("it is one that does not come")
        })
    }

    /// From the first COPY to the last commit: connecting is not copying.
    pub fn seconds(&self) -> f64 {
        let span = self.span.lock().map_or(None, |span| *span);
        span.map_or(0.0, |(first, last)| (last - first).as_secs_f64())
    }

    /// What the ledger has cost, of all jobs together.
    pub fn ledger_seconds(&self) -> f64 {
        Duration::from_micros(self.ledger.load(Ordering::Relaxed)).as_secs_f64()
    }

    fn noted(&self, since: Instant) {
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.ledger.fetch_add(micros, Ordering::Relaxed);
    }

    fn copied(&self, started: Instant) {
        let now = Instant::now();
        if let Ok(mut span) = self.span.lock() {
            let first = span.map_or(started, |(first, _)| first.min(started));
            *span = Some((first, now));
        }
    }
}

impl Shared {
    fn units(&self) -> usize {
        (self.memory / UNIT).clamp(1, Semaphore::MAX_PERMITS)
    }
}

/// Copies all slices that are laid out, `jobs` at a time. The first error that does not pass ends the others.
pub async fn all(job: Arc<Job>, jobs: usize) -> Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        let left = slices::left(&job.monitor, job.slicing).await?;
        if left == 0 {
            return Ok(());
        }
        some(job.clone(), jobs.min(usize::try_from(left).unwrap_or(jobs))).await?;
        // What is left is claimed by a process that has joined, or by a session that has lost its client, which the server notices
        // sooner or later.
        let still = slices::left(&job.monitor, job.slicing).await?;
        waited = if still < left { Duration::ZERO } else { waited };
        if still > 0 && waited > job.stall_timeout {
            return Err(Error::new(
                Side::Target,
                "waiting for slices that a lost session has claimed",
            ));
        }
        if still > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            waited += Duration::from_secs(1);
        }
    }
}

/// Copies slices until there is none left to claim.
pub async fn some(job: Arc<Job>, jobs: usize) -> Result<()> {
    let mut workers = JoinSet::new();
    for _ in 0..jobs {
        workers.spawn(worker(job.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(Error::on(Side::Internal, "waiting for a copy worker"))??;
    }
    Ok(())
}

/// One pair of connections after another, until there is nothing left to claim.
async fn worker(job: Arc<Job>) -> Result<()> {
    while let Err(error) = pair(&job).await {
        job.patience.wait(error).await?;
    }
    Ok(())
}

/// A pair of connections, for as many slices as it gets to.
async fn pair(job: &Job) -> Result<()> {
    let mut reader = job.readers.lease().await?;
    let writer = job.target.connect().await?;
    ledger::works(&writer).await?;
    // A CHECK may call a function whose body finds others by name, as it did on the source.
    writer.look_in(&job.search_path).await?;
    loop {
        match one(job, &reader, &writer).await {
            Ok(true) => job.patience.progress(),
            Ok(false) => return Ok(()),
            Err(error) => {
                reader.spoil();
                return Err(error);
            }
        }
    }
}

/// One slice in one transaction, with its line in the ledger: all of its rows, or none. Whether there was one.
async fn one(job: &Job, reader: &Session, writer: &Session) -> Result<bool> {
    let on = |e: tokio_postgres::Error| Error::new(Side::Target, "copying a slice").because(e);
    let started = Instant::now();
    // Sent together, done one after the other.
    let begin = writer.batch_execute("BEGIN");
    let (begun, claim) = join(begin, slices::claim(writer, job.slicing)).await;
    begun.map_err(on)?;
    job.noted(started);
    let Some(claim) = claim? else {
        writer.batch_execute("ROLLBACK").await.map_err(on)?;
        return Ok(false);
    };
    crate::fail::point("claimed");
    let table = job.table(claim.table)?;
    let moved = Moved::default();
    let copied = tokio::select! {
        copied = slice(job, reader, writer, table, claim, &moved) => copied,
        stalled = stall::watch(job, table, (reader.pid, writer.pid), &moved) => Err(stalled),
    };
    if copied.is_err() {
        job.progress.taken_back(moved.rows(), moved.bytes());
    }
    copied
        .map(|()| true)
        .map_err(|e| e.during(format!("copying {}", table.display)))
}

async fn slice(
    job: &Job,
    reader: &Session,
    writer: &Session,
    table: &TablePlan,
    claim: Claim,
    moved: &Moved,
) -> Result<()> {
    let started = Instant::now();
    let converter = Arc::new(convert::converter(table, job.overflow, &job.types)?);
    let Streamed {
        decoded,
        converted,
        rejected,
        reported,
        digest,
        bytes,
    } = stream(job, reader, writer, table, claim, converter, moved).await?;
    let whole = decoded == converted + rejected && reported == converted;
    if !whole {
        return Err(
            Error::new(Side::Internal, "comparing the counts before the commit").because(format!(
                "{decoded} rows read, {converted} converted, {rejected} rejected, {reported} taken by the target"
            )),
        );
    }
    let elapsed = started.elapsed();
    let counted = Counted {
        rows: converted,
        rejected,
        bytes,
        digest,
        elapsed,
    };
    let noting = Instant::now();
    slices::done(writer, claim, &counted).await?;
    job.noted(noting);
    crate::fail::point("before-commit");
    let committed = writer.batch_execute("COMMIT").await;
    committed.map_err(Error::on(
        Side::Target,
        format!("writing {}", table.display),
    ))?;
    crate::fail::point("after-commit");
    job.copied(started);
    job.progress.slice_done(table, &counted);
    Ok(())
}

/// How far one slice is, for those who watch it.
#[derive(Default)]
pub struct Moved {
    /// The reader is throttled, and does not move for that.
    pauses: AtomicBool,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Moved {
    fn add(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn pauses(&self) -> bool {
        self.pauses.load(Ordering::Relaxed)
    }

    fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Reader -> converter -> writer, in order, with a fixed number of batches between the sockets.
async fn stream(
    job: &Job,
    reader: &Session,
    writer: &Session,
    table: &TablePlan,
    claim: Claim,
    converter: Arc<Converter>,
    moved: &Moved,
) -> Result<Streamed> {
    let in_flight = if converter.writes_text() {
        IN_POOL
    } else {
        IN_FLIGHT
    };
    let (ordered, mut incoming) = mpsc::channel(in_flight);
    let permits = Arc::new(Semaphore::new(in_flight));
    let spare = Spare::new(in_flight);
    let keys: Arc<[usize]> = reject::key_columns(table).into();
    let rejects = job.rejects;

    let read = async {
        let mut rows = Reader::open(reader, Side::Source, table, claim.range).await?;
        while let Some(batch) = rows.next().await? {
            let closed = |_| Error::new(Side::Internal, "waiting for a free batch");
            let permit = permits.clone().acquire_owned().await.map_err(closed)?;
            // Read and converted, as if nothing passed; a row that is larger than the budget has all of it.
            let units = (2 * batch.bytes() / UNIT).clamp(1, job.units());
            let units = u32::try_from(units).unwrap_or(u32::MAX);
            let closed = |_| Error::new(Side::Internal, "waiting for memory");
            let share = job.budget.clone().acquire_many_owned(units).await;
            let permit = (permit, share.map_err(closed)?);
            let bytes = batch.bytes() as u64;
            let part = convert::begin(&converter, &keys, rejects, batch, spare.take());
            if ordered.send((part, permit, bytes)).await.is_err() {
                break;
            }
            if let Some(throttle) = &job.throttle {
                moved.pauses.store(true, Ordering::Relaxed);
                throttle
                    .pause(usize::try_from(bytes).unwrap_or(usize::MAX))
                    .await;
                moved.pauses.store(false, Ordering::Relaxed);
            }
        }
        drop(ordered);
        rows.finish()
    };
    let write = async {
        let mut sink = Writer::open(writer, &job.monitor, table).await?;
        let mut total = Streamed {
            decoded: 0,
            converted: 0,
            rejected: 0,
            reported: 0,
            digest: Digest::default(),
            bytes: 0,
        };
        let mut waiting: Vec<Refused> = Vec::new();
        let lost =
            |_| Error::new(Side::Internal, "converting a batch").because("the pool gave no answer");
        while let Some((part, permit, bytes)) = incoming.recv().await {
            let mut permit = Some(permit);
            let mut part = part.await.map_err(lost)?;
            total.bytes += bytes;
            loop {
                let Part {
                    converted,
                    output,
                    refused,
                    rest,
                } = match part {
                    Ok(part) => part,
                    Err(refused) => {
                        return Err(reject::stops(&job.monitor, table, claim.range, refused).await);
                    }
                };
                total.rejected += refused.len() as u64;
                waiting.extend(refused);
                total.converted += converted.rows;
                total.digest.merge(converted.digest);
                let bytes = if rest.is_empty() { bytes } else { 0 };
                job.progress.moved(converted.rows, bytes);
                moved.add(converted.rows, bytes);
                // The batch's permit goes with its last part.
                let held = permit.take_if(|_| rest.is_empty());
                sink.send(output, &spare, held).await?;
                if rest.is_empty() {
                    break;
                }
                let next = convert::begin(&converter, &keys, rejects, rest, spare.take());
                part = next.await.map_err(lost)?;
            }
            // A session in a COPY can do nothing else. So many lines wait for its end that another one begins before there are too many.
            if waiting.len() >= reject::WAITING {
                total.reported += sink.finish().await?;
                reject::note((writer, &job.monitor), table, claim, &mut waiting).await?;
                sink = Writer::open(writer, &job.monitor, table).await?;
            }
        }
        Ok((sink, waiting, total))
    };
    // Only when the reader has seen the trailer does the writer end its COPY; a reader that fails drops the sink, and
    // the server gives the rows up.
    let (decoded, (sink, mut waiting, mut total)) = try_join(read, write).await?;
    total.decoded = decoded;
    total.reported += sink.finish().await?;
    reject::note((writer, &job.monitor), table, claim, &mut waiting).await?;
    Ok(total)
}
