//! In: a run and the source's tables. Out: its slices in the ledger: laid, claimed by one worker each, done in the transaction that
//! copies their rows. Whoever comes later sees by it what is there.

use std::collections::HashMap;
use std::time::Duration;

use codec::digest::Digest;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::{Ledger, on, written};
use crate::connect::Session;
use crate::copy::Copied;
use crate::copy::slice::Range;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;
use crate::verify::seal::Shape;

/// The slices of so many tables are laid in one statement.
const TOGETHER: usize = 1000;

/// The slices of this attempt of a run: those of an earlier one that were not done are nobody's to claim.
#[derive(Clone, Copy, Debug)]
pub struct Slicing {
    pub run: i64,
    pub attempt: i32,
}

/// A slice that is this worker's until its transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    id: i64,
    pub table: u32,
    pub range: Range,
}

/// What its copy counted.
pub struct Counted {
    /// On the target.
    pub rows: u64,
    /// Set aside.
    pub rejected: u64,
    pub bytes: u64,
    pub digest: Digest,
    pub elapsed: Duration,
}

/// A slice that is on the target.
pub(super) struct Done {
    pub id: i64,
    pub table: u32,
    pub range: Range,
    pub shape: String,
    pub rows: i64,
    pub rejected: i64,
    /// Of the snapshot that it was copied under.
    pub snapshot_xmin: i64,
    /// As the rows' xmin shows it.
    pub xmin: String,
}

/// A row that stays on the source, as the ledger has it.
#[derive(Serialize)]
pub struct Rejected {
    /// Its ordinal in its slice.
    #[serde(skip)]
    pub row: i64,
    pub key: String,
    pub column: String,
    pub reason: String,
}

fn range(row: &Row, at: usize) -> Range {
    Range {
        first: row.get(at),
        end: row.get(at + 1),
    }
}

impl Ledger {
    /// A new attempt: whoever still works on an earlier one finds nothing to claim and cannot end what it has claimed.
    pub async fn new_attempt(&self, run: i64, exported: &str, rejects: bool) -> Result<Slicing> {
        let attempt = "beginning with the slices";
        let session = &self.session;
        session
            .batch_execute("BEGIN; LOCK TABLE pgv2rs.slice IN SHARE ROW EXCLUSIVE MODE")
            .await
            .map_err(on(attempt))?;
        let sql = "UPDATE pgv2rs.run SET attempt = attempt + 1, exported = $2, rejects = $3 WHERE id = $1 RETURNING attempt";
        let row = session.query_one(sql, &[&run, &exported, &rejects]).await;
        let number = row.map_err(on(attempt))?.get(0);
        let sql = "DELETE FROM pgv2rs.slice WHERE run = $1 AND rows IS NULL";
        session.execute(sql, &[&run]).await.map_err(on(attempt))?;
        session.batch_execute("COMMIT").await.map_err(on(attempt))?;
        Ok(Slicing {
            run,
            attempt: number,
        })
    }

    /// Those of a table that are on the target.
    pub(super) async fn done(&self, run: i64) -> Result<Vec<Done>> {
        let sql = "SELECT id, oid, first_block, end_block, shape, rows, snapshot_xmin, \
            (xid::text::numeric % 4294967296)::text, rejected FROM pgv2rs.slice WHERE run = $1 AND rows IS NOT NULL";
        let rows = self.session.query(sql, &[&run]).await;
        let done = |r: &Row| Done {
            id: r.get(0),
            table: r.get(1),
            range: range(r, 2),
            shape: r.get(4),
            rows: r.get(5),
            snapshot_xmin: r.get(6),
            xmin: r.get(7),
            rejected: r.get(8),
        };
        Ok(rows
            .map_err(on("reading the ledger"))?
            .iter()
            .map(done)
            .collect())
    }

    /// Lays slices out to be claimed, in the order in which they come.
    pub async fn lay(
        &self,
        slicing: Slicing,
        tables: &[(&TablePlan, Shape, Vec<Range>)],
        snapshot_xmin: i64,
    ) -> Result<()> {
        for tables in tables.chunks(TOGETHER) {
            self.lay_together(slicing, tables, snapshot_xmin).await?;
        }
        Ok(())
    }

