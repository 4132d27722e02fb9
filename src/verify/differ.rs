//! In: a table whose digest differs. Out: which columns differ, as text, by the servers' own hashes: binary forms may differ
//! where values do not, and a difference is reported only when the text differs too. It names no value.

use dialect::types::{SourceType, TargetType};

use crate::connect::{SAME_TEXT, Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::{TablePlan, Travel};

/// A sentence for each column that differs. A digest that differs though no column's text does is said, too: the rows then hold
/// the same values in other company.
pub async fn columns(source: &Session, target: &Session, table: &TablePlan) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for (session, side) in [(source, Side::Source), (target, Side::Target)] {
        let alike = session.batch_execute(SAME_TEXT).await;
        alike.map_err(Error::on(
            side,
            format!("comparing {} as text", table.display),
        ))?;
    }
    for column in &table.columns {
        let Some((here, there)) = texts(&column.travel, &format!("t.{}", quote(&column.name)))
        else {
            continue;
        };
        let old = hash(source, Side::Source, table, &here).await?;
        let new = hash(target, Side::Target, table, &there).await?;
        if old != new {
            differences.push(format!(
                "column {} differs",
                crate::catalog::ident(&column.name)
            ));
        }
    }
    if differences.is_empty() {
        let whole = |side: usize| {
            let texts: Option<Vec<String>> = table
                .columns
                .iter()
                .map(|c| {
                    texts(&c.travel, &format!("t.{}", quote(&c.name)))
                        .map(|t| if side == 0 { t.0 } else { t.1 })
                })
                .map(|t| t.map(|t| format!("pg_catalog.md5({t})")))
                .collect();
            texts.map(|t| format!("ROW({})::pg_catalog.text", t.join(", ")))
        };
        match (whole(0), whole(1)) {
            (Some(here), Some(there)) => {
                let old = hash(source, Side::Source, table, &here).await?;
                let new = hash(target, Side::Target, table, &there).await?;
                if old != new {
                    differences.push(
                        "rows differ: the columns hold the same values, in other rows".into(),
                    );
                }
            }
            _ => differences
                .push("the digest differs, in a column that has no text to compare".into()),
        }
    }
    Ok(differences)
}

/// Text of a column on both sides that is equal where the values are; None where no cast leads there.
fn texts(travel: &Travel, name: &str) -> Option<(String, String)> {
    let Some(change) = travel.vector() else {
        // The type's own words; a composite with a vector inside has others on the target.
        let text = format!("pg_catalog.format('%s', {name})");
        let text = format!("CASE WHEN {name} IS DISTINCT FROM NULL THEN {text} END");
        return (!travel.converts()).then(|| (text.clone(), text));
    };
    if change.array {
        return None;
    }
    let here = match change.from {
        SourceType::Vector | SourceType::Halfvec => {
            format!("{name}::pg_catalog.float4[]::pg_catalog.text")
        }
        SourceType::Bit | SourceType::Varbit => {
            format!(
                "pg_catalog.string_to_array({name}::pg_catalog.text, NULL)::pg_catalog.float4[]::pg_catalog.text"
            )
        }
        SourceType::Sparsevec => return None,
    };
    let there = match change.to {
        TargetType::Vector => format!("{name}::pg_catalog.float4[]::pg_catalog.text"),
        TargetType::RealArray => format!("{name}::pg_catalog.text"),
        TargetType::Bvector if matches!(change.from, SourceType::Bit | SourceType::Varbit) => {
            format!("{name}::vectors.vector::pg_catalog.float4[]::pg_catalog.text")
        }
        TargetType::Vecf16 if change.from == SourceType::Halfvec => {
            format!("{name}::vectors.vector::pg_catalog.float4[]::pg_catalog.text")
        }
        _ => return None,
    };
    Some((here, there))
}

/// An order-independent sum of 60 bits of each row's md5, and the number of rows with a value. The table goes by the name `t`.
pub async fn hash(
    session: &Session,
    side: Side,
    table: &TablePlan,
    text: &str,
) -> Result<(i64, Option<String>)> {
    let sql = format!(
        "SELECT count({text}), sum(('x0' || pg_catalog.substr(pg_catalog.md5({text}), 1, 15))::pg_catalog.bit(64)::pg_catalog.int8)::pg_catalog.text \
         FROM {} t",
        table.from()
    );
    let row = session.query_one(&sql, &[]).await.map_err(Error::on(
        side,
        format!("comparing {} as text", table.display),
    ))?;
    Ok((row.get(0), row.get(1)))
}
