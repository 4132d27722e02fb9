//! In: the indexes on the target. Out: those that are not valid, or that a search does not get an answer from. It repairs
//! nothing.

use tokio_postgres::Client;

use super::Failed;
use crate::catalog::Index;
use crate::error::{Error, Result, Side};
use crate::schema::{Phase, Step};

/// After a crash of any backend PGVecto.rs's index worker is gone until the server is restarted, and every index operation
/// waits 15 s to fail. A tiny index asks whether it is there; an empty table's takes milliseconds.
pub async fn worker_answers(session: &Client) -> Result<()> {
    let attempt = "asking whether PGVecto.rs's index worker answers";
    let on = |e: tokio_postgres::Error| Error::new(Side::Target, attempt).because(e);
    // Statement by statement: in one query string they would be one transaction.
    for statement in [
        "DROP TABLE IF EXISTS pg_temp.pgv2rs_probe",
        "CREATE TEMPORARY TABLE pgv2rs_probe (v vectors.vector(1))",
    ] {
        session.batch_execute(statement).await.map_err(on)?;
    }
    let index = "CREATE INDEX ON pg_temp.pgv2rs_probe USING vectors (v vectors.vector_l2_ops)";
    session.batch_execute(index).await.map_err(|e| {
        on(e).remedy("restart the target server: after a crash of any of its processes the worker does not come back by itself")
    })?;
    session
        .batch_execute("DROP TABLE pg_temp.pgv2rs_probe")
        .await
        .map_err(on)
}

/// Looks at every index of these relations (schema and name): valid, if it was so on the source, and a vector index answers a query.
/// Returns what does not.
pub async fn probe(
    session: &Client,
    steps: &[Step],
    relations: &[(String, String)],
    source: &[Index],
    failed: &[Failed],
) -> Result<Vec<String>> {
    let mut broken = invalid(session, relations, source).await?;
    for step in steps.iter().filter(|s| s.phase == Phase::VectorIndex) {
        let Some(index) = step
            .index
            .as_ref()
            .filter(|_| !failed.iter().any(|f| f.object == step.object))
        else {
            continue;
        };
        let found = search(session, &index.schema, &index.name).await;
        if let Ok(Some(why)) | Err(why) = found {
            broken.push(format!("{}: {why}", step.object));
        }
    }
    Ok(broken)
}

async fn invalid(
    session: &Client,
    relations: &[(String, String)],
    source: &[Index],
) -> Result<Vec<String>> {
    let sql = "SELECT pg_catalog.format('index %I.%I is not valid', n.nspname, c.relname), n.nspname::text, c.relname::text \
        FROM unnest($1::text[], $2::text[]) AS r(s, t) JOIN pg_catalog.pg_namespace n ON n.nspname = r.s \
        JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = r.t \
        JOIN pg_catalog.pg_index x ON x.indrelid = t.oid JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid \
        WHERE NOT x.indisvalid ORDER BY 1";
    let (schemas, names): (Vec<&str>, Vec<&str>) = relations
        .iter()
        .map(|(s, n)| (s.as_str(), n.as_str()))
        .unzip();
    let rows = session
        .query(sql, &[&schemas, &names])
        .await
        .map_err(Error::on(Side::Target, "looking at the indexes"))?;
    let as_it_was = |schema: &str, name: &str| {
        let mut indexes = source.iter();
        indexes.any(|i| !i.valid && i.schema == schema && i.name == name)
    };
    let new = rows.iter().filter(|r| !as_it_was(r.get(1), r.get(2)));
    Ok(new.map(|r| r.get(0)).collect())
}

