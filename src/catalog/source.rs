//! In: a session on the source, inside the snapshot. Out: `Source`. One query for each catalog; joins on the Rust side where
//! they would make a query hard to read.

use std::collections::HashMap;

use dialect::dump::ObjectId;
use tokio_postgres::{Client, Row};

use super::{Column, Index, Relation, Source, access, extensions, members, partitions, types};
use crate::error::{Error, Result, Side};

/// User relations: not the system's, and not members of an extension.
const USER_RELATION: &str = "c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace \
    WHERE nspname LIKE 'pg\\_%' OR nspname IN ('information_schema', 'pgv2rs')) \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass \
    AND e.objid = c.oid AND e.deptype = 'e')";

pub(super) async fn rows(client: &Client, what: &str, sql: &str) -> Result<Vec<Row>> {
    client
        .query(sql, &[])
        .await
        .map_err(Error::on(Side::Source, format!("reading {what}")))
}

/// The tables that hold rows, or stand over some, as they are now, as far as the role may read them: what the snapshot's holder
/// locks.
pub async fn tables_now(client: &Client) -> Result<Vec<(u32, String, String)>> {
    let sql = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {USER_RELATION} \
         AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY c.oid"
    );
    let rows = rows(client, "the list of tables", &sql).await?;
    Ok(rows
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2)))
        .collect())
}

/// Reads all that the plan needs, inside the snapshot that `client` is in.
pub async fn read(client: &Client) -> Result<Source> {
    let mut source = database(client).await?;
    source.collations = collations(client).await?;
    source.extensions = extensions::source(client).await?;
    source.types = types::read(client).await?;
    source.relations = relations(client).await?;
    source.indexes = indexes(client).await?;
    source.rerouted = partitions::rerouted(client, &source.types).await?;
    source.depends = depends(client).await?;
    members::read(client, &mut source).await?;
    Ok(source)
}

async fn database(client: &Client) -> Result<Source> {
    let sql = "SELECT current_setting('server_version_num')::int4, current_database()::text, \
               current_setting('server_encoding'), \
               (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path')";
    let row = &rows(client, "the server's version", sql).await?[0];
    let sql = "SELECT e.extversion, n.nspname::text FROM pg_catalog.pg_extension e \
               JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'";
    let vector = rows(client, "the extension vector", sql).await?;
    let roles = rows(
        client,
        "the roles",
        "SELECT rolname::text FROM pg_catalog.pg_roles",
    )
    .await?;
    let vector = vector.first().ok_or_else(|| {
        Error::new(Side::Plan, "looking for pgvector in the source database")
            .because("the source database has no extension \"vector\"")
            .remedy("check the database name in --source; a database without pgvector is moved by pg_dump alone")
    })?;
    Ok(Source {
        version_num: row.get::<_, i32>(0).unsigned_abs(),
        system_identifier: access::system_identifier(client, Side::Source).await?,
        access: access::source(client).await?,
        database: row.get(1),
        encoding: row.get(2),
        search_path: row.get(3),
        vector_version: vector.get(0),
        vector_schema: vector.get(1),
        locale: rows(client, "the database's locale", super::LOCALE).await?[0].get(0),
        roles: roles.iter().map(|r| r.get(0)).collect(),
        ..Source::default()
    })
}

/// The user's own come by pg_dump; the database's default is the target's matter.
async fn collations(client: &Client) -> Result<Vec<(String, u32)>> {
    let sql = format!(
        "SELECT DISTINCT k.collname::text, coalesce(x.indrelid, c.oid) FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation \
         LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid \
         WHERE NOT a.attisdropped AND k.collnamespace = 'pg_catalog'::regnamespace AND k.collprovider <> 'd' AND {USER_RELATION} ORDER BY 1, 2"
    );
    let rows = rows(client, "the collations", &sql).await?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

async fn relations(client: &Client) -> Result<Vec<Relation>> {
    let sql = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind, c.relpersistence = 'u', c.relispartition, \
         ARRAY(SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno), \
         c.reltuples::int8, CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END, \
         coalesce(pg_catalog.pg_relation_filenode(c.oid), 0::oid), \
         pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
         ARRAY(SELECT a.attname::text FROM pg_catalog.pg_index x, unnest(x.indkey) WITH ORDINALITY k(n, o), \
           pg_catalog.pg_attribute a WHERE x.indrelid = c.oid AND x.indisprimary AND a.attrelid = c.oid \
           AND a.attnum = k.n ORDER BY k.o), \
         pg_catalog.pg_get_userbyid(c.relowner)::text, \
         ARRAY(SELECT DISTINCT CASE WHEN g.r = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(g.r)::text END \
           FROM (SELECT x.grantee FROM pg_catalog.aclexplode(c.relacl) x \
           UNION ALL SELECT y.grantee FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) y \
           WHERE a.attrelid = c.oid) g(r) ORDER BY 1) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' AND {USER_RELATION} \
         ORDER BY c.oid"
    );
    let mut columns = columns(client).await?;
    let rows = rows(client, "the tables", &sql).await?;
    Ok(rows
        .iter()
        .map(|r| relation(r, columns.remove(&r.get(0)).unwrap_or_default()))
        .collect())
}

