//! In: a session on the source, and its types. Out: the partitioned tables whose rows may belong to other partitions on another
//! cluster, and why. What to do about it is the plan's affair.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::Type;
use super::portable::{is_oid_alias, type_within};
use super::source::rows;
use crate::error::Result;

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
