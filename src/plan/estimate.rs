//! In: a plan, and what --dry-run measured. Out: estimates of disk, memory, WAL and time on the target, each with what it rests on. They are
//! meant for choosing a disk and an evening, not for promises. Pure.

use dialect::types::{SourceType, TargetType, TypeChange};
use serde::Serialize;

use super::Plan;
use crate::measure::Measured;
use crate::schema::{Phase, Schema};

/// Between `low` and `high`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    pub what: &'static str,
    pub unit: Unit,
    pub low: u64,
    pub high: u64,
    pub rests_on: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Bytes,
    Seconds,
}

fn bytes(what: &'static str, low: u64, high: u64, rests_on: impl Into<String>) -> Estimate {
    Estimate {
        what,
        unit: Unit::Bytes,
        low,
        high,
        rests_on: rests_on.into(),
    }
}

pub fn estimates(plan: &Plan, schema: &Schema, measured: &Measured, jobs: usize) -> Vec<Estimate> {
    let on_source: u64 = plan.tables.iter().map(|t| t.bytes.unsigned_abs()).sum();
    let tables = on_source.saturating_add_signed(conversions(plan, measured));
    let ordinary = measured.index_bytes;
    let vector: Vec<VectorIndex> = vector_indexes(plan, schema, measured);
    let disk: u64 = vector.iter().map(|i| i.bytes).sum();
    let mut estimates = vec![
        bytes(
            "tables",
            tables,
            tables,
            "pg_table_size on the source, empty space in it included, less or more what --map and --format change: a vector takes 8 bytes, \
             and 4 a dimension in vector, 2 in vecf16, 1/8 in bvector",
        ),
        bytes(
            "ordinary indexes",
            ordinary,
            ordinary,
            "pg_relation_size of the same on the source",
        ),
    ];
    if !vector.is_empty() {
        estimates.push(bytes(
            "vector indexes",
            disk,
            disk.saturating_mul(2),
            "each index holds its vectors again; hnsw adds 16 m + 8 bytes a row, ivf the centroids; twice that while the parts of an index \
             are merged. Its files lie in pg_vectors, outside of tables and WAL, and are mapped into memory: searches are fast while they fit",
        ));
        let largest = vector.iter().map(|i| i.bytes).max().unwrap_or(0);
        estimates.push(bytes(
            "memory to build the largest vector index",
            largest,
            largest.saturating_mul(2),
            "the vectors and the graph of that index; vector indexes are built one after another",
        ));
    }
    let written = tables + ordinary;
    estimates.push(bytes(
        "WAL",
        written / 4 * 3,
        written + written / 10,
        "0.75 to 1.1 of tables and ordinary indexes, as measured for long and for short rows; wal_level = minimal saves none of it, since the \
         tables are made before; vector indexes write none, so a standby has none",
    ));
    estimates.extend(time(plan, measured, jobs));
    estimates
}

/// From the reading speed just measured: nothing else of these two servers is known.
fn time(plan: &Plan, measured: &Measured, jobs: usize) -> Option<Estimate> {
    let reading = measured.reading.as_ref()?;
    let speed = reading.bytes as f64 / reading.seconds.max(1e-6);
    let tables = plan.tables.iter().map(|t| {
        let slices = measured.tables.get(&t.oid).and_then(|s| s.slices);
        (t.bytes.unsigned_abs(), slices.map_or(1, |s| s.number))
    });
    let alone = of_one_job(&tables.collect::<Vec<_>>(), jobs) as f64 / speed;
    Some(Estimate {
        what: "time to copy and verify",
        unit: Unit::Seconds,
        low: (alone * 2.0).ceil() as u64,
        high: (alone * 6.0).ceil() as u64,
        rests_on: format!(
            "the source gave {:.0} MB/s of {} just now, over {:.1} MB; every row goes there and comes back; the high figure is for a target \
             that takes and gives a third of that. Indexes come on top: nothing measured here tells how long",
            speed / 1e6,
            reading.table,
            reading.bytes as f64 / 1e6
        ),
    })
}