/// The index's own expression, operator and condition, from the catalog.
const SEARCHED: &str = "SELECT n.nspname::text, t.relname::text, pg_catalog.pg_get_indexdef(x.indexrelid, 1, false), \
    pg_catalog.format('OPERATOR(%I.%s)', o.nspname, op.oprname), pg_catalog.pg_get_expr(x.indpred, x.indrelid), \
    pg_catalog.format_type(op.oprleft, NULL), t.relispopulated \
    FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
    JOIN pg_catalog.pg_namespace s ON s.oid = i.relnamespace JOIN pg_catalog.pg_class t ON t.oid = x.indrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace JOIN pg_catalog.pg_opclass oc ON oc.oid = x.indclass[0] \
    JOIN pg_catalog.pg_amop a ON a.amopfamily = oc.opcfamily AND a.amoppurpose = 'o' AND a.amopstrategy = 1 \
    JOIN pg_catalog.pg_operator op ON op.oid = a.amopopr JOIN pg_catalog.pg_namespace o ON o.oid = op.oprnamespace \
    WHERE s.nspname = $1 AND i.relname = $2";

/// Vectors whose neighbours are asked for: the first of the table, since a graph that was built by several threads loses its
/// first points when it loses some.
const SAMPLE: i64 = 20;
/// An approximate index may miss one now and then.
const MAY_MISS: i64 = SAMPLE / 5;

/// Nearest-neighbour queries that the index has to answer, each with something at least as near as the vector itself, over the rows
/// that the role may see: policies that bind the owner too are there by now, and what they hide is no fault of the index. An error is an index that
/// answers nothing; Some is one that finds too little, as a graph with few edges may.
pub async fn search(
    session: &Client,
    schema: &str,
    index: &str,
) -> std::result::Result<Option<String>, String> {
    let told = |e: tokio_postgres::Error| crate::error::server_message(&e);
    let set = |value| format!("SET row_security = {value}");
    session.batch_execute(&set("on")).await.map_err(told)?;
    let found = search_seen(session, schema, index).await;
    session.batch_execute(&set("off")).await.map_err(told)?;
    found
}

async fn search_seen(
    session: &Client,
    schema: &str,
    index: &str,
) -> std::result::Result<Option<String>, String> {
    let told = |e: tokio_postgres::Error| crate::error::server_message(&e);
    let row = session
        .query_opt(SEARCHED, &[&schema, &index])
        .await
        .map_err(told)?
        .ok_or("it is not on the target")?;
    let (schema, table): (String, String) = (row.get(0), row.get(1));
    let (key, operator): (String, String) = (row.get(2), row.get(3));
    let predicate: Option<String> = row.get(4);
    let ty: String = row.get(5);
    // A materialized view that has no data on the source has none here: there is nothing to search.
    if !row.get::<_, bool>(6) {
        return Ok(None);
    }
    let table = crate::connect::quote_qualified(&schema, &table);
    let condition = predicate.map_or(String::new(), |p| format!(" AND ({p})"));
    let query = format!(
        "SELECT count(*), count(found), count(*) FILTER (WHERE found > own + 1e-5 * (1 + abs(own))) FROM (\
         SELECT {q} {operator} {q} AS own, (SELECT ({key}) {operator} {q} FROM {table} WHERE true{condition} \
         ORDER BY ({key}) {operator} {q} LIMIT 1) AS found FROM \
         (SELECT ({key})::{ty} AS pgv2rs_q FROM {table} WHERE ({key}) IS NOT NULL{condition} LIMIT {SAMPLE}) pgv2rs_sample) x",
        // No name that the table may have for a column.
        q = "pgv2rs_sample.pgv2rs_q"
    );
    let off = "SET enable_seqscan = off; SET enable_sort = off";
    session.batch_execute(off).await.map_err(told)?;
    let found = session.query_one(&query, &[]).await.map_err(told);
    session
        .batch_execute("RESET enable_seqscan; RESET enable_sort")
        .await
        .map_err(told)?;
    let found = found?;
    let (asked, answered, missed): (i64, i64, i64) = (found.get(0), found.get(1), found.get(2));
    match (asked, answered) {
        (0, _) => Ok(None),
        (_, 0) => Err("a search over it finds nothing, though the table holds vectors".into()),
        _ if missed > MAY_MISS => Ok(Some(format!(
            "{missed} of {asked} vectors are not found by a search for themselves; REINDEX it with one thread"
        ))),
        _ => Ok(None),
    }
}
