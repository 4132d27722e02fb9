//! Comes in: a binary COPY stream in pieces of any size. Goes out: the same bytes as pieces of whole rows, counted. Only
//! the framing is read; what a field holds is looked at elsewhere.
//!
//! ```text
//! header   "PGCOPY\n\xff\r\n\0"   int32 flags   int32 length of an extension, and that many bytes
//! row      int16 fields, then for each field: int32 length (-1 is NULL) and the bytes
//! trailer  int16 -1
//! ```
//! Everything is big-endian (PostgreSQL documentation, COPY, "Binary Format").
use std::fmt;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Cause, Error};

const SIGNATURE: [u8; 11] = *b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of the extension.
const HEADER_LEN: usize = SIGNATURE.len() + 4 + 4;
/// Bits that a reader must understand to go on; the lower half is free for hints.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
/// PostgreSQL's MaxAllocSize: no value is longer.
pub(crate) const MAX_FIELD: usize = 0x3fff_ffff;

/// Whole rows of a stream, nothing else.
#[derive(Clone)]
pub struct Rows {
    /// The rows, each from its field count to its last field.
    pub bytes: Bytes,
    /// Ordinal of the first row in the stream, from 1.
    pub first_row: u64,
    /// How many rows.
    pub rows: u32,
    /// Byte in the stream at which the first row begins.
    pub offset: u64,
}

/// Values stay out of logs: sizes only.
impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("bytes", &self.bytes.len())
            .field("first_row", &self.first_row)
            .field("rows", &self.rows)
            .field("offset", &self.offset)
            .finish()
    }
}

/// Cuts a stream into pieces of whole rows.
pub struct Splitter {
    columns: u16,
    state: State,
    /// The beginning of something that ended in the middle of a piece: the header, a row or the trailer.
    carry: BytesMut,
    cursor: Cursor,
    /// Byte in the stream of the first byte of `carry`.
    offset: u64,
    rows: u64,
}

enum State {
    Header,
    Extension { left: usize },
    Rows,
    Trailer,
    Broken(Error),
}

/// How far the row in `carry` is understood, so that a row in a thousand pieces is still read once.
#[derive(Default)]
struct Cursor {
    /// Byte of the row at which the next length stands, or where the row ends.
    next: usize,
    /// Fields whose length is not read yet; `None` before the field count.
    fields_left: Option<u16>,
}

/// What a look at a piece found.
struct Walk {
    rows: u32,
    /// Bytes of those rows.
    len: usize,
    /// The trailer follows them.
    trailer: bool,
}

impl Splitter {
    /// For a stream whose rows have this many columns.
    pub fn new(columns: u16) -> Self {
        Splitter {
            columns,
            state: State::Header,
            carry: BytesMut::new(),
            cursor: Cursor::default(),
            offset: 0,
            rows: 0,
        }
    }