fn relation(r: &Row, columns: Vec<Column>) -> Relation {
    Relation {
        oid: r.get(0),
        schema: r.get(1),
        name: r.get(2),
        kind: char::from(r.get::<_, i8>(3) as u8),
        unlogged: r.get(4),
        is_partition: r.get(5),
        parents: r.get(6),
        rows_estimate: r.get(7),
        bytes: r.get(8),
        file: r.get(9),
        may_select: r.get(10),
        primary_key: r.get(11),
        owner: r.get(12),
        grantees: r.get(13),
        columns,
    }
}

async fn columns(client: &Client) -> Result<HashMap<u32, Vec<Column>>> {
    let sql = format!(
        "SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod, \
         pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '' \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm', 'f') AND {USER_RELATION} \
         ORDER BY a.attrelid, a.attnum"
    );
    let mut columns: HashMap<u32, Vec<Column>> = HashMap::new();
    for r in rows(client, "the columns", &sql).await? {
        columns.entry(r.get(0)).or_default().push(Column {
            name: r.get(1),
            type_oid: r.get(2),
            typmod: r.get(3),
            type_text: r.get(4),
            generated: r.get(5),
        });
    }
    Ok(columns)
}

/// Operator classes come from pg_index.indclass: pg_get_indexdef omits a default class.
async fn indexes(client: &Client) -> Result<Vec<Index>> {
    let sql = format!(
        "SELECT x.indexrelid, x.indrelid, c.relname::text, n.nspname::text, am.amname::text, \
         ARRAY(SELECT o.opcname::text FROM unnest(x.indclass) WITH ORDINALITY k(c, i) \
           JOIN pg_catalog.pg_opclass o ON o.oid = k.c ORDER BY k.i), \
         ARRAY(SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e \
             ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.oid = d.refobjid \
             WHERE d.classid = 'pg_catalog.pg_opclass'::regclass AND d.objid = k.c AND d.deptype = 'e' \
             AND e.extname = 'vector') FROM unnest(x.indclass) WITH ORDINALITY k(c, i) ORDER BY k.i), \
         coalesce(c.reloptions, '{{}}'), \
         ARRAY(SELECT a.attname::text FROM unnest(x.indkey) WITH ORDINALITY k(n, i) \
           LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.n AND k.n <> 0 ORDER BY k.i), \
         (SELECT con.oid FROM pg_catalog.pg_constraint con WHERE con.conindid = x.indexrelid \
           AND con.contype IN ('p', 'u', 'x') LIMIT 1), x.indisvalid \
         FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid \
         JOIN pg_catalog.pg_am am ON am.oid = c.relam JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {USER_RELATION} ORDER BY x.indexrelid"
    );
    let rows = rows(client, "the indexes", &sql).await?;
    Ok(rows
        .iter()
        .map(|r| Index {
            oid: r.get(0),
            table: r.get(1),
            name: r.get(2),
            schema: r.get(3),
            method: r.get(4),
            opclasses: r
                .get::<_, Vec<String>>(5)
                .into_iter()
                .zip(r.get::<_, Vec<bool>>(6))
                .collect(),
            options: r
                .get::<_, Vec<String>>(7)
                .iter()
                .map(|o| key_value(o))
                .collect(),
            columns: r.get(8),
            constraint: r.get(9),
            valid: r.get(10),
        })
        .collect())
}

fn key_value(option: &str) -> (String, String) {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    (key.to_string(), value.to_string())
}

async fn depends(client: &Client) -> Result<Vec<(ObjectId, ObjectId, char)>> {
    let sql = "SELECT classid, objid, refclassid, refobjid, deptype FROM pg_catalog.pg_depend \
               WHERE objid >= 16384 AND (classid, objid) <> (refclassid, refobjid)";
    let rows = rows(client, "pg_depend", sql).await?;
    Ok(rows
        .iter()
        .map(|r| {
            let object = ObjectId {
                class: r.get(0),
                oid: r.get(1),
            };
            let needs = ObjectId {
                class: r.get(2),
                oid: r.get(3),
            };
            (object, needs, char::from(r.get::<_, i8>(4) as u8))
        })
        .collect())
}
