//! In: the source, and the tables and indexes of a plan. Out: what --dry-run says beyond the catalog: exact rows, the longest row, bytes
//! in heap and TOAST, the speed of reading. It looks at the tables as they are now, not under the snapshot, and a failure here fails
//! nothing: what could not be measured is not said.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_postgres::Client;

use crate::connect::{Endpoint, Session, quote};
use crate::copy::read::what;
use crate::copy::slice::{self, Range, Whole};
use crate::error::Side;
use crate::plan::{Plan, TablePlan};
use crate::schema::{Phase, Schema};

/// What was measured, by OID.
#[derive(Debug, Default)]
pub struct Measured {
    pub tables: HashMap<u32, Size>,
    /// Bytes of the ordinary indexes of the plan's tables.
    pub index_bytes: u64,
    /// Vector indexes: the type of what they hold, and its dimensions.
    pub keys: HashMap<u32, (String, u32)>,
    pub reading: Option<Reading>,
    /// Columns that never go to TOAST, though they might.
    pub plain: HashSet<(u32, String)>,
}

#[derive(Debug, Default, Clone)]
pub struct Size {
    pub heap: u64,
    pub toast: u64,
    /// Counted; None where the table was sampled only.
    pub rows: Option<u64>,
    /// Of the longest row, as stored. The sample's where rows is None.
    pub longest: Option<u64>,
    pub slices: Option<Slices>,
}

/// How a table would be cut now.
#[derive(Debug, Clone, Copy)]
pub struct Slices {
    pub number: usize,
    /// Why it cannot be cut.
    pub whole: Option<Whole>,
}

/// How fast the source gave rows.
#[derive(Debug, Clone)]
pub struct Reading {
    pub table: String,
    pub bytes: u64,
    pub seconds: f64,
}

/// Heaps up to this are read whole, the largest table first; TOAST is not read for it.
const SCANNED_BYTES: u64 = 1 << 30;
/// Of a heap that is too large, about this much.
const SAMPLED_BYTES: u64 = 64 << 20;
/// What is read to know the speed, and for how long at most.
const READ_BYTES: u64 = 32 << 20;
const READ_FOR: Duration = Duration::from_secs(2);
/// Less says nothing about the speed of much.
const WORTH_BYTES: u64 = 1 << 20;

pub async fn measure(source: &Endpoint, plan: &Plan, schema: &Schema, jobs: usize) -> Measured {
    let mut measured = Measured::default();
    let session = match source.connect().await {
        Ok(session) => session,
        Err(error) => {
            tracing::warn!("{}", error.chain());
            return measured;
        }
    };
    let done = sizes(&session, plan, &mut measured).await;
    let done = match done {
        Ok(()) => indexes(&session, plan, schema, &mut measured).await,
        failed => failed,
    };
    if let Err(error) = done {
        tracing::warn!(
            "measuring the source: {}",
            crate::error::server_message(&error)
        );
    }
    match slice::sizes(&session, Side::Source, &plan.tables).await {
        Ok(sizes) => {
            for (table, size) in plan.tables.iter().zip(sizes) {
                let measured = measured.tables.entry(table.oid).or_default();
                measured.slices = Some(Slices {
                    number: slice::cut(size.ok(), jobs, &[]).len(),
                    whole: size.err(),
                });
            }
        }
        Err(error) => tracing::warn!("{}", error.chain()),
    }
    let largest = plan.tables.iter().find(|t| !t.columns.is_empty());
    if let Some(table) = largest {
        measured.reading = reading(&session, table).await;
    }
    measured
}

