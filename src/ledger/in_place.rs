//! In: changes in place. Out: their lines in the ledger: for each table what was planned, and how far it is, committed in the transaction that does it.

use tokio_postgres::Client;

use super::{Ledger, SCHEMA, on, read_back, written};
use crate::cli::Method;
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::in_place::unit::Unit;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS pgv2rs.in_place (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, program text NOT NULL, \
    root oid NOT NULL, \"table\" text NOT NULL, method text NOT NULL, state text NOT NULL, drops bool NOT NULL DEFAULT false, plan text NOT NULL, \
    verified int8 NOT NULL DEFAULT 0, begun timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), ended timestamptz); \
    ALTER TABLE pgv2rs.in_place ADD COLUMN IF NOT EXISTS blocks int8 DEFAULT 0, ADD COLUMN IF NOT EXISTS file oid";

/// Where a table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The new columns, or the new table, are there, and kept in step.
    Kept,
    /// All rows were compared.
    Verified,
    /// The new columns, or the new table, stand in the old ones' place.
    Swapped,
    /// The table was rewritten; its indexes are made again.
    Altered,
    /// The new columns are gone again; dropped indexes are made again.
    Undoing,
    Done,
}

const STATES: [(State, &str); 6] = [
    (State::Kept, "kept"),
    (State::Verified, "verified"),
    (State::Swapped, "swapped"),
    (State::Altered, "altered"),
    (State::Undoing, "undoing"),
    (State::Done, "done"),
];

impl State {
    pub fn text(self) -> &'static str {
        STATES
            .iter()
            .find(|(s, _)| *s == self)
            .map_or("", |(_, text)| text)
    }
}

/// A table whose change has begun.
pub struct Line {
    pub id: i64,
    pub unit: Unit,
    pub method: Method,
    pub state: State,
    /// Old indexes are dropped for the fill.
    pub drops: bool,
    /// Rows that were compared.
    pub verified: u64,
    pub begun: String,
}

impl Ledger {
    pub async fn in_place_tables(&self) -> Result<()> {
        let there = "SELECT pg_catalog.to_regnamespace('pgv2rs') IS NOT NULL";
        let there = self.session.query_one(there, &[]).await;
        if !there.map_err(on("making the ledger"))?.get::<_, bool>(0) {
            let made = self.session.batch_execute(SCHEMA).await;
            made.map_err(on("making the ledger"))?;
        }
        let made = self.session.batch_execute(TABLE).await;
        made.map_err(on("making the ledger"))
    }

    /// To be noted before the first is dropped.
    pub async fn in_place_drops(&self, id: i64) -> Result<()> {
        let sql = "UPDATE pgv2rs.in_place SET drops = true WHERE id = $1";
        let done = self.session.execute(sql, &[&id]).await;
        done.map(drop).map_err(on("writing the ledger"))
    }

    pub async fn in_place_verified(&self, id: i64, rows: u64) -> Result<()> {
        let sql = "UPDATE pgv2rs.in_place SET state = $2, verified = $3 WHERE id = $1";
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let state = State::Verified.text();
        let done = self.session.execute(sql, &[&id, &state, &rows]).await;
        done.map(drop).map_err(on("writing the ledger"))
    }
}

/// In the caller's transaction.
pub async fn begin(session: &Session, method: Method, unit: &Unit) -> Result<Line> {
    begin_at(session, method, unit, State::Kept, 0).await
}

pub async fn begin_at(
    session: &Session,
    method: Method,
    unit: &Unit,
    state: State,
    verified: u64,
) -> Result<Line> {
    let sql = "INSERT INTO pgv2rs.in_place (program, root, \"table\", method, state, plan, verified) VALUES ($1, $2, $3, $4, $5, $6, $7) \
        RETURNING id, pg_catalog.date_trunc('second', begun)::text";
    let program = concat!("pgv2rs-copy ", env!("CARGO_PKG_VERSION"));
    let (name, plan) = (unit.display(), written(unit)?);
    let rows = i64::try_from(verified).unwrap_or(i64::MAX);
    let row = session
        .query_one(
            sql,
            &[
                &program,
                &unit.root,
                &name,
                &method.text(),
                &state.text(),
                &plan,
                &rows,
            ],
        )
        .await
        .map_err(on("writing the ledger"))?;
    Ok(Line {
        id: row.get(0),
        unit: unit.clone(),
        method,
        state,
        drops: false,
        verified,
        begun: row.get(1),
    })
}

