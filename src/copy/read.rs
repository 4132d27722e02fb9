//! In: a session and a table. Out: batches of whole rows, as the server sent them, and at the end the number of rows. It
//! converts nothing; the copy and the verification read through it.

use std::pin::Pin;

use bytes::Bytes;
use codec::batch::Batch;
use codec::frame::Splitter;
use futures::StreamExt;
use tokio_postgres::CopyOutStream;

use super::BATCH_BYTES;
use super::gather::Gather;
use super::slice::Range;
use crate::connect::{FULL_NAMES, SAME_TEXT, Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::{ColumnPlan, TablePlan};

pub struct Reader<'a> {
    session: &'a Session,
    side: Side,
    attempt: String,
    /// None once it has ended: tokio-postgres reads on from the socket only when what follows CopyDone was taken, or nobody may ask for it.
    stream: Option<Pin<Box<CopyOutStream>>>,
    splitter: Splitter,
    gather: Gather,
    batch: Batch,
}

/// `"schema"."table" ("a", "b")`; no list for a table without columns to copy, where an empty one is a syntax error.
pub fn table_and_columns(table: &TablePlan) -> String {
    let columns: Vec<String> = table.columns.iter().map(|c| quote(&c.name)).collect();
    match columns.is_empty() {
        true => table.quoted(),
        false => format!("{} ({})", table.quoted(), columns.join(", ")),
    }
}

/// What is read, on either side. In a table that goes as text all but the vectors are the texts that the types' own output
/// functions give; `format` asks those, and no cast that somebody made.
pub fn what(table: &TablePlan, range: Range) -> String {
    if table.tree.is_none() && !table.text() && range == Range::WHOLE {
        return table_and_columns(table);
    }
    let column = |c: &ColumnPlan| {
        let name = format!("t.{}", quote(&c.name));
        match table.text() && c.travel.vector().is_none() {
            // With the word NULL itself this only asks whether there is a value, of a composite too.
            true => format!(
                "CASE WHEN {name} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {name}) END"
            ),
            false => name,
        }
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    format!("(SELECT {} FROM {})", columns.join(", "), table.rows(range))
}

impl<'a> Reader<'a> {
    pub async fn open(
        session: &'a Session,
        side: Side,
        table: &TablePlan,
        range: Range,
    ) -> Result<Reader<'a>> {
        let attempt = format!("reading {}", table.display);
        if table.text() {
            let alike = session.batch_execute(SAME_TEXT).await;
            alike.map_err(Error::on(side, attempt.clone()))?;
        }
        let statement = format!("COPY {} TO STDOUT (FORMAT binary)", what(table, range));
        Reader::of_statement(session, side, &statement, table.columns.len(), attempt).await
    }

    /// Reads any `COPY … TO STDOUT (FORMAT binary)` that yields `columns` columns.
    pub async fn of_statement(
        session: &'a Session,
        side: Side,
        statement: &str,
        columns: usize,
        attempt: String,
    ) -> Result<Reader<'a>> {
        let stream = session
            .rows_out(statement)
            .await
            .map_err(Error::on(side, attempt.clone()))?;
        let columns = u16::try_from(columns).map_err(Error::on(Side::Internal, attempt.clone()))?;
        Ok(Reader {
            session,
            side,
            attempt,
            stream: Some(Box::pin(stream)),
            splitter: Splitter::new(columns),
            gather: Gather::default(),
            batch: Batch::default(),
        })
    }

    /// The next batch of about `BATCH_BYTES`; None after the last. A row that is longer comes with what was before it, or alone.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        // The first part of a long row makes no batch yet.
        while self.batch.is_empty() && self.stream.is_some() {
            self.fill().await?;
        }
        let batch = std::mem::take(&mut self.batch);
        Ok((!batch.is_empty()).then_some(batch))
    }

    async fn fill(&mut self) -> Result<()> {
        while let Some(stream) = &mut self.stream
            && self.batch.bytes() + self.gather.len() < BATCH_BYTES
        {
            match stream.next().await {
                Some(message) => {
                    let message = message.map_err(Error::on(self.side, self.attempt.clone()))?;
                    // The rest of a long row is put behind its beginning without a detour.
                    match self.splitter.is_within_a_row() {
                        true => self.split(message)?,
                        false => self.gather.add(&message),
                    }
                }
                None => {
                    self.stream = None;
                    self.split_gathered()?;
                    // No trailer, no end: a stream that stops early is not a shorter table.
                    self.finish()?;
                    self.session
                        .rows_ended()
                        .await
                        .map_err(Error::on(self.side, self.attempt.clone()))?;
                    let full = self.session.batch_execute(FULL_NAMES).await;
                    full.map_err(Error::on(self.side, self.attempt.clone()))?;
                }
            }
        }
        self.split_gathered()
    }

    fn split_gathered(&mut self) -> Result<()> {
        self.gather.take().map_or(Ok(()), |bytes| self.split(bytes))
    }

    fn split(&mut self, bytes: Bytes) -> Result<()> {
        let mut pieces = Vec::new();
        self.splitter
            .push(bytes, &mut pieces)
            .map_err(Error::on(self.side, self.attempt.clone()))?;
        pieces.into_iter().for_each(|rows| self.batch.push(rows));
        Ok(())
    }

    /// Rows decoded so far.
    pub fn finish(&self) -> Result<u64> {
        self.splitter
            .finish()
            .map_err(Error::on(self.side, self.attempt.clone()))
    }
}
