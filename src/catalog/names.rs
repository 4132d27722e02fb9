//! In: a session on the source. Out: an error where the database has names that cannot be said in UTF-8: one in SQL_ASCII may hold any
//! bytes. Its rows may too, and pass as they are; statements are text.

use tokio_postgres::Client;

use crate::error::{Error, Result, Side};

const NAMES: &str = "
SELECT what, pg_catalog.textsend(name::pg_catalog.text) FROM (
    SELECT 'schema', nspname FROM pg_catalog.pg_namespace
    UNION ALL SELECT 'relation', relname FROM pg_catalog.pg_class
    UNION ALL SELECT 'column', attname FROM pg_catalog.pg_attribute
    UNION ALL SELECT 'type', typname FROM pg_catalog.pg_type
    UNION ALL SELECT 'constraint', conname FROM pg_catalog.pg_constraint
    UNION ALL SELECT 'function', proname FROM pg_catalog.pg_proc
    UNION ALL SELECT 'trigger', tgname FROM pg_catalog.pg_trigger
    UNION ALL SELECT 'policy', polname FROM pg_catalog.pg_policy
    UNION ALL SELECT 'role', rolname FROM pg_catalog.pg_roles) n(what, name)
WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'";

/// To be asked before any name is read.
pub async fn are_text(client: &Client) -> Result<()> {
    let attempt = "reading the names in the database";
    let rows = client.query(NAMES, &[]).await;
    for row in rows.map_err(Error::on(Side::Source, attempt))? {
        let (what, name): (&str, &[u8]) = (row.get(0), row.get(1));
        if std::str::from_utf8(name).is_err() {
            let name = String::from_utf8_lossy(name);
            return Err(Error::new(Side::Source, attempt)
                .because(format!("the {what} {name:?} has a name that is not UTF-8"))
                .remedy("rename it; or move the database into one with an encoding first"));
        }
    }
    Ok(())
}
