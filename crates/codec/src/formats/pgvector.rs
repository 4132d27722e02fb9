//! Comes in: a payload that pgvector's (or for bits PostgreSQL's) `send` wrote. Goes out: its dimensions and the bytes of
//! its elements, after header and length have been checked; and the place of the first element that must not be there.
//!
//! ```text
//! vector     u16 dims   u16 0      dims x f32
//! halfvec    u16 dims   u16 0      dims x f16
//! bit        i32 dims   ceil(dims / 8) bytes, the first bit is the highest of the first byte, padding is zero
//! sparsevec  i32 dims   i32 nnz    i32 0   nnz x i32 index (from 0, ascending)   nnz x f32 (not zero)
//! ```
//! Everything is big-endian (pgvector 0.8, `*_send`).
use crate::error::{Cause, Fault};

/// vector and halfvec: VECTOR_MAX_DIM, HALFVEC_MAX_DIM.
pub(crate) const MAX_DIMS: u32 = 16_000;
/// SPARSEVEC_MAX_DIM.
pub(crate) const MAX_SPARSE_DIMS: u32 = 1_000_000_000;
/// SPARSEVEC_MAX_NNZ.
pub(crate) const MAX_ENTRIES: u32 = 16_000;

const F32_EXPONENT: u32 = 0x7f80_0000;
const F32_MAGNITUDE: u32 = 0x7fff_ffff;
const F16_EXPONENT: u16 = 0x7c00;

/// A vector or halfvec.
pub(crate) struct Dense<'a> {
    pub dims: u32,
    pub elements: &'a [u8],
}

pub(crate) struct Bits<'a> {
    pub dims: u32,
    pub bytes: &'a [u8],
}

pub(crate) struct Sparse<'a> {
    pub dims: u32,
    pub entries: u32,
    pub indices: &'a [u8],
    pub values: &'a [u8],
}

/// Reads the header of a vector (`width` 4) or halfvec (`width` 2).
#[inline]
pub(crate) fn dense(payload: &[u8], width: usize) -> Result<Dense<'_>, Fault> {
    let Some((&[d0, d1, u0, u1], elements)) = payload.split_first_chunk() else {
        return Err(wrong_length(payload, 4));
    };
    let dims = u32::from(u16::from_be_bytes([d0, d1]));
    let unused = u32::from(u16::from_be_bytes([u0, u1]));
    if unused != 0 {
        return Err(Fault::new(2, Cause::Unused { found: unused }));
    }
    check_dims(dims, MAX_DIMS)?;
    if elements.len() != dims as usize * width {
        return Err(wrong_length(payload, 4 + u64::from(dims) * width as u64));
    }
    Ok(Dense { dims, elements })
}

/// Reads a bit string. Its length may be 0; its padding must be zero, as PostgreSQL always sends it.
#[inline]
pub(crate) fn bits(payload: &[u8]) -> Result<Bits<'_>, Fault> {
    let Some((header, bytes)) = payload.split_first_chunk() else {
        return Err(wrong_length(payload, 4));
    };
    let dims = u32::from_be_bytes(*header);
    if dims > i32::MAX.cast_unsigned() {
        return Err(Fault::new(
            0,
            Cause::DimsLimit {
                found: dims,
                limit: i32::MAX.cast_unsigned(),
            },
        ));
    }
    let expected = u64::from(dims.div_ceil(8));
    if bytes.len() as u64 != expected {
        return Err(wrong_length(payload, 4 + expected));
    }
    let padding = if dims % 8 == 0 {
        0
    } else {
        0xff_u8 >> (dims % 8)
    };
    if bytes.last().is_some_and(|last| last & padding != 0) {
        return Err(Fault::new(payload.len() - 1, Cause::Padding { dims }));
    }
    Ok(Bits { dims, bytes })
}

