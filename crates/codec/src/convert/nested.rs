//! Comes in: one field whose value is made of other values: an array, a composite, a range, a multirange, of any nesting. Goes
//! out: the same value for the target: its own OIDs for the types that the bytes name, vectors inside converted, infinite
//! intervals refused where the target does not know them. What a part means is said by the [`Column`] that describes it.
//!
//! ```text
//! array       int32 ndim   int32 has_null   uint32 element OID   ndim x (int32 length, int32 lower bound)   elements
//! composite   int32 fields, then for each: uint32 type OID and the field      (record_send; dropped attributes are not sent)
//! range       u8 flags (1 empty, 8 no lower bound, 16 no upper bound), then each bound that there is
//! multirange  int32 count, then each range
//! interval    int64 microseconds   int32 days   int32 months; all the largest or all the smallest number is an infinity
//! ```
//! Each element, field, bound and range of a multirange is an int32 length (-1 is NULL, in the first two only) and its bytes.
//! Everything is big-endian. An array without elements has ndim 0 (PostgreSQL, `*_send`; recorded in tests/golden).
use std::ops::Range;

use super::{Column, Oids};
use crate::buffer::Buffer;
use crate::error::{Cause, Fault};
use crate::frame::{self, int32};
use crate::kernel::Isa;

/// PostgreSQL's MAXDIM.
const MAX_NDIM: usize = 6;
const ARRAY_HEADER_LEN: usize = 12;
/// Where an array's `has_null` stands. A 1 without NULLs is legal and gets lost when a server stores the array.
pub(super) const HAS_NULL: Range<usize> = 4..8;

const RANGE_EMPTY: u8 = 1;
const RANGE_NO_LOWER: u8 = 8;
const RANGE_NO_UPPER: u8 = 16;
/// These, and whether the bounds belong to it (2 and 4); the others never leave a server.
const RANGE_FLAGS: u8 = 31;

/// Appends the value as the target wants it; what it appended before a fault is worth nothing. How deep it goes is the
/// plan's affair, never that of the bytes.
#[inline]
pub(super) fn write(
    isa: Isa,
    what: &Column,
    payload: &[u8],
    out: &mut Buffer,
) -> Result<(), Fault> {
    match what {
        Column::Pass => out.extend_from_slice(payload),
        Column::Convert(conversion) => conversion.write(isa, payload, out)?,
        Column::FiniteInterval => finite_interval(payload, out)?,
        Column::PassArray => array(isa, None, &Column::Pass, payload, out)?,
        Column::Array { element, of } => array(isa, Some(*element), of, payload, out)?,
        Column::Composite(attributes) => composite(isa, attributes, payload, out)?,
        Column::Range(bound) => range(isa, bound, payload, out)?,
        Column::Multirange(bound) => multirange(isa, bound, payload, out)?,
    }
    Ok(())
}

/// Appends a field of a row or a part of a value: its length, and what `write` appends.
#[inline]
pub(super) fn write_field(
    out: &mut Buffer,
    write: impl FnOnce(&mut Buffer) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let start = out.len() + 4;
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let len = out.len() - start;
    match i32::try_from(len) {
        Ok(length) if len <= frame::MAX_FIELD => {
            out[start - 4..start].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        _ => Err(Fault::new(0, Cause::TooLarge { bytes: len as u64 })),
    }
}

/// A payload and how far it is read.
struct Parts<'a> {
    isa: Isa,
    payload: &'a [u8],
    at: usize,
}

impl Parts<'_> {
    fn word(&mut self) -> Result<[u8; 4], Fault> {
        let word = self.payload[self.at..].first_chunk().copied();
        let word = word.ok_or_else(|| Fault::new(self.at, Cause::Truncated))?;
        self.at += 4;
        Ok(word)
    }

    /// The OID that stands here must be the plan's; the target's is written for it.
    fn oid(&mut self, oids: Oids, out: &mut Buffer) -> Result<(), Fault> {
        let (at, found) = (self.at, u32::from_be_bytes(self.word()?));
        check_oid(at, found, oids)?;
        out.extend_from_slice(&oids.target.to_be_bytes());
        Ok(())
    }

    /// The part whose length stands here, written as `what`; whether it is NULL.
    fn part(&mut self, what: &Column, out: &mut Buffer) -> Result<bool, Fault> {
        let start = self.at;
        let fault = |cause| Fault::new(start, cause);
        let (body, null) = frame::field(self.payload, start).map_err(fault)?;
        self.at = body.end;
        if null || matches!(what, Column::Pass) {
            out.extend_from_slice(&self.payload[start..body.end]);
        } else {
            let part = &self.payload[body.clone()];
            write_field(out, |out| write(self.isa, what, part, out))
                .map_err(|fault| fault.within(body.start))?;
        }
        Ok(null)
    }

    fn bound(&mut self, what: &Column, out: &mut Buffer) -> Result<(), Fault> {
        let start = self.at;
        match self.part(what, out)? {
            false => Ok(()),
            true => Err(Fault::new(start, Cause::FieldLength { length: -1 })),
        }
    }

    fn end(self) -> Result<(), Fault> {
        if self.at == self.payload.len() {
            return Ok(());
        }
        let (found, expected) = (self.payload.len() as u64, self.at as u64);
        Err(Fault::new(self.at, Cause::Length { found, expected }))
    }
}

