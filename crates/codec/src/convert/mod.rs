//! Comes in: batches of whole rows, and what each column is. Goes out: whole rows for the target, appended to one buffer,
//! with the digest that reading them back from the target must give. It writes no header and no trailer, and does not know
//! what a column is called.
mod arrays;
mod pairs;

use crate::batch::{Batch, Position};
use crate::digest::Digest;
use crate::error::{Cause, Error, Fault};
use crate::frame::{self, Rows};
use crate::kernel::Isa;
use pairs::{Job, PAIRS, Pair};

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
    element_oid: Option<u32>,
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
            element_oid: None,
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

    /// The column is an array of these values, and `element_oid` is the OID of the element type on the target. `None` when the
    /// target is `real[]`, since PostgreSQL has no array of arrays.
    pub fn elements_of(self, element_oid: u32) -> Option<Self> {
        let nested = self.pair.to.encoding == Encoding::RealArray;
        (!nested).then_some(Conversion {
            element_oid: Some(element_oid),
            ..self
        })
    }

    /// What the source sends.
    pub fn from(&self) -> Form {
        self.pair.from
    }

    /// What the target receives.
    pub fn to(&self) -> Form {
        self.pair.to
    }

    fn writes_array(&self) -> bool {
        self.element_oid.is_some() || self.pair.to.encoding == Encoding::RealArray
    }

    fn write(&self, isa: Isa, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let job = Job {
            isa,
            dims: self.dims,
            overflow: self.overflow,
        };
        match self.element_oid {
            Some(oid) => arrays::convert(&job, self.pair, oid, payload, out),
            None => (self.pair.convert)(&job, payload, out),
        }
    }
}

/// What happens to one column.
#[derive(Clone, Debug)]
pub enum Column {
    /// Its fields go on as they are.
    Pass,
    /// Its fields are arrays that go on as they are. The digest takes their `has_null` flag as 0: a 1 without NULLs is legal, and
    /// storing the array loses it.
    PassArray,
    /// Its fields are written anew.
    Convert(Conversion),
}

impl Column {
    fn writes_array(&self) -> bool {
        match self {
            Column::Pass => false,
            Column::PassArray => true,
            Column::Convert(conversion) => conversion.writes_array(),
        }
    }
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
    converts: bool,
}

/// The digest of the rows so far, and what hashing the next one may need; kept so that no row allocates.
#[derive(Default)]
struct Sum {
    digest: Digest,
    /// `has_null` flags that are set in the row at hand: where they lie and what they hold.
    flags: Vec<(usize, [u8; 4])>,
    /// The row at hand with these flags cleared, where it may not be changed in place.
    cleared: Vec<u8>,
}

impl Converter {
    /// For rows with these columns, with the fastest instruction set of this machine.
    pub fn new(columns: Vec<Column>) -> Self {
        Self::with_isa(columns, Isa::detect())
    }

    /// The same with an instruction set of the caller's choice.
    pub fn with_isa(columns: Vec<Column>, isa: Isa) -> Self {
        let converts = columns
            .iter()
            .any(|column| matches!(column, Column::Convert(_)));
        Converter {
            columns: columns.into(),
            isa,
            converts,
        }
    }

    /// Appends the rows of the batch, converted, to `out`. After an error `out` is as it was. A sparse vector or a bit string may
    /// grow a hundred thousand times when it becomes `real[]`: there [`Converter::convert_part`] bounds the memory.
    pub fn convert(&self, batch: &Batch, out: &mut Vec<u8>) -> Result<Converted, Error> {
        Ok(self.convert_until(batch, out, usize::MAX)?.0)
    }

    /// Takes rows off the front of the batch and appends them, converted, until `out` has grown by `budget` bytes or the batch
    /// is empty; the last row may pass the budget. After an error `out` and the batch are as they were.
    pub fn convert_part(
        &self,
        batch: &mut Batch,
        out: &mut Vec<u8>,
        budget: usize,
    ) -> Result<Converted, Error> {
        let limit = out.len().saturating_add(budget);
        let (converted, stop) = self.convert_until(batch, out, limit)?;
        batch.advance(stop);
        Ok(converted)
    }