async fn sizes(
    session: &Session,
    plan: &Plan,
    measured: &mut Measured,
) -> Result<(), tokio_postgres::Error> {
    let oids: Vec<u32> = plan
        .tables
        .iter()
        .flat_map(|t| t.files())
        .copied()
        .collect();
    let sql = "SELECT c.oid, pg_catalog.pg_relation_size(c.oid), \
        CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE pg_catalog.pg_total_relation_size(c.reltoastrelid) END \
        FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)";
    for row in session.query(sql, &[&oids]).await? {
        let file: u32 = row.get(0);
        if let Some(table) = plan.tables.iter().find(|t| t.files().contains(&file)) {
            let size = measured.tables.entry(table.oid).or_default();
            size.heap += row.get::<_, i64>(1).unsigned_abs();
            size.toast += row.get::<_, i64>(2).unsigned_abs();
        }
    }
    let sql = "SELECT attrelid, attname::text FROM pg_catalog.pg_attribute \
        WHERE attrelid = ANY ($1) AND attlen = -1 AND attstorage = 'p' AND attnum > 0 AND NOT attisdropped";
    for row in session.query(sql, &[&oids]).await? {
        measured.plain.insert((row.get(0), row.get(1)));
    }
    let mut left = SCANNED_BYTES;
    for table in &plan.tables {
        let Some(size) = measured.tables.get_mut(&table.oid) else {
            continue;
        };
        let whole = size.heap <= left;
        if whole {
            left -= size.heap;
        }
        let row = session
            .query_of_table(&scan(table, size.heap, whole))
            .await?;
        size.rows = whole.then(|| row.get::<_, i64>(0).unsigned_abs());
        size.longest = row.get::<_, Option<i64>>(1).map(i64::unsigned_abs);
    }
    Ok(())
}

/// The size of a value in TOAST is known without reading it.
fn scan(table: &TablePlan, heap: u64, whole: bool) -> String {
    let sizes = table.columns.iter().map(|c| {
        let name = quote(&c.name);
        format!("coalesce(pg_catalog.pg_column_size(t.{name}), 0)")
    });
    let sizes: Vec<String> = sizes.collect();
    let row = if sizes.is_empty() {
        "0".to_string()
    } else {
        sizes.join(" + ")
    };
    let sample = match whole {
        true => String::new(),
        false => format!(
            " TABLESAMPLE SYSTEM ({:.6})",
            SAMPLED_BYTES as f64 * 100.0 / heap as f64
        ),
    };
    format!(
        "SELECT pg_catalog.count(*), pg_catalog.max(({row})::bigint) FROM {} t{sample}",
        table.from()
    )
}

async fn indexes(
    session: &Client,
    plan: &Plan,
    schema: &Schema,
    measured: &mut Measured,
) -> Result<(), tokio_postgres::Error> {
    let tables: Vec<u32> = plan
        .tables
        .iter()
        .flat_map(|t| t.files())
        .copied()
        .collect();
    let vector: Vec<u32> = plan.context.indexes.keys().copied().collect();
    let sql = "SELECT coalesce(sum(pg_catalog.pg_relation_size(x.indexrelid)), 0)::bigint FROM pg_catalog.pg_index x \
        WHERE x.indrelid = ANY ($1) AND x.indexrelid <> ALL ($2)";
    let row = session.query_one(sql, &[&tables, &vector]).await?;
    measured.index_bytes = row.get::<_, i64>(0).unsigned_abs();
    let built = schema.of(Phase::VectorIndex);
    let built: Vec<u32> = built.filter_map(|s| s.id.map(|id| id.oid)).collect();
    let sql = "SELECT a.attrelid, t.typname::text, a.atttypmod FROM pg_catalog.pg_attribute a \
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = ANY ($1) AND a.attnum = 1 AND a.atttypmod > 0";
    for row in session.query(sql, &[&built]).await? {
        let dims = row.get::<_, i32>(2).unsigned_abs();
        measured.keys.insert(row.get(0), (row.get(1), dims));
    }
    Ok(())
}

/// The first part of a table, read as the copy reads it. The session is of no use afterwards.
async fn reading(session: &Session, table: &TablePlan) -> Option<Reading> {
    let statement = format!(
        "COPY {} TO STDOUT (FORMAT binary)",
        what(table, Range::WHOLE)
    );
    let mut stream = std::pin::pin!(session.rows_out(&statement).await.ok()?);
    let mut bytes = 0;
    let started = Instant::now();
    while let Some(Ok(message)) = stream.next().await {
        bytes += message.len() as u64;
        if bytes >= READ_BYTES || started.elapsed() >= READ_FOR {
            break;
        }
    }
    (bytes >= WORTH_BYTES).then(|| Reading {
        table: table.display.clone(),
        bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}
