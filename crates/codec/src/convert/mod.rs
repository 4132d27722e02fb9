//! Comes in: batches of whole rows, and what each column is. Goes out: whole rows for the target, appended to one output,
//! with the digest that reading them back from the target must give. It writes no header and no trailer, and does not know
//! what a column is called.
mod nested;
mod output;
mod pairs;
mod refused;
mod sum;
mod text;

use crate::batch::{Batch, Position};
use crate::buffer::Buffer;
use crate::digest::Digest;
use crate::error::{Cause, Error, Fault};
use crate::frame::{self, Rows};
use crate::kernel::Isa;
pub use output::{Output, Passed};
use pairs::{Job, PAIRS, Pair};
pub use refused::Refused;
use sum::Sum;

/// What the elements of a vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// Bits.
    Bits,
    /// 32-bit floats, zeros left out.
    Sparse,
}

/// Whose payload it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// pgvector's vector, halfvec and sparsevec, and PostgreSQL's bit.
    Pgvector,
    /// PGVecto.rs's vector, vecf16, bvector and svector.
    Pgvectors,
    /// PostgreSQL's `real[]`; its kind is always [`Kind::F32`].
    RealArray,
}

/// A kind in an encoding: what a column's values look like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Form {
    pub kind: Kind,
    pub encoding: Encoding,
}

/// What happens to an f32 that rounds beyond the largest f16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The row is refused.
    #[default]
    Error,
    /// It becomes 65504 or -65504.
    Saturate,
    /// It becomes an infinity, as PGVecto.rs's own cast makes it.
    Infinity,
}

/// How the values of one column become those of the target.
#[derive(Clone, Debug)]
pub struct Conversion {
    pair: &'static Pair,
    dims: Option<u32>,
    overflow: Overflow,
}

impl Conversion {
    /// The conversion between two forms, if there is one.
    pub fn between(from: Form, to: Form) -> Option<Conversion> {
        let pair = PAIRS
            .iter()
            .find(|pair| pair.from == from && pair.to == to)?;
        Some(Conversion {
            pair,
            dims: None,
            overflow: Overflow::default(),
        })
    }

    /// The dimensions that every value must have: the column's type modifier. (Not for `bit varying(n)`, where n is a limit.)
    pub fn dims(self, dims: Option<u32>) -> Self {
        Conversion { dims, ..self }
    }

    /// What to do with an f32 that has no finite f16.
    pub fn overflow(self, overflow: Overflow) -> Self {
        Conversion { overflow, ..self }
    }

    /// What the source sends.
    pub fn from(&self) -> Form {
        self.pair.from
    }

    /// What the target receives.
    pub fn to(&self) -> Form {
        self.pair.to
    }

    fn write(&self, isa: Isa, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
        let job = Job {
            isa,
            dims: self.dims,
            overflow: self.overflow,
        };
        (self.pair.convert)(&job, payload, out)
    }
}

/// A type's OID on either side: OIDs that are not PostgreSQL's own differ between clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Oids {
    pub source: u32,
    pub target: u32,
}

/// What happens to the values of one column, or to a part of them. All but the first three walk through a value; as parts of
/// one, these do what they do to a column.
#[derive(Clone, Debug)]
pub enum Column {
    /// They go on as they are.
    Pass,
    /// They are arrays that go on as they are. The digest takes their `has_null` flag as 0: a 1 without NULLs is legal, and
    /// storing the array loses it.
    PassArray,
    /// They are vectors, and written anew.
    Convert(Conversion),
    /// They are intervals, and an infinite one is refused: a server before PostgreSQL 17 would take it for a finite one.
    FiniteInterval,
    /// Arrays whose element type has another OID on the target, or elements that change. (PostgreSQL has no array of arrays, and so
    /// none of a vector that becomes `real[]`.)
    #[allow(missing_docs)]
    Array { element: Oids, of: Box<Column> },
    /// Composites: each attribute that is not dropped, in order, with its type.
    Composite(Vec<(Oids, Column)>),
    /// Ranges with bounds of this kind.
    Range(Box<Column>),
    /// Multiranges with bounds of this kind.
    Multirange(Box<Column>),
}

