//! In: a session on the source. Out: the settings that no section of pg_dump holds: those of this database and of roles in it, and
//! where else pgvector's own are set. What becomes of them is decided in `schema::settings`.

use tokio_postgres::Client;

use crate::connect::quote;
use crate::error::{Error, Result, Side};

#[derive(Debug, Default)]
pub struct Settings {
    /// ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET, in the order in which they were made.
    pub here: Vec<Setting>,
    /// pgvector's settings of roles in all databases: (role, setting). `ALL` is every role.
    pub everywhere: Vec<(String, String)>,
    /// pgvector's settings in the server's configuration.
    pub configured: Vec<String>,
}

#[derive(Debug)]
pub struct Setting {
    /// None is the database itself.
    pub role: Option<String>,
    pub name: String,
    pub value: String,
}

/// Those of the database and of roles in it, on either side.
pub async fn here(client: &Client, side: Side) -> Result<Vec<Setting>> {
    let on = || Error::on(side, "reading the settings of the database");
    let sql = "SELECT r.rolname::text, c.setting FROM pg_catalog.pg_db_role_setting s \
        JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = current_database() \
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
        CROSS JOIN unnest(s.setconfig) WITH ORDINALITY AS c(setting, n) \
        WHERE s.setrole = 0 OR r.rolname IS NOT NULL ORDER BY s.setrole, c.n";
    let rows = client.query(sql, &[]).await.map_err(on())?;
    let here = rows.iter().filter_map(|row| {
        let (name, value) = row.get::<_, &str>(1).split_once('=')?;
        Some(Setting {
            role: row.get(0),
            name: name.into(),
            value: value.into(),
        })
    });
    Ok(here.collect())
}

/// `vector_schema` is empty where pgvector is not installed.
pub async fn read(client: &Client, vector_schema: &str) -> Result<Settings> {
    let on = || Error::on(Side::Source, "reading the settings of the database");
    let here = here(client, Side::Source).await?;
    // Only of roles that have to do with this database: they own something in it, or were granted something.
    let sql = "SELECT coalesce(pg_catalog.quote_ident(r.rolname), 'ALL'), pg_catalog.split_part(c, '=', 1) \
        FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole CROSS JOIN unnest(s.setconfig) AS c \
        WHERE s.setdatabase = 0 AND c ~* '^(hnsw|ivfflat)\\.' AND (s.setrole = 0 OR EXISTS (SELECT FROM pg_catalog.pg_shdepend h \
          JOIN pg_catalog.pg_database d ON d.oid = h.dbid AND d.datname = current_database() \
          WHERE h.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND h.refobjid = s.setrole)) ORDER BY 1, 2";
    let rows = client.query(sql, &[]).await.map_err(on())?;
    let everywhere = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
    if vector_schema.is_empty() {
        return Ok(Settings {
            here,
            everywhere,
            configured: Vec::new(),
        });
    }
    // The server knows what stands for pgvector in its configuration once the library is loaded, as by a first vector.
    let load = format!("SELECT '[1]'::{}.vector::text", quote(vector_schema));
    client.batch_execute(&load).await.map_err(on())?;
    let sql = "SELECT name FROM pg_catalog.pg_settings WHERE name ~ '^(hnsw|ivfflat)\\.' \
        AND source IN ('configuration file', 'command line', 'environment variable') ORDER BY 1";
    let rows = client.query(sql, &[]).await.map_err(on())?;
    Ok(Settings {
        here,
        everywhere,
        configured: rows.iter().map(|r| r.get(0)).collect(),
    })
}
