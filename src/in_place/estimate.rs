//! In: a unit, before anything is done. Out: how long the fill or the rewrite will take, measured on some of its rows in a temporary table with the same
//! indexes, which is rolled back.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::cast::Casts;
use super::indexes::own_tails;
use super::unit::{Member, Unit};
use crate::cli::Method;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::progress::human_time;

/// An index over vectors takes in about a thousand rows a second.
const SAMPLE: i64 = 500;

/// Below this an index of pgvector is no matter.
const WORTH: f64 = 3.0;

#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    pub method: Method,
    pub rows: i64,
    pub sampled: i64,
    /// As the table is.
    pub seconds: f64,
    /// Without the indexes of pgvector on its vectors.
    pub without_old_index: f64,
    pub has_old_index: bool,
    /// With a shadow, where the table may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<f64>,
}

impl Estimate {
    pub fn text(&self) -> String {
        let time = |s: f64| human_time(Duration::from_secs_f64(s.min(1e9)));
        let rests = format!("measured on {} of about {} rows", self.sampled, self.rows);
        match (self.method, self.advises()) {
            (Method::AddColumn, true) => format!(
                "the fill takes {} or more, since each row enters the old vector index once more; {} with --drop-old-index, and no index on the old column \
                 until the swap{} ({rests})",
                time(self.seconds),
                time(self.without_old_index),
                match self.shadow {
                    Some(seconds) => format!(
                        "; or {} with --method shadow, which keeps that index until the swap and needs room for a second table",
                        time(seconds)
                    ),
                    None => String::new(),
                }
            ),
            (Method::AddColumn, false) => {
                format!("the fill takes about {} ({rests})", time(self.seconds))
            }
            (Method::Shadow, _) => format!(
                "the fill takes about {} ({rests})",
                time(self.shadow.unwrap_or_default())
            ),
            (Method::AlterType, _) => format!(
                "the ACCESS EXCLUSIVE lock is held for about {} ({rests})",
                time(self.without_old_index)
            ),
        }
    }

    /// To drop the old index first.
    pub fn advises(&self) -> bool {
        self.method == Method::AddColumn
            && self.has_old_index
            && self.seconds > WORTH * self.without_old_index.max(0.001)
    }
}

pub(super) async fn estimate(
    session: &Session,
    unit: &Unit,
    members: &[Member],
    casts: &Casts<'_>,
    method: Method,
) -> Result<Option<Estimate>> {
    let Some(member) = members
        .iter()
        .filter(|m| !m.partitioned)
        .max_by_key(|m| m.bytes)
    else {
        return Ok(None);
    };
    let rows: i64 = members.iter().map(|m| m.rows_estimate.max(0)).sum();
    let failed = |e: tokio_postgres::Error| {
        let attempt = format!("measuring the change on some rows of {}", member.display());
        Error::new(Side::Target, attempt).because(e)
    };
    session.batch_execute("BEGIN").await.map_err(failed)?;
    let measured = measured(session, unit, member, casts, method).await;
    let back = session.batch_execute("ROLLBACK").await;
    let measured = measured.map_err(failed)?;
    back.map_err(failed)?;
    let Measured {
        sampled,
        with,
        without,
        shadow,
    } = measured;
    if sampled == 0 || rows == 0 {
        return Ok(None);
    }
    let scale = |seconds: f64| seconds * rows as f64 / sampled as f64;
    Ok(Some(Estimate {
        method,
        rows,
        sampled,
        seconds: scale(with),
        without_old_index: scale(without),
        has_old_index: unit.indexes.iter().any(|i| i.of_pgvector),
        shadow: unit.may_have_shadow.then(|| scale(shadow)),
    }))
}

/// Rows, and seconds: with all indexes, without those of pgvector, and into a new table.
struct Measured {
    sampled: i64,
    with: f64,
    without: f64,
    shadow: f64,
}

async fn measured(
    session: &Session,
    unit: &Unit,
    member: &Member,
    casts: &Casts<'_>,
    method: Method,
) -> std::result::Result<Measured, tokio_postgres::Error> {
    let (table, sample) = (member.quoted(), "pg_temp.pgv2rs_sample");
    let like = format!("CREATE TEMPORARY TABLE pgv2rs_sample (LIKE {table})");
    session.batch_execute(&like).await?;
    for tail in own_tails(session, member.oid).await? {
        let make = format!("CREATE INDEX ON {sample}{tail}");
        session.batch_execute(&make).await?;
    }
    let sql = "SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute \
        WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''";
    let columns: String = session.query_one(sql, &[&member.oid]).await?.get(0);
    let copy = format!(
        "INSERT INTO {sample} ({columns}) SELECT {columns} FROM ONLY {table} LIMIT {SAMPLE}"
    );
    let rows = session.execute(&copy, &[]).await?;
    let mut add = Vec::new();
    let (mut set, mut values) = (Vec::new(), Vec::new());
    for column in &unit.columns {
        let new = quote(&column.new);
        add.push(format!("ADD COLUMN {new} {}", column.change.target_sql()));
        if let Ok(value) = casts.forward(&column.change, &quote(&column.old)) {
            set.push(format!("{new} = {value}"));
            values.push(value);
        }
    }
    session
        .batch_execute(&format!("ALTER TABLE {sample} {}", add.join(", ")))
        .await?;
    let update = format!("UPDATE {sample} SET {}", set.join(", "));
    let timed = async |statement: &str| {
        let began = Instant::now();
        session.batch_execute(statement).await?;
        Ok::<f64, tokio_postgres::Error>(began.elapsed().as_secs_f64())
    };
    let with = match method {
        Method::AddColumn => timed(&update).await?,
        Method::AlterType | Method::Shadow => 0.0,
    };
    let drop = "DO $$ DECLARE i text; BEGIN FOR i IN SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_index x \
        JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_am m ON m.oid = c.relam \
        WHERE x.indrelid = 'pg_temp.pgv2rs_sample'::pg_catalog.regclass AND m.amname IN ('hnsw', 'ivfflat') LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END $$";
    session.batch_execute(drop).await?;
    let without = timed(&update).await?;
    let others = "SELECT pg_catalog.string_agg(', ' || pg_catalog.quote_ident(attname), '' ORDER BY attnum) FROM pg_catalog.pg_attribute \
        WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attname <> ALL ($2)";
    let names: Vec<&str> = unit.columns.iter().map(|c| c.old.as_str()).collect();
    let others: Option<String> = session
        .query_one(others, &[&member.oid, &names])
        .await?
        .get(0);
    for (n, value) in values.iter_mut().enumerate() {
        value.push_str(&format!(" AS pgv2rs_{n}"));
    }
    let (values, others) = (values.join(", "), others.unwrap_or_default());
    let create =
        format!("CREATE TEMPORARY TABLE pgv2rs_shadow AS SELECT {values}{others} FROM {sample}");
    Ok(Measured {
        sampled: i64::try_from(rows).unwrap_or(0),
        with,
        without,
        shadow: timed(&create).await?,
    })
}
