//! In: the steps after the data. Out: materialized views, indexes, constraints, keys, triggers on the target, each index probed.
//! A vector index is built outside of any transaction that might roll back, and one at a time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde::Serialize;
use tokio_postgres::Client;

use crate::connect::{Endpoint, Session, literal};
use crate::error::{Error, Result, Side};
use crate::progress::human_time;
use crate::schema::{Phase, Schema, Step, run_step};

#[derive(Clone, Debug, Serialize)]
pub struct Built {
    pub index: String,
    /// The source's DDL, for a vector index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    pub ddl: Vec<String>,
    pub seconds: f64,
}

/// All that comes after the data, in the order in which it may.
pub async fn build(target: &Endpoint, schema: &Schema, jobs: usize) -> Result<Vec<Built>> {
    let session = target.connect().await?;
    let on = |e: tokio_postgres::Error| {
        Error::new(Side::Target, "preparing the schema after the data").because(e)
    };
    for step in schema.of(Phase::Session) {
        run_step(&session, step).await?;
    }
    // pg_dump's own settings end with its sections.
    session
        .batch_execute("SET default_tablespace = ''")
        .await
        .map_err(on)?;
    for step in schema.of(Phase::Refresh) {
        tracing::info!("refreshing {}", step.object);
        run_step(&session, step).await?;
    }
    let mut built = ordinary(target, schema, jobs).await?;
    for step in schema.of(Phase::VectorIndex) {
        worker_answers(&session).await?;
        built.push(vector_index(&session, step).await?);
    }
    for phase in [Phase::Attach, Phase::ForeignKey, Phase::Late] {
        for step in schema.of(phase) {
            run_step(&session, step).await?;
        }
    }
    Ok(built)
}

/// Ordinary indexes, `jobs` at a time; those of one table in their order, since each constraint locks it.
async fn ordinary(target: &Endpoint, schema: &Schema, jobs: usize) -> Result<Vec<Built>> {
    let mut tables: Vec<(Option<u32>, Vec<&Step>)> = Vec::new();
    for step in schema.of(Phase::Index) {
        match tables.iter_mut().find(|(table, _)| *table == step.table) {
            Some((_, steps)) => steps.push(step),
            None => tables.push((step.table, vec![step])),
        }
    }
    let workers = jobs.min(tables.len());
    let queue: Mutex<VecDeque<Vec<&Step>>> =
        Mutex::new(tables.into_iter().map(|(_, steps)| steps).collect());
    let next = || queue.lock().ok().and_then(|mut q| q.pop_front());
    let worker = || async {
        let session = target.connect().await?;
        let mut built = Vec::new();
        while let Some(steps) = next() {
            for step in steps {
                let started = Instant::now();
                run_step(&session, step).await?;
                built.push(report(step, started));
            }
        }
        Ok::<_, Error>(built)
    };
    let built = try_join_all((0..workers).map(|_| worker())).await?;
    Ok(built.into_iter().flatten().collect())
}

/// CREATE INDEX is silent until it is done, which may take hours: somebody has to say that it goes on.
async fn vector_index(session: &Session, step: &Step) -> Result<Built> {
    let started = Instant::now();
    tracing::info!("building {}", step.object);
    let building = run_step(session, step);
    tokio::pin!(building);
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    tick.tick().await;
    loop {
        tokio::select! {
            done = &mut building => {
                done.map_err(|e| e.remedy("the rows are committed and verified; see the report for the statement, and build the index by hand"))?;
                tracing::info!("{} built in {}", step.object, human_time(started.elapsed()));
                return Ok(report(step, started));
            }
            _ = tick.tick() => tracing::info!("building {}: {} so far", step.object, human_time(started.elapsed())),
        }
    }
}

