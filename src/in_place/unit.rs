//! In: a table whose vectors change where they are. Out: what the ledger keeps of it from its plan on (its columns, what stands on them, its
//! indexes in both words), and what is asked anew each time: the tables below it.

use dialect::types::TypeChange;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::on;
use super::views::View;
use crate::connect::{quote, quote_qualified};
use crate::error::Result;

/// A table that has its vectors from nobody else, with all that has them from it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Unit {
    pub root: u32,
    pub schema: String,
    pub name: String,
    pub columns: Vec<Column>,
    pub facts: Vec<Fact>,
    pub indexes: Vec<Index>,
    /// Indexes on the columns that have no word in PGVecto.rs: they go with the old columns.
    pub left_out: Vec<u32>,
    /// Views over the columns, to be dropped and made again.
    pub views: Vec<View>,
    /// Roles that own or read it, to whom the schema `vectors` is opened.
    pub readers: Vec<String>,
    /// What its trigger is called: the last of all before a row is written.
    pub trigger: String,
    /// With --method shadow: the table that takes its place.
    #[serde(default)]
    pub shadow: Option<Shadow>,
    /// Whether it could have one.
    #[serde(skip)]
    pub may_have_shadow: bool,
}

/// A table beside the unit's own, which takes its place and its name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Shadow {
    /// Its name until the swap, in the same schema.
    pub name: String,
    /// The primary key, by which changed rows are found again.
    pub key: Vec<Key>,
    pub columns: Vec<Plain>,
    /// Keys and indexes, in the order in which they are made: the primary key first.
    pub parts: Vec<Part>,
    /// The old table's columns, checks, keys and indexes, as the plan found them.
    pub shape: String,
    /// Its triggers as they were made: who disables one and enables it again leaves another row behind.
    pub triggers: String,
    /// After the swap: the foreign keys, by OID, that are to be tried against all rows.
    pub validate: Vec<u32>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Key {
    pub column: String,
    /// `OPERATOR("pg_catalog".=)`: the one that its index knows.
    pub equals: String,
}

/// A column of the old table, and of the new one.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Plain {
    pub name: String,
    /// Computed by the server: it takes no value.
    pub generated: bool,
}

/// A key or an index of the new table.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Part {
    /// Its name until the swap.
    pub temporary: String,
    pub name: String,
    /// It is a constraint with an index, not an index alone.
    pub constraint: bool,
    /// Of PGVecto.rs.
    pub vector: bool,
    /// In pgvector's words, where it stands on a vector.
    pub before: Option<String>,
    pub make: Vec<String>,
    pub tablespace: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Column {
    pub old: String,
    /// Its name until the swap.
    pub new: String,
    pub change: TypeChange,
    /// The old type, for people.
    pub from: String,
    pub why: Option<String>,
}

/// What stands on a column of one table, to be carried.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Fact {
    pub oid: u32,
    pub schema: String,
    pub table: String,
    pub column: String,
    pub not_null: bool,
    /// A literal of the old type, and the casts to the new one around it.
    pub default: Option<String>,
    pub statistics: Option<i32>,
    /// Where it is not the type's own.
    pub storage: Option<String>,
    pub options: Vec<String>,
    pub comment: Option<String>,
    /// Privilege, and to whom; whether that one may grant it on.
    pub grants: Vec<(String, String, bool)>,
}

/// An index that stands on one of the columns.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Index {
    pub oid: u32,
    pub table: u32,
    /// Of the index that it is a part of.
    pub parent: Option<u32>,
    pub schema: String,
    pub name: String,
    /// Its name until the swap.
    pub temporary: String,
    /// Of PGVecto.rs.
    pub vector: bool,
    /// Of pgvector: hnsw or ivfflat.
    pub of_pgvector: bool,
    /// On a partitioned table.
    pub partitioned: bool,
    pub before: String,
    /// On the new column, under the temporary name.
    pub beside: String,
    /// On the column itself, once its type is the new one.
    pub instead: String,
    pub tablespace: Option<String>,
    pub comment: Option<String>,
}

/// A table of the unit, as it is now.
#[derive(Clone, Debug)]
pub struct Member {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// Partitioned tables hold no rows of their own.
    pub partitioned: bool,
    pub is_partition: bool,
    pub bytes: i64,
    pub rows_estimate: i64,
}

/// For people.
fn shown(schema: &str, name: &str) -> String {
    let ident = crate::catalog::ident;
    format!("{}.{}", ident(schema), ident(name))
}

impl Member {
    pub fn quoted(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    pub fn display(&self) -> String {
        shown(&self.schema, &self.name)
    }

    /// Of its own file, without TOAST.
    pub async fn blocks(&self, client: &Client) -> Result<i64> {
        let sql = "SELECT pg_catalog.pg_relation_size($1::pg_catalog.oid) / pg_catalog.current_setting('block_size')::int8";
        let row = client.query_one(sql, &[&self.oid]).await;
        Ok(row.map_err(on("asking how large a table is"))?.get(0))
    }
}

impl Column {
    pub fn display(&self) -> String {
        crate::catalog::ident(&self.old)
    }
}

impl Index {
    pub fn display(&self) -> String {
        format!("index {}", shown(&self.schema, &self.name))
    }
}

impl Part {
    pub fn display(&self) -> String {
        format!("index {}", crate::catalog::ident(&self.name))
    }
}

impl Fact {
    pub fn quoted(&self) -> String {
        quote_qualified(&self.schema, &self.table)
    }
}

impl Unit {
    pub fn quoted(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    pub fn display(&self) -> String {
        shown(&self.schema, &self.name)
    }

    /// The function of its trigger.
    pub fn function(&self) -> String {
        quote_qualified("pgv2rs", &format!("keep_{}", self.root))
    }

    /// The columns that a view may hang on; all of a table that goes away.
    pub fn names(&self) -> Vec<&str> {
        match &self.shadow {
            Some(shadow) => shadow.columns.iter().map(|c| c.name.as_str()).collect(),
            None => self.columns.iter().map(|c| c.old.as_str()).collect(),
        }
    }

    /// `"old" IS NOT NULL AND "new" IS NULL`, of any of its columns.
    pub fn unfilled(&self) -> String {
        let one = |c: &Column| {
            format!(
                "({} IS NOT NULL AND {} IS NULL)",
                quote(&c.old),
                quote(&c.new)
            )
        };
        let all: Vec<String> = self.columns.iter().map(one).collect();
        all.join(" OR ")
    }

    /// The tables that have the columns, the topmost first.
    pub async fn members(&self, client: &Client) -> Result<Vec<Member>> {
        members(client, self.root).await
    }
}

pub async fn members(client: &Client, root: u32) -> Result<Vec<Member>> {
    let sql = "WITH RECURSIVE tree(oid, level) AS (SELECT $1::oid, 0 UNION ALL \
          SELECT i.inhrelid, t.level + 1 FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.oid) \
        SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'p', c.relispartition, \
          CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END, c.reltuples::int8 \
        FROM (SELECT oid, min(level) AS level FROM tree GROUP BY oid) t JOIN pg_catalog.pg_class c ON c.oid = t.oid \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY t.level, c.oid";
    let rows = client.query(sql, &[&root]).await;
    let rows = rows.map_err(on("reading the tables below a table"))?;
    let member = |r: &tokio_postgres::Row| Member {
        oid: r.get(0),
        schema: r.get(1),
        name: r.get(2),
        partitioned: r.get(3),
        is_partition: r.get(4),
        bytes: r.get(5),
        rows_estimate: r.get(6),
    };
    Ok(rows.iter().map(member).collect())
}
