//! In: a session on the source, inside the snapshot. Out: every type by OID, and what its values are made of. How those travel is
//! said in `portable`.

use std::collections::HashMap;

use dialect::types::SourceType;
use tokio_postgres::Client;

use super::source::rows;
use super::{Attribute, Type};
use crate::error::Result;

pub async fn read(client: &Client) -> Result<HashMap<u32, Type>> {
    // An array is what its element says is one: a category is only the word of whoever made the type.
    let sql = "SELECT t.oid, pg_catalog.format_type(t.oid, NULL), n.nspname::text, t.typname::text, x.extname::text, t.typtype, \
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid) \
          THEN t.typelem ELSE 0 END, \
        t.typbasetype, t.typtypmod, t.typsend <> 0 AND t.typreceive <> 0 \
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
        LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid \
          AND d.deptype = 'e' \
        LEFT JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND x.oid = d.refobjid";
    let mut types = HashMap::new();
    for row in rows(client, "pg_type", sql).await? {
        let (oid, extension): (u32, Option<String>) = (row.get(0), row.get(4));
        let type_name: String = row.get(3);
        let ty = Type {
            name: row.get(1),
            schema: row.get(2),
            vector: vector(oid, extension.as_deref(), &type_name),
            type_name,
            extension,
            kind: char::from(row.get::<_, i8>(5) as u8),
            element: row.get(6),
            base: row.get(7),
            typmod: row.get(8),
            has_binary: row.get(9),
            ..Type::default()
        };
        types.insert(oid, ty);
    }
    attributes(client, &mut types).await?;
    bounds(client, &mut types).await?;
    Ok(types)
}

/// By extension and not by name alone: a table named "vector" has a type of that name too.
fn vector(oid: u32, extension: Option<&str>, name: &str) -> Option<SourceType> {
    match (oid, extension, name) {
        (1560, _, _) => Some(SourceType::Bit),
        (1562, _, _) => Some(SourceType::Varbit),
        (_, Some("vector"), "vector") => Some(SourceType::Vector),
        (_, Some("vector"), "halfvec") => Some(SourceType::Halfvec),
        (_, Some("vector"), "sparsevec") => Some(SourceType::Sparsevec),
        _ => None,
    }
}

/// Of the composite types, and of the tables whose row type is the type of something else.
async fn attributes(client: &Client, types: &mut HashMap<u32, Type>) -> Result<()> {
    let sql = "WITH used AS (SELECT atttypid AS oid FROM pg_catalog.pg_attribute UNION SELECT typbasetype FROM pg_catalog.pg_type \
          UNION SELECT rngsubtype FROM pg_catalog.pg_range) \
        SELECT c.reltype, CASE WHEN c.relkind <> 'c' THEN c.oid END, a.attname::text, a.atttypid, a.atttypmod FROM pg_catalog.pg_attribute a \
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_type t ON t.oid = c.reltype \
        WHERE a.attnum > 0 AND NOT a.attisdropped \
        AND (c.relkind = 'c' OR t.oid IN (SELECT oid FROM used) OR t.typarray IN (SELECT oid FROM used)) \
        ORDER BY c.reltype, a.attnum";
    for row in rows(client, "the attributes of composite types", sql).await? {
        if let Some(ty) = types.get_mut(&row.get(0)) {
            ty.of_table = row.get(1);
            ty.attributes.push(Attribute {
                name: row.get(2),
                type_oid: row.get(3),
                typmod: row.get(4),
            });
        }
    }
    Ok(())
}

async fn bounds(client: &Client, types: &mut HashMap<u32, Type>) -> Result<()> {
    // PostgreSQL 13 has no multiranges, and no such column: asked as JSON its absence is a NULL.
    let sql = "SELECT r.rngtypid, r.rngsubtype, \
        coalesce((pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->>) 'rngmultitypid')::pg_catalog.oid, 0) FROM pg_catalog.pg_range r";
    for row in rows(client, "pg_range", sql).await? {
        let (range, bound, multirange): (u32, u32, u32) = (row.get(0), row.get(1), row.get(2));
        for oid in [range, multirange] {
            if let Some(ty) = types.get_mut(&oid) {
                ty.bound = bound;
            }
        }
    }
    Ok(())
}
