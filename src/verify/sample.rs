//! In: a table with converted columns. Out: for up to 1,000 values of each, whether the converter's bytes are those that the
//! documented SQL casts give: the source server makes `real[]` of its value, the target server makes its own type of that, and
//! the result is compared with the converter's, byte for byte.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use codec::batch::Batch;
use codec::convert::{Column, Converter, Output};
use codec::frame::{Splitter, put_header, put_trailer};
use dialect::types::{SourceType, TargetType, TypeChange};
use futures::SinkExt;
use serde::{Deserialize, Serialize};

use crate::cli::Overflow;
use crate::connect::{Session, quote};
use crate::copy::Job;
use crate::copy::convert::conversion;
use crate::copy::read::Reader;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;

const SAMPLE_ROWS: u64 = 1000;
const LOOK_BYTES: usize = 1 << 20;

/// pgvector's own cast from sparsevec to vector ends here.
const SPARSE_CAST_DIMS: u32 = 16_000;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sampled {
    pub column: String,
    pub checked: u64,
    pub different: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Sampled {
    pub fn difference(&self) -> Option<String> {
        let Sampled {
            column,
            checked,
            different,
            ..
        } = self;
        (*different > 0).then(|| format!("column {column}: {different} of {checked} sampled values are not what the SQL casts give"))
    }
}

/// Samples every converted column of the table.
pub async fn table(
    job: &Job,
    source: &Session,
    target: &Session,
    table: &TablePlan,
) -> Result<Vec<Sampled>> {
    let mut all = Vec::new();
    for column in &table.columns {
        let name = crate::catalog::ident(&column.name);
        let Some(change) = column.travel.vector() else {
            if column.travel.converts() {
                all.push(not_sampled(
                    name,
                    "its vectors are inside other values".into(),
                ));
            }
            continue;
        };
        if change.from == SourceType::Sparsevec && change.dims.is_none_or(|d| d > SPARSE_CAST_DIMS)
        {
            let why = format!("pgvector casts sparsevec only up to {SPARSE_CAST_DIMS} dimensions");
            all.push(not_sampled(name, why));
            continue;
        }
        let mut sampled = Sampled {
            column: name,
            checked: 0,
            different: 0,
            note: None,
        };
        let check = Check {
            job,
            source,
            target,
            table,
            change: &change,
            column: &column.name,
        };
        // Pages at random from a large table; if too few of them hold a value, from its beginning.
        if let Some(percent) = sample_percent(table.rows_estimate) {
            check
                .run(
                    &format!("TABLESAMPLE pg_catalog.system ({percent}) REPEATABLE (0)"),
                    &mut sampled,
                )
                .await?;
        }
        if sampled.checked < SAMPLE_ROWS {
            check.run("", &mut sampled).await?;
        }
        all.push(sampled);
    }
    Ok(all)
}

fn not_sampled(column: String, why: String) -> Sampled {
    Sampled {
        column,
        checked: 0,
        different: 0,
        note: Some(format!("not sampled: {why}")),
    }
}

fn sample_percent(rows: i64) -> Option<f64> {
    let wanted = 3.0 * SAMPLE_ROWS as f64;
    (rows as f64 > 4.0 * wanted).then(|| 100.0 * wanted / rows as f64)
}

struct Check<'a> {
    job: &'a Job,
    source: &'a Session,
    target: &'a Session,
    table: &'a TablePlan,
    change: &'a TypeChange,
    column: &'a str,
}

