//! In: the plan's tables and a snapshot. Out: each table's rows on the target, committed whole, and what was counted and
//! digested on the way. It builds no index and verifies nothing beyond its own three counts.

pub mod convert;
mod gather;
pub mod read;
mod write;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codec::convert::Converter;
use codec::digest::Digest;
use futures::future::try_join;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::catalog::target::Types;
use crate::cli::Overflow;
use crate::connect::{Endpoint, Session};
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;
use crate::progress::Progress;
use crate::snapshot::Readers;
use convert::{Part, Refused, in_pool};
use read::Reader;
use write::{Chunk, Spare, Writer};

/// About one CopyData message to the target.
pub const BATCH_BYTES: usize = 1 << 20;

/// Batches of one slice between the two sockets: one being read, one or two in the pool, one or two on their way out.
const IN_FLIGHT: usize = 4;

/// What one table's copy counted.
#[derive(Clone, Debug)]
pub struct Copied {
    pub oid: u32,
    pub decoded: u64,
    pub converted: u64,
    pub reported: u64,
    pub digest: Digest,
    pub bytes: u64,
    pub started: Instant,
    pub elapsed: Duration,
}

/// What every part of a run needs to reach the rows.
pub struct Shared {
    pub target: Endpoint,
    pub readers: Readers,
    pub overflow: Overflow,
    /// Where pgvector lives on the source.
    pub vector_schema: String,
    /// The source's own search_path.
    pub search_path: String,
    pub progress: Progress,
}

/// The copy as all of its workers see it.
pub struct Job {
    pub shared: Shared,
    types: Types,
    pub done: Mutex<Vec<Copied>>,
    queue: Mutex<VecDeque<TablePlan>>,
    monitor: Session,
}

impl std::ops::Deref for Job {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Job {
    pub async fn new(shared: Shared, tables: &[TablePlan]) -> Result<Job> {
        let monitor = shared.target.connect().await?;
        let types = crate::catalog::target::types(&monitor).await?;
        // A type that is missing is found before any row is written.
        for table in tables {
            convert::converter(table, shared.overflow, &types)
                .map_err(|e| e.during(format!("planning the copy of {}", table.display)))?;
        }
        let queue = Mutex::new(tables.iter().cloned().collect());
        Ok(Job {
            shared,
            types,
            done: Mutex::default(),
            queue,
            monitor,
        })
    }

