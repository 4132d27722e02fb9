//! In: a session on either server. Out: what its role may do there. It decides nothing: `plan::access` says what is lacking.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use crate::error::{Error, Result, Side};

/// What the role may not do on the source, apart from SELECT, which stands with each relation.
#[derive(Debug, Default)]
pub struct SourceAccess {
    pub role: String,
    /// Schemas that it may not use.
    pub closed: HashSet<String>,
    /// Tables of which it would see a part only: their policies bind it.
    pub bound: HashSet<u32>,
}

/// What the role may do on the target.
#[derive(Debug, Default)]
pub struct TargetAccess {
    pub role: String,
    /// Make schemas, publications and trusted extensions.
    pub creates: bool,
    /// Make temporary tables: the index worker is asked by one.
    pub temporary: bool,
    /// The schemas that are there, and whether it may make objects in them.
    pub schemas: HashMap<String, bool>,
    /// Use the schema `vectors`; None where it is not there yet.
    pub vectors: Option<bool>,
    /// The roles that it may give objects to, and use those objects after.
    pub becomes: HashSet<String>,
    /// Whether it uses at once what roles granted to it may do.
    pub inherits: bool,
}

pub async fn source(client: &Client) -> Result<SourceAccess> {
    let on = || Error::on(Side::Source, "reading what the role may do");
    let sql = "SELECT current_user::text, \
        ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace WHERE NOT pg_catalog.has_schema_privilege(oid, 'USAGE')), \
        ARRAY(SELECT oid FROM pg_catalog.pg_class WHERE relrowsecurity AND relkind IN ('r', 'p') AND pg_catalog.row_security_active(oid))";
    let row = client.query_one(sql, &[]).await.map_err(on())?;
    Ok(SourceAccess {
        role: row.get(0),
        closed: row.get::<_, Vec<String>>(1).into_iter().collect(),
        bound: row.get::<_, Vec<u32>>(2).into_iter().collect(),
    })
}

pub async fn target(client: &Client, version_num: u32) -> Result<TargetAccess> {
    let on = || Error::on(Side::Target, "reading what the role may do");
    let sql = "SELECT current_user::text, pg_catalog.has_database_privilege(current_database(), 'CREATE'), \
        pg_catalog.has_database_privilege(current_database(), 'TEMPORARY'), \
        (SELECT pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'vectors'), \
        (SELECT rolinherit FROM pg_catalog.pg_roles WHERE rolname = current_user)";
    let row = client.query_one(sql, &[]).await.map_err(on())?;
    let sql = "SELECT nspname::text, pg_catalog.has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace";
    let schemas = client.query(sql, &[]).await.map_err(on())?;
    // What it gives away it still has to fill and to index. Since 16 a membership may come without either of the two rights.
    let right = if version_num >= 160_000 {
        "SET"
    } else {
        "MEMBER"
    };
    let sql = format!(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(oid, '{right}') AND pg_catalog.pg_has_role(oid, 'USAGE')"
    );
    let becomes = client.query(&sql, &[]).await.map_err(on())?;
    Ok(TargetAccess {
        role: row.get(0),
        creates: row.get(1),
        temporary: row.get(2),
        vectors: row.get(3),
        schemas: schemas.iter().map(|r| (r.get(0), r.get(1))).collect(),
        becomes: becomes.iter().map(|r| r.get(0)).collect(),
        inherits: row.get(4),
    })
}

/// Of these pairs of a role and a schema (None: the database) those where the role may not make objects: nobody but a superuser can
/// give it one there. A schema that is not there yet is nobody's.
pub async fn strangers(
    client: &Client,
    pairs: &[(String, Option<String>)],
) -> Result<Vec<(String, Option<String>)>> {
    let (roles, places): (Vec<&str>, Vec<Option<&str>>) = pairs
        .iter()
        .map(|(role, place)| (role.as_str(), place.as_deref()))
        .unzip();
    let sql = "SELECT p.role, p.place FROM unnest($1::text[], $2::text[]) AS p(role, place) \
        LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = p.place \
        WHERE NOT CASE WHEN p.place IS NULL THEN pg_catalog.has_database_privilege(p.role::name, current_database(), 'CREATE') \
          ELSE pg_catalog.has_schema_privilege(p.role::name, n.oid, 'CREATE') END ORDER BY 1, 2";
    let rows = client
        .query(sql, &[&roles, &places])
        .await
        .map_err(Error::on(Side::Target, "reading what the owners may do"))?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

/// The cluster's own number, where the role may ask for it.
pub async fn system_identifier(client: &Client, side: Side) -> Result<Option<String>> {
    let on = || Error::on(side, "reading the cluster's identity");
    let may =
        "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";
    let may: bool = client.query_one(may, &[]).await.map_err(on())?.get(0);
    if !may {
        return Ok(None);
    }
    let sql = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
    let row = client.query_one(sql, &[]).await.map_err(on())?;
    Ok(row.get(0))
}
