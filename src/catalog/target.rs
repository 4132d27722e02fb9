//! In: a session on the target. Out: `Target`, what the plan needs to know of it. Before the schema is applied it knows names and
//! extensions; `types` is asked after, when they exist.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::access::{self, TargetAccess};
use super::extensions::{self, Offer};
use crate::error::{Error, Result, Side};
use crate::plan::travel::TypeName;

#[derive(Debug, Default)]
pub struct Target {
    pub version_num: u32,
    pub system_identifier: Option<String>,
    pub database: String,
    pub encoding: String,
    pub superuser: bool,
    pub access: TargetAccess,
    /// The installed version of the extension `vectors`, if it is there.
    pub vectors_installed: Option<String>,
    /// The version that CREATE EXTENSION would install.
    pub vectors_available: Option<String>,
    pub vectors_preloaded: bool,
    /// Connections that the role may have at once, if nobody else had any.
    pub connections: i32,
    pub relations: HashMap<(String, String), Existing>,
    pub roles: HashSet<String>,
    /// Those that no policy binds.
    pub unbound: HashSet<String>,
    pub tablespaces: HashSet<String>,
    /// By what text is sorted.
    pub locale: String,
    /// The collations of pg_catalog that this database may use.
    pub collations: HashSet<String>,
    /// Publications of all tables: from a table without a replica identity nothing may be deleted then.
    pub publications: Vec<String>,
    /// Event triggers that fire for what this program does.
    pub event_triggers: Vec<String>,
    /// What it has to offer, by name.
    pub extensions: HashMap<String, Offer>,
}

/// A relation that is on the target already.
#[derive(Debug, Clone)]
pub struct Existing {
    pub kind: char,
    pub has_rows: bool,
    /// The role may read it and write to it.
    pub may_fill: bool,
    /// The role owns it, so that it may build its indexes.
    pub owned: bool,
    /// (column, type as format_type prints it with an empty search_path)
    pub columns: Vec<(String, String)>,
    /// Triggers (foreign keys' own left out), foreign keys, and vector indexes, by name.
    pub obstacles: Vec<String>,
}

fn on<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &str) -> impl FnOnce(E) -> Error {
    Error::on(Side::Target, format!("reading {what}"))
}

pub async fn read(client: &Client) -> Result<Target> {
    let sql = "SELECT current_setting('server_version_num')::int4, \
        current_database()::text, current_setting('server_encoding'), \
        coalesce((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false), \
        (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'vectors'), \
        (SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'vectors'), \
        (SELECT least(current_setting('max_connections')::int4 - CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int4 END, \
          CASE WHEN NOT r.rolsuper AND r.rolconnlimit >= 0 THEN r.rolconnlimit END, CASE WHEN NOT r.rolsuper AND d.datconnlimit >= 0 THEN d.datconnlimit END) \
          FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = current_user AND d.datname = current_database())";
    let row = client
        .query_one(sql, &[])
        .await
        .map_err(on("the server's version and extensions"))?;
    let version_num = row.get::<_, i32>(0).unsigned_abs();
    Ok(Target {
        version_num,
        system_identifier: access::system_identifier(client, Side::Target).await?,
        database: row.get(1),
        encoding: row.get(2),
        superuser: row.get(3),
        access: access::target(client, version_num).await?,
        vectors_installed: row.get(4),
        vectors_available: row.get(5),
        connections: row.get(6),
        vectors_preloaded: preloaded(client).await?,
        relations: relations(client).await?,
        roles: names(client, "SELECT rolname::text FROM pg_catalog.pg_roles")
            .await?
            .into_iter()
            .collect(),
        unbound: names(
            client,
            "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolsuper OR rolbypassrls",
        )
        .await?
        .into_iter()
        .collect(),
        tablespaces: names(client, "SELECT spcname::text FROM pg_catalog.pg_tablespace")
            .await?
            .into_iter()
            .collect(),
        locale: names(client, super::LOCALE).await?.concat(),
        publications: names(
            client,
            "SELECT pubname::text FROM pg_catalog.pg_publication WHERE puballtables AND (pubdelete OR pubupdate) ORDER BY 1",
        )
        .await?,
        event_triggers: names(client, EVENT_TRIGGERS).await?,
        collations: names(client, COLLATIONS).await?.into_iter().collect(),
        extensions: extensions::target(client).await?,
    })
}

/// A role that may not see shared_preload_libraries is given the benefit of the doubt: the rehearsal will tell.
async fn preloaded(client: &Client) -> Result<bool> {
    let sql = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'shared_preload_libraries'";
    let row = client
        .query_opt(sql, &[])
        .await
        .map_err(on("shared_preload_libraries"))?;
    Ok(row.is_none_or(|r| {
        r.get::<_, String>(0).split(',').any(|lib| {
            let lib = lib.trim().trim_matches('"');
            lib.rsplit('/')
                .next()
                .unwrap_or(lib)
                .trim_end_matches(".so")
                == "vectors"
        })
    }))
}