impl Check<'_> {
    async fn run(&self, tablesample: &str, sampled: &mut Sampled) -> Result<()> {
        let single = TypeChange {
            array: false,
            ..*self.change
        };
        let conversion = conversion(&single, self.job.overflow)?;
        let converter = Arc::new(Converter::new(vec![
            Column::Convert(conversion),
            Column::PassArray,
        ]));
        let attempt = format!("sampling {}", self.table.display);
        let statement = self.source_query(tablesample);
        let mut reader =
            Reader::of_statement(self.source, Side::Source, &statement, 2, attempt).await?;
        while let Some(mut batch) = reader.next().await? {
            // Each look at the target costs some round trips.
            while batch.bytes() < LOOK_BYTES
                && let Some(more) = reader.next().await?
            {
                batch.append(more);
            }
            let (ours, refused) = self.converted(&converter, &batch)?;
            let theirs = self.cast_by_target(&batch, &refused).await?;
            sampled.checked += ours.len() as u64;
            let pairs = ours.iter().zip(&theirs);
            let equal = pairs
                .filter(|(a, b)| same(a, b, self.job.overflow, self.change.to))
                .count();
            sampled.different += (ours.len().max(theirs.len()) - equal) as u64;
        }
        Ok(())
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        self.target.batch_execute(sql).await.map_err(Error::on(
            Side::Target,
            format!("sampling {}", self.table.display),
        ))
    }

    /// (the value as it is, the same as real[] by the source's own casts). The value is projected first: outside, no column of
    /// the user's is in scope, whatever its name.
    fn source_query(&self, tablesample: &str) -> String {
        let name = quote(self.column);
        let value = match self.change.array {
            false => format!("t.{name}"),
            true => format!("pg_catalog.unnest(t.{name})"),
        };
        let from = format!(
            "(SELECT {value} AS value FROM {} t {tablesample}) u",
            self.table.from()
        );
        let column = "u.value";
        let vector = format!("{}.vector", quote(&self.job.vector_schema));
        let real = match self.change.from {
            SourceType::Vector => format!("{column}::pg_catalog.float4[]"),
            SourceType::Halfvec | SourceType::Sparsevec => {
                format!("{column}::{vector}::pg_catalog.float4[]")
            }
            SourceType::Bit | SourceType::Varbit => {
                format!(
                    "pg_catalog.string_to_array({column}::pg_catalog.text, NULL)::pg_catalog.float4[]"
                )
            }
        };
        // One of other dimensions was rejected; pgvector's cast may not take it either.
        let sound = match (self.change.from, self.change.dims) {
            (SourceType::Sparsevec, Some(dims)) if self.job.rejects => {
                format!(" AND {column}::pg_catalog.text LIKE '%/{dims}'")
            }
            _ => String::new(),
        };
        format!(
            "COPY (SELECT {column}, {real} FROM {from} WHERE {column} IS NOT NULL{sound} LIMIT {SAMPLE_ROWS}) TO STDOUT (FORMAT binary)"
        )
    }

    /// The values as the copy makes them, and the ordinals of those that it refuses: their rows are not on the target.
    fn converted(&self, converter: &Converter, batch: &Batch) -> Result<(Vec<Bytes>, Vec<u64>)> {
        let internal = |e: codec::error::Error| {
            Error::new(Side::Internal, format!("sampling {}", self.table.display)).because(e)
        };
        let mut stream = BytesMut::new();
        put_header(&mut stream);
        let mut out = Output::passing(stream.to_vec(), usize::MAX);
        let mut refused = Vec::new();
        converter
            .convert_part_but(&mut batch.clone(), &mut out, usize::MAX, &mut refused)
            .map_err(internal)?;
        let mut end = BytesMut::new();
        put_trailer(&mut end);
        let (mut out, _) = out.into_parts();
        out.extend_from_slice(&end);
        let mut pieces = Vec::new();
        Splitter::new(2)
            .push(Vec::from(out).into(), &mut pieces)
            .map_err(internal)?;
        let mut rows = Batch::default();
        pieces.into_iter().for_each(|p| rows.push(p));
        if let Some(refused) = refused.first().filter(|_| !self.job.rejects) {
            return Err(internal(refused.error));
        }
        let refused = refused.iter().map(|r| r.error.row).collect();
        Ok((first_fields(&rows), refused))
    }

    /// The source's real[] goes in as it came; what the target's casts make of it comes back.
    async fn cast_by_target(&self, batch: &Batch, refused: &[u64]) -> Result<Vec<Bytes>> {
        let attempt = || format!("casting samples of {}", self.table.display);
        let mut rows = BytesMut::new();
        put_header(&mut rows);
        let all = batch.first_row()..batch.first_row() + batch.rows();
        for row in all.filter(|row| !refused.contains(row)) {
            let fields = batch.fields(row).unwrap_or_default();
            let Some(Some(real)) = fields.get(1) else {
                continue;
            };
            rows.put_i16(2);
            rows.put_i32(8);
            rows.put_u64(row);
            rows.put_i32(i32::try_from(real.len()).map_err(Error::on(Side::Internal, attempt()))?);
            rows.put_slice(real);
        }
        put_trailer(&mut rows);
        // One table for all that the session looks at.
        self.execute(
            "BEGIN; CREATE TEMPORARY TABLE IF NOT EXISTS pgv2rs_sample (n pg_catalog.int8, r pg_catalog.float4[]) ON COMMIT DELETE ROWS",
        )
        .await?;
        let sink = self
            .target
            .copy_in("COPY pg_temp.pgv2rs_sample FROM STDIN (FORMAT binary)");
        let mut sink = Box::pin(sink.await.map_err(Error::on(Side::Target, attempt()))?);
        sink.send(rows.freeze())
            .await
            .map_err(Error::on(Side::Target, attempt()))?;
        sink.as_mut()
            .finish()
            .await
            .map_err(Error::on(Side::Target, attempt()))?;
        let statement = format!(
            "COPY (SELECT {} FROM pg_temp.pgv2rs_sample ORDER BY n) TO STDOUT (FORMAT binary)",
            self.target_cast()
        );
        let mut reader =
            Reader::of_statement(self.target, Side::Target, &statement, 1, attempt()).await?;
        let mut values = Vec::new();
        while let Some(batch) = reader.next().await? {
            values.extend(first_fields(&batch));
        }
        self.execute("COMMIT").await?;
        Ok(values)
    }

    fn target_cast(&self) -> &'static str {
        let bits = matches!(self.change.from, SourceType::Bit | SourceType::Varbit);
        match self.change.to {
            TargetType::Vector => "r::vectors.vector",
            TargetType::Vecf16 => "r::vectors.vector::vectors.vecf16",
            TargetType::Bvector if bits => "r::vectors.vector::vectors.bvector",
            TargetType::Bvector => "vectors.binarize(r::vectors.vector)",
            TargetType::Svector => "r::vectors.vector::vectors.svector",
            TargetType::RealArray => "r",
        }
    }
}

fn first_fields(batch: &Batch) -> Vec<Bytes> {
    let rows = batch.first_row()..batch.first_row() + batch.rows();
    rows.filter_map(|row| batch.fields(row)?.into_iter().next()?)
        .collect()
}

/// PGVecto.rs's cast makes infinity of what overflows; where the user asked for saturation the largest number stands instead.
fn same(ours: &[u8], theirs: &[u8], overflow: Overflow, to: TargetType) -> bool {
    if ours == theirs
        || overflow != Overflow::Saturate
        || to != TargetType::Vecf16
        || ours.len() != theirs.len()
    {
        return ours == theirs;
    }
    let halves = |bytes: &[u8]| {
        bytes
            .chunks_exact(2)
            .map(|c| u16::from_le_bytes([c[0], c[1]]))
            .collect::<Vec<_>>()
    };
    let saturated =
        |a: u16, b: u16| a & 0x7fff == 0x7bff && b & 0x7fff == 0x7c00 && a & 0x8000 == b & 0x8000;
    halves(ours)
        .into_iter()
        .zip(halves(theirs))
        .all(|(a, b)| a == b || saturated(a, b))
}
