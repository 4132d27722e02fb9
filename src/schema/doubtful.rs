//! In: columns whose values the target may not take when the rows arrive: regclass and its kin, whose names it looks up, and types whose
//! grammar hangs on the server's version or libraries. Out: those that it does not take, tried in the rehearsal. No value is named but
//! the names of objects.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::rehearse::Refused;
use crate::catalog::portable::{is_oid_alias, type_within};
use crate::catalog::{Type, ident};
use crate::connect::{NAMES_IN_FULL, Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity, TablePlan};
use crate::report::count_of;

/// Objects that a finding names.
const NAMED: usize = 10;

/// What may be wrong with the values of a type, alone or inside another.
struct Doubt {
    of: fn(u32) -> bool,
    /// Distinct values that are looked at.
    most: usize,
    words: &'static str,
    remedy: &'static str,
}

const JSONPATH: u32 = 4072;
const XML: u32 = 142;

const ACLITEM: u32 = 1033;

/// Trees and statistics of the server's own and keys of its indexes, which no server reads again: gtsvector, pg_node_tree,
/// pg_ndistinct, pg_dependencies, pg_mcv_list and the two summaries of BRIN.
const NEVER_READ: [u32; 7] = [3642, 194, 3361, 3402, 5017, 4600, 4601];

const DOUBTS: [Doubt; 5] = [
    Doubt {
        of: is_oid_alias,
        // More of them are data and no references.
        most: 10_000,
        words: "names what the target does not have when the rows arrive",
        remedy: "indexes and constraints follow the rows: set these values after the move; what the target lacks, create there first; with --allow-findings the table is left out",
    },
    Doubt {
        of: |oid| oid == JSONPATH,
        most: 10_000,
        words: "holds paths that the target's PostgreSQL cannot read",
        remedy: "methods that a later version brought: change those rows, or upgrade the target; with --allow-findings the table is left out",
    },
    Doubt {
        of: |oid| oid == ACLITEM,
        most: 10_000,
        words: "names roles that the target does not have, or privileges that only a later PostgreSQL knows",
        remedy: "create the roles, change those rows, or make text of the column; with --allow-findings the table is left out",
    },
    Doubt {
        of: |oid| NEVER_READ.contains(&oid),
        most: 1,
        words: "holds what no server takes back",
        remedy: "empty the column, or make text of it; with --allow-findings the table is left out",
    },
    Doubt {
        of: |oid| oid == XML,
        most: 1,
        words: "holds XML that the target's PostgreSQL cannot read",
        remedy: "a server that is built with libxml; with --allow-findings the table is left out",
    },
];

/// The distinct values of a column, as text.
pub struct Doubtful {
    doubt: &'static Doubt,
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
) -> Result<Vec<Doubtful>> {
    let mut found = Vec::new();
    for table in tables {
        // What holds a vector has another text on the target.
        for column in table.columns.iter().filter(|c| !c.travel.converts()) {
            let doubted =
                |d: &&Doubt| type_within(types, column.type_oid, &|oid, _| (d.of)(oid)).is_some();
            for doubt in DOUBTS.iter().filter(doubted) {
                found.push(Doubtful {
                    doubt,
                    table: table.oid,
                    object: format!("column {}.{}", table.display, ident(&column.name)),
                    type_text: column.type_text.clone(),
                    array: types.get(&column.type_oid).is_some_and(|t| t.element != 0),
                    names: names_only(types, column.type_oid),
                    values: values(session, table, &column.name, doubt.most).await?,
                });
            }
        }
    }
    Ok(found)
}

async fn values(
    session: &Session,
    table: &TablePlan,
    column: &str,
    most: usize,
) -> Result<Vec<String>> {
    let (name, from) = (quote(column), table.from());
    let sql = format!(
        "SELECT DISTINCT pg_catalog.format('%s', t.{name}) FROM {from} t \
         WHERE {NAMES_IN_FULL} AND t.{name} IS DISTINCT FROM NULL ORDER BY 1 LIMIT {most}"
    );
    let rows = session.rows_of_table(&sql, &[]).await.map_err(Error::on(
        Side::Source,
        format!("looking what {} holds", table.display),
    ))?;
    // In SQL_ASCII a text may be no UTF-8; such a one is left to the copy.
    Ok(rows.iter().filter_map(|r| r.try_get(0).ok()).collect())
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

impl Doubtful {
    /// To be asked in the rehearsal, behind `savepoint`, when the schema before the data is there.
    pub async fn refused(&self, client: &Client, savepoint: &str) -> Result<Option<Refused>> {
        if self.values.is_empty() || self.known(client, savepoint, &self.values).await? {
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
        let reason = format!("{}: {}", self.doubt.words, self.told(&missing));
        let finding = Finding::new(Severity::Decision, &self.object, reason);
        Ok(Some(Refused {
            finding: finding.remedy(self.doubt.remedy),
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
        let attempt = || format!("trying what {} holds", self.object);
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
