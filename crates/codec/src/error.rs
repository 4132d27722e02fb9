//! Comes in: what framing and conversion found wrong. Goes out: an error that names row, column and byte. It never holds
//! a byte of a value: whoever may print keys looks them up by the row's ordinal.
use std::fmt;

/// A refused stream or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Ordinal of the row in its stream, from 1; 0 is the header.
    pub row: u64,
    /// Column in the stream, from 0; `None` where the row or the stream as a whole is wrong.
    pub column: Option<u16>,
    /// Byte in the stream, from 0, at which the fault was seen.
    pub offset: u64,
    /// What is wrong there.
    pub cause: Cause,
}

/// What can be wrong. Elements and entries count from 0, lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are what the message of the variant prints
pub enum Cause {
    /// The stream does not open with the signature of binary COPY.
    Signature,
    /// The header sets a critical flag; bit 16 means OIDs, the others have no meaning yet.
    Flags { flags: u32 },
    /// The header declares an extension of a negative length.
    Extension { length: i32 },
    /// A row with another number of fields than the table has columns.
    FieldCount { found: i16, expected: u16 },
    /// A negative length other than -1 (NULL), or one above PostgreSQL's limit for a value.
    FieldLength { length: i32 },
    /// The stream ended before its trailer, or a piece that should hold whole rows does not.
    Truncated,
    /// Bytes follow the trailer.
    AfterTrailer,
    /// The payload's length is not what its own header asks for.
    Length { found: u64, expected: u64 },
    /// Another number of dimensions than the column has.
    Dims { found: u32, expected: u32 },
    /// No dimensions, or more than the format allows.
    DimsLimit { found: u32, limit: u32 },
    /// A word that the format keeps at zero is not zero.
    Unused { found: u32 },
    /// NaN or an infinity, which pgvector never holds.
    NotFinite { element: u32 },
    /// A finite f32 that rounds beyond the largest f16, 65504.
    Overflow { element: u32 },
    /// A bit set after the last dimension.
    Padding { dims: u32 },
    /// More entries in a sparse vector than it has dimensions or than pgvector allows.
    Entries { found: u32, limit: u32 },
    /// An index of a sparse vector that does not ascend or is not below its dimensions.
    Index { entry: u32, index: u32 },
    /// A zero stored as an entry of a sparse vector.
    Zero { entry: u32 },
    /// An array header that PostgreSQL does not write: 0 to 6 dimensions, flag 0 or 1.
    ArrayHeader { ndim: i32, flags: i32 },
    /// An array dimension that is not positive, or dimensions whose product is beyond the payload.
    ArrayDimension { length: i32 },
    /// The bytes name another type than the plan found in the catalog.
    TypeOid { found: u32, expected: u32 },
    /// A composite with another number of fields than its type has attributes.
    Attributes { found: i32, expected: u32 },
    /// A range with flags that PostgreSQL does not send.
    RangeFlags { flags: u8 },
    /// A multirange of a negative number of ranges, or of more than the value has room for.
    Ranges { found: i32 },
    /// An infinite interval, which PostgreSQL knows from 17 on.
    InfiniteInterval,
    /// The converted field would pass PostgreSQL's limit of 1 GiB for a value.
    TooLarge { bytes: u64 },
}

