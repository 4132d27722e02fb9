//! Comes in: the dimensions of a vector and an output buffer. Goes out: the header of the payload that PGVecto.rs 0.4.0's
//! `recv` reads, and room for the rest of it. Its limits are checked here, since `recv` allocates before it looks.
//!
//! ```text
//! vector   u16 dims   dims x f32
//! vecf16   u16 dims   dims x f16
//! bvector  u16 dims   ceil(dims / 64) x u64, bit i is bit (i mod 64) of word i / 64, padding is zero
//! svector  u32 dims   u32 nnz   nnz x u32 index (from 0, strictly ascending)   nnz x f32 (not zero)
//! ```
//! Everything is little-endian (PGVecto.rs 0.4.0, `_vectors_*_recv`; recorded in tests/golden).
use crate::buffer::Buffer;
use crate::error::{Cause, Fault};

pub(crate) const MAX_DIMS: u32 = 65_535;
pub(crate) const MAX_SPARSE_DIMS: u32 = 1_048_575;

/// Header of a vector (`width` 4) or vecf16 (`width` 2); room for the elements.
#[inline]
pub(crate) fn dense(dims: u32, width: usize, out: &mut Buffer) -> Result<&mut [u8], Fault> {
    short_header(dims, out)?;
    Ok(out.room(dims as usize * width))
}

/// Header of a bvector; its words, all zero.
#[inline]
pub(crate) fn bits(dims: u32, out: &mut Buffer) -> Result<&mut [u8], Fault> {
    short_header(dims, out)?;
    let words = out.room(dims.div_ceil(64) as usize * 8);
    words.fill(0);
    Ok(words)
}

/// Header of an svector; room for its indices and its values.
pub(crate) fn sparse(
    dims: u32,
    entries: u32,
    out: &mut Buffer,
) -> Result<(&mut [u8], &mut [u8]), Fault> {
    check_dims(dims, MAX_SPARSE_DIMS)?;
    if entries > dims {
        return Err(Fault::new(
            4,
            Cause::Entries {
                found: entries,
                limit: dims,
            },
        ));
    }
    out.extend_from_slice(&dims.to_le_bytes());
    out.extend_from_slice(&entries.to_le_bytes());
    let len = entries as usize * 4;
    Ok(out.room(len * 2).split_at_mut(len))
}

/// Makes infinities of a vecf16's elements the largest finite number of their sign.
pub(crate) fn saturate_f16(elements: &mut [u8]) {
    for half in elements.as_chunks_mut().0 {
        let bits = u16::from_le_bytes(*half);
        if bits & 0x7fff == 0x7c00 {
            *half = (bits - 1).to_le_bytes();
        }
    }
}

#[inline]
fn short_header(dims: u32, out: &mut Buffer) -> Result<(), Fault> {
    check_dims(dims, MAX_DIMS)?;
    out.extend_from_slice(&(dims as u16).to_le_bytes());
    Ok(())
}

#[inline]
fn check_dims(found: u32, limit: u32) -> Result<(), Fault> {
    if (1..=limit).contains(&found) {
        return Ok(());
    }
    Err(Fault::new(0, Cause::DimsLimit { found, limit }))
}