/// Rows converted or read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// How many rows.
    pub rows: u64,
    /// Their digest, arrays normalised.
    pub digest: Digest,
}

/// Converts the rows of one table. Cheap to clone, and shared by threads.
#[derive(Clone, Debug)]
pub struct Converter {
    columns: std::sync::Arc<[Column]>,
    isa: Isa,
    writes: Writes,
}

/// Bytes that are made room for before a piece is converted.
const MOST_RESERVED: usize = 1 << 20;

/// What a converter appends for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    /// The row as it came.
    Same,
    /// A row of binary COPY.
    Binary,
    /// A line of text COPY.
    Text,
}

impl Converter {
    /// For rows with these columns, with the fastest instruction set of this machine.
    pub fn new(columns: Vec<Column>) -> Self {
        Self::with_isa(columns, Isa::detect())
    }

    /// The same with an instruction set of the caller's choice.
    pub fn with_isa(columns: Vec<Column>, isa: Isa) -> Self {
        let passes = |column: &Column| matches!(column, Column::Pass | Column::PassArray);
        let writes = match columns.iter().all(passes) {
            true => Writes::Same,
            false => Writes::Binary,
        };
        Converter {
            columns: columns.into(),
            isa,
            writes,
        }
    }

    /// For rows that the target takes as text COPY: fields that pass hold the text of their value already, the others are
    /// vectors or arrays of vectors. None where a column is neither. The digest is that of the rows in binary form.
    pub fn text(columns: Vec<Column>) -> Option<Self> {
        columns.iter().all(text::has_text).then(|| Converter {
            columns: columns.into(),
            isa: Isa::detect(),
            writes: Writes::Text,
        })
    }

    /// Whether rows are counted and digested, and nothing else.
    pub fn passes(&self) -> bool {
        self.writes == Writes::Same
    }

    /// Whether it prints values, which takes long.
    pub fn writes_text(&self) -> bool {
        self.writes == Writes::Text
    }

    /// Appends the rows of the batch, converted, to `out`. After an error `out` is as it was. A sparse vector or a bit string may
    /// grow a hundred thousand times when it becomes `real[]`: there [`Converter::convert_part`] bounds the memory.
    pub fn convert(&self, batch: &Batch, out: &mut Vec<u8>) -> Result<Converted, Error> {
        let mut all = Output::passing(std::mem::take(out), usize::MAX);
        let done = self.convert_until(batch, &mut all, usize::MAX, None);
        *out = all.into_parts().0.into();
        Ok(done?.0)
    }

    /// Takes rows off the front of the batch and appends them, converted, until `budget` bytes are written or the batch is empty; the last
    /// row may go beyond the budget, and long runs that pass are not written. After an error `out` and the batch are as they were.
    pub fn convert_part(
        &self,
        batch: &mut Batch,
        out: &mut Output,
        budget: usize,
    ) -> Result<Converted, Error> {
        self.take_part(batch, out, budget, None)
    }

    /// The same, but a row with a value that cannot be converted ([`Cause::is_of_a_value`]) is left out, out of the digest and the
    /// count too, and appended to `refused`. What is no row of the table is still an error.
    pub fn convert_part_but(
        &self,
        batch: &mut Batch,
        out: &mut Output,
        budget: usize,
        refused: &mut Vec<Refused>,
    ) -> Result<Converted, Error> {
        self.take_part(batch, out, budget, Some(refused))
    }

    fn take_part(
        &self,
        batch: &mut Batch,
        out: &mut Output,
        budget: usize,
        refused: Option<&mut Vec<Refused>>,
    ) -> Result<Converted, Error> {
        let limit = out.written().len().saturating_add(budget);
        let (converted, stop) = self.convert_until(batch, out, limit, refused)?;
        batch.advance(stop);
        Ok(converted)
    }