async fn relations(client: &Client) -> Result<HashMap<(String, String), Existing>> {
    let sql = "SELECT n.nspname::text, c.relname::text, c.relkind, \
        ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
          AND NOT a.attisdropped ORDER BY a.attnum), \
        ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum), \
        ARRAY(SELECT 'trigger ' || t.tgname FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal \
          UNION ALL SELECT 'foreign key ' || k.conname FROM pg_catalog.pg_constraint k \
          WHERE k.conrelid = c.oid AND k.contype = 'f' \
          UNION ALL SELECT 'vector index ' || i.relname FROM pg_catalog.pg_index x \
          JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_am am ON am.oid = i.relam \
          WHERE x.indrelid = c.oid AND am.amname = 'vectors'), \
        pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.row_security_active(c.oid) AND pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'DELETE') \
          AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.pg_has_role(c.relowner, 'USAGE') \
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' \
        AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'vectors')";
    let rows = client.query(sql, &[]).await.map_err(on("the tables"))?;
    let mut relations = HashMap::new();
    for r in rows {
        let columns = r
            .get::<_, Vec<String>>(3)
            .into_iter()
            .zip(r.get::<_, Vec<String>>(4))
            .collect();
        let existing = Existing {
            kind: char::from(r.get::<_, i8>(2) as u8),
            has_rows: false,
            columns,
            obstacles: r.get(5),
            may_fill: r.get(6),
            owned: r.get(7),
        };
        relations.insert((r.get(0), r.get(1)), existing);
    }
    Ok(relations)
}

/// Whether a table on the target holds a row: looked at only for the tables that the plan would fill.
pub async fn has_rows(client: &Client, schema: &str, table: &str) -> Result<bool> {
    let name = crate::connect::quote_qualified(schema, table);
    let sql = format!("SELECT EXISTS (SELECT FROM ONLY {name})");
    let row = client
        .query_one(&sql, &[])
        .await
        .map_err(on(&format!("table {name}")))?;
    Ok(row.get(0))
}

const COLLATIONS: &str = "SELECT collname::text FROM pg_catalog.pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace \
    AND collencoding IN (-1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = current_database()))";

/// On statements, not on logins; the extensions' own know what they do.
const EVENT_TRIGGERS: &str = "SELECT t.evtname::text FROM pg_catalog.pg_event_trigger t WHERE t.evtenabled IN ('O', 'A') \
    AND t.evtevent <> 'login' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
      WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e') ORDER BY 1";

async fn names(client: &Client, sql: &str) -> Result<Vec<String>> {
    let attempt = "roles, tablespaces and the like";
    let rows = client.query(sql, &[]).await.map_err(on(attempt))?;
    Ok(rows.iter().map(|r| r.get(0)).collect())
}

/// The types of the target's database: binary forms name them by OID.
#[derive(Debug, Default)]
pub struct Types {
    /// (schema, name)
    named: HashMap<(String, String), Oids>,
    /// (extension, name)
    members: HashMap<(String, String), Oids>,
}

#[derive(Clone, Copy, Debug)]
struct Oids {
    own: u32,
    array: u32,
}

impl Types {
    /// An extension's type is found in whatever schema it lives in.
    pub fn oid(&self, ty: &TypeName) -> Option<u32> {
        let under = |place: &str| (place.to_string(), ty.name.clone());
        let member = ty
            .extension
            .as_ref()
            .and_then(|e| self.members.get(&under(e)));
        let oids = member.or_else(|| self.named.get(&under(&ty.schema)))?;
        let oid = if ty.array { oids.array } else { oids.own };
        (oid != 0).then_some(oid)
    }
}

/// To be asked when the schema before the data is there.
pub async fn types(client: &Client) -> Result<Types> {
    let sql = "SELECT n.nspname::text, t.typname::text, x.extname::text, t.oid, t.typarray FROM pg_catalog.pg_type t \
        JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
        LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid \
          AND d.deptype = 'e' \
        LEFT JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND x.oid = d.refobjid";
    let rows = client.query(sql, &[]).await.map_err(on("the types"))?;
    let mut types = Types::default();
    for r in rows {
        let name: String = r.get(1);
        let oids = Oids {
            own: r.get(3),
            array: r.get(4),
        };
        if let Some(extension) = r.get(2) {
            types.members.insert((extension, name.clone()), oids);
        }
        types.named.insert((r.get(0), name), oids);
    }
    Ok(types)
}
