//! In: a table's plan. Out: the codec's converter for it, and converted batches from the pool. The pool does bytes only; the
//! sockets are the reader's and the writer's.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use codec::batch::Batch;
use codec::convert::{Column, Conversion, Converted, Converter, Encoding, Form, Kind};
use dialect::types::{SourceType, TargetType, TypeChange};

use super::BATCH_BYTES;
use crate::cli::Overflow;
use crate::plan::{TablePlan, Travel};

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
    // real[][] would need all vectors of an array to be of one length.
    if change.array && change.to == TargetType::RealArray {
        return None;
    }
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

/// The conversion of one column, with what the target's `recv` does not check.
pub fn conversion(
    change: &TypeChange,
    overflow: Overflow,
    oids: &HashMap<String, u32>,
) -> Option<Conversion> {
    let overflow = match overflow {
        Overflow::Error => codec::convert::Overflow::Error,
        Overflow::Saturate => codec::convert::Overflow::Saturate,
        Overflow::Infinity => codec::convert::Overflow::Infinity,
    };
    let conversion = pair(change)?.dims(change.dims).overflow(overflow);
    match change.array {
        true => conversion.elements_of(*oids.get(type_name(change.to))?),
        false => Some(conversion),
    }
}

/// The converter for a table's rows; None where a type is missing on the target.
pub fn converter(
    table: &TablePlan,
    overflow: Overflow,
    oids: &HashMap<String, u32>,
) -> Option<Converter> {
    let column = |travel: &Travel| match travel {
        Travel::Pass { array: false } => Some(Column::Pass),
        Travel::Pass { array: true } => Some(Column::PassArray),
        Travel::Convert(change) => conversion(change, overflow, oids).map(Column::Convert),
    };
    let columns: Option<Vec<Column>> = table.columns.iter().map(|c| column(&c.travel)).collect();
    Some(Converter::new(columns?))
}

/// The same columns as the target sends them back: nothing to convert, but arrays are still arrays.
pub fn reread(table: &TablePlan) -> Converter {
    let column = |travel: &Travel| match travel {
        Travel::Pass { array: false } => Column::Pass,
        Travel::Pass { array: true } => Column::PassArray,
        Travel::Convert(change) if change.array || change.to == TargetType::RealArray => {
            Column::PassArray
        }
        Travel::Convert(_) => Column::Pass,
    };
    Converter::new(table.columns.iter().map(|c| column(&c.travel)).collect())
}

/// A row that was refused, with its key as the source sent it.
pub struct Refused {
    pub error: codec::error::Error,
    pub key: Vec<Option<Bytes>>,
}

/// One CopyData message's worth of rows, and what is left of the batch: nothing, but where values grow. A sparse vector or a
/// bit string may be a hundred thousand times as large when it is a `real[]`.
pub struct Part {
    pub converted: Converted,
    pub buffer: Vec<u8>,
    pub rest: Batch,
}

/// A batch is about 1 MiB and usually leaves in one part: `real[]` from dense vectors twice its size.
const PART_BYTES: usize = 4 * BATCH_BYTES;

/// Converts a batch in the pool, or its first part, into `buffer`. None when the pool gives no answer.
pub async fn in_pool(
    converter: &Arc<Converter>,
    key_columns: &Arc<[usize]>,
    mut batch: Batch,
    mut buffer: Vec<u8>,
) -> Option<Result<Part, Refused>> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let (converter, key_columns) = (converter.clone(), key_columns.clone());
    rayon::spawn(move || {
        let done = match converter.convert_part(&mut batch, &mut buffer, PART_BYTES) {
            Ok(converted) => Ok(Part {
                converted,
                buffer,
                rest: batch,
            }),
            Err(error) => {
                let fields = batch.fields(error.row).unwrap_or_default();
                let key = key_columns
                    .iter()
                    .map(|&i| fields.get(i).cloned().flatten());
                Err(Refused {
                    error,
                    key: key.collect(),
                })
            }
        };
        // The receiver is gone only when the copy was given up.
        let _ = reply.send(done);
    });
    answer.await.ok()
}