    fn next_table(&self) -> Option<TablePlan> {
        self.queue.lock().ok()?.pop_front()
    }
}

/// Copies all tables, `jobs` at a time, the largest first. The first error ends the others.
pub async fn all(job: Arc<Job>, jobs: usize) -> Result<Vec<Copied>> {
    let tables = job.queue.lock().map_or(0, |q| q.len());
    let mut workers = JoinSet::new();
    for _ in 0..jobs.min(tables) {
        workers.spawn(worker(job.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(Error::on(Side::Internal, "waiting for a copy worker"))??;
    }
    let done = job
        .done
        .lock()
        .map_err(|e| Error::new(Side::Internal, e.to_string()))?;
    Ok(done.clone())
}

/// One pair of connections, for as many tables as it gets to.
async fn worker(job: Arc<Job>) -> Result<()> {
    let reader = job.readers.lease()?;
    let writer = job.target.connect().await?;
    // A CHECK may call a function whose body finds others by name, as it did on the source.
    writer.look_in(&job.search_path).await?;
    while let Some(table) = job.next_table() {
        let copied = one(&job, &reader, &writer, &table)
            .await
            .map_err(|e| e.during(format!("copying {}", table.display)))?;
        tracing::debug!(table = %table.display, rows = copied.converted, "copied");
        job.progress.table_done(&table, &copied);
        if let Ok(mut done) = job.done.lock() {
            done.push(copied);
        }
    }
    Ok(())
}

/// One table in one transaction: all of its rows, or none.
async fn one(job: &Job, reader: &Session, writer: &Session, table: &TablePlan) -> Result<Copied> {
    let converter = convert::converter(table, job.overflow, &job.types)?;
    let target = |e: tokio_postgres::Error| {
        Error::new(Side::Target, format!("writing {}", table.display)).because(e)
    };
    writer.batch_execute("BEGIN").await.map_err(target)?;
    let mut copied = stream(job, reader, writer, table, Arc::new(converter)).await?;
    if copied.decoded != copied.converted || copied.converted != copied.reported {
        return Err(
            Error::new(Side::Internal, "comparing the counts before the commit").because(format!(
                "{} rows read, {} converted, {} taken by the target",
                copied.decoded, copied.converted, copied.reported
            )),
        );
    }
    writer.batch_execute("COMMIT").await.map_err(target)?;
    copied.elapsed = copied.started.elapsed();
    Ok(copied)
}

/// Reader -> pool -> writer, in order, with a fixed number of batches between the sockets.
async fn stream(
    job: &Job,
    reader: &Session,
    writer: &Session,
    table: &TablePlan,
    converter: Arc<Converter>,
) -> Result<Copied> {
    let (ordered, mut incoming) = mpsc::channel(IN_FLIGHT);
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let spare = Spare::new(IN_FLIGHT);
    let keys: Arc<[usize]> = key_columns(table).into();

    let read = async {
        let mut rows = Reader::open(reader, Side::Source, table).await?;
        while let Some(batch) = rows.next().await? {
            let closed = |_| Error::new(Side::Internal, "waiting for a free batch");
            let permit = permits.clone().acquire_owned().await.map_err(closed)?;
            let bytes = batch.bytes() as u64;
            let (converter, keys, buffer) = (converter.clone(), keys.clone(), spare.take());
            // Spawned, so that the pool starts now and not when the writer gets to it.
            let work = tokio::spawn(async move { in_pool(&converter, &keys, batch, buffer).await });
            if ordered.send((work, permit, bytes)).await.is_err() {
                break;
            }
        }
        drop(ordered);
        rows.finish()
    };
    let write = async {
        let mut sink = Writer::open(writer, &job.monitor, table).await?;
        let mut total = Copied {
            oid: table.oid,
            decoded: 0,
            converted: 0,
            reported: 0,
            digest: Digest::default(),
            bytes: 0,
            started: Instant::now(),
            elapsed: Duration::ZERO,
        };
        while let Some((work, permit, bytes)) = incoming.recv().await {
            let lost = || {
                Error::new(Side::Internal, "converting a batch").because("the pool gave no answer")
            };
            let mut permit = Some(permit);
            let mut part = work
                .await
                .map_err(|e| lost().because(e))?
                .ok_or_else(lost)?;
            total.bytes += bytes;
            loop {
                let Part {
                    converted,
                    buffer,
                    rest,
                } = match part {
                    Ok(part) => part,
                    Err(refused) => return Err(refusal(&job.monitor, table, refused).await),
                };
                total.converted += converted.rows;
                total.digest.merge(converted.digest);
                job.progress
                    .moved(converted.rows, if rest.is_empty() { bytes } else { 0 });
                // The batch's permit goes with its last part.
                let held = permit.take_if(|_| rest.is_empty());
                sink.send(Chunk::new(buffer, &spare, held)).await?;
                if rest.is_empty() {
                    break;
                }
                let next = in_pool(&converter, &keys, rest, spare.take()).await;
                part = next.ok_or_else(lost)?;
            }
        }
        Ok((sink, total))
    };
    // Only when the reader has seen the trailer does the writer end its COPY; a reader that fails drops the sink, and
    // the server gives the rows up.
    let (decoded, (sink, mut total)) = try_join(read, write).await?;
    total.decoded = decoded;
    total.reported = sink.finish().await?;
    Ok(total)
}

/// Where the primary key's columns stand in the stream.
fn key_columns(table: &TablePlan) -> Vec<usize> {
    let place = |name: &String| table.columns.iter().position(|c| c.name == *name);
    table.primary_key.iter().filter_map(place).collect()
}

/// Names the row: by primary key where there is one, else by its ordinal. A server turns the key's bytes into text: it
/// knows every type's form.
async fn refusal(client: &Client, table: &TablePlan, refused: Refused) -> Error {
    let error = refused.error;
    let mut key = Vec::new();
    for (&column, value) in key_columns(table).iter().zip(&refused.key) {
        let column = &table.columns[column];
        let Some(value) = value else { continue };
        let text = match table.text() {
            true => String::from_utf8(value.to_vec()).ok(),
            false => key_text(client, column, value).await,
        };
        if let Some(text) = text {
            key.push(format!("{} = {text}", crate::catalog::ident(&column.name)));
        }
    }
    let place = match key.is_empty() {
        true => format!("row {}", error.row),
        false => format!("row {} ({})", error.row, key.join(", ")),
    };
    let column = error.column.and_then(|c| table.columns.get(usize::from(c)));
    let column = column.map_or(String::new(), |c| {
        format!(
            ", column {} ({} to {})",
            crate::catalog::ident(&c.name),
            c.type_text,
            c.target_text()
        )
    });
    let remedy = match error.cause {
        codec::error::Cause::Overflow { .. } => {
            "map the column to vector, or choose --overflow saturate or infinity"
        }
        _ => "mend or delete this row on the source, or leave the table out with --exclude-table",
    };
    Error::new(
        Side::Source,
        format!("table {}, {place}{column}", table.display),
    )
    .because(error)
    .remedy(remedy)
}

/// The text of a key's value, made by the server from the bytes of its binary form.
async fn key_text(
    client: &Client,
    column: &crate::plan::ColumnPlan,
    value: &[u8],
) -> Option<String> {
    let sql = format!("SELECT ($1::{})::pg_catalog.text", column.type_text);
    let statement = client.prepare(&sql).await.ok()?;
    let row = client.query_one(&statement, &[&Raw(value)]).await.ok()?;
    row.try_get(0).ok()
}

/// Bytes in a type's binary form, passed on as they are.
#[derive(Debug)]
struct Raw<'a>(&'a [u8]);

impl postgres_types::ToSql for Raw<'_> {
    fn to_sql(
        &self,
        _: &postgres_types::Type,
        out: &mut bytes::BytesMut,
    ) -> std::result::Result<postgres_types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(postgres_types::IsNull::No)
    }

    fn accepts(_: &postgres_types::Type) -> bool {
        true
    }

    postgres_types::to_sql_checked!();
}
