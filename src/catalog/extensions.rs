//! In: a session on either server. Out: the extensions of the source's database with the rows that users keep in their tables, and what
//! the target can offer of each. `plan::extensions` decides.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::dump_name;
use crate::connect::quote_qualified;
use crate::error::{Error, Result, Side};

/// An extension of the source's database; pgvector itself is not among them.
#[derive(Debug, Clone)]
pub struct Extension {
    pub oid: u32,
    pub name: String,
    pub version: String,
    pub schema: String,
    /// Its tables (for people) that hold rows of the user's.
    pub filled: Vec<String>,
    /// Schemas and names of pg_dump's entries for privileges on its members, the names without quotes: how many there are is a setting.
    pub members: HashSet<(String, String)>,
}

/// What the target has of an extension.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What CREATE EXTENSION would install; None where nothing says so.
    pub version: Option<String>,
    /// Version and schema, if it is installed.
    pub installed: Option<(String, String)>,
    /// The role may install it.
    pub may_install: bool,
}

pub async fn source(client: &Client) -> Result<Vec<Extension>> {
    let on = || Error::on(Side::Source, "reading the extensions");
    let sql = "SELECT e.oid, e.extname::text, e.extversion, n.nspname::text FROM pg_catalog.pg_extension e \
        JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'vector' ORDER BY e.extname";
    let rows = client.query(sql, &[]).await.map_err(on())?;
    let mut extensions: Vec<Extension> = rows
        .iter()
        .map(|r| Extension {
            oid: r.get(0),
            name: r.get(1),
            version: r.get(2),
            schema: r.get(3),
            filled: Vec::new(),
            members: HashSet::new(),
        })
        .collect();
    for row in client.query(MEMBERS, &[]).await.map_err(on())? {
        let of = extensions
            .iter_mut()
            .find(|e| e.oid == row.get::<_, u32>(0));
        if let Some(of) = of {
            let name = dump_name(row.get(2)).replace('"', "");
            of.members.insert((dump_name(row.get(1)), name));
        }
    }
    // Which rows are the user's the extension itself says, in a condition.
    let sql = "SELECT e.oid, n.nspname::text, c.relname::text, k.condition FROM pg_catalog.pg_extension e \
        CROSS JOIN unnest(e.extconfig, e.extcondition) AS k(oid, condition) JOIN pg_catalog.pg_class c ON c.oid = k.oid \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' \
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY 1, 2, 3";
    for row in client.query(sql, &[]).await.map_err(on())? {
        let (schema, table): (String, String) = (row.get(1), row.get(2));
        let condition: Option<String> = row.get(3);
        let name = quote_qualified(&schema, &table);
        let sql = format!(
            "SELECT EXISTS (SELECT FROM ONLY {name} {})",
            condition.unwrap_or_default()
        );
        let attempt = format!("looking for rows in {name}, a table of an extension");
        let filled = client
            .query_one(&sql, &[])
            .await
            .map_err(Error::on(Side::Source, attempt))?;
        if filled.get(0)
            && let Some(of) = extensions
                .iter_mut()
                .find(|e| e.oid == row.get::<_, u32>(0))
        {
            of.filled.push(format!(
                "{}.{}",
                super::ident(&schema),
                super::ident(&table)
            ));
        }
    }
    Ok(extensions)
}

/// Functions, types and relations, as pg_dump writes their names with an empty search_path.
const MEMBERS: &str = "SELECT d.refobjid, n.nspname::text, m.name \
    FROM (SELECT 'pg_catalog.pg_proc'::regclass AS class, p.oid, p.pronamespace AS space, \
        CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || pg_catalog.quote_ident(p.proname) || '(' || \
        CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_function_identity_arguments(p.oid) WHEN p.pronargs = 0 THEN '*' \
          ELSE (SELECT pg_catalog.string_agg(pg_catalog.format_type(a.ty, NULL), ', ' ORDER BY a.n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a(ty, n)) END || ')' AS name FROM pg_catalog.pg_proc p \
      UNION ALL SELECT 'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace, 'TYPE ' || pg_catalog.quote_ident(t.typname) FROM pg_catalog.pg_type t \
      UNION ALL SELECT 'pg_catalog.pg_class'::regclass, c.oid, c.relnamespace, \
        CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c) m \
    JOIN pg_catalog.pg_depend d ON d.classid = m.class AND d.objid = m.oid AND d.deptype = 'e' \
    JOIN pg_catalog.pg_namespace n ON n.oid = m.space WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass";

pub async fn target(client: &Client) -> Result<HashMap<String, Offer>> {
    let sql = "SELECT a.name::text, a.default_version, a.installed_version, n.nspname::text, \
        current_setting('is_superuser') = 'on' OR EXISTS (SELECT FROM pg_catalog.pg_available_extension_versions v \
          WHERE v.name = a.name AND v.version = a.default_version AND (v.trusted OR NOT v.superuser)) \
        FROM pg_catalog.pg_available_extensions a LEFT JOIN pg_catalog.pg_extension e ON e.extname = a.name \
        LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace";
    let rows = client
        .query(sql, &[])
        .await
        .map_err(Error::on(Side::Target, "reading the extensions"))?;
    let offer = |r: &tokio_postgres::Row| Offer {
        version: r.get(1),
        installed: r.get::<_, Option<String>>(2).zip(r.get(3)),
        may_install: r.get(4),
    };
    Ok(rows.iter().map(|r| (r.get(0), offer(r))).collect())
}
