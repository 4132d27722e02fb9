//! In: a table of both sides. Out: which generated columns hold the same values on both, and which were not compared. The target
//! computes them itself: no byte of them was sent, and no digest covers them. A sum over all rows tells nothing where some were rejected.

use serde::{Deserialize, Serialize};

use super::differ;
use crate::catalog::ident;
use crate::catalog::portable::OID_ALIASES;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Generated {
    pub column: String,
    /// None: the values are the same. Else why that is not known, or not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Other values where the type is exact: the expression does not mean the same on the target.
    #[serde(skip)]
    pub differs: bool,
}

struct Found {
    name: String,
    ty: String,
    stored: bool,
    /// A type whose text is the same on both sides where the values are.
    comparable: bool,
    /// It is an OID, or computed from one that is not in the row: other numbers on each cluster.
    numbered: bool,
    /// Floating point and tsvector: the last digit hangs on a library, a lexeme on a dictionary.
    inexact: bool,
}

pub async fn columns(
    source: &Session,
    target: &Session,
    table: &TablePlan,
    rejected: u64,
) -> Result<Vec<Generated>> {
    let found = found(source, table).await?;
    let there = match found.is_empty() {
        true => Vec::new(),
        false => there(target, table).await?,
    };
    let mut all = Vec::new();
    for column in found {
        let mut generated = Generated {
            column: ident(&column.name),
            note: None,
            differs: false,
        };
        let ty = there.iter().find(|(name, _)| *name == column.name);
        let Some((_, ty)) = ty else {
            generated.note = Some("not compared: it is not on the target".into());
            all.push(generated);
            continue;
        };
        if !column.stored {
            generated.note = Some("not compared: the source stores no values of it".into());
        } else if column.numbered {
            generated.note = Some(
                "not compared: it is or hangs on an OID, which is another on each cluster".into(),
            );
        } else if !column.comparable || *ty != column.ty {
            generated.note = Some("not compared: its type has another text on the target".into());
        } else if rejected > 0 {
            generated.note = Some("not compared: rows of the table were rejected".into());
        } else if !same(source, target, table, &column.name).await? {
            generated.differs = !column.inexact;
            generated.note = Some(match column.inexact {
                true => "the target computes other values: in its type they hang on the server's libraries and dictionaries",
                false => "the target computes other values",
            }.into());
        }
        all.push(generated);
    }
    Ok(all)
}

async fn same(source: &Session, target: &Session, table: &TablePlan, name: &str) -> Result<bool> {
    let text = format!("t.{}::pg_catalog.text", quote(name));
    let old = differ::hash(source, Side::Source, table, &text).await?;
    let new = differ::hash(target, Side::Target, table, &text).await?;
    Ok(old == new)
}

async fn found(source: &Session, table: &TablePlan) -> Result<Vec<Found>> {
    // 700, 701, 1021, 1022: float4, float8 and their arrays; 3614, 3643: tsvector.
    // tableoid is the attribute -6, and 26 and 1028 are oid and oid[]; a node of the expression says its type as `:consttype 2205 `.
    let aliases: Vec<String> = OID_ALIASES.iter().map(u32::to_string).collect();
    let named = format!("(:varattno -6|type(id)? ({})) ", aliases.join("|"));
    let sql = "SELECT a.attname::text, a.attgenerated = 's', \
        t.typtype = 'e' OR (t.oid < 16384 AND t.typtype = 'b'), t.oid IN (700, 701, 1021, 1022, 3614, 3643), \
        pg_catalog.format_type(t.oid, NULL), t.oid IN (26, 1028) OR d.adbin::text ~ $2 \
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
        JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '' ORDER BY a.attnum";
    let rows = source
        .query(sql, &[&table.oid, &named])
        .await
        .map_err(Error::on(Side::Source, attempt(table)))?;
    let column = |r: &tokio_postgres::Row| Found {
        name: r.get(0),
        stored: r.get(1),
        comparable: r.get(2),
        inexact: r.get(3),
        ty: r.get(4),
        numbered: r.get(5),
    };
    Ok(rows.iter().map(column).collect())
}

/// The columns of the target's table, with their types.
async fn there(target: &Session, table: &TablePlan) -> Result<Vec<(String, String)>> {
    let sql = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute a \
        WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = target
        .query(sql, &[&table.quoted()])
        .await
        .map_err(Error::on(Side::Target, attempt(table)))?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

fn attempt(table: &TablePlan) -> String {
    format!("reading the generated columns of {}", table.display)
}