/// Reads the header of a sparsevec. Indices and values are not looked at: see [`Sparse::fault`].
pub(crate) fn sparse(payload: &[u8]) -> Result<Sparse<'_>, Fault> {
    let Some((header, rest)) = payload.split_first_chunk::<12>() else {
        return Err(wrong_length(payload, 12));
    };
    let mut words = u32s(header);
    let [dims, entries, unused] = std::array::from_fn(|_| words.next().unwrap_or(0));
    if unused != 0 {
        return Err(Fault::new(8, Cause::Unused { found: unused }));
    }
    check_dims(dims, MAX_SPARSE_DIMS)?;
    let limit = dims.min(MAX_ENTRIES);
    if entries > limit {
        return Err(Fault::new(
            4,
            Cause::Entries {
                found: entries,
                limit,
            },
        ));
    }
    if rest.len() as u64 != u64::from(entries) * 8 {
        return Err(wrong_length(payload, 12 + u64::from(entries) * 8));
    }
    let (indices, values) = rest.split_at(entries as usize * 4);
    Ok(Sparse {
        dims,
        entries,
        indices,
        values,
    })
}

impl Dense<'_> {
    /// The first NaN or infinity of a vector.
    pub fn not_finite_f32(&self) -> Option<Fault> {
        not_finite_f32(self.elements, 4)
    }

    /// The first NaN or infinity of a halfvec.
    pub fn not_finite_f16(&self) -> Option<Fault> {
        let bad = |half: &[u8; 2]| u16::from_be_bytes(*half) & F16_EXPONENT == F16_EXPONENT;
        let found = self.elements.as_chunks().0.iter().position(bad)?;
        Some(Fault::new(
            4 + found * 2,
            Cause::NotFinite {
                element: found as u32,
            },
        ))
    }

    /// The first element of a vector whose magnitude is at least that of the f32 with the bits `limit`.
    pub fn overflow(&self, limit: u32) -> Option<Fault> {
        let found = u32s(self.elements).position(|bits| bits & F32_MAGNITUDE >= limit)?;
        Some(Fault::new(
            4 + found * 4,
            Cause::Overflow {
                element: found as u32,
            },
        ))
    }
}

impl Sparse<'_> {
    /// The first entry that pgvector would not hold: index not ascending, index not below dims, zero, NaN, infinity.
    pub fn fault(&self) -> Option<Fault> {
        let mut least = 0;
        for (entry, index) in u32s(self.indices).enumerate() {
            if index < least || index >= self.dims {
                let cause = Cause::Index {
                    entry: entry as u32,
                    index,
                };
                return Some(Fault::new(12 + entry * 4, cause));
            }
            least = index + 1;
        }
        let values = 12 + self.indices.len();
        if let Some(entry) = u32s(self.values).position(|bits| bits & F32_MAGNITUDE == 0) {
            return Some(Fault::new(
                values + entry * 4,
                Cause::Zero {
                    entry: entry as u32,
                },
            ));
        }
        not_finite_f32(self.values, values)
    }

    /// Whether the last index is below the dimensions; then all of them are, if they ascend.
    pub fn last_index_fits(&self) -> bool {
        self.indices
            .last_chunk()
            .is_none_or(|last| u32::from_be_bytes(*last) < self.dims)
    }

    /// Index and value bits of each entry.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        u32s(self.indices).zip(u32s(self.values))
    }
}

/// The first NaN or infinity among f32 elements that begin at byte `start` of their payload.
fn not_finite_f32(elements: &[u8], start: usize) -> Option<Fault> {
    let found = u32s(elements).position(|bits| bits & F32_EXPONENT == F32_EXPONENT)?;
    Some(Fault::new(
        start + found * 4,
        Cause::NotFinite {
            element: found as u32,
        },
    ))
}

fn u32s(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|word| u32::from_be_bytes(*word))
}

#[inline]
fn check_dims(found: u32, limit: u32) -> Result<(), Fault> {
    if (1..=limit).contains(&found) {
        return Ok(());
    }
    Err(Fault::new(0, Cause::DimsLimit { found, limit }))
}

fn wrong_length(payload: &[u8], expected: u64) -> Fault {
    let found = payload.len() as u64;
    Fault::new(payload.len(), Cause::Length { found, expected })
}
