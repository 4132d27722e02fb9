//! In: a session, a table and the xmin of the snapshot that it was copied under. Out: what tells whether its rows are still those that
//! the snapshot saw, in two numbers, and the table's shape: name, file, columns, parents. It reads no value of any row.

use std::collections::HashMap;

use futures::future::try_join3;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use crate::catalog::ident;
use crate::connect::{Session, quote_qualified};
use crate::copy::slice::Range;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;

/// What the snapshot saw of a table.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Seal {
    pub rows: u64,
    pub young: Option<String>,
    pub snapshot_xmin: i64,
    pub shape: Shape,
}

/// All that can change about a table's rows without a row being written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Shape {
    pub schema: String,
    pub name: String,
    /// Of the source's WAL: after a promotion what this number was of may never have been. With the start of a standby: one that was
    /// started again, or another one, may be behind what the first had replayed.
    timeline: String,
    /// The tables that hold the rows, each with its file.
    files: Vec<String>,
    /// Parents, each with the bounds of the partition.
    parents: Vec<String>,
    columns: Vec<Column>,
    /// Attributes of the composites among the values: dropping one and adding one of its name writes no row.
    attributes: Vec<String>,
}

impl Shape {
    /// Whether a column is generated.
    pub fn computes(&self) -> bool {
        self.columns.iter().any(|c| c.generated.is_some())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Column {
    number: i16,
    name: String,
    type_oid: u32,
    typmod: i32,
    /// How it is computed; None for a column that is written.
    generated: Option<String>,
}

/// The number of rows in a range of blocks, and the sum of a hash of where each young one lies and which transaction wrote it; None where
/// there is no young one. Young are those of transactions that had not ended for certain when a snapshot with this xmin was taken, or
/// began later.
///
/// All others were written, and committed, before that snapshot: what a later look sees of them was seen then, and what was deleted since is
/// missing from their number. (That no look is earlier is for the shape's timeline to tell.) So the same number and the same young rows are the same rows: a version of a row never changes in its place. That
/// holds for subtransactions, whose ids no txid_snapshot lists: each is higher than its parent's, and with the parent at or above
/// the xmin. VACUUM does not move a row, and freezing leaves the xmin that SQL shows.
///
/// age() is the only way from an xid to a number that is no text. It counts back from what was the next xid when the transaction first asked, so
/// no row that it sees is younger than zero, but for those frozen before the counter came round. Of those the few that had the numbers of
/// today look young: they are copied again, or said to have changed.
pub async fn rows(
    session: &Session,
    table: &TablePlan,
    range: Range,
    xmin: i64,
) -> Result<(u64, Option<String>)> {
    let condition = range
        .condition()
        .map_or(String::new(), |c| format!(" WHERE {c}"));
    let low = xmin & 0xffff_ffff;
    // Half of all xids later the young ones cannot be told any more, and a snapshot from before is of another history: this equals no sum.
    let sql = format!(
        "SELECT pg_catalog.count(*), CASE WHEN pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) - {xmin} NOT BETWEEN 0 AND 2000000000 THEN 'not to be told' ELSE \
         (pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(t.tableoid, t.ctid) COLLATE pg_catalog.\"C\", t.xmin::pg_catalog.text::pg_catalog.int8)) \
         FILTER (WHERE pg_catalog.age(t.xmin) <= (SELECT pg_catalog.age('{low}'::pg_catalog.xid)) AND pg_catalog.age(t.xmin) >= 0))::pg_catalog.text END \
         FROM {} t{condition}",
        table.from()
    );
    let row = session.query_of_table(&sql).await.map_err(Error::on(
        Side::Source,
        format!("counting {}", table.display),
    ))?;
    Ok((row.get::<_, i64>(0).unsigned_abs(), row.get(1)))
}

/// So many tables are looked at together.
const TOGETHER: usize = 1000;

/// By the tables' OIDs; a table that is not there any more has none.
pub async fn shapes(session: &Session, tables: &[&TablePlan]) -> Result<HashMap<u32, Shape>> {
    let mut shapes = HashMap::new();
    for tables in tables.chunks(TOGETHER) {
        let oids = tables.iter().map(|table| table.oid).collect();
        shapes.extend(shapes_of(session, oids).await?);
    }
    Ok(shapes)
}

async fn shapes_of(session: &Session, oids: Vec<u32>) -> Result<HashMap<u32, Shape>> {
    let asked = async |sql: &str| {
        let attempt = "asking what shape the tables have";
        let rows = session.query_typed(sql, &[(&oids, Type::OID_ARRAY)]).await;
        rows.map_err(Error::on(Side::Source, attempt))
    };
    let multiranges = match session.version_num >= 140_000 {
        true => {
            "UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = t.oid"
        }
        false => "",
    };
    let attributes = ATTRIBUTES.replace("{multiranges}", multiranges);
    let found = try_join3(asked(TABLES), asked(COLUMNS), asked(&attributes));
    let (found, columns, attributes) = found.await?;
    let mut shapes: HashMap<u32, Shape> = HashMap::new();
    for row in &found {
        let shape = Shape {
            schema: row.get(1),
            name: row.get(2),
            files: row.get(3),
            parents: row.get(4),
            timeline: row.get(5),
            ..Shape::default()
        };
        shapes.insert(row.get(0), shape);
    }
    for row in &columns {
        let column = Column {
            number: row.get(1),
            name: row.get(2),
            type_oid: row.get(3),
            typmod: row.get(4),
            generated: row.get(5),
        };
        if let Some(shape) = shapes.get_mut(&row.get(0)) {
            shape.columns.push(column);
        }
    }
    for row in &attributes {
        if let Some(shape) = shapes.get_mut(&row.get(0)) {
            shape.attributes.push(row.get(1));
        }
    }
    Ok(shapes)
}

/// (pg_partition_tree would lock the partitions, and keep their locks while it waits for those of other trees.)
const TABLES: &str = "WITH line(timeline) AS MATERIALIZED (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() \
      THEN (SELECT pg_catalog.concat_ws(' ', 'standby', timeline_id, EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time())) FROM pg_catalog.pg_control_checkpoint()) \
      ELSE pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8) END) \
    SELECT c.oid, n.nspname::text, c.relname::text, \
    ARRAY(SELECT pg_catalog.concat_ws(' ', f.oid, pg_catalog.pg_relation_filenode(f.oid)) FROM (SELECT c.oid WHERE c.relkind <> 'p' UNION ALL (WITH RECURSIVE below(oid) AS ( \
        SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE c.relkind = 'p' AND i.inhparent = c.oid UNION ALL SELECT i.inhrelid FROM below JOIN pg_catalog.pg_inherits i ON i.inhparent = below.oid) \
      SELECT below.oid FROM below JOIN pg_catalog.pg_class l ON l.oid = below.oid WHERE l.relkind <> 'p')) f(oid) ORDER BY 1), \
    ARRAY(SELECT pg_catalog.concat_ws(' ', i.inhparent::pg_catalog.regclass, pg_catalog.pg_get_expr(c.relpartbound, c.oid), \
        CASE WHEN pg_catalog.to_jsonb(i)->>'inhdetachpending' = 'true' THEN 'pending' END) \
      FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno), line.timeline \
    FROM line, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1)";

const COLUMNS: &str = "SELECT a.attrelid, a.attnum, a.attname::text, a.atttypid, a.atttypmod, \
    CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END \
    FROM pg_catalog.pg_attribute a \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";

/// Of all composites that a table's values are made of.
const ATTRIBUTES: &str = "WITH RECURSIVE inside(relation, oid) AS (SELECT a.attrelid, a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY ($1) AND a.attnum > 0 \
      UNION SELECT i.relation, x.oid FROM inside i JOIN pg_catalog.pg_type t ON t.oid = i.oid CROSS JOIN LATERAL (SELECT t.typelem UNION ALL SELECT t.typbasetype \
        UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid {multiranges} \
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0) x(oid) WHERE x.oid <> 0) \
    SELECT inside.relation, pg_catalog.concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attname) FROM inside JOIN pg_catalog.pg_type t ON t.oid = inside.oid \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid WHERE t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY inside.relation, a.attrelid, a.attnum";

/// Taken from those that were found in the snapshot.
pub fn shape_of(shapes: &mut HashMap<u32, Shape>, table: &TablePlan) -> Result<Shape> {
    shapes.remove(&table.oid).ok_or_else(|| {
        Error::new(Side::Source, format!("reading {}", table.display))
            .because("the snapshot does not hold it")
    })
}

/// What is not as it was, in a sentence. The columns come first: changing one may rewrite the file, and says more.
pub fn other_shape(was: &Shape, is: &Shape) -> Option<String> {
    if was.timeline != is.timeline {
        return Some(
            "the source was promoted or restored since, or is a standby that was started again or another one: what it holds may be something else".into(),
        );
    }
    if (&was.schema, &was.name) != (&is.schema, &is.name) {
        let name = quote_qualified(&is.schema, &is.name);
        return Some(format!("it was renamed to {name}"));
    }
    for old in &was.columns {
        let name = ident(&old.name);
        match is.columns.iter().find(|c| c.number == old.number) {
            None => return Some(format!("its column {name} was dropped")),
            Some(new) if new.name != old.name => {
                let now = ident(&new.name);
                return Some(format!("its column {name} was renamed to {now}"));
            }
            Some(new) if new != old => return Some(format!("its column {name} was altered")),
            Some(_) => {}
        }
    }
    let known = |c: &Column| was.columns.iter().any(|old| old.number == c.number);
    if let Some(new) = is.columns.iter().find(|c| !known(c)) {
        return Some(format!("its column {} was added", ident(&new.name)));
    }
    if was.attributes != is.attributes {
        return Some("a composite type among its columns was altered".into());
    }
    if was.parents != is.parents {
        return Some(
            "it was attached to a parent, detached from one, or its parent was renamed".into(),
        );
    }
    (was.files != is.files).then(|| match (was.files.len(), is.files.len()) {
        (1, 1) => "it was truncated or rewritten".into(),
        _ => "a partition of it was truncated, rewritten, attached or detached".into(),
    })
}