    async fn lay_together(
        &self,
        Slicing { run, attempt }: Slicing,
        tables: &[(&TablePlan, Shape, Vec<Range>)],
        snapshot_xmin: i64,
    ) -> Result<()> {
        let names: Vec<String> = tables.iter().map(|(table, ..)| table.quoted()).collect();
        let oids: Vec<u32> = tables.iter().map(|(table, ..)| table.oid).collect();
        let shapes = tables.iter().map(|(_, shape, _)| written(shape));
        let shapes: Vec<String> = shapes.collect::<Result<_>>()?;
        let (mut of, mut first, mut end) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (.., ranges)) in (1_i64..).zip(tables) {
            for range in ranges {
                of.push(number);
                first.push(range.first);
                end.push(range.end);
            }
        }
        let sql = "INSERT INTO pgv2rs.slice (run, attempt, \"table\", oid, shape, snapshot_xmin, first_block, end_block) \
            SELECT $1, $2, t.name, t.oid, t.shape, $3, r.f, r.e \
            FROM ROWS FROM (unnest($4::text[]), unnest($5::oid[]), unnest($6::text[])) WITH ORDINALITY AS t(name, oid, shape, number) \
            JOIN ROWS FROM (unnest($7::int8[]), unnest($8::int8[]), unnest($9::int8[])) WITH ORDINALITY AS r(number, f, e, place) USING (number) \
            ORDER BY r.place";
        let laid: [&(dyn ToSql + Sync); 9] = [
            &run,
            &attempt,
            &snapshot_xmin,
            &names,
            &oids,
            &shapes,
            &of,
            &first,
            &end,
        ];
        let laid = self.session.execute(sql, &laid).await;
        laid.map(drop).map_err(on("laying out the slices"))
    }

    /// What the slices of each table add up to, in the order of the tables.
    pub async fn totals(&self, run: i64, tables: &[TablePlan]) -> Result<Vec<Copied>> {
        let attempt = "adding up the slices";
        let sql = "SELECT oid, rows, bytes, digest, seconds, rejected FROM pgv2rs.slice WHERE run = $1 AND rows IS NOT NULL";
        let slices = self.session.query(sql, &[&run]).await;
        let mut totals: HashMap<u32, Copied> = HashMap::new();
        for slice in slices.map_err(on(attempt))? {
            let copied = totals.entry(slice.get(0)).or_default();
            let rows = slice.get::<_, i64>(1).unsigned_abs();
            let digest = Digest::parse(slice.get(3), rows).ok_or_else(|| {
                Error::new(Side::Target, attempt).because("a digest in it is none")
            })?;
            copied.slices += 1;
            copied.rows += rows;
            copied.bytes += slice.get::<_, i64>(2).unsigned_abs();
            copied.digest.merge(digest);
            copied.seconds += slice.get::<_, f64>(4);
            copied.rejected += slice.get::<_, i64>(5).unsigned_abs();
        }
        let of = |table: &TablePlan| totals.remove(&table.oid).unwrap_or_default();
        Ok(tables.iter().map(of).collect())
    }
}

/// Takes a slice for this transaction, the largest table's first; None where all are taken.
pub async fn claim(writer: &Session, slicing: Slicing) -> Result<Option<Claim>> {
    let sql = "SELECT id, oid, first_block, end_block FROM pgv2rs.slice WHERE run = $1 AND attempt = $2 AND rows IS NULL \
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";
    let row = writer
        .query_typed_opt(
            sql,
            &[(&slicing.run, Type::INT8), (&slicing.attempt, Type::INT4)],
        )
        .await
        .map_err(on("claiming a slice"))?;
    Ok(row.map(|row| Claim {
        id: row.get(0),
        table: row.get(1),
        range: range(&row, 2),
    }))
}

/// Notes that it is done, in the transaction that holds its rows.
pub async fn done(writer: &Session, claim: Claim, counted: &Counted) -> Result<()> {
    let sql = "UPDATE pgv2rs.slice SET rows = $2, bytes = $3, digest = $4, seconds = $5, rejected = $6, \
        xid = pg_catalog.pg_current_xact_id(), copied = pg_catalog.clock_timestamp() WHERE id = $1 AND rows IS NULL";
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let noted = writer
        .execute_typed(
            sql,
            &[
                (&claim.id, Type::INT8),
                (&number(counted.rows), Type::INT8),
                (&number(counted.bytes), Type::INT8),
                (&counted.digest.to_string(), Type::TEXT),
                (&counted.elapsed.as_secs_f64(), Type::FLOAT8),
                (&number(counted.rejected), Type::INT8),
            ],
        )
        .await
        .map_err(on("noting a slice"))?;
    match noted {
        1 => Ok(()),
        _ => Err(Error::new(Side::Internal, "noting a slice")
            .because("it is not in the ledger any more: another process has taken the run over")),
    }
}

/// Notes rows that stay on the source, in the transaction that copies the others of their slice.
pub async fn reject(writer: &Session, claim: Claim, table: &str, rows: &[Rejected]) -> Result<()> {
    let sql = "INSERT INTO pgv2rs.rejected (run, slice, \"table\", \"row\", key, \"column\", reason) \
        SELECT s.run, s.id, $2, r.n, r.k, r.c, r.w FROM pgv2rs.slice s, \
        unnest($3::pg_catalog.int8[], $4::pg_catalog.text[], $5::pg_catalog.text[], $6::pg_catalog.text[]) AS r(n, k, c, w) WHERE s.id = $1";
    let numbers: Vec<i64> = rows.iter().map(|r| r.row).collect();
    let texts = |of: fn(&Rejected) -> &String| -> Vec<&str> {
        rows.iter().map(|r| of(r).as_str()).collect()
    };
    let (keys, columns) = (texts(|r| &r.key), texts(|r| &r.column));
    let reasons = texts(|r| &r.reason);
    let noted = writer
        .execute(
            sql,
            &[&claim.id, &table, &numbers, &keys, &columns, &reasons],
        )
        .await;
    noted.map(drop).map_err(on("noting rejected rows"))
}

/// How many are not done yet.
pub async fn left(session: &Session, slicing: Slicing) -> Result<i64> {
    let sql = "SELECT count(*) FROM pgv2rs.slice WHERE run = $1 AND attempt = $2 AND rows IS NULL";
    let row = session
        .query_one(sql, &[&slicing.run, &slicing.attempt])
        .await
        .map_err(on("counting the slices"))?;
    Ok(row.get(0))
}
