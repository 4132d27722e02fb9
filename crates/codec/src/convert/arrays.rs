//! Comes in: one field that holds an array of pgvector values. Goes out: the same array of PGVecto.rs values: dimensions,
//! lower bounds and NULLs as they were, the element type named by the OID that it has on the target.
//!
//! ```text
//! int32 ndim   int32 has_null   uint32 element OID   ndim x (int32 length, int32 lower bound)
//! for each element: int32 length (-1 is NULL) and the payload
//! ```
//! Everything is big-endian (PostgreSQL, `array_send`). An array without elements has ndim 0.
use super::pairs::{Job, Pair};
use crate::error::{Cause, Fault};
use crate::frame::{field, int32};

/// PostgreSQL's MAXDIM.
const MAX_NDIM: usize = 6;
const HEADER_LEN: usize = 12;
/// Where `has_null` stands. A 1 without NULLs is legal and gets lost when a server stores the array.
pub(super) const HAS_NULL: std::ops::Range<usize> = 4..8;

/// Appends the converted array. `has_null` says whether there are NULLs, whatever the source said.
pub(super) fn convert(
    job: &Job,
    pair: &Pair,
    element_oid: u32,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let (elements, mut at) = read_header(payload)?;
    let start = out.len();
    out.extend_from_slice(&payload[..at]);
    out[start..][8..HEADER_LEN].copy_from_slice(&element_oid.to_be_bytes());
    let mut has_null = 0;
    for _ in 0..elements {
        let (body, null) = field(payload, at).map_err(|cause| Fault::new(at, cause))?;
        at = body.end;
        if null {
            has_null = 1;
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        write_field(out, |out| (pair.convert)(job, &payload[body.clone()], out))
            .map_err(|fault| fault.within(body.start))?;
    }
    if at != payload.len() {
        let (found, expected) = (payload.len() as u64, at as u64);
        return Err(Fault::new(at, Cause::Length { found, expected }));
    }
    out[start..][HAS_NULL].copy_from_slice(&i32::to_be_bytes(has_null));
    Ok(())
}

/// Appends a field of a row or an element of an array: its length, and what `write` appends.
pub(super) fn write_field(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let start = out.len() + 4;
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let len = out.len() - start;
    match i32::try_from(len) {
        Ok(length) if len <= crate::frame::MAX_FIELD => {
            out[start - 4..start].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        _ => Err(Fault::new(0, Cause::TooLarge { bytes: len as u64 })),
    }
}

/// The number of elements, and where the first one begins.
fn read_header(payload: &[u8]) -> Result<(usize, usize), Fault> {
    let found = payload.len() as u64;
    let too_short = |expected| {
        Fault::new(
            payload.len(),
            Cause::Length {
                found,
                expected: expected as u64,
            },
        )
    };
    let (Some(ndim), Some(flags), Some(_)) =
        (int32(payload, 0), int32(payload, 4), int32(payload, 8))
    else {
        return Err(too_short(HEADER_LEN));
    };
    let wrong_header = Fault::new(0, Cause::ArrayHeader { ndim, flags });
    let dimensions = usize::try_from(ndim).map_err(|_| wrong_header)?;
    if dimensions > MAX_NDIM || !(0..=1).contains(&flags) {
        return Err(wrong_header);
    }
    let end = HEADER_LEN + dimensions * 8;
    let mut elements = usize::from(dimensions > 0);
    for at in (HEADER_LEN..end).step_by(8) {
        let length = int32(payload, at).ok_or(too_short(end))?;
        let count = usize::try_from(length).ok().filter(|count| *count > 0);
        // Each element takes at least its length, so more of them than a quarter of the payload is a lie.
        elements = count
            .and_then(|count| elements.checked_mul(count))
            .filter(|elements| *elements <= payload.len() / 4)
            .ok_or(Fault::new(at, Cause::ArrayDimension { length }))?;
    }
    if payload.len() < end {
        return Err(too_short(end));
    }
    Ok((elements, end))
}
