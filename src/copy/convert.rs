//! In: a table's plan. Out: the codec's converter for it, and converted batches: at once, or from the pool where that is slow. The sockets
//! are the reader's and the writer's.

use std::sync::Arc;

use bytes::Bytes;
use codec::batch::Batch;
use codec::buffer::Buffer;
use codec::convert::{
    Column, Conversion, Converted, Converter, Encoding, Form, Kind, Oids, Output,
};
use dialect::types::{SourceType, TargetType, TypeChange};
use tokio::sync::oneshot;

use super::reject::Refused;
use crate::catalog::target::Types;
use crate::cli::Overflow;
use crate::connect::quote_qualified;
use crate::error::{Error, Result, Side};
use crate::plan::travel::{Named, OnTarget, Travel};
use crate::plan::{ColumnPlan, TablePlan};

/// The codec's pair for a change of type; None where there is none.
pub fn pair(change: &TypeChange) -> Option<Conversion> {
    let form = |kind, encoding| Form { kind, encoding };
    let from = match change.from {
        SourceType::Vector => form(Kind::F32, Encoding::Pgvector),
        SourceType::Halfvec => form(Kind::F16, Encoding::Pgvector),
        SourceType::Bit | SourceType::Varbit => form(Kind::Bits, Encoding::Pgvector),
        SourceType::Sparsevec => form(Kind::Sparse, Encoding::Pgvector),
    };
    let to = match change.to {
        TargetType::Vector => form(Kind::F32, Encoding::Pgvectors),
        TargetType::Vecf16 => form(Kind::F16, Encoding::Pgvectors),
        TargetType::Bvector => form(Kind::Bits, Encoding::Pgvectors),
        TargetType::Svector => form(Kind::Sparse, Encoding::Pgvectors),
        TargetType::RealArray => form(Kind::F32, Encoding::RealArray),
    };
    Conversion::between(from, to)
}

/// The name of the target's type in the schema `vectors`.
pub fn type_name(to: TargetType) -> &'static str {
    match to {
        TargetType::Vector => "vector",
        TargetType::Vecf16 => "vecf16",
        TargetType::Bvector => "bvector",
        TargetType::Svector => "svector",
        TargetType::RealArray => "real[]",
    }
}

/// The conversion of a vector, with what the target's `recv` does not check.
pub fn conversion(change: &TypeChange, overflow: Overflow) -> Result<Conversion> {
    let overflow = match overflow {
        Overflow::Error => codec::convert::Overflow::Error,
        Overflow::Saturate => codec::convert::Overflow::Saturate,
        Overflow::Infinity => codec::convert::Overflow::Infinity,
    };
    let conversion = pair(change).ok_or_else(|| {
        let attempt = format!("converting {} to {}", change.from, change.to);
        Error::new(Side::Internal, attempt).because("the codec has no such pair")
    })?;
    Ok(conversion.dims(change.dims).overflow(overflow))
}

/// What the codec makes of values that travel so; an error where a type is missing on the target.
fn column(travel: &Travel, overflow: Overflow, types: &Types) -> Result<Column> {
    let inner = |of: &Travel| Ok(Box::new(column(of, overflow, types)?));
    Ok(match travel {
        Travel::Pass | Travel::Text => Column::Pass,
        Travel::PassArray => Column::PassArray,
        Travel::FiniteInterval => Column::FiniteInterval,
        Travel::Convert(change) => Column::Convert(conversion(change, overflow)?),
        Travel::Array { element, of } => Column::Array {
            element: oids(element, types)?,
            of: inner(of)?,
        },
        Travel::Composite(parts) => {
            let part = |(ty, part): &(Named, Travel)| {
                Ok((oids(ty, types)?, column(part, overflow, types)?))
            };
            Column::Composite(parts.iter().map(part).collect::<Result<_>>()?)
        }
        Travel::Range(bound) => Column::Range(inner(bound)?),
        Travel::Multirange(bound) => Column::Multirange(inner(bound)?),
    })
}

fn oids(ty: &Named, types: &Types) -> Result<Oids> {
    let target = match &ty.target {
        OnTarget::Oid(oid) => Some(*oid),
        OnTarget::Name(name) => types.oid(name),
    };
    let missing = || {
        let name = match &ty.target {
            OnTarget::Name(name) => quote_qualified(&name.schema, &name.name),
            OnTarget::Oid(oid) => format!("with OID {oid}"),
        };
        Error::new(Side::Target, format!("looking for the type {name}"))
            .because("the target has no such type")
    };
    Ok(Oids {
        source: ty.source,
        target: target.ok_or_else(missing)?,
    })
}

/// The converter for a table's rows.
pub fn converter(table: &TablePlan, overflow: Overflow, types: &Types) -> Result<Converter> {
    let text = table.text();
    let of = |c: &ColumnPlan| match text && c.travel.vector().is_none() {
        true => Ok(Column::Pass),
        false => column(&c.travel, overflow, types),
    };
    let columns = table.columns.iter().map(of).collect::<Result<Vec<_>>>()?;
    if !text {
        return Ok(Converter::new(columns));
    }
    Converter::text(columns).ok_or_else(|| {
        let attempt = format!("planning the text of {}", table.display);
        Error::new(Side::Internal, attempt).because("a column has no text")
    })
}