    fn convert_until(
        &self,
        batch: &Batch,
        out: &mut Output,
        limit: usize,
        mut refused: Option<&mut Vec<Refused>>,
    ) -> Result<(Converted, Position), Error> {
        let start = out.mark();
        let mut sum = Sum::default();
        let mut stop = Position::default();
        for piece in batch.pieces() {
            match self.convert_rows(piece, out, limit, &mut sum, refused.as_deref_mut()) {
                Ok((row, _)) if row == piece.rows => stop.piece += 1,
                Ok((row, at)) => {
                    stop = Position { row, at, ..stop };
                    break;
                }
                Err(error) => {
                    out.back_to(start);
                    return Err(error);
                }
            }
            if out.written().len() >= limit {
                break;
            }
        }
        Ok((sum.done(), stop))
    }

    /// Digest of rows that the target sent back. Nothing is converted: columns only say which fields are arrays that passed. (What
    /// was written anew comes back byte for byte.)
    pub fn digest(&self, batch: &Batch) -> Result<Converted, Error> {
        let mut sum = Sum::default();
        for piece in batch.pieces() {
            self.digest_rows(piece, &mut sum)?;
        }
        Ok(sum.done())
    }

    /// Appends rows until so much is written that `limit` is reached: how many, and the byte after the last of them.
    fn convert_rows(
        &self,
        piece: &Rows,
        out: &mut Output,
        limit: usize,
        sum: &mut Sum,
        mut refused: Option<&mut Vec<Refused>>,
    ) -> Result<(u32, usize), Error> {
        if self.writes == Writes::Same {
            self.digest_rows(piece, sum)?;
            out.pass(&piece.bytes, 0..piece.bytes.len());
            return Ok((piece.rows, piece.bytes.len()));
        }
        // More than a batch is a row of which the longest field will most likely pass.
        out.written().reserve(piece.bytes.len().min(MOST_RESERVED));
        let mut at = 0;
        for row in 0..piece.rows {
            if row > 0 && out.written().len() >= limit {
                return Ok((row, at));
            }
            let start = out.mark();
            let written = match self.writes {
                Writes::Text => self.text_row(piece, row, at, out.written(), sum),
                _ => self.convert_row(piece, row, at, out, sum),
            };
            at = match (written, refused.as_deref_mut()) {
                (Ok(end), _) => end,
                (Err(error), Some(refused)) if error.cause.is_of_a_value() => {
                    out.back_to(start);
                    sum.forget_row();
                    let end = self.row_end(piece, row, at)?;
                    let row = piece.bytes.slice(at..end);
                    refused.push(Refused { error, row });
                    end
                }
                (Err(error), _) => return Err(error),
            };
        }
        self.check_end(piece, at)?;
        Ok((piece.rows, at))
    }

    /// Appends the row at byte `at`, adds it to the digest, and returns where the next one begins.
    fn convert_row(
        &self,
        piece: &Rows,
        row: u32,
        at: usize,
        out: &mut Output,
        sum: &mut Sum,
    ) -> Result<usize, Error> {
        let start = out.mark();
        let end = self.write_row(piece, row, at, out, sum)?;
        match out.written_since(start) {
            Some(row) => sum.add_own(row),
            None => sum.add_stretches(out.stretches(start)),
        }
        Ok(end)
    }

    /// Appends the row in binary form. Columns that pass are copied together.
    fn write_row(
        &self,
        piece: &Rows,
        row: u32,
        mut at: usize,
        out: &mut Output,
        sum: &mut Sum,
    ) -> Result<usize, Error> {
        let bytes: &[u8] = &piece.bytes;
        let start = out.len();
        let mut copied = at;
        at = self.row_start(piece, row, at)?;
        for (column, what) in self.columns.iter().enumerate() {
            let fault = |fault: Fault| error(piece, row, Some(column), fault);
            let (body, null) =
                frame::field(bytes, at).map_err(|cause| fault(Fault::new(at, cause)))?;
            match what {
                _ if null => {}
                Column::Pass => {}
                Column::PassArray => {
                    let field = out.len() + body.start - copied - start;
                    sum.note_flag(&bytes[body.clone()], field);
                }
                written => {
                    out.pass(&piece.bytes, copied..at);
                    let payload = &bytes[body.clone()];
                    let write = |out: &mut Buffer| nested::write(self.isa, written, payload, out);
                    nested::write_field(out.written(), write)
                        .map_err(|inner| fault(inner.within(body.start)))?;
                    copied = body.end;
                }
            }
            at = body.end;
        }
        out.pass(&piece.bytes, copied..at);
        Ok(at)
    }

