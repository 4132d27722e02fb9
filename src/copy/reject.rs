//! In: rows that the converter has refused. Out: the error that names the first of them, or, with `--reject-table`, a line for each in
//! `pgv2rs.rejected`, written in the transaction of its slice. Of a row only its key is told.

use bytes::Bytes;
use codec::error::Cause;
use futures::future::join_all;
use tokio_postgres::{Client, Statement};

use super::slice::Range;
use crate::catalog::ident;
use crate::connect::Session;
use crate::error::{Error, Result, Side};
use crate::ledger::Claim;
use crate::ledger::slices::{self, Rejected};
use crate::plan::TablePlan;

/// A row that was refused, with its key as the source sent it: its own bytes, so that nothing else of the row is kept.
pub struct Refused {
    pub error: codec::error::Error,
    pub key: Vec<Option<Bytes>>,
}

/// So many wait for the end of a COPY before their lines are written.
pub const WAITING: usize = 1000;

/// Keys that are asked for at a time.
const ASKED: usize = 32;

/// Where the primary key's columns stand in the stream.
pub fn key_columns(table: &TablePlan) -> Vec<usize> {
    let place = |name: &String| table.columns.iter().position(|c| c.name == *name);
    table.primary_key.iter().filter_map(place).collect()
}

/// The error of a run that stops at such a row.
pub async fn stops(client: &Client, table: &TablePlan, range: Range, refused: Refused) -> Error {
    let error = refused.error;
    let key = Keys::of(client, table).await.text(&refused).await;
    let key = key.map_or(String::new(), |key| format!(" ({key})"));
    let place = format!("{}{key}", place(range, error.row));
    let column = error.column.and_then(|c| table.columns.get(usize::from(c)));
    let column = column.map_or(String::new(), |c| {
        format!(
            ", column {} ({} to {})",
            ident(&c.name),
            c.type_text,
            c.target_text()
        )
    });
    let remedy = match error.cause {
        Cause::Overflow { .. } => {
            "map the column to vector, or choose --overflow saturate or infinity; or go on without such rows: --reject-table"
        }
        cause if cause.is_of_a_value() => {
            "mend or delete this row on the source, or leave the table out with --exclude-table; or go on without such rows: --reject-table"
        }
        _ => "mend or delete this row on the source, or leave the table out with --exclude-table",
    };
    Error::new(
        Side::Source,
        format!("table {}, {place}{column}", table.display),
    )
    .because(error)
    .remedy(remedy)
}

/// Notes the rows in the slice's transaction, which holds no COPY at the moment. `monitor` is asked for the texts of keys: a type that
/// cannot be asked for must not break the transaction.
pub async fn note(
    (writer, monitor): (&Session, &Client),
    table: &TablePlan,
    claim: Claim,
    refused: &mut Vec<Refused>,
) -> Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let keys = Keys::of(monitor, table).await;
    let mut lines = Vec::new();
    for some in refused.chunks(ASKED) {
        let asked: Vec<_> = some
            .iter()
            .map(|r| line(&keys, table, claim.range, r))
            .collect();
        lines.extend(join_all(asked).await);
    }
    if monitor.is_closed() {
        // Rows that have a key must not go by their place only because nobody could be asked.
        let attempt = "asking for the keys of rejected rows";
        let lost = Error::new(Side::Target, attempt).because("the connection was lost");
        return Err(lost.from_the_start());
    }
    refused.clear();
    slices::reject(writer, claim, &table.display, &lines).await
}

async fn line(keys: &Keys<'_>, table: &TablePlan, range: Range, refused: &Refused) -> Rejected {
    let error = refused.error;
    let key = keys.text(refused).await;
    let column = error.column.and_then(|c| table.columns.get(usize::from(c)));
    Rejected {
        row: i64::try_from(error.row).unwrap_or(i64::MAX),
        key: key.unwrap_or_else(|| place(range, error.row)),
        column: column.map_or(String::new(), |c| ident(&c.name)),
        reason: error.cause.to_string(),
    }
}

/// All that a row without a key has for a name: its ordinal in its slice, in the order of the heap.
fn place(range: Range, row: u64) -> String {
    match range.first {
        0 => format!("row {row}"),
        first => format!("row {row} from block {first} on"),
    }
}

/// Who makes a text of a key's bytes: a server, which knows every type's form.
struct Keys<'a> {
    client: &'a Client,
    table: &'a TablePlan,
    /// For each column of the key; None where the texts come as they are, or the server does not know the type.
    asked: Vec<(usize, Option<Statement>)>,
}

impl<'a> Keys<'a> {
    async fn of(client: &'a Client, table: &'a TablePlan) -> Keys<'a> {
        let mut asked = Vec::new();
        for column in key_columns(table) {
            let ty = &table.columns[column].type_text;
            let sql = format!("SELECT ($1::{ty})::pg_catalog.text");
            let statement = match table.text() {
                true => None,
                false => client.prepare(&sql).await.ok(),
            };
            asked.push((column, statement));
        }
        Keys {
            client,
            table,
            asked,
        }
    }

    /// `id = 7`; None where the row has no primary key, or the text of a part of it cannot be had.
    async fn text(&self, refused: &Refused) -> Option<String> {
        let mut key = Vec::new();
        for ((column, statement), value) in self.asked.iter().zip(&refused.key) {
            let value = value.as_deref()?;
            let text = match (self.table.text(), statement) {
                (true, _) => String::from_utf8(value.to_vec()).ok(),
                (false, Some(statement)) => self.ask(statement, value).await,
                (false, None) => None,
            };
            let name = ident(&self.table.columns[*column].name);
            key.push(format!("{name} = {}", text?));
        }
        (!key.is_empty()).then(|| key.join(", "))
    }

    async fn ask(&self, statement: &Statement, value: &[u8]) -> Option<String> {
        let row = self
            .client
            .query_one(statement, &[&Raw(value)])
            .await
            .ok()?;
        row.try_get(0).ok()
    }
}

/// Bytes in a type's binary form, passed on as they are.
#[derive(Debug)]
struct Raw<'a>(&'a [u8]);

impl postgres_types::ToSql for Raw<'_> {
    fn to_sql(
        &self,
        _: &postgres_types::Type,
        out: &mut bytes::BytesMut,
    ) -> std::result::Result<postgres_types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(postgres_types::IsNull::No)
    }

    fn accepts(_: &postgres_types::Type) -> bool {
        true
    }

    postgres_types::to_sql_checked!();
}
