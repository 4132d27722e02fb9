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

/// A step that the target refused after the rows were committed. The others go on: hours of copying are not thrown away for
/// one index.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    pub object: String,
    pub reason: String,
    pub ddl: Vec<String>,
}

#[derive(Default)]
pub struct AfterData {
    pub built: Vec<Built>,
    pub failed: Vec<Failed>,
}

impl AfterData {
    /// Notes what became of a step; only a lost connection ends the run.
    fn note(&mut self, step: &Step, started: Instant, done: Result<()>) -> Result<()> {
        let seconds = started.elapsed().as_secs_f64();
        let (object, ddl) = (step.object.clone(), step.statements.clone());
        match done {
            Ok(()) if matches!(step.phase, Phase::Index | Phase::VectorIndex) => {
                self.built.push(Built {
                    index: object,
                    before: step.before.clone(),
                    ddl,
                    seconds,
                });
            }
            Ok(()) => {}
            Err(error) if error.sqlstate().is_some() => {
                tracing::error!("{}", error.chain());
                self.failed.push(Failed {
                    object,
                    reason: error.server_says(),
                    ddl,
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// All that comes after the data, in the order in which it may.
pub async fn build(target: &Endpoint, schema: &Schema, jobs: usize) -> Result<AfterData> {
    let session = target.connect().await?;
    let mut after = AfterData::default();
    for phase in [Phase::Session, Phase::Refresh] {
        each(&session, schema, phase, &mut after).await?;
    }
    // The tablespace of the last object in pg_dump's sections is not that of every other.
    let on = Error::on(Side::Target, "preparing the schema after the data");
    session
        .batch_execute("SET default_tablespace = ''")
        .await
        .map_err(on)?;
    ordinary(target, schema, jobs, &mut after).await?;
    for step in schema.of(Phase::VectorIndex) {
        let started = Instant::now();
        worker_answers(&session).await?;
        after.note(step, started, vector_index(&session, step).await)?;
    }
    for phase in [Phase::Attach, Phase::ForeignKey, Phase::Late] {
        each(&session, schema, phase, &mut after).await?;
    }
    Ok(after)
}

async fn each(
    session: &Session,
    schema: &Schema,
    phase: Phase,
    after: &mut AfterData,
) -> Result<()> {
    for step in schema.of(phase) {
        let started = Instant::now();
        after.note(step, started, run_step(session, step).await)?;
    }
    Ok(())
}

/// Ordinary indexes, `jobs` at a time; those of one table in their order, since each constraint locks it.
async fn ordinary(
    target: &Endpoint,
    schema: &Schema,
    jobs: usize,
    after: &mut AfterData,
) -> Result<()> {
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
        let mut after = AfterData::default();
        while let Some(steps) = next() {
            for step in steps {
                let started = Instant::now();
                after.note(step, started, run_step(&session, step).await)?;
            }
        }
        Ok::<_, Error>(after)
    };
    for one in try_join_all((0..workers).map(|_| worker())).await? {
        after.built.extend(one.built);
        after.failed.extend(one.failed);
    }
    Ok(())
}

/// CREATE INDEX is silent until it is done, which may take hours: somebody has to say that it goes on.
async fn vector_index(session: &Session, step: &Step) -> Result<()> {
    let started = Instant::now();
    tracing::info!("building {}", step.object);
    let building = run_step(session, step);
    tokio::pin!(building);
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    tick.tick().await;
    loop {
        tokio::select! {
            done = &mut building => {
                done?;
                tracing::info!("{} built in {}", step.object, human_time(started.elapsed()));
                return Ok(());
            }
            _ = tick.tick() => tracing::info!("building {}: {} so far", step.object, human_time(started.elapsed())),
        }
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
pub async fn probe(session: &Client, schema: &Schema, failed: &[Failed]) -> Result<Vec<String>> {
    let mut broken = invalid(session).await?;
    let failed = |step: &&Step| !failed.iter().any(|f| f.object == step.object);
    for step in schema.of(Phase::VectorIndex).filter(failed) {
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
