//! Comes in: one converted row in binary form, whose fields are texts that the source wrote, and vectors for the target. Goes
//! out: the same row in COPY's text form. Every number is printed so that reading it gives its bits back.
//!
//! ```text
//! row      fields between tabs, a newline; NULL is \N; backslash, tab, newline and carriage return are escaped by a backslash
//! vector, vecf16   [1, -0.5]        bvector   [1, 0]       svector   {0:1, 2:0.5}/3    (from 0)
//! real[]           {1,-0.5}
//! arrays of them   {"[1, 2]",NULL}, with [2:3]= before it where a lower bound is not 1
//! ```
//! (PostgreSQL documentation, COPY, "Text Format", and "Arrays"; PGVecto.rs 0.4.0, `_vectors_*_in`.)
use std::io::Write;

use super::{Column, Encoding, Form, Kind, nested};
use crate::buffer::Buffer;
use crate::error::{Cause, Fault};
use crate::frame::{self, int32};

/// Whether the values of such a column can be said as text: those that came as text, vectors, and arrays of vectors.
pub(super) fn has_text(column: &Column) -> bool {
    match column {
        Column::Pass | Column::Convert(_) => true,
        Column::Array { of, .. } => matches!(**of, Column::Convert(_)),
        _ => false,
    }
}

/// Appends the row that `row` holds and nothing else; its columns have a text.
pub(super) fn write_row(columns: &[Column], row: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let mut at = 2;
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            out.push(b'\t');
        }
        let (body, null) = frame::field(row, at).map_err(|cause| Fault::new(at, cause))?;
        at = body.end;
        let payload = &row[body];
        match column {
            _ if null => out.extend_from_slice(b"\\N"),
            Column::Convert(conversion) => vector(conversion.to(), payload, out),
            Column::Array { of, .. } => array(of, payload, out)?,
            _ => escaped(payload, out),
        }
    }
    out.push(b'\n');
    Ok(())
}

/// In every encoding of a server an ASCII byte is that character.
fn escaped(text: &[u8], out: &mut Buffer) {
    for &byte in text {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

/// A payload that this crate has written.
fn vector(form: Form, payload: &[u8], out: &mut Buffer) {
    let words = |bytes: &[u8]| -> Vec<f32> {
        let words = bytes.as_chunks::<4>().0.iter();
        words.map(|word| f32::from_le_bytes(*word)).collect()
    };
    match (form.encoding, form.kind) {
        (Encoding::Pgvectors, Kind::F32) => dense(&words(&payload[2..]), out),
        (Encoding::Pgvectors, Kind::F16) => {
            let halves = payload[2..].as_chunks::<2>().0.iter();
            let wide = halves.map(|half| widened(u16::from_le_bytes(*half)));
            dense(&wide.collect::<Vec<_>>(), out);
        }
        (Encoding::Pgvectors, Kind::Bits) => bits(payload, out),
        (Encoding::Pgvectors, Kind::Sparse) => sparse(payload, out),
        (Encoding::RealArray, _) => {
            let elements = payload.get(20..).unwrap_or_default().as_chunks::<8>().0;
            let real = |e: &[u8; 8]| f32::from_be_bytes([e[4], e[5], e[6], e[7]]);
            let elements: Vec<f32> = elements.iter().map(real).collect();
            listed((b'{', b","), &elements, out, number);
            out.push(b'}');
        }
        // No conversion ends there.
        (Encoding::Pgvector, _) => {}
    }
}

fn dense(elements: &[f32], out: &mut Buffer) {
    listed((b'[', b", "), elements, out, number);
    out.push(b']');
}

fn bits(payload: &[u8], out: &mut Buffer) {
    let dims = u16::from_le_bytes([payload[0], payload[1]]);
    let set = |i: u16| payload[2 + usize::from(i / 8)] >> (i % 8) & 1;
    let dims: Vec<u16> = (0..dims).collect();
    listed((b'[', b", "), &dims, out, |i, out| out.push(b'0' + set(*i)));
    out.push(b']');
}

fn sparse(payload: &[u8], out: &mut Buffer) {
    let words: Vec<u32> = payload
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word))
        .collect();
    let [dims, entries, rest @ ..] = &words[..] else {
        return;
    };
    let (indices, values) = rest.split_at((*entries as usize).min(rest.len()));
    let entries: Vec<_> = indices.iter().zip(values).collect();
    listed((b'{', b", "), &entries, out, |(index, value), out| {
        printed(out, format_args!("{index}:"));
        number(&f32::from_bits(**value), out);
    });
    printed(out, format_args!("}}/{dims}"));
}

