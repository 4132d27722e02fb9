//! In: a session on the source, and its types. Out: the partitioned tables whose rows may belong to other partitions on another
//! cluster, and why; and what in such a tree takes fewer rows than the tree has. What to do about it is the plan's affair.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::Type;
use super::checks::broken;
use super::portable::{is_oid_alias, type_within};
use super::source::rows;
use crate::error::{Error, Result, Side};

/// One row for each key column: (table, strategy, column or NULL for an expression, its type, an operator class that is not
/// PostgreSQL's own, a collation that takes different texts for one, a collation whose order is a library's affair).
const KEYS: &str = "
SELECT p.partrelid, p.partstrat, a.attname::text, coalesce(a.atttypid, 0::oid), k.class >= 16384,
    NOT coalesce(c.collisdeterministic, true),
    c.oid IS NOT NULL AND NOT CASE WHEN c.collprovider = 'd'
        THEN d.provider = 'b' OR d.provider = 'c' AND d.datcollate IN ('C', 'POSIX')
        ELSE c.collprovider = 'b' OR c.collprovider = 'c' AND c.collcollate IN ('C', 'POSIX') END
FROM pg_catalog.pg_partitioned_table p
CROSS JOIN LATERAL unnest(p.partattrs::int2[], p.partclass::oid[], p.partcollation::oid[]) k(number, class, coll)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.number AND k.number <> 0
LEFT JOIN pg_catalog.pg_collation c ON c.oid = k.coll
CROSS JOIN (SELECT datcollate, coalesce(to_jsonb(b) ->> 'datlocprovider', 'c') AS provider
    FROM pg_catalog.pg_database b WHERE datname = current_database()) d";

pub async fn rerouted(client: &Client, types: &HashMap<u32, Type>) -> Result<HashMap<u32, String>> {
    let hashed_by_oid = |oid: u32, ty: &Type| ty.kind == 'e' || is_oid_alias(oid);
    let mut found = HashMap::new();
    for row in rows(client, "the keys of partitioned tables", KEYS).await? {
        let hash = row.get::<_, i8>(1) as u8 == b'h';
        let range = row.get::<_, i8>(1) as u8 == b'r';
        let (column, type_oid): (Option<String>, u32) = (row.get(2), row.get(3));
        let (own_class, one_of_many, ordered): (bool, bool, bool) =
            (row.get(4), row.get(5), row.get(6));
        let why = match &column {
            _ if own_class => "an operator class that is not PostgreSQL's own".to_string(),
            _ if one_of_many => "a nondeterministic collation".to_string(),
            None if hash => "the hash of an expression".to_string(),
            Some(_) if hash => match type_within(types, type_oid, &hashed_by_oid) {
                Some(ty) => format!("the hash of type {}, which is that of an OID", ty.name),
                None => continue,
            },
            _ if range && ordered => "the order of texts, which is the collation's".to_string(),
            _ => continue,
        };
        found.entry(row.get(0)).or_insert(why);
    }
    Ok(found)
}

/// What one partition asks of its rows beyond what the table at the top asks: (the constraint, for people; its expression). Not what its
/// bounds ask anyway, as a CHECK does that was made to attach it without a scan; bounds with NOT or OR are not looked into. A constraint
/// that is NOT VALID follows the rows.
const OF_ONE_PARTITION: &str = r"
WITH RECURSIVE below AS (
    SELECT inhrelid AS oid FROM pg_catalog.pg_inherits WHERE inhparent = $1
    UNION ALL SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid),
asked AS (
    SELECT c.conrelid AS oid, format('constraint %I', c.conname) AS what, pg_get_expr(c.conbin, c.conrelid) AS expression
    FROM below b JOIN pg_catalog.pg_constraint c ON c.conrelid = b.oid
    WHERE c.contype = 'c' AND c.coninhcount = 0 AND c.convalidated AND coalesce((to_jsonb(c) ->> 'conenforced')::bool, true)
    UNION ALL SELECT a.attrelid, format('NOT NULL of column %I', a.attname), format('(%I IS NOT NULL)', a.attname)
    FROM below b JOIN pg_catalog.pg_attribute a ON a.attrelid = b.oid
    JOIN pg_catalog.pg_attribute t ON t.attrelid = $1 AND t.attname = a.attname
    WHERE a.attnum > 0 AND a.attnotnull AND NOT t.attnotnull)
SELECT a.oid::regclass::text || ' ' || a.what, a.expression
FROM asked a CROSS JOIN LATERAL (SELECT coalesce(pg_get_partition_constraintdef(a.oid), '') AS bounds) p
WHERE p.bounds LIKE '%NOT (%' OR p.bounds LIKE '% OR %'
    OR position(CASE WHEN a.expression LIKE '((%))' THEN substr(a.expression, 2, length(a.expression) - 2) ELSE a.expression END IN p.bounds) = 0
ORDER BY 1";

/// Tables of the tree that are split by hash and lack some of the remainders.
const INCOMPLETE: &str = r"
WITH RECURSIVE tree AS (
    SELECT $1::oid AS oid
    UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)
SELECT t.oid::regclass::text FROM tree t JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = t.oid
LEFT JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid LEFT JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE p.partstrat = 'h' GROUP BY 1
HAVING coalesce(sum(1 / substring(pg_get_expr(c.relpartbound, c.oid) from 'modulus ([0-9]+)')::numeric), 0) < 0.999999999 ORDER BY 1";

/// What may refuse a row of the tree that is copied through this table (its OID, and as it stands after FROM) when the target puts it into
/// another partition.
pub async fn narrower(
    client: &Client,
    search_path: &str,
    (top, from): (u32, &str),
) -> Result<Vec<String>> {
    let what = "what partitions ask of their rows";
    let failed = || Error::on(Side::Source, format!("reading {what} in {from}"));
    let mut found = Vec::new();
    for row in client.query(INCOMPLETE, &[&top]).await.map_err(failed())? {
        let table: String = row.get(0);
        found.push(format!(
            "{table} has no partition for some remainders of its hash"
        ));
    }
    let asked = client.query(OF_ONE_PARTITION, &[&top]).await;
    let asked = asked.map_err(failed())?;
    let expressions: Vec<String> = asked.iter().map(|row| row.get(1)).collect();
    let refused = broken(client, search_path, from, &expressions).await?;
    let refusing = asked.iter().zip(refused).filter(|(_, refused)| *refused);
    found.extend(refusing.map(|(row, _)| {
        let what: String = row.get(0);
        format!("{what} holds for that partition alone, and other rows of the tree break it")
    }));
    Ok(found)
}
