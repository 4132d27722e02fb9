//! In: the tables, and what the snapshot saw of each (`seal`). Out: for each table whether it is still what was copied, and which
//! tables are new, so that a user who has stopped the writers knows that it is safe to switch. It looks at tables only: not at views,
//! functions, indexes or privileges. It says what was so when it counted a table's rows, and of its shape at the end: who writes later
//! has not stopped. It never fails a run whose rows are already there.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use futures::future::join_all;
use serde::Serialize;

use super::seal::{self, Seal, Shape};
use crate::catalog;
use crate::cli::Options;
use crate::connect::Session;
use crate::copy::slice::Range;
use crate::error::{Error, Result, Side};
use crate::plan::TablePlan;
use crate::select::{self, Patterns};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "why")]
pub enum Cutover {
    Unchanged,
    Changed(String),
    /// It could not be looked at, or not without waiting.
    Unknown(String),
}

/// The source as it is at the end of the run.
#[derive(Debug)]
pub struct Now {
    /// In the order of the plan's tables.
    pub tables: Vec<Cutover>,
    /// Tables that the snapshot does not hold and the user's patterns do; None where that could not be asked.
    pub new_tables: Option<Vec<String>>,
}

/// `seals` are in the order of `tables`; `known` are the relations that the plan knew.
pub async fn check<'a>(
    options: &Options,
    known: &HashSet<u32>,
    tables: &[TablePlan],
    seals: impl Iterator<Item = &'a Seal>,
) -> Now {
    let sealed: Vec<(&TablePlan, &Seal)> = tables.iter().zip(seals).collect();
    let source = Source {
        options,
        idle: Mutex::default(),
    };
    let (tables, new_tables) = match source.answers(&sealed).await {
        Ok(answers) => (answers, source.new_tables(known).await),
        Err(error) => {
            let unknown = unasked(&error);
            (vec![unknown; sealed.len()], Err(error))
        }
    };
    Now {
        tables,
        new_tables: new_tables
            .inspect_err(|e| tracing::warn!("looking for new tables: {}", e.chain()))
            .ok(),
    }
}

/// What one look at the shapes found: by OID the shape, or why it could not be looked at. A table that is not there any more is not in it.
type Look = HashMap<u32, std::result::Result<Shape, Cutover>>;

/// Someone's ALTER must not make the end of a run wait for hours.
const PATIENCE: &str = "10s";

struct Source<'a> {
    options: &'a Options,
    idle: Mutex<Vec<Session>>,
}

impl Source<'_> {
    /// One that is idle and open, or another; it waits no longer for a lock.
    async fn session(&self, patience: &str) -> Result<Session> {
        let idle = self.idle.lock().ok().and_then(|mut idle| {
            idle.retain(|session| !session.is_closed());
            idle.pop()
        });
        let session = match idle {
            Some(session) => session,
            None => self.options.source.connect().await?,
        };
        let sql = format!("SET lock_timeout = '{patience}'");
        let set = session.batch_execute(&sql).await;
        set.map_err(Error::on(Side::Source, "asking what has changed"))?;
        Ok(session)
    }

    /// To be called for one that did what it was asked: of others it is not known at once whether they still are.
    fn is_idle(&self, session: Session) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(session);
        }
    }

    /// The shapes of all tables are looked at together: before the rows, since a table may be gone, and after them, since to count them
    /// takes as long as it takes.
    async fn answers(&self, sealed: &[(&TablePlan, &Seal)]) -> Result<Vec<Cutover>> {
        let mut tables: Vec<&TablePlan> = sealed.iter().map(|(table, _)| *table).collect();
        let before = self.look(&tables).await?;
        let answers = sealed
            .iter()
            .map(|(table, seal)| other_shape(&before, table, seal));
        let answers = self.counted(sealed, answers.collect()).await;
        tables.retain(|table| matches!(before.get(&table.oid), Some(Ok(_))));
        // What was found stands, also where the source is gone by now.
        let after = self.look(&tables).await.unwrap_or_else(|error| {
            let unknown = unasked(&error);
            let all = tables.iter().map(|t| (t.oid, Err(unknown.clone())));
            all.collect()
        });
        let seen: HashSet<u32> = tables.iter().map(|table| table.oid).collect();
        let answers = answers.into_iter().zip(sealed);
        let answers = answers.map(|(answer, (table, seal))| match answer {
            Cutover::Unchanged | Cutover::Unknown(_) if seen.contains(&table.oid) => {
                other_shape(&after, table, seal).unwrap_or(answer)
            }
            answer => answer,
        });
        Ok(answers.collect())
    }

    /// Counts the rows of the tables that have no answer yet.
    async fn counted(
        &self,
        sealed: &[(&TablePlan, &Seal)],
        answers: Vec<Option<Cutover>>,
    ) -> Vec<Cutover> {
        let open = answers.iter().zip(sealed).enumerate();
        let open = open.filter(|(_, (answer, _))| answer.is_none());
        let open: Vec<_> = open.map(|(at, (_, sealed))| (at, *sealed)).collect();
        let jobs = self.options.jobs.min(open.len());
        let queue = Mutex::new(open.into_iter());
        let next = || queue.lock().ok().and_then(|mut queue| queue.next());
        let answers = Mutex::new(answers);
        let worker = async || {
            while let Some((at, (table, seal))) = next() {
                let session = self.session(PATIENCE).await?;
                let answer = rows(&session, table, seal).await;
                if answer.is_ok() {
                    self.is_idle(session);
                }
                if let Ok(mut answers) = answers.lock() {
                    answers[at] = Some(answer.unwrap_or_else(|error| unasked(&error)));
                }
            }
            Ok::<_, Error>(())
        };
        let ended = join_all((0..jobs).map(|_| worker())).await;
        let gone = || Cutover::Unknown("the source could not be asked".into());
        let lost = ended.into_iter().find_map(Result::err);
        let lost = lost.map_or_else(gone, |error| unasked(&error));
        let answers = answers.into_inner().unwrap_or_default();
        answers
            .into_iter()
            .map(|a| a.unwrap_or(lost.clone()))
            .collect()
    }

    /// Where a table that somebody has locked, or drops at this moment, spoils the look at all, they are looked at one by one, and none is
    /// waited for any more: a partitioned table may be locked with thousands of partitions.
    async fn look(&self, tables: &[&TablePlan]) -> Result<Look> {
        let mut look = Look::new();
        let mut several: Vec<&[&TablePlan]> = vec![tables];
        let mut patience = PATIENCE;
        while let Some(tables) = several.pop() {
            let session = self.session(patience).await?;
            match (seal::shapes(&session, tables).await, tables) {
                (Ok(shapes), _) => {
                    look.extend(shapes.into_iter().map(|(oid, shape)| (oid, Ok(shape))));
                    self.is_idle(session);
                }
                (Err(error), [table]) => {
                    look.insert(table.oid, Err(unasked(&error)));
                }
                (Err(_), tables) => {
                    several.extend(tables.chunks(1));
                    patience = "100ms";
                }
            }
        }
        Ok(look)
    }

    async fn new_tables(&self, known: &HashSet<u32>) -> Result<Vec<String>> {
        let session = &self.session(PATIENCE).await?;
        let mut new = catalog::tables_now(session).await?;
        new.retain(|(oid, _, _)| !known.contains(oid));
        if new.is_empty() {
            return Ok(Vec::new());
        }
        // Read again: the patterns' matches are OIDs, and a new table has a new one.
        let patterns = select::patterns(session, &self.options.scope).await?;
        let ancestors = ancestors(session, new.iter().map(|t| t.0).collect()).await?;
        let wanted = |oid: &u32, schema: &String| {
            let line = ancestors.get(oid).cloned().unwrap_or_default();
            wanted(&patterns, &line, schema)
        };
        Ok(new
            .iter()
            .filter(|(oid, schema, _)| wanted(oid, schema))
            .map(|(_, s, t)| format!("{}.{}", catalog::ident(s), catalog::ident(t)))
            .collect())
    }
}

