//! In: columns of regclass and its kin, alone or inside other values. Out: those whose values name objects that the target will not
//! have when the rows arrive: what follows the rows (indexes), what does not come, what its version lacks. The rows go as text, and
//! the target looks each name up.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::rehearse::Refused;
use crate::catalog::portable::{is_oid_alias, type_within};
use crate::catalog::{Type, ident};
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity, TablePlan};
use crate::report::count_of;

/// Distinct values of a column that are looked at. More of them are data and no references.
const MOST: usize = 10_000;

/// Objects that a finding names.
const NAMED: usize = 10;

/// The distinct values of a column, as text.
pub struct References {
    table: u32,
    object: String,
    type_text: String,
    array: bool,
    /// The values are names of objects and nothing else.
    names: bool,
    values: Vec<String>,
}

pub async fn read(
    session: &Session,
    types: &HashMap<u32, Type>,
    tables: &[TablePlan],
) -> Result<Vec<References>> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|t| t.text()) {
        for column in &table.columns {
            if type_within(types, column.type_oid, &|oid, _| is_oid_alias(oid)).is_none() {
                continue;
            }
            let sql = format!(
                "SELECT DISTINCT pg_catalog.format('%s', t.{name}) FROM {from} t WHERE t.{name} IS DISTINCT FROM NULL \
                 ORDER BY 1 LIMIT {MOST}",
                name = quote(&column.name),
                from = table.from()
            );
            let rows = session.query(&sql, &[]).await.map_err(Error::on(
                Side::Source,
                format!("looking what {} refers to", table.display),
            ))?;
            found.push(References {
                table: table.oid,
                object: format!("column {}.{}", table.display, ident(&column.name)),
                type_text: column.type_text.clone(),
                array: types.get(&column.type_oid).is_some_and(|t| t.element != 0),
                names: names_only(types, column.type_oid),
                values: rows.iter().map(|r| r.get(0)).collect(),
            });
        }
    }
    Ok(found)
}

/// A composite may hold anything beside.
fn names_only(types: &HashMap<u32, Type>, oid: u32) -> bool {
    let inner = |ty: &Type| [ty.element, ty.base].into_iter().find(|oid| *oid != 0);
    is_oid_alias(oid)
        || types
            .get(&oid)
            .and_then(inner)
            .is_some_and(|inner| names_only(types, inner))
}

impl References {
    /// To be asked in the rehearsal, behind `savepoint`, when the schema before the data is there.
    pub async fn missing(&self, client: &Client, savepoint: &str) -> Result<Option<Refused>> {
        if self.known(client, savepoint, &self.values).await? {
            return Ok(None);
        }
        let mut missing = Vec::new();
        for value in &self.values {
            if !self
                .known(client, savepoint, std::slice::from_ref(value))
                .await?
            {
                missing.push(value.as_str());
            }
        }
        let reason = format!(
            "names what the target does not have when the rows arrive: {}",
            self.told(&missing)
        );
        let finding = Finding::new(Severity::Decision, &self.object, reason);
        Ok(Some(Refused {
            finding: finding.remedy(
                "indexes and constraints follow the rows: set these values after the move; what the target lacks, create there first; with --allow-findings the table is left out",
            ),
            relation: Some(self.table),
        }))
    }

    fn told(&self, missing: &[&str]) -> String {
        if !self.names {
            return count_of(missing.len(), "value");
        }
        let more = match missing.len() {
            n if n > NAMED => format!(" and {} more", n - NAMED),
            _ => String::new(),
        };
        let first = &missing[..missing.len().min(NAMED)];
        format!("{}{more}", first.join(", "))
    }

    async fn known(&self, client: &Client, savepoint: &str, values: &[String]) -> Result<bool> {
        let attempt = || format!("looking up what {} refers to", self.object);
        // There is a cast from text to regclass, and it takes less than COPY does: `-` is no name to it. To an array there is none.
        let literals: Vec<String> = match self.array {
            true => values.to_vec(),
            false => values.iter().map(|v| array_literal(v)).collect(),
        };
        let array = if self.array { "" } else { "[]" };
        let sql = format!(
            "SELECT pg_catalog.count(v::{}{array}) FROM unnest($1::pg_catalog.text[]) v",
            self.type_text
        );
        let Err(error) = client.query_one(&sql, &[&literals]).await else {
            return Ok(true);
        };
        if error.as_db_error().is_none() {
            return Err(Error::new(Side::Target, attempt()).because(error));
        }
        let back = client
            .batch_execute(&format!("ROLLBACK TO {savepoint}"))
            .await;
        back.map_err(Error::on(Side::Target, attempt()))?;
        Ok(false)
    }
}

/// An array of this one element.
fn array_literal(element: &str) -> String {
    let escaped = element.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{{\"{escaped}\"}}")
}
