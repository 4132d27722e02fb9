//! In: a unit whose types leave open whether every value has a form in the new one. Out: the first row whose value has none, as a finding: better in
//! the plan than in the middle of a fill.

use dialect::types::{SourceType, TargetType};

use super::look::casts;
use super::on;
use super::unit::{Column, Unit};
use crate::catalog::Source;
use crate::connect::{Session, literal, quote};
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity};

/// Reads such a table once; the others not at all.
pub(super) async fn all(
    session: &Session,
    unit: &Unit,
    source: &Source,
) -> Result<Option<Finding>> {
    for column in unit.columns.iter().filter(|c| open(c)) {
        let casts = casts(source);
        let name = quote(&column.old);
        let value = casts.forward(&column.change, &name);
        let value = value.map_err(Error::on(Side::Internal, "trying the values"))?;
        let sql = format!("SELECT pg_catalog.count({value}) FROM {}", unit.quoted());
        let Err(error) = session.query_of_table(&sql).await else {
            continue;
        };
        let code = error.code().map(|c| c.code().to_string());
        let code = code.unwrap_or_default();
        // What PGVecto.rs refuses it calls an internal error. Where its types are not there yet, nothing can be tried.
        match code.as_str() {
            "3F000" | "42704" => continue,
            c if c.starts_with("22") || c == "XX000" => {}
            _ => {
                let attempt = format!("trying the values of {}", unit.display());
                return Err(Error::new(Side::Target, attempt).because(error));
            }
        }
        let row = first(session, unit, column, source).await?;
        let object = format!("column {}.{}", unit.display(), column.display());
        let reason = format!(
            "a value has no form in {} (SQLSTATE {code}): {}",
            column.change.target_sql(),
            row.unwrap_or("its row was not found again".into())
        );
        return Ok(Some(Finding::new(Severity::Decision, object, reason).remedy(
            "mend or delete that row, or choose another type with --map; with --allow-findings the table stays as it is",
        )));
    }
    Ok(None)
}

/// Numbers too large for vecf16, bits and sparse vectors of any number of dimensions.
fn open(column: &Column) -> bool {
    let change = &column.change;
    match (change.from, change.to) {
        (SourceType::Vector, TargetType::Vecf16) | (SourceType::Varbit, _) => true,
        (SourceType::Sparsevec, _) => change.dims.is_none(),
        _ => false,
    }
}

/// Its primary key, else its place. Each value is tried by itself.
async fn first(
    session: &Session,
    unit: &Unit,
    column: &Column,
    source: &Source,
) -> Result<Option<String>> {
    let casts = casts(source);
    let value = casts.forward(&column.change, "value");
    let value = value.map_err(Error::on(Side::Internal, "trying the values"))?;
    let relation = source.relation(unit.root);
    let key = relation.map_or(&[][..], |r| &r.primary_key);
    let key: Vec<String> = key
        .iter()
        .map(|k| {
            format!(
                "{} || t.{}::pg_catalog.text",
                literal(&format!("{} ", crate::catalog::ident(k))),
                quote(k)
            )
        })
        .collect();
    let place = "'ctid ' || t.ctid::pg_catalog.text".to_string();
    let row = if key.is_empty() {
        place
    } else {
        key.join(" || ', ' || ")
    };
    let schema = quote(&source.vector_schema);
    let ty = match column.change.from {
        SourceType::Varbit => "pg_catalog.varbit".to_string(),
        from => format!("{schema}.{from}"),
    };
    let make = format!(
        "CREATE FUNCTION pg_temp.pgv2rs_fits(value {ty}) RETURNS pg_catalog.bool LANGUAGE plpgsql AS {}",
        literal(&format!(
            "BEGIN PERFORM {value}; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END"
        ))
    );
    let find = format!(
        "SELECT t.tableoid::pg_catalog.regclass::pg_catalog.text || ', ' || {row} FROM {} t WHERE t.{name} IS NOT NULL AND NOT pg_temp.pgv2rs_fits(t.{name}) LIMIT 1",
        unit.quoted(),
        name = quote(&column.old)
    );
    let attempt = "looking for the row of a value that has no form";
    session.batch_execute("BEGIN").await.map_err(on(attempt))?;
    let found = async {
        session.batch_execute(&make).await?;
        session.query_opt(&find, &[]).await
    }
    .await;
    session
        .batch_execute("ROLLBACK")
        .await
        .map_err(on(attempt))?;
    Ok(found.map_err(on(attempt))?.map(|row| row.get(0)))
}