    fn convert_until(
        &self,
        batch: &Batch,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(Converted, Position), Error> {
        let start = out.len();
        let mut sum = Sum::default();
        let mut stop = Position::default();
        for piece in batch.pieces() {
            match self.convert_rows(piece, out, limit, &mut sum) {
                Ok((row, _)) if row == piece.rows => stop.piece += 1,
                Ok((row, at)) => {
                    stop = Position { row, at, ..stop };
                    break;
                }
                Err(error) => {
                    out.truncate(start);
                    return Err(error);
                }
            }
            if out.len() >= limit {
                break;
            }
        }
        Ok((sum.done(), stop))
    }

    /// Digest of rows that the target sent back. Nothing is converted: columns only say which fields are arrays.
    pub fn digest(&self, batch: &Batch) -> Result<Converted, Error> {
        let mut sum = Sum::default();
        for piece in batch.pieces() {
            self.digest_rows(piece, &mut sum)?;
        }
        Ok(sum.done())
    }

    /// Appends rows until `out` has reached `limit`: how many, and the byte after the last of them.
    fn convert_rows(
        &self,
        piece: &Rows,
        out: &mut Vec<u8>,
        limit: usize,
        sum: &mut Sum,
    ) -> Result<(u32, usize), Error> {
        if !self.converts {
            self.digest_rows(piece, sum)?;
            out.extend_from_slice(&piece.bytes);
            return Ok((piece.rows, piece.bytes.len()));
        }
        out.reserve(piece.bytes.len());
        let mut at = 0;
        for row in 0..piece.rows {
            if row > 0 && out.len() >= limit {
                return Ok((row, at));
            }
            let start = out.len();
            at = self.convert_row(piece, row, at, out, sum)?;
            sum.add_own(&mut out[start..]);
        }
        self.check_end(piece, at)?;
        Ok((piece.rows, at))
    }

    /// Appends the row at byte `at` and returns where the next one begins. Columns that pass are copied together.
    fn convert_row(
        &self,
        piece: &Rows,
        row: u32,
        mut at: usize,
        out: &mut Vec<u8>,
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
                Column::Convert(conversion) if !null => {
                    out.extend_from_slice(&bytes[copied..at]);
                    let field = out.len() + 4;
                    let payload = &bytes[body.clone()];
                    arrays::write_field(out, |out| conversion.write(self.isa, payload, out))
                        .map_err(|inner| fault(inner.within(body.start)))?;
                    if conversion.element_oid.is_some() {
                        sum.note_flag(&out[field..], field - start);
                    }
                    copied = body.end;
                }
                Column::PassArray if !null => {
                    let field = out.len() + body.start - copied - start;
                    sum.note_flag(&bytes[body.clone()], field);
                }
                _ => {}
            }
            at = body.end;
        }
        out.extend_from_slice(&bytes[copied..at]);
        Ok(at)
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
                if what.writes_array() {
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

impl Sum {
    /// Remembers the `has_null` flag of an array that begins at byte `at` of the row at hand, if it is set.
    fn note_flag(&mut self, array: &[u8], at: usize) {
        if let Some(flag) = array
            .get(arrays::HAS_NULL)
            .and_then(|flag| flag.first_chunk())
            && *flag != [0; 4]
        {
            self.flags.push((at + arrays::HAS_NULL.start, *flag));
        }
    }

    /// Adds a row, its flags taken as 0.
    fn add(&mut self, row: &[u8]) {
        if self.flags.is_empty() {
            return self.digest.add(row);
        }
        self.cleared.clear();
        self.cleared.extend_from_slice(row);
        for (at, _) in self.flags.drain(..) {
            self.cleared[at..][..4].fill(0);
        }
        self.digest.add(&self.cleared);
    }

    /// The same for a row that may be changed for a moment.
    fn add_own(&mut self, row: &mut [u8]) {
        for (at, _) in &self.flags {
            row[*at..][..4].fill(0);
        }
        self.digest.add(row);
        for (at, flag) in self.flags.drain(..) {
            row[at..][..4].copy_from_slice(&flag);
        }
    }

    fn done(self) -> Converted {
        Converted {
            rows: self.digest.rows(),
            digest: self.digest,
        }
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