/// The same columns as the target sends them back. What was written anew comes back as it is; of arrays that passed, storing
/// may change the header. Texts and vectors of a table that goes as text are none.
pub fn reread(table: &TablePlan) -> Converter {
    let text = table.text();
    let column = |c: &ColumnPlan| match c.travel {
        Travel::PassArray if !text => Column::PassArray,
        _ => Column::Pass,
    };
    Converter::new(table.columns.iter().map(column).collect())
}

/// As many rows as are written at once, and what is left of the batch: nothing, but where values grow. A sparse vector or a
/// bit string may be a hundred thousand times as large when it is a `real[]`.
pub struct Part {
    pub converted: Converted,
    pub output: Output,
    /// Rows that were left out.
    pub refused: Vec<Refused>,
    pub rest: Batch,
}

/// A batch usually leaves in one part: as `real[]` or printed, dense vectors are two to six times its size. No less than the codec makes room for
/// before a long row: a buffer that is larger is not used again.
pub const PART_BYTES: usize = 1 << 20;

/// What becomes of a batch.
pub type Answer = oneshot::Receiver<std::result::Result<Part, Refused>>;

/// Converts a batch, or its first part, into `buffer`; `rejects`: without the rows that cannot be converted. Binary rows are converted
/// here and now: a batch takes some 2 to 100 µs, and to wake a thread of the pool, which then
/// yields thirty times before it sleeps, costs more. The pool is for text, whose numbers take tens of times as long to print.
pub fn begin(
    converter: &Arc<Converter>,
    key_columns: &Arc<[usize]>,
    rejects: bool,
    mut batch: Batch,
    buffer: Buffer,
) -> Answer {
    let (reply, answer) = oneshot::channel();
    let text = converter.writes_text();
    let (converter, key_columns) = (converter.clone(), key_columns.clone());
    let work = move || {
        let mut refused = Vec::new();
        // Where all of it passes, a run that is not copied costs no message more, however short it is.
        let mut output = match converter.passes() {
            true => Output::passing(buffer, 0),
            false => Output::after(buffer),
        };
        let converted = match rejects {
            false => converter.convert_part(&mut batch, &mut output, PART_BYTES),
            true => converter.convert_part_but(&mut batch, &mut output, PART_BYTES, &mut refused),
        };
        let named = |error, fields: Vec<Option<Bytes>>| {
            // Copied: the field itself would hold on to a whole batch.
            let value = |i: &usize| Some(Bytes::copy_from_slice(fields.get(*i)?.as_deref()?));
            let key = key_columns.iter().map(value).collect();
            Refused { error, key }
        };
        let done = match converted {
            Ok(converted) => Ok(Part {
                converted,
                output,
                refused: refused.iter().map(|r| named(r.error, r.fields())).collect(),
                rest: batch,
            }),
            Err(error) => Err(named(error, batch.fields(error.row).unwrap_or_default())),
        };
        // The receiver is gone only when the copy was given up.
        let _ = reply.send(done);
    };
    match text {
        true => rayon::spawn(work),
        false => work(),
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use codec::frame::Splitter;

    /// What becomes of one row of an int2 and an interval, and the row.
    fn one(columns: Vec<Column>) -> (Bytes, Output) {
        let mut stream = BytesMut::new();
        codec::frame::put_header(&mut stream);
        stream.extend_from_slice(b"\0\x02\0\0\0\x02\0\x07\0\0\0\x10");
        stream.extend_from_slice(&[7; 16]);
        let (mut rows, mut batch) = (Vec::new(), Batch::default());
        let split = Splitter::new(2).push(stream.freeze(), &mut rows);
        split.expect("a stream");
        let read = rows[0].bytes.clone();
        rows.into_iter().for_each(|rows| batch.push(rows));
        let converter = Arc::new(Converter::new(columns));
        let mut answer = begin(&converter, &Arc::from([]), false, batch, Buffer::default());
        let part = answer.try_recv().ok().and_then(|part| part.ok());
        (read, part.expect("converted here and now").output)
    }

    #[test]
    fn a_row_that_passes_stays_where_it_was_read_however_short() {
        let (read, output) = one(vec![Column::Pass, Column::Pass]);
        let (written, passed) = output.into_parts();
        assert!(written.is_empty());
        let [run] = &passed[..] else {
            panic!("{}", passed.len())
        };
        assert_eq!(
            (run.at, run.bytes.as_ptr(), &run.bytes),
            (0, read.as_ptr(), &read)
        );
    }

    #[test]
    fn a_short_row_of_which_a_column_is_looked_into_is_written() {
        let (read, output) = one(vec![Column::Pass, Column::FiniteInterval]);
        let (written, passed) = output.into_parts();
        assert!(passed.is_empty());
        assert_eq!(written[..], read);
    }
}
