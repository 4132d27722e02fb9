//! Comes in: the number of elements and an output buffer. Goes out: the header of a one-dimensional `real[]` as PostgreSQL's
//! `array_send` writes it, and room for the elements.
//!
//! ```text
//! int32 ndim = 1   int32 has_null = 0   uint32 element OID = 700   int32 length   int32 lower bound = 1
//! length x (int32 4   f32)
//! ```
//! Everything is big-endian. An array without elements has ndim 0 and ends after the OID.
use crate::buffer::Buffer;
use crate::error::{Cause, Fault};
use crate::frame::MAX_FIELD;

const FLOAT4_OID: u32 = 700;
/// An element with its length.
const ELEMENT_LEN: usize = 8;
/// An element that is zero: its length and +0.
const ZERO: [u8; ELEMENT_LEN] = [0, 0, 0, 4, 0, 0, 0, 0];

/// Header of an array of `length` elements; room for them.
pub(crate) fn array(length: u32, out: &mut Buffer) -> Result<&mut [u8], Fault> {
    let bytes = field_len(length);
    if bytes > MAX_FIELD as u64 {
        return Err(Fault::new(0, Cause::TooLarge { bytes }));
    }
    let ndim = u32::from(length > 0);
    for word in [ndim, 0, FLOAT4_OID] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    if ndim == 1 {
        for word in [length, 1] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    Ok(out.room(length as usize * ELEMENT_LEN))
}

/// Writes the elements of an array in which only some are not zero: index and f32 bits of each, indices in range.
pub(crate) fn scatter(entries: impl Iterator<Item = (u32, u32)>, elements: &mut [u8]) {
    let (elements, _) = elements.as_chunks_mut::<ELEMENT_LEN>();
    elements.fill(ZERO);
    for (index, bits) in entries {
        if let Some(element) = elements.get_mut(index as usize) {
            element[4..].copy_from_slice(&bits.to_be_bytes());
        }
    }
}

/// Bytes of the field that holds an array of `length` elements.
pub(crate) fn field_len(length: u32) -> u64 {
    if length == 0 {
        12
    } else {
        20 + u64::from(length) * ELEMENT_LEN as u64
    }
}