fn parts(isa: Isa, payload: &[u8], at: usize) -> Parts<'_> {
    Parts { isa, payload, at }
}

fn check_oid(at: usize, found: u32, oids: Oids) -> Result<(), Fault> {
    let expected = oids.source;
    match found == expected {
        true => Ok(()),
        false => Err(Fault::new(at, Cause::TypeOid { found, expected })),
    }
}

/// `has_null` is written as it is, whatever the source said: so it comes back when the target is read.
fn array(
    isa: Isa,
    element: Option<Oids>,
    of: &Column,
    payload: &[u8],
    out: &mut Buffer,
) -> Result<(), Fault> {
    let (elements, oid, start) = array_header(payload)?;
    let header = out.len();
    out.extend_from_slice(&payload[..start]);
    if let Some(oids) = element {
        check_oid(8, oid, oids)?;
        out[header..][8..ARRAY_HEADER_LEN].copy_from_slice(&oids.target.to_be_bytes());
    }
    let mut parts = parts(isa, payload, start);
    let mut nulls = false;
    for _ in 0..elements {
        nulls |= parts.part(of, out)?;
    }
    out[header..][HAS_NULL].copy_from_slice(&i32::from(nulls).to_be_bytes());
    parts.end()
}

/// The number of elements, their type, and where the first one begins.
pub(super) fn array_header(payload: &[u8]) -> Result<(usize, u32, usize), Fault> {
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
    let (Some(ndim), Some(flags), Some(oid)) =
        (int32(payload, 0), int32(payload, 4), int32(payload, 8))
    else {
        return Err(too_short(ARRAY_HEADER_LEN));
    };
    let wrong_header = Fault::new(0, Cause::ArrayHeader { ndim, flags });
    let dimensions = usize::try_from(ndim).map_err(|_| wrong_header)?;
    if dimensions > MAX_NDIM || !(0..=1).contains(&flags) {
        return Err(wrong_header);
    }
    let end = ARRAY_HEADER_LEN + dimensions * 8;
    let mut elements = usize::from(dimensions > 0);
    for at in (ARRAY_HEADER_LEN..end).step_by(8) {
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
    Ok((elements, oid.cast_unsigned(), end))
}

fn composite(
    isa: Isa,
    attributes: &[(Oids, Column)],
    payload: &[u8],
    out: &mut Buffer,
) -> Result<(), Fault> {
    let mut parts = parts(isa, payload, 0);
    let count = parts.word()?;
    let found = i32::from_be_bytes(count);
    if usize::try_from(found) != Ok(attributes.len()) {
        let expected = u32::try_from(attributes.len()).unwrap_or(u32::MAX);
        return Err(Fault::new(0, Cause::Attributes { found, expected }));
    }
    out.extend_from_slice(&count);
    for (oids, what) in attributes {
        parts.oid(*oids, out)?;
        parts.part(what, out)?;
    }
    parts.end()
}

fn range(isa: Isa, bound: &Column, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let flags = *payload
        .first()
        .ok_or_else(|| Fault::new(0, Cause::Truncated))?;
    if flags & !RANGE_FLAGS != 0 {
        return Err(Fault::new(0, Cause::RangeFlags { flags }));
    }
    out.push(flags);
    let mut parts = parts(isa, payload, 1);
    for missing in [RANGE_NO_LOWER, RANGE_NO_UPPER] {
        if flags & (RANGE_EMPTY | missing) == 0 {
            parts.bound(bound, out)?;
        }
    }
    parts.end()
}

fn multirange(isa: Isa, bound: &Column, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let mut parts = parts(isa, payload, 0);
    let count = parts.word()?;
    let ranges = i32::from_be_bytes(count);
    // Each range takes at least its length and its flags.
    let fits = |ranges: &usize| ranges.checked_mul(5).is_some_and(|len| len < payload.len());
    let Some(ranges) = usize::try_from(ranges).ok().filter(fits) else {
        return Err(Fault::new(0, Cause::Ranges { found: ranges }));
    };
    out.extend_from_slice(&count);
    for _ in 0..ranges {
        let start = parts.at;
        let fault = |cause| Fault::new(start, cause);
        let (body, null) = frame::field(payload, start).map_err(fault)?;
        if null {
            return Err(fault(Cause::FieldLength { length: -1 }));
        }
        parts.at = body.end;
        write_field(out, |out| range(isa, bound, &payload[body.clone()], out))
            .map_err(|fault| fault.within(body.start))?;
    }
    parts.end()
}

/// A server before 17 takes the bytes of an infinity for a huge finite interval.
fn finite_interval(payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    const LEN: usize = 16;
    if payload.len() != LEN {
        let (found, expected) = (payload.len() as u64, LEN as u64);
        return Err(Fault::new(payload.len(), Cause::Length { found, expected }));
    }
    let (time, rest) = payload.split_at(8);
    let infinite = |time_of: i64, word_of: i32| {
        time == time_of.to_be_bytes() && rest.chunks_exact(4).all(|w| w == word_of.to_be_bytes())
    };
    if infinite(i64::MAX, i32::MAX) || infinite(i64::MIN, i32::MIN) {
        return Err(Fault::new(0, Cause::InfiniteInterval));
    }
    out.extend_from_slice(payload);
    Ok(())
}