/// The opening bracket, and the elements with what stands between them.
fn listed<T>(
    (open, between): (u8, &[u8]),
    elements: &[T],
    out: &mut Buffer,
    element: impl Fn(&T, &mut Buffer),
) {
    out.push(open);
    for (i, one) in elements.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(between);
        }
        element(one, out);
    }
}

/// Shortest digits that are read back as the same f32. Very large and very small ones with an exponent: PGVecto.rs takes no
/// number of more than 48 characters.
fn number(number: &f32, out: &mut Buffer) {
    match number.abs() {
        size if size == 0.0 || (1e-5..1e9).contains(&size) => {
            printed(out, format_args!("{number}"))
        }
        _ => printed(out, format_args!("{number:e}")),
    }
}

fn printed(out: &mut Buffer, text: std::fmt::Arguments) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(text);
}

/// The f32 of the same value.
fn widened(half: u16) -> f32 {
    let (exponent, fraction) = (u32::from(half >> 10 & 31), u32::from(half & 0x3ff));
    let size = match exponent {
        0 => fraction as f32 * f32::from_bits((127 - 24) << 23),
        31 => f32::from_bits(0xff << 23 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    match half >> 15 {
        0 => size,
        _ => -size,
    }
}

/// Dimensions outside, elements inside.
fn array(of: &Column, payload: &[u8], out: &mut Buffer) -> Result<(), Fault> {
    let (elements, _, mut at) = nested::array_header(payload)?;
    let words: Vec<i32> = (12..at)
        .step_by(4)
        .filter_map(|i| int32(payload, i))
        .collect();
    let dimensions: Vec<(i32, i32)> = words
        .as_chunks()
        .0
        .iter()
        .map(|[n, low]| (*n, *low))
        .collect();
    if dimensions.iter().any(|(_, low)| *low != 1) {
        for (length, low) in &dimensions {
            let high = i64::from(*low) + i64::from(*length) - 1;
            printed(out, format_args!("[{low}:{high}]"));
        }
        out.push(b'=');
    }
    if elements == 0 {
        out.extend_from_slice(b"{}");
    }
    for element in 0..elements {
        braces(&dimensions, element, elements, out);
        let (body, null) = frame::field(payload, at).map_err(|cause| Fault::new(at, cause))?;
        at = body.end;
        match of {
            Column::Convert(conversion) if !null => {
                out.push(b'"');
                vector(conversion.to(), &payload[body], out);
                out.push(b'"');
            }
            _ if null => out.extend_from_slice(b"NULL"),
            _ => return Err(Fault::new(at, Cause::Truncated)),
        }
    }
    for _ in dimensions {
        out.push(b'}');
    }
    Ok(())
}

/// What stands before an element: an opening brace for each dimension that begins with it, closing ones for those that ended.
fn braces(dimensions: &[(i32, i32)], element: usize, elements: usize, out: &mut Buffer) {
    let mut size = elements;
    let mut begun = 0;
    for (length, _) in dimensions {
        begun += usize::from(element.is_multiple_of(size));
        size /= usize::try_from(*length).unwrap_or(1).max(1);
    }
    if element > 0 {
        out.room(begun).fill(b'}');
        out.push(b',');
    }
    out.room(begun).fill(b'{');
}