fn unasked(error: &Error) -> Cutover {
    Cutover::Unknown(match error.sqlstate().as_deref() {
        Some("55P03") => "someone holds a lock on it".into(),
        _ => format!("the source could not be asked: {}", error.server_says()),
    })
}

/// None: as it was sealed.
fn other_shape(look: &Look, table: &TablePlan, sealed: &Seal) -> Option<Cutover> {
    match look.get(&table.oid) {
        None => Some(Cutover::Changed("it was dropped".into())),
        Some(Err(unknown)) => Some(unknown.clone()),
        Some(Ok(shape)) => seal::other_shape(&sealed.shape, shape).map(Cutover::Changed),
    }
}

async fn rows(session: &Session, table: &TablePlan, sealed: &Seal) -> Result<Cutover> {
    // Before the rows: who commits between the two looks is then seen by one of them.
    let open = open_writers(session, table).await?;
    let (now, young) = seal::rows(session, table, Range::WHOLE, sealed.snapshot_xmin).await?;
    let rows = sealed.rows;
    Ok(match (now == rows, young == sealed.young) {
        (true, true) if open => {
            Cutover::Unknown("a transaction that may have written to it is still open".into())
        }
        (true, true) => Cutover::Unchanged,
        (false, _) => Cutover::Changed(format!("{rows} rows were copied, it holds {now} now")),
        (true, false) => {
            Cutover::Changed("rows were updated since, or as many inserted as deleted".into())
        }
    })
}

/// What a writer has not committed shows in no row. Prepared transactions are in pg_locks too, without a process.
async fn open_writers(session: &Session, table: &TablePlan) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database \
        WHERE d.datname = pg_catalog.current_database() AND l.locktype = 'relation' AND l.relation = ANY ($1) \
        AND l.mode = 'RowExclusiveLock' AND l.granted)";
    let row = session
        .query_one(sql, &[&table.files()])
        .await
        .map_err(Error::on(
            Side::Source,
            format!("asking who writes to {}", table.display),
        ))?;
    Ok(row.get(0))
}

/// The rule by which `select` takes a table: its parents speak for it. `line` holds the table itself.
fn wanted(patterns: &Patterns, line: &[u32], schema: &str) -> bool {
    let named = match (&patterns.tables, &patterns.schemas) {
        (Some(tables), _) => line.iter().any(|oid| tables.contains(oid)),
        (None, Some(schemas)) => schemas.contains_key(schema),
        (None, None) => true,
    };
    named && !line.iter().any(|oid| patterns.excluded.contains(oid))
}

/// Each table with all that it inherits from or is a partition of.
async fn ancestors(session: &Session, tables: Vec<u32>) -> Result<HashMap<u32, Vec<u32>>> {
    let sql = "WITH RECURSIVE line(oid, up) AS (SELECT o, o FROM pg_catalog.unnest($1::pg_catalog.oid[]) o \
        UNION SELECT line.oid, i.inhparent FROM line JOIN pg_catalog.pg_inherits i ON i.inhrelid = line.up) \
        SELECT line.oid, line.up FROM line";
    let rows = session
        .query(sql, &[&tables])
        .await
        .map_err(Error::on(Side::Source, "reading the parents of new tables"))?;
    let mut lines: HashMap<u32, Vec<u32>> = HashMap::new();
    for row in rows {
        lines.entry(row.get(0)).or_default().push(row.get(1));
    }
    Ok(lines)
}
