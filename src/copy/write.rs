//! In: converted batches, in order. Out: one binary COPY IN, and the number of rows that the server says it took. It commits
//! nothing: that is for the one who has compared the counts.

use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use codec::buffer::Buffer;
use codec::convert::{Output, Passed};
use crossbeam_channel::{Receiver, Sender};
use futures::SinkExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::{Client, CopyInSink};

use super::convert::PART_BYTES;
use super::read::table_and_columns;
use crate::connect::{SAME_TEXT, Session};
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;

/// Output buffers that the socket is done with, to be filled again.
#[derive(Clone)]
pub struct Spare {
    back: Sender<Buffer>,
    free: Receiver<Buffer>,
}

impl Spare {
    pub fn new(buffers: usize) -> Spare {
        let (back, free) = crossbeam_channel::bounded(buffers);
        Spare { back, free }
    }

    pub fn take(&self) -> Buffer {
        self.free.try_recv().unwrap_or_default()
    }
}

/// One of the slice's batches in flight, and its share of the memory.
pub type Permit = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// Written rows. The buffer goes back when the socket has all of it and of what passes between, and only then is there room for another
/// batch.
struct Chunk {
    buffer: Buffer,
    spare: Sender<Buffer>,
    _permit: Option<Permit>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // A buffer that one huge row blew up is not kept: memory stays constant.
        if self.buffer.capacity() <= PART_BYTES {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let _ = self.spare.try_send(buffer);
        }
    }
}

/// A run that was not copied, in a chunk.
struct Between {
    run: Bytes,
    _chunk: Bytes,
}

impl AsRef<[u8]> for Between {
    fn as_ref(&self) -> &[u8] {
        &self.run
    }
}

/// A CopyData message holds no more of a row that is longer: tokio-postgres copies a message as a whole before it sends it.
const LONGEST_MESSAGE: usize = 1 << 20;

pub struct Writer<'a> {
    session: &'a Session,
    sink: Pin<Box<CopyInSink<Bytes>>>,
    attempt: String,
    pid: i32,
    monitor: &'a Client,
    looked: Instant,
    seen: bool,
    /// Lines, without header and trailer.
    text: bool,
}

impl<'a> Writer<'a> {
    pub async fn open(
        session: &'a Session,
        monitor: &'a Client,
        table: &TablePlan,
    ) -> Result<Writer<'a>> {
        let attempt = format!("writing {}", table.display);
        let text = table.text();
        if text {
            let alike = session.batch_execute(SAME_TEXT).await;
            alike.map_err(Error::on(Side::Target, attempt.clone()))?;
        }
        let format = if text { "text" } else { "binary" };
        let statement = format!(
            "COPY {} FROM STDIN (FORMAT {format})",
            table_and_columns(table)
        );
        let sink = session
            .rows_in(&statement)
            .await
            .map_err(Error::on(Side::Target, attempt.clone()))?;
        let mut writer = Writer {
            session,
            sink: Box::pin(sink),
            attempt,
            pid: session.pid,
            monitor,
            looked: Instant::now(),
            seen: false,
            text,
        };
        if !text {
            writer.put(codec::frame::put_header).await?;
        }
        Ok(writer)
    }

    async fn put(&mut self, frame: impl FnOnce(&mut BytesMut)) -> Result<()> {
        let mut bytes = BytesMut::new();
        frame(&mut bytes);
        self.message(bytes.freeze()).await
    }

    pub async fn send(
        &mut self,
        output: Output,
        spare: &Spare,
        permit: Option<Permit>,
    ) -> Result<()> {
        let (buffer, passed) = output.into_parts();
        let chunk = Bytes::from_owner(Chunk {
            buffer,
            spare: spare.back.clone(),
            _permit: permit,
        });
        let mut done = 0;
        for Passed { at, bytes } in passed {
            self.bytes(chunk.slice(done..at)).await?;
            done = at;
            let between = Between {
                run: bytes,
                _chunk: chunk.clone(),
            };
            self.bytes(Bytes::from_owner(between)).await?;
        }
        self.bytes(chunk.slice(done..)).await
    }

    async fn bytes(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let message = bytes.split_to(bytes.len().min(LONGEST_MESSAGE));
            self.message(message).await?;
        }
        Ok(())
    }

    async fn message(&mut self, bytes: Bytes) -> Result<()> {
        // Not flushed: what is short goes in front of the next.
        if let Err(error) = self.sink.feed(bytes).await {
            return Err(self.reason(error).await);
        }
        if self.looked.elapsed() > Duration::from_secs(2) {
            self.looked = Instant::now();
            let copying = self.still_copying().await;
            // Only what was there can be gone: with track_activities off it never is.
            let gone = self.seen && !copying;
            self.seen |= copying;
            if gone {
                let closed = Error::new(Side::Target, self.attempt.clone());
                return Err(match self.sink.as_mut().finish().await {
                    Err(error) => closed.because(error),
                    Ok(_) => closed.because("the server ended the COPY early"),
                });
            }
        }
        Ok(())
    }

    /// The rows that the server says it took.
    pub async fn finish(mut self) -> Result<u64> {
        if !self.text {
            self.put(codec::frame::put_trailer).await?;
        }
        let failed = |e| Error::new(Side::Target, self.attempt.clone()).because(e);
        let rows = self.sink.as_mut().finish().await.map_err(failed)?;
        self.session.rows_ended().await.map_err(failed)?;
        Ok(rows)
    }

    /// A server that has refused the COPY goes on swallowing its data without a word until the end: hours, for a large table.
    /// Its progress view knows better. Where that view is missing or cannot be asked, the end will tell.
    async fn still_copying(&self) -> bool {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_copy WHERE pid = $1)";
        self.monitor
            .query_one(sql, &[&self.pid])
            .await
            .map_or(true, |row| row.get(0))
    }

    /// Prefers the server's own words over "connection closed".
    async fn reason(&mut self, error: tokio_postgres::Error) -> Error {
        let told = match self.sink.as_mut().finish().await {
            Err(told) if told.as_db_error().is_some() => told,
            _ => error,
        };
        Error::new(Side::Target, self.attempt.clone()).because(told)
    }
}