fn report(step: &Step, started: Instant) -> Built {
    Built {
        index: step.object.clone(),
        before: step.before.clone(),
        ddl: step.statements.clone(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// After a crash of any backend PGVecto.rs's index worker is gone until the server is restarted, and every index operation
/// waits 15 s to fail. A tiny index asks whether it is there; an empty table's takes milliseconds.
pub async fn worker_answers(session: &Client) -> Result<()> {
    let sql = "CREATE TEMPORARY TABLE pgv2rs_probe (v vectors.vector(1)); \
        CREATE INDEX ON pg_temp.pgv2rs_probe USING vectors (v vectors.vector_l2_ops); \
        DROP TABLE pg_temp.pgv2rs_probe";
    // Statement by statement: in one query string they would be one transaction.
    for statement in sql.split("; ") {
        session.batch_execute(statement).await.map_err(|e| {
            Error::new(Side::Target, "asking whether PGVecto.rs's index worker answers")
                .because(e)
                .remedy("restart the target server: after a crash of any of its processes the worker does not come back by itself")
        })?;
    }
    Ok(())
}

/// Looks at every index of the copied tables: valid, and a vector index answers a query. Returns what does not.
pub async fn probe(session: &Client, schema: &Schema) -> Result<Vec<String>> {
    let mut broken = invalid(session).await?;
    for step in schema.of(Phase::VectorIndex) {
        let name = step.object.strip_prefix("INDEX ").unwrap_or(&step.object);
        if let Err(why) = search(session, step).await {
            broken.push(format!("index {name}: {why}"));
        }
    }
    Ok(broken)
}

async fn invalid(session: &Client) -> Result<Vec<String>> {
    let sql = "SELECT pg_catalog.format('index %I.%I is not valid', n.nspname, c.relname) FROM pg_catalog.pg_index x \
        JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE NOT x.indisvalid AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1";
    let rows = session
        .query(sql, &[])
        .await
        .map_err(Error::on(Side::Target, "looking at the indexes"))?;
    Ok(rows.iter().map(|r| r.get(0)).collect())
}

/// The index's own expression, operator and condition, from the catalog.
const SEARCHED: &str = "SELECT n.nspname::text, t.relname::text, pg_catalog.pg_get_indexdef(x.indexrelid, 1, false), \
    pg_catalog.format('OPERATOR(%I.%s)', o.nspname, op.oprname), pg_catalog.pg_get_expr(x.indpred, x.indrelid), \
    pg_catalog.format_type(op.oprleft, NULL) \
    FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
    JOIN pg_catalog.pg_namespace s ON s.oid = i.relnamespace JOIN pg_catalog.pg_class t ON t.oid = x.indrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace JOIN pg_catalog.pg_opclass oc ON oc.oid = x.indclass[0] \
    JOIN pg_catalog.pg_amop a ON a.amopfamily = oc.opcfamily AND a.amoppurpose = 'o' AND a.amopstrategy = 1 \
    JOIN pg_catalog.pg_operator op ON op.oid = a.amopopr JOIN pg_catalog.pg_namespace o ON o.oid = op.oprnamespace \
    WHERE s.nspname || '.' || i.relname = $1";

/// One nearest-neighbour query that the index has to answer.
async fn search(session: &Client, step: &Step) -> std::result::Result<(), String> {
    let told = |e: tokio_postgres::Error| crate::error::server_message(&e);
    let name = step.object.strip_prefix("INDEX ").unwrap_or(&step.object);
    let row = session
        .query_opt(SEARCHED, &[&name])
        .await
        .map_err(told)?
        .ok_or("it is not on the target")?;
    let (schema, table): (String, String) = (row.get(0), row.get(1));
    let (key, operator): (String, String) = (row.get(2), row.get(3));
    let predicate: Option<String> = row.get(4);
    let ty: String = row.get(5);
    let table = crate::connect::quote_qualified(&schema, &table);
    let condition = predicate.map_or(String::new(), |p| format!(" AND ({p})"));
    let sql = format!(
        "SELECT (({key})::{ty})::pg_catalog.text FROM {table} WHERE ({key}) IS NOT NULL{condition} LIMIT 1"
    );
    let Some(value) = session.query_opt(&sql, &[]).await.map_err(told)? else {
        return Ok(());
    };
    let value = literal(&value.get::<_, String>(0));
    let query = format!(
        "SELECT count(*) FROM (SELECT FROM {table} WHERE true{condition} ORDER BY ({key}) {operator} {value}::{ty} LIMIT 1) q"
    );
    let off = "SET enable_seqscan = off; SET enable_sort = off";
    session.batch_execute(off).await.map_err(told)?;
    let found = session.query_one(&query, &[]).await.map_err(told);
    session
        .batch_execute("RESET enable_seqscan; RESET enable_sort")
        .await
        .map_err(told)?;
    match found?.get::<_, i64>(0) {
        0 => Err("a search over it finds nothing, though the table holds vectors".into()),
        _ => Ok(()),
    }
}