    /// Takes the next piece of the stream and appends the rows that it completes, without a copy but for a row that
    /// is split between pieces. Memory grows with what arrived, never with a declared length. After an error every
    /// further call returns that error; rows appended before it are sound.
    pub fn push(&mut self, mut piece: Bytes, out: &mut Vec<Rows>) -> Result<(), Error> {
        if let State::Broken(error) = self.state {
            return Err(error);
        }
        while !piece.is_empty() {
            let taken = match self.state {
                State::Header => self.take_header(&mut piece),
                State::Extension { left } => {
                    self.skip_extension(left, &mut piece);
                    Ok(())
                }
                State::Rows if self.carry.is_empty() => self.take_rows(&mut piece, out),
                State::Rows => self.join_row(&mut piece, out),
                State::Trailer => Err(self.error(None, 0, Cause::AfterTrailer)),
                State::Broken(error) => return Err(error),
            };
            if let Err(error) = taken {
                self.state = State::Broken(error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether the beginning of a row waits for the rest of it.
    pub fn is_within_a_row(&self) -> bool {
        matches!(self.state, State::Rows) && !self.carry.is_empty()
    }

    /// The number of rows seen, once the trailer has been. An error when the stream ended without it or was refused.
    pub fn finish(&self) -> Result<u64, Error> {
        match self.state {
            State::Trailer => Ok(self.rows),
            State::Broken(error) => Err(error),
            _ => Err(self.error(None, self.carry.len(), Cause::Truncated)),
        }
    }

    fn take_header(&mut self, piece: &mut Bytes) -> Result<(), Error> {
        self.fill_carry(HEADER_LEN, piece);
        let signature = self.carry.len().min(SIGNATURE.len());
        if self.carry[..signature] != SIGNATURE[..signature] {
            return Err(self.error(None, 0, Cause::Signature));
        }
        let (Some(flags), Some(length)) = (int32(&self.carry, 11), int32(&self.carry, 15)) else {
            return Ok(());
        };
        let flags = flags.cast_unsigned();
        if flags & CRITICAL_FLAGS != 0 {
            return Err(self.error(None, 11, Cause::Flags { flags }));
        }
        let Ok(left) = usize::try_from(length) else {
            return Err(self.error(None, 15, Cause::Extension { length }));
        };
        self.carry.clear();
        self.offset += HEADER_LEN as u64;
        self.state = if left == 0 {
            State::Rows
        } else {
            State::Extension { left }
        };
        Ok(())
    }

    fn skip_extension(&mut self, left: usize, piece: &mut Bytes) {
        let skipped = left.min(piece.len());
        piece.advance(skipped);
        self.offset += skipped as u64;
        let left = left - skipped;
        self.state = if left == 0 {
            State::Rows
        } else {
            State::Extension { left }
        };
    }

    /// The usual way: the piece begins on a row boundary. What follows its last whole row becomes the carry.
    fn take_rows(&mut self, piece: &mut Bytes, out: &mut Vec<Rows>) -> Result<(), Error> {
        let walk = self.walk(piece)?;
        if walk.rows > 0 {
            self.hand_out(piece.split_to(walk.len), walk.rows, out);
        }
        if walk.trailer {
            piece.advance(2);
            self.end();
        } else if !piece.is_empty() && walk.rows < u32::MAX {
            self.join_row(piece, out)?;
        }
        Ok(())
    }

    fn walk(&self, piece: &[u8]) -> Result<Walk, Error> {
        let mut walk = Walk {
            rows: 0,
            len: 0,
            trailer: false,
        };
        while walk.rows < u32::MAX
            && let Some(count) = int16(piece, walk.len)
        {
            if count == -1 {
                walk.trailer = true;
                break;
            }
            let row = u64::from(walk.rows);
            let fault = |column, at, cause| Error {
                row: self.rows + row + 1,
                ..self.error(column, at, cause)
            };
            self.check_count(count)
                .map_err(|cause| fault(None, walk.len, cause))?;
            let mut end = walk.len + 2;
            for column in 0..self.columns {
                let Some(length) = int32(piece, end) else {
                    return Ok(walk);
                };
                let body = field_len(length).map_err(|cause| fault(Some(column), end, cause))?;
                end += 4 + body.unwrap_or(0);
            }
            if end > piece.len() {
                break;
            }
            walk.len = end;
            walk.rows += 1;
        }
        Ok(walk)
    }

    /// The slow way: takes from the piece what the row in `carry` still lacks, and hands the row out when it is whole.
    fn join_row(&mut self, piece: &mut Bytes, out: &mut Vec<Rows>) -> Result<(), Error> {
        loop {
            let need = match self.cursor.fields_left {
                None => 2,
                Some(0) => self.cursor.next,
                Some(_) => self.cursor.next + 4,
            };
            if !self.fill_carry(need, piece) {
                return Ok(());
            }
            match self.cursor.fields_left {
                None => {
                    let count = int16(&self.carry, 0).unwrap_or(0);
                    if count == -1 {
                        self.end();
                        return Ok(());
                    }
                    self.check_count(count)
                        .map_err(|cause| self.error(None, 0, cause))?;
                    self.cursor = Cursor {
                        next: 2,
                        fields_left: Some(self.columns),
                    };
                }
                Some(0) => {
                    let row = std::mem::take(&mut self.carry).freeze();
                    self.hand_out(row, 1, out);
                    self.cursor = Cursor::default();
                    return Ok(());
                }
                Some(left) => {
                    let at = self.cursor.next;
                    let column = Some(self.columns - left);
                    let length = int32(&self.carry, at).unwrap_or(0);
                    let body = field_len(length).map_err(|cause| self.error(column, at, cause))?;
                    self.cursor.next += 4 + body.unwrap_or(0);
                    self.cursor.fields_left = Some(left - 1);
                }
            }
        }
    }

    /// Moves bytes from the piece until `carry` holds `need` of them; false when the piece ends first.
    fn fill_carry(&mut self, need: usize, piece: &mut Bytes) -> bool {
        let lacking = need.saturating_sub(self.carry.len()).min(piece.len());
        self.carry.extend_from_slice(&piece[..lacking]);
        piece.advance(lacking);
        self.carry.len() >= need
    }

    fn hand_out(&mut self, bytes: Bytes, rows: u32, out: &mut Vec<Rows>) {
        let len = bytes.len() as u64;
        out.push(Rows {
            bytes,
            first_row: self.rows + 1,
            rows,
            offset: self.offset,
        });
        self.rows += u64::from(rows);
        self.offset += len;
    }

    fn end(&mut self) {
        self.carry.clear();
        self.offset += 2;
        self.state = State::Trailer;
    }

    fn check_count(&self, found: i16) -> Result<(), Cause> {
        if i32::from(found) == i32::from(self.columns) {
            return Ok(());
        }
        Err(Cause::FieldCount {
            found,
            expected: self.columns,
        })
    }

    /// An error `at` bytes after what has been handed out, in the row that comes next.
    fn error(&self, column: Option<u16>, at: usize, cause: Cause) -> Error {
        let row = match self.state {
            State::Header | State::Extension { .. } => 0,
            _ => self.rows + 1,
        };
        Error {
            row,
            column,
            offset: self.offset + at as u64,
            cause,
        }
    }
}

/// Writes the header of a stream: no flags, no extension.
pub fn put_header(out: &mut BytesMut) {
    out.extend_from_slice(&SIGNATURE);
    out.extend_from_slice(&[0; 8]);
}

/// Writes the end of a stream.
pub fn put_trailer(out: &mut BytesMut) {
    out.extend_from_slice(&(-1i16).to_be_bytes());
}

#[inline]
pub(crate) fn int16(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline]
pub(crate) fn int32(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Bytes that a field with this declared length occupies; `None` is NULL.
#[inline]
pub(crate) fn field_len(length: i32) -> Result<Option<usize>, Cause> {
    match usize::try_from(length) {
        Ok(len) if len <= MAX_FIELD => Ok(Some(len)),
        Err(_) if length == -1 => Ok(None),
        _ => Err(Cause::FieldLength { length }),
    }
}

/// The field whose length stands at `at`: where its bytes lie (an empty range for NULL) and whether it is NULL.
#[inline]
pub(crate) fn field(bytes: &[u8], at: usize) -> Result<(Range<usize>, bool), Cause> {
    let length = int32(bytes, at).ok_or(Cause::Truncated)?;
    let len = field_len(length)?;
    let body = at + 4..at + 4 + len.unwrap_or(0);
    if body.end > bytes.len() {
        return Err(Cause::Truncated);
    }
    Ok((body, len.is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_the_bytes_that_arrived_and_not_with_a_declared_length() {
        let mut splitter = Splitter::new(1000);
        let mut stream = BytesMut::new();
        put_header(&mut stream);
        stream.extend_from_slice(&1000i16.to_be_bytes());
        stream.extend_from_slice(&0x3fff_ffffi32.to_be_bytes());
        stream.extend_from_slice(&[0; 1000]);
        let mut rows = Vec::new();
        for byte in stream {
            splitter
                .push(Bytes::copy_from_slice(&[byte]), &mut rows)
                .expect("a row that goes on");
        }
        assert!(rows.is_empty());
        assert!(
            splitter.carry.capacity() < 4096,
            "{}",
            splitter.carry.capacity()
        );
    }
}