    /// The same as a line of text. (An array that passes comes as text, so no flag is to be cleared.)
    fn text_row(
        &self,
        piece: &Rows,
        row: u32,
        at: usize,
        out: &mut Buffer,
        sum: &mut Sum,
    ) -> Result<usize, Error> {
        let mut binary = std::mem::take(&mut sum.cleared);
        binary.clear();
        let mut whole = Output::passing(binary, usize::MAX);
        let written = self.write_row(piece, row, at, &mut whole, sum);
        let (binary, _) = whole.into_parts();
        let written = written.and_then(|end| {
            sum.add(&binary);
            text::write_row(&self.columns, &binary, out)
                .map_err(|fault| error(piece, row, None, Fault { at, ..fault }))?;
            Ok(end)
        });
        sum.cleared = binary;
        written
    }

    fn digest_rows(&self, piece: &Rows, sum: &mut Sum) -> Result<(), Error> {
        let bytes: &[u8] = &piece.bytes;
        let mut at = 0;
        for row in 0..piece.rows {
            let start = at;
            at = self.row_start(piece, row, at)?;
            for (column, what) in self.columns.iter().enumerate() {
                let (body, _) = frame::field(bytes, at)
                    .map_err(|cause| error(piece, row, Some(column), Fault::new(at, cause)))?;
                at = body.end;
                if matches!(what, Column::PassArray) {
                    sum.note_flag(&bytes[body.clone()], body.start - start);
                }
            }
            sum.add(&bytes[start..at]);
        }
        self.check_end(piece, at)
    }

    /// Checks the field count of the row at `at` and returns where its first field begins.
    fn row_start(&self, piece: &Rows, row: u32, at: usize) -> Result<usize, Error> {
        let cause = match frame::int16(&piece.bytes, at) {
            Some(count) if usize::try_from(count) == Ok(self.columns.len()) => return Ok(at + 2),
            Some(found) => {
                let expected = u16::try_from(self.columns.len()).unwrap_or(u16::MAX);
                Cause::FieldCount { found, expected }
            }
            None => Cause::Truncated,
        };
        Err(error(piece, row, None, Fault::new(at, cause)))
    }

    /// Where the row at `at` ends.
    fn row_end(&self, piece: &Rows, row: u32, at: usize) -> Result<usize, Error> {
        let mut end = self.row_start(piece, row, at)?;
        for column in 0..self.columns.len() {
            let (body, _) = frame::field(&piece.bytes, end)
                .map_err(|cause| error(piece, row, Some(column), Fault::new(end, cause)))?;
            end = body.end;
        }
        Ok(end)
    }

    /// A piece must end with its last row; otherwise bytes would be lost, or written but not hashed.
    fn check_end(&self, piece: &Rows, at: usize) -> Result<(), Error> {
        if at == piece.bytes.len() {
            return Ok(());
        }
        let (found, expected) = (piece.bytes.len() as u64, at as u64);
        Err(error(
            piece,
            piece.rows,
            None,
            Fault::new(at, Cause::Length { found, expected }),
        ))
    }
}

fn error(piece: &Rows, row: u32, column: Option<usize>, fault: Fault) -> Error {
    Error {
        row: piece.first_row + u64::from(row),
        column: column.map(|column| u16::try_from(column).unwrap_or(u16::MAX)),
        offset: piece.offset + fault.at as u64,
        cause: fault.cause,
    }
}