/// In the caller's transaction.
pub async fn moved(session: &Session, id: i64, state: State) -> Result<()> {
    let sql = "UPDATE pgv2rs.in_place SET state = $2, ended = CASE WHEN $2 = 'done' THEN pg_catalog.clock_timestamp() END WHERE id = $1";
    let done = session.execute(sql, &[&id, &state.text()]).await;
    match done.map_err(on("writing the ledger"))? {
        1 => Ok(()),
        _ => Err(Error::new(Side::Internal, "writing the ledger")
            .because("the table's line is not there any more")),
    }
}

/// How far the fill of a new table is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Of the old table; None: all.
    pub blocks: Option<i64>,
    /// The old table's file, once it has begun.
    pub file: Option<u32>,
}

pub async fn at(session: &Client, id: i64) -> Result<Place> {
    let sql = "SELECT blocks, file FROM pgv2rs.in_place WHERE id = $1";
    let row = session.query_one(sql, &[&id]).await;
    let row = row.map_err(on("reading the ledger"))?;
    Ok(Place {
        blocks: row.get(0),
        file: row.get(1),
    })
}

/// In the caller's transaction.
pub async fn place(session: &Client, id: i64, place: Place) -> Result<()> {
    let sql = "UPDATE pgv2rs.in_place SET blocks = $2, file = $3 WHERE id = $1";
    let done = session
        .execute(sql, &[&id, &place.blocks, &place.file])
        .await;
    done.map(drop).map_err(on("writing the ledger"))
}

/// The unit is another table now. In the caller's transaction.
pub async fn replaced(session: &Session, id: i64, unit: &Unit) -> Result<()> {
    let sql = "UPDATE pgv2rs.in_place SET root = $2, plan = $3 WHERE id = $1";
    let done = session
        .execute(sql, &[&id, &unit.root, &written(unit)?])
        .await;
    done.map_err(on("writing the ledger"))?;
    moved(session, id, State::Swapped).await
}

pub async fn forget(session: &Session, id: i64) -> Result<()> {
    let sql = "DELETE FROM pgv2rs.in_place WHERE id = $1";
    let done = session.execute(sql, &[&id]).await;
    done.map(drop).map_err(on("writing the ledger"))
}

/// All lines, in the order in which they were begun.
pub async fn lines(session: &Client) -> Result<Vec<Line>> {
    let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'pgv2rs' AND c.relname = 'in_place' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))";
    let there = session.query_one(there, &[]).await;
    if !there
        .map_err(on("looking for the ledger"))?
        .get::<_, bool>(0)
    {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, plan, method, state, drops, verified, pg_catalog.date_trunc('second', begun)::text FROM pgv2rs.in_place ORDER BY id";
    let rows = session.query(sql, &[]).await;
    let rows = rows.map_err(on("reading the ledger"))?;
    let line = |r: &tokio_postgres::Row| {
        let (method, state): (String, String) = (r.get(2), r.get(3));
        let unknown = || {
            Error::new(Side::Target, "reading the ledger").because(format!(
                "it knows a state {state:?} of {method:?}, which this program does not"
            ))
        };
        let state = STATES.iter().find(|(_, text)| *text == state);
        Ok(Line {
            id: r.get(0),
            unit: read_back(r.get(1))?,
            method: Method::of(&method).ok_or_else(unknown)?,
            state: state.map(|(s, _)| *s).ok_or_else(unknown)?,
            drops: r.get(4),
            verified: r.get::<_, i64>(5).unsigned_abs(),
            begun: r.get(6),
        })
    };
    rows.iter().map(line).collect()
}