/// Bytes that the busiest job reads, of tables with their slices: a slice is read by one job.
fn of_one_job(tables: &[(u64, usize)], jobs: usize) -> u64 {
    let total: u64 = tables.iter().map(|(bytes, _)| bytes).sum();
    let slices = tables.iter().map(|(bytes, n)| bytes / (*n).max(1) as u64);
    (total / jobs.max(1) as u64).max(slices.max().unwrap_or(0))
}

struct VectorIndex {
    bytes: u64,
}

fn vector_indexes(plan: &Plan, schema: &Schema, measured: &Measured) -> Vec<VectorIndex> {
    let index = |step: &crate::schema::Step| {
        let oid = step.id?.oid;
        let desc = plan.context.indexes.get(&oid)?;
        let rows = rows(plan, measured, desc.table)?;
        let (ty, dims) = measured.keys.get(&oid)?;
        let dims = u64::from(*dims);
        let vector = match ty.as_str() {
            "halfvec" => 2 * dims,
            "bit" | "varbit" => dims.div_ceil(64) * 8,
            // The number of a sparse vector's entries is not known here: as many as pgvector would index.
            "sparsevec" => 8 * dims.min(1000),
            _ => 4 * dims,
        };
        let option = |name: &str, usual: u64| {
            let given = desc.options.iter().find(|(key, _)| key == name);
            given.and_then(|(_, v)| v.parse().ok()).unwrap_or(usual)
        };
        // 20,000 rows of 128 dimensions with m = 16 took 15.96 MB in pg_vectors of a real 0.4.0; this says 15.52.
        let bytes = match desc.method.as_str() {
            "ivfflat" => rows * (vector + 8) + option("lists", 100) * vector,
            _ => rows * (vector + 8 + 16 * option("m", 16)),
        };
        Some(VectorIndex { bytes })
    };
    schema.of(Phase::VectorIndex).filter_map(index).collect()
}

/// Counted or estimated; None where neither is known.
pub fn rows(plan: &Plan, measured: &Measured, table: u32) -> Option<u64> {
    let counted = measured.tables.get(&table).and_then(|s| s.rows);
    let estimate = || {
        let table = plan.tables.iter().find(|t| t.oid == table)?;
        u64::try_from(table.rows_estimate).ok()
    };
    counted.or_else(estimate)
}

/// By how much the conversions change the tables.
fn conversions(plan: &Plan, measured: &Measured) -> i64 {
    let mut change = 0_i64;
    for table in &plan.tables {
        let rows = rows(plan, measured, table.oid).unwrap_or(0);
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        for column in &table.columns {
            if let Some(to) = &column.change {
                change = change.saturating_add(rows.saturating_mul(difference(to)));
            }
        }
    }
    change
}

/// Bytes that a value gains or loses, where its length is known.
fn difference(change: &TypeChange) -> i64 {
    let (Some(dims), false) = (change.dims, change.array) else {
        return 0;
    };
    let dims = i64::from(dims);
    let from = match change.from {
        SourceType::Vector => 4 * dims,
        SourceType::Halfvec => 2 * dims,
        SourceType::Bit | SourceType::Varbit => (dims + 7) / 8,
        SourceType::Sparsevec => return 0,
    };
    let to = match change.to {
        TargetType::Vector => 4 * dims,
        TargetType::Vecf16 => 2 * dims,
        TargetType::Bvector => (dims + 63) / 64 * 8,
        TargetType::RealArray => 4 * dims + 16,
        TargetType::Svector => return 0,
    };
    to - from
}

#[cfg(test)]
mod tests {
    use super::of_one_job;

    #[test]
    fn jobs_share_the_slices_of_a_table_and_no_slice() {
        assert_eq!(of_one_job(&[(8000, 32)], 4), 2000);
        assert_eq!(of_one_job(&[(8000, 1), (2000, 8)], 4), 8000);
        assert_eq!(of_one_job(&[(8000, 32)], 1), 8000);
        assert_eq!(of_one_job(&[], 2), 0);
    }
}
