//! In: a table of both sides. Out: how many rows each has, which columns differ, and which rows, by the servers' own hashes of the
//! values' texts: binary forms may differ where values do not. Each side is read once for the columns, and twice more where rows have to
//! be found. It names no value that is not a key.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::texts::{self, Texts};
use crate::catalog::ident;
use crate::connect::{SAME_TEXT, Session, literal};
use crate::copy::slice::Range;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;

/// What a comparison by texts found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Compared {
    pub source_rows: u64,
    pub target_rows: u64,
    /// Beside the numbers of rows, each in a sentence.
    pub differences: Vec<String>,
    /// Columns that could not be compared, each with the reason.
    pub not_compared: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
}

/// Rows that differ, by their primary keys.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rows {
    pub only_on_source: Vec<String>,
    pub only_on_target: Vec<String>,
    pub different: Vec<String>,
    /// There are more than these.
    pub more: bool,
}

/// One of the two servers, and what stands for `pgvector`'s schema, quoted, on the source.
pub struct Sides<'a> {
    pub source: &'a Session,
    pub target: &'a Session,
    pub vectors: String,
}

/// Rows are looked for in parts of the table, by the hash of their key.
const PARTS: i64 = 4096;
/// So many rows of the parts that differ are looked at, and so many keys of each kind are shown.
const LOOKED_AT: u64 = 200_000;
const SHOWN: usize = 20;

pub async fn compare(sides: &Sides<'_>, table: &TablePlan) -> Result<Compared> {
    for (session, side) in sides.both() {
        session.batch_execute(SAME_TEXT).await.map_err(Error::on(
            side,
            format!("comparing {} as text", table.display),
        ))?;
    }
    let mut compared = Compared::default();
    let mut columns = Vec::new();
    for column in &table.columns {
        let name = ident(&column.name);
        match texts::of(column, &sides.vectors) {
            Some(texts) => columns.push((name, texts)),
            None => compared
                .not_compared
                .push(format!("{name}: {}", column.why_no_texts())),
        }
    }
    let (here, there) = sums(sides, table, &columns).await?;
    (compared.source_rows, compared.target_rows) = (here.rows, there.rows);
    let pairs = here.columns.iter().zip(&there.columns).zip(&columns);
    let differing = pairs.filter(|((here, there), _)| here != there);
    compared.differences = differing
        .map(|(_, (name, _))| format!("column {name} differs"))
        .collect();
    if compared.differences.is_empty() && here.whole != there.whole && here.rows == there.rows {
        let rows = "rows differ: the columns hold the same values, in other rows";
        compared.differences.push(rows.into());
    }
    if compared.differs() {
        compared.rows = rows(sides, table, &columns).await?;
    }
    Ok(compared)
}

impl Compared {
    pub fn differs(&self) -> bool {
        self.source_rows != self.target_rows || !self.differences.is_empty()
    }
}

impl Rows {
    /// A sentence for each kind of row that there is.
    pub fn said(&self) -> Vec<String> {
        let kinds = [
            ("only on the source", &self.only_on_source),
            ("only on the target", &self.only_on_target),
            ("different", &self.different),
        ];
        let there = kinds.into_iter().filter(|(_, keys)| !keys.is_empty());
        let mut said: Vec<String> = there
            .map(|(what, keys)| format!("{what}: {}", keys.join("; ")))
            .collect();
        if self.more {
            said.push("there are more than these".into());
        }
        said
    }
}

impl Sides<'_> {
    fn both(&self) -> [(&Session, Side); 2] {
        [(self.source, Side::Source), (self.target, Side::Target)]
    }
}

/// What one side says of its rows: how many, for each column the values that are not NULL and a sum of their hashes, and a sum of the
/// hashes of whole rows. No order is needed for a sum.
#[derive(PartialEq)]
struct Sums {
    rows: u64,
    columns: Vec<(i64, Option<String>)>,
    whole: Option<String>,
}

async fn sums(
    sides: &Sides<'_>,
    table: &TablePlan,
    columns: &[(String, Texts)],
) -> Result<(Sums, Sums)> {
    let query = |text: fn(&Texts) -> &String| {
        let each = |of: fn(&str) -> String| {
            let cells: Vec<String> = (0..columns.len()).map(|i| of(&format!("h.c{i}"))).collect();
            cells.join(", ")
        };
        // In arrays: a SELECT has at most 1,664 columns.
        format!(
            "SELECT pg_catalog.count(*), pg_catalog.sum({})::pg_catalog.text, ARRAY[{}]::pg_catalog.int8[], ARRAY[{}]::pg_catalog.text[] FROM ({}) h",
            number(&whole("h", columns.len())),
            each(|cell| format!("pg_catalog.count({cell})")),
            each(|cell| format!("pg_catalog.sum({})", number(cell))),
            hashed(table, columns.iter().map(|(_, t)| text(t)), None)
        )
    };
    let ask = async |session: &Session, side: Side, sql: String| {
        let row = session.query_of_table(&sql).await.map_err(Error::on(
            side,
            format!("comparing {} as text", table.display),
        ))?;
        let (counts, sums): (Vec<i64>, Vec<Option<String>>) = (row.get(2), row.get(3));
        Ok(Sums {
            rows: row.get::<_, i64>(0).unsigned_abs(),
            whole: row.get(1),
            columns: counts.into_iter().zip(sums).collect(),
        })
    };
    futures::try_join!(
        ask(sides.source, Side::Source, query(|t| &t.here)),
        ask(sides.target, Side::Target, query(|t| &t.there))
    )
}

