//! Comes in: pieces of whole rows. Goes out: the same pieces as one unit of work, and single rows for messages. Nothing
//! is copied or changed; how large a batch may grow is the caller's affair.
use std::fmt;

use bytes::{Buf, Bytes};

use crate::frame::{self, Rows};

/// Rows that are converted together.
#[derive(Clone, Default)]
pub struct Batch {
    pieces: Vec<Rows>,
    bytes: usize,
    rows: u64,
}

/// Between two rows of a batch: the pieces before it, and the rows and bytes before it in its own piece.
#[derive(Clone, Copy, Default)]
pub(crate) struct Position {
    pub piece: usize,
    pub row: u32,
    pub at: usize,
}

impl Batch {
    /// Adds the rows that follow those already here.
    pub fn push(&mut self, rows: Rows) {
        self.bytes += rows.bytes.len();
        self.rows += u64::from(rows.rows);
        self.pieces.push(rows);
    }

    /// Adds the rows of another batch, which follow those already here.
    pub fn append(&mut self, other: Batch) {
        other.pieces.into_iter().for_each(|rows| self.push(rows));
    }

    /// Bytes of all rows.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether there is nothing to convert.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Ordinal of the first row in the stream, from 1; 0 for an empty batch.
    pub fn first_row(&self) -> u64 {
        self.pieces.first().map_or(0, |piece| piece.first_row)
    }

    /// The fields of one row, named by its ordinal in the stream: for messages, so found by walking. `None` when the row
    /// is not here.
    pub fn fields(&self, row: u64) -> Option<Vec<Option<Bytes>>> {
        let holds = |piece: &&Rows| {
            row.checked_sub(piece.first_row)
                .is_some_and(|ahead| ahead < u64::from(piece.rows))
        };
        let piece = self.pieces.iter().find(holds)?;
        let mut at = 0;
        for _ in piece.first_row..row {
            at = row_fields(&piece.bytes, at)?.1;
        }
        Some(row_fields(&piece.bytes, at)?.0)
    }

    /// Takes off all rows before a position.
    pub(crate) fn advance(&mut self, to: Position) {
        for done in self.pieces.drain(..to.piece) {
            self.bytes -= done.bytes.len();
            self.rows -= u64::from(done.rows);
        }
        if let Some(piece) = self.pieces.first_mut() {
            piece.bytes.advance(to.at);
            piece.offset += to.at as u64;
            piece.first_row += u64::from(to.row);
            piece.rows -= to.row;
            self.bytes -= to.at;
            self.rows -= u64::from(to.row);
        }
    }

    pub(crate) fn pieces(&self) -> &[Rows] {
        &self.pieces
    }
}

/// Values stay out of logs: sizes only.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("bytes", &self.bytes)
            .field("rows", &self.rows)
            .finish()
    }
}

/// The fields of the row at `at`, and where the next row begins.
pub(crate) fn row_fields(bytes: &Bytes, mut at: usize) -> Option<(Vec<Option<Bytes>>, usize)> {
    let count = frame::int16(bytes, at)?;
    at += 2;
    let mut fields = Vec::new();
    for _ in 0..count {
        let (body, null) = frame::field(bytes, at).ok()?;
        at = body.end;
        fields.push((!null).then(|| bytes.slice(body)));
    }
    Some((fields, at))
}