impl Cause {
    /// Whether one value is to blame, which the source may hold and the target must not get. All others say that the bytes are not what
    /// a server sends for the table's columns: then nothing around them can be trusted either.
    pub fn is_of_a_value(&self) -> bool {
        matches!(
            self,
            Cause::Dims { .. }
                | Cause::DimsLimit { .. }
                | Cause::Unused { .. }
                | Cause::NotFinite { .. }
                | Cause::Overflow { .. }
                | Cause::Padding { .. }
                | Cause::Entries { .. }
                | Cause::Index { .. }
                | Cause::Zero { .. }
                | Cause::InfiniteInterval
                | Cause::TooLarge { .. }
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row, self.column) {
            (0, _) => write!(f, "header, byte {}: ", self.offset)?,
            (row, None) => write!(f, "row {row}, byte {}: ", self.offset)?,
            (row, Some(column)) => write!(f, "row {row}, column {column}, byte {}: ", self.offset)?,
        }
        self.cause.fmt(f)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Cause::Signature => write!(f, "this is not a binary COPY stream (wrong signature)"),
            Cause::Flags { flags } if flags & 1 << 16 != 0 => {
                write!(
                    f,
                    "the stream carries OIDs (flags {flags:#010x}), which is not supported"
                )
            }
            Cause::Flags { flags } => write!(f, "unknown critical flags {flags:#010x}"),
            Cause::Extension { length } => {
                write!(f, "the header extension declares {length} bytes")
            }
            Cause::FieldCount { found, expected } => {
                write!(
                    f,
                    "the row has {found} fields, the table {expected} columns"
                )
            }
            Cause::FieldLength { length } => write!(f, "the field declares {length} bytes"),
            Cause::Truncated => write!(
                f,
                "the stream ends before the row or its trailer is complete"
            ),
            Cause::AfterTrailer => write!(f, "bytes follow the trailer"),
            Cause::Length { found, expected } => {
                write!(
                    f,
                    "the value has {found} bytes where its header asks for {expected}"
                )
            }
            Cause::Dims { found, expected } => {
                write!(
                    f,
                    "the vector has {found} dimensions, the column {expected}"
                )
            }
            Cause::DimsLimit { found, limit } => {
                write!(
                    f,
                    "the vector has {found} dimensions, allowed are 1 to {limit}"
                )
            }
            Cause::Unused { found } => write!(f, "a reserved word holds {found:#x} instead of 0"),
            Cause::NotFinite { element } => write!(f, "element {element} is NaN or infinite"),
            Cause::Overflow { element } => {
                write!(
                    f,
                    "element {element} overflows a 16-bit float (beyond 65504)"
                )
            }
            Cause::Padding { dims } => {
                write!(f, "a bit is set after the last of {dims} dimensions")
            }
            Cause::Entries { found, limit } => {
                write!(
                    f,
                    "the sparse vector has {found} entries, allowed are {limit}"
                )
            }
            Cause::Index { entry, index } => write!(
                f,
                "index {index} of sparse entry {entry} does not ascend or is not below the dimensions"
            ),
            Cause::Zero { entry } => write!(f, "sparse entry {entry} stores a zero"),
            Cause::ArrayHeader { ndim, flags } => {
                write!(
                    f,
                    "the array header holds {ndim} dimensions and flag {flags}"
                )
            }
            Cause::ArrayDimension { length } => {
                write!(
                    f,
                    "an array dimension of length {length} does not fit the value"
                )
            }
            Cause::TypeOid { found, expected } => {
                write!(
                    f,
                    "the value names the type with OID {found}, the catalog the one with OID {expected}"
                )
            }
            Cause::Attributes { found, expected } => {
                write!(
                    f,
                    "the composite has {found} fields, its type {expected} attributes"
                )
            }
            Cause::RangeFlags { flags } => write!(f, "the range has the flags {flags:#04x}"),
            Cause::Ranges { found } => write!(f, "the multirange declares {found} ranges"),
            Cause::InfiniteInterval => write!(
                f,
                "the interval is infinite, which the target's PostgreSQL (before 17) would take for a finite one"
            ),
            Cause::TooLarge { bytes } => {
                write!(
                    f,
                    "the converted value would take {bytes} bytes, more than PostgreSQL's 1 GiB"
                )
            }
        }
    }
}

/// A fault inside one payload, before row and column are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Byte in the payload.
    pub at: usize,
    pub cause: Cause,
}

impl Fault {
    pub fn new(at: usize, cause: Cause) -> Self {
        Fault { at, cause }
    }

    /// The same fault, seen from a payload that holds this one at `start`.
    pub fn within(self, start: usize) -> Self {
        Fault {
            at: start + self.at,
            ..self
        }
    }
}