/// A query for the md5 of each text of a row, `c0`, `c1` …, and of its key. Computed once: OFFSET keeps the planner from copying the
/// expressions to wherever they are used.
fn hashed<'a>(
    table: &TablePlan,
    texts: impl Iterator<Item = &'a String>,
    key: Option<&str>,
) -> String {
    let mut cells: Vec<String> = texts
        .enumerate()
        .map(|(i, text)| format!("pg_catalog.md5({text}) AS c{i}"))
        .collect();
    cells.extend(key.map(|key| format!("{key} AS k")));
    format!(
        "SELECT {} FROM {} OFFSET 0",
        cells.join(", "),
        table.rows(Range::WHOLE)
    )
}

/// The md5 of a row.
fn whole(of: &str, columns: usize) -> String {
    let cells: Vec<String> = (0..columns).map(|i| format!("{of}.c{i}")).collect();
    format!("pg_catalog.md5(ROW({})::pg_catalog.text)", cells.join(", "))
}

/// 60 bits of a hash, as a number.
fn number(md5: &str) -> String {
    format!("('x0' || pg_catalog.substr({md5}, 1, 15))::pg_catalog.bit(64)::pg_catalog.int8")
}

/// None: without a primary key a row has no name.
async fn rows(
    sides: &Sides<'_>,
    table: &TablePlan,
    columns: &[(String, Texts)],
) -> Result<Option<Rows>> {
    let keys: Vec<&(String, Texts)> = table
        .primary_key
        .iter()
        .filter_map(|key| columns.iter().find(|(name, _)| *name == ident(key)))
        .collect();
    if keys.is_empty() || keys.len() != table.primary_key.len() {
        return Ok(None);
    }
    let query = |text: fn(&Texts) -> &String| {
        let cells = keys
            .iter()
            .map(|(name, t)| format!("{}, {}", literal(&format!("{name} = ")), text(t)));
        let key = format!(
            "pg_catalog.concat({})",
            cells.collect::<Vec<_>>().join(", ', ', ")
        );
        format!(
            "SELECT h.k, {} AS r, pg_catalog.mod({}, {PARTS}) AS p FROM ({}) h",
            number(&whole("h", columns.len())),
            number("pg_catalog.md5(h.k)"),
            hashed(table, columns.iter().map(|(_, t)| text(t)), Some(&key))
        )
    };
    let (here, there) = (query(|t| &t.here), query(|t| &t.there));
    let attempt = || format!("looking for the rows of {} that differ", table.display);
    let parts = async |session: &Session, side: Side, of: &str| {
        let sql = format!(
            "SELECT p, pg_catalog.count(*), pg_catalog.sum(r)::pg_catalog.text FROM ({of}) q GROUP BY p"
        );
        let found = session.rows_of_table(&sql, &[]).await;
        let found = found.map_err(Error::on(side, attempt()))?;
        let part = |row: &tokio_postgres::Row| {
            let count: i64 = row.get(1);
            (
                row.get::<_, i64>(0),
                (count.unsigned_abs(), row.get::<_, Option<String>>(2)),
            )
        };
        Ok::<BTreeMap<i64, _>, Error>(found.iter().map(part).collect())
    };
    let (ours, theirs) = futures::try_join!(
        parts(sides.source, Side::Source, &here),
        parts(sides.target, Side::Target, &there)
    )?;
    let (mut chosen, mut looked_at, mut left) = (Vec::new(), 0, false);
    for part in 0..PARTS {
        let (one, other) = (ours.get(&part), theirs.get(&part));
        if one == other {
            continue;
        }
        let size = [one, other]
            .into_iter()
            .flatten()
            .map(|(n, _)| n)
            .sum::<u64>();
        left = !chosen.is_empty() && looked_at + size > LOOKED_AT;
        if left {
            break;
        }
        looked_at += size;
        chosen.push(part);
    }
    let of_parts = async |session: &Session, side: Side, of: &str| {
        let sql = format!("SELECT k, r FROM ({of}) q WHERE p = ANY ($1)");
        let found = session.rows_of_table(&sql, &[&chosen]).await;
        let found = found.map_err(Error::on(side, attempt()))?;
        let row = |row: &tokio_postgres::Row| (row.get::<_, String>(0), row.get::<_, i64>(1));
        Ok::<HashMap<String, i64>, Error>(found.iter().map(row).collect())
    };
    let (ours, theirs) = futures::try_join!(
        of_parts(sides.source, Side::Source, &here),
        of_parts(sides.target, Side::Target, &there)
    )?;
    let mut rows = Rows {
        more: left,
        ..Rows::default()
    };
    for (key, row) in &ours {
        match theirs.get(key) {
            None => rows.only_on_source.push(key.clone()),
            Some(other) if other != row => rows.different.push(key.clone()),
            Some(_) => {}
        }
    }
    let extra = theirs.keys().filter(|key| !ours.contains_key(*key));
    rows.only_on_target = extra.cloned().collect();
    for list in [
        &mut rows.only_on_source,
        &mut rows.only_on_target,
        &mut rows.different,
    ] {
        // By length first, so that numbers stand in their order.
        list.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        rows.more |= list.len() > SHOWN;
        list.truncate(SHOWN);
    }
    Ok(Some(rows))
}

/// How many of the texts are not NULL, and a sum of their hashes. The table goes by the name `t`.
pub async fn hash(
    session: &Session,
    side: Side,
    table: &TablePlan,
    text: &str,
) -> Result<(i64, Option<String>)> {
    let sum = number(&format!("pg_catalog.md5({text})"));
    let sql = format!(
        "SELECT pg_catalog.count({text}), pg_catalog.sum({sum})::pg_catalog.text FROM {}",
        table.rows(Range::WHOLE)
    );
    let row = session.query_of_table(&sql).await.map_err(Error::on(
        side,
        format!("comparing {} as text", table.display),
    ))?;
    Ok((row.get(0), row.get(1)))
}
