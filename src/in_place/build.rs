//! In: a unit's indexes in words. Out: these, built without keeping writers out, under the names that are free at the time; what an earlier process has left
//! half done is made anew, and partitions that have come since the plan get their parts.

use std::time::Instant;

use tokio_postgres::Client;

use super::guard::indexes_of;
use super::lock::locked;
use super::statement::run;
use super::unit::{Index, Member, Unit};
use super::{Work, on};
use crate::after_data::{Built, probe};
use crate::connect::{Session, literal, quote, quote_qualified};
use crate::error::{Error, Result, Side};

/// Under which names a unit's indexes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Under {
    /// On the new columns, until the swap.
    Temporary,
    /// On the columns in their new type.
    Own,
    /// Those of pgvector that were dropped, as they were.
    Before,
}

/// Makes those that are not there yet, writers going on; what an earlier process has left half done goes first.
pub(super) async fn build(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    under: Under,
) -> Result<Vec<Built>> {
    let making = Making {
        work,
        session,
        unit,
        under,
    };
    let members = unit.members(session).await?;
    let mut built = Vec::new();
    let wanted = indexes_of(unit, &members).filter(|i| under != Under::Before || i.of_pgvector);
    for index in wanted.clone() {
        let started = Instant::now();
        making.one(index).await?;
        built.push(Built {
            index: index.display(),
            before: Some(index.before.clone()),
            ddl: vec![under.statement(index)],
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    let partitioned = wanted.filter(|i| i.partitioned);
    for index in partitioned.clone() {
        making.complete(index, &members).await?;
    }
    for index in partitioned {
        if state(session, index, under.name(index)).await? != Some(true) {
            return Err(
                Error::new(Side::Target, format!("building {}", index.display()))
                    .because("it is not valid: not every partition has its part")
                    .remedy("run the same command again: what is missing is made anew"),
            );
        }
    }
    Ok(built)
}

impl Under {
    pub(super) fn name(self, index: &Index) -> &str {
        match self {
            Under::Temporary => &index.temporary,
            _ => &index.name,
        }
    }

    fn statement(self, index: &Index) -> String {
        match self {
            Under::Temporary => index.beside.clone(),
            Under::Own => index.instead.clone(),
            Under::Before if index.partitioned => index.before.clone(),
            Under::Before => index.before.replacen("INDEX ", "INDEX CONCURRENTLY ", 1),
        }
    }
}

struct Making<'a> {
    work: &'a Work<'a>,
    session: &'a Session,
    unit: &'a Unit,
    under: Under,
}

impl Making<'_> {
    async fn one(&self, index: &Index) -> Result<()> {
        let name = self.under.name(index);
        let there = state(self.session, index, name).await?;
        // The one of a partitioned table is not valid before all of its parts are attached.
        let half = there == Some(false) && !index.partitioned;
        let name = quote_qualified(&index.schema, name);
        if half {
            self.drop(&name, index).await?;
        }
        if half || there.is_none() {
            tracing::info!("building {}", index.display());
            if index.vector && self.under != Under::Before {
                probe::worker_answers(self.session).await?;
            }
            let space = index.tablespace.as_deref().unwrap_or_default();
            run(
                self.session,
                &format!("SET default_tablespace = {}", literal(space)),
            )
            .await?;
            crate::fail::point("before-index");
            let statement = self.under.statement(index);
            let made = self.make(&statement, index.partitioned).await;
            made.map_err(|e| e.during(format!("building {}", index.display())))?;
            crate::fail::point("after-index");
            run(self.session, "SET default_tablespace = ''").await?;
        }
        if let Some(comment) = &index.comment {
            let comment = format!("COMMENT ON INDEX {name} IS {}", literal(comment));
            run(self.session, &comment).await?;
        }
        let mut all = self.unit.indexes.iter();
        match all.find(|p| Some(p.oid) == index.parent) {
            Some(whole) => {
                let whole = quote_qualified(&whole.schema, self.under.name(whole));
                self.attach(&whole, &name).await
            }
            None => Ok(()),
        }
    }

    /// A single statement, since CONCURRENTLY commits in between. That of a partitioned table takes no time, but a lock that is not to be waited for.
    async fn make(&self, statement: &str, partitioned: bool) -> Result<()> {
        match partitioned {
            true => self.briefly(statement).await,
            false => run(self.session, statement).await,
        }
    }

    /// One that was not built to its end. PGVecto.rs's is gone at the first of the commits that CONCURRENTLY makes, while writers still write to it, and
    /// each of their statements fails.
    async fn drop(&self, name: &str, index: &Index) -> Result<()> {
        match index.vector && self.under != Under::Before {
            true => self.briefly(&format!("DROP INDEX {name}")).await,
            false => run(self.session, &format!("DROP INDEX CONCURRENTLY {name}")).await,
        }
    }

    async fn briefly(&self, statement: &str) -> Result<()> {
        let body = async || run(self.session, statement).await;
        let done = locked(self.work, self.session, self.unit, "an index of", body).await;
        done.map(drop)
    }

    /// Names as in statements.
    async fn attach(&self, whole: &str, part: &str) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = $1::pg_catalog.text::pg_catalog.regclass)";
        let row = self.session.query_one(sql, &[&part]).await;
        if row.map_err(on("asking for the parts of an index"))?.get(0) {
            return Ok(());
        }
        self.briefly(&format!("ALTER INDEX {whole} ATTACH PARTITION {part}"))
            .await
    }

    /// Partitions that have come since the plan get their parts.
    async fn complete(&self, index: &Index, members: &[Member]) -> Result<()> {
        let statement = self.under.statement(index);
        let name = self.under.name(index);
        let table = members.iter().find(|m| m.oid == index.table);
        let table = table.map_or(String::new(), Member::quoted);
        let head = format!("INDEX {} ON ONLY {table}", quote(name));
        let tail = statement.split_once(&head).map_or("", |(_, tail)| tail);
        let mut wholes = vec![(quote_qualified(&index.schema, name), index.table)];
        while let Some((whole, table)) = wholes.pop() {
            let sql = "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'p' FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid \
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = $1 AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits j \
                  JOIN pg_catalog.pg_index x ON x.indexrelid = j.inhrelid WHERE j.inhparent = $2::pg_catalog.text::pg_catalog.regclass AND x.indrelid = c.oid)";
            let rows = self.session.query(sql, &[&table, &whole]).await;
            for row in rows.map_err(on("looking for partitions without an index"))? {
                let (oid, schema, table): (u32, String, String) =
                    (row.get(0), row.get(1), row.get(2));
                let partitioned: bool = row.get(3);
                let part = Index {
                    table: oid,
                    schema: schema.clone(),
                    partitioned,
                    ..index.clone()
                };
                // A name that a killed process is found out by.
                let temporary = format!("pgv2rs_{}_{oid}", index.oid);
                let quoted = quote_qualified(&schema, &temporary);
                let there = state(self.session, &part, &temporary).await?;
                let half = there == Some(false) && !partitioned;
                if half {
                    self.drop(&quoted, index).await?;
                }
                if half || there.is_none() {
                    let (how, only) = if partitioned {
                        ("", "ONLY ")
                    } else {
                        ("CONCURRENTLY ", "")
                    };
                    tracing::info!(
                        "building the part of {} for {schema}.{table}",
                        index.display()
                    );
                    let space = literal(index.tablespace.as_deref().unwrap_or_default());
                    run(self.session, &format!("SET default_tablespace = {space}")).await?;
                    let make = format!(
                        "CREATE INDEX {how}{} ON {only}{}{tail}",
                        quote(&temporary),
                        quote_qualified(&schema, &table)
                    );
                    self.make(&make, partitioned).await?;
                    run(self.session, "SET default_tablespace = ''").await?;
                }
                self.attach(&whole, &quoted).await?;
                let free = self.free_name(&schema, &table, name).await?;
                run(
                    self.session,
                    &format!("ALTER INDEX {quoted} RENAME TO {}", quote(&free)),
                )
                .await?;
                if partitioned {
                    wholes.push((quote_qualified(&schema, &free), oid));
                }
            }
        }
        Ok(())
    }

    /// As the server would name it: after its table.
    async fn free_name(&self, schema: &str, table: &str, index: &str) -> Result<String> {
        let mut number = 0;
        loop {
            let suffix = match number {
                0 => "_vector_idx".to_string(),
                n => format!("_vector_idx{n}"),
            };
            let mut name = table.to_string();
            while name.len() + suffix.len() > 63 {
                name.pop();
            }
            name.push_str(&suffix);
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";
            let row = self.session.query_one(sql, &[&schema, &name]).await;
            let taken = row
                .map_err(on("looking for a free name"))?
                .get::<_, bool>(0);
            if !taken && name != index {
                return Ok(name);
            }
            number += 1;
        }
    }
}

/// Whether an index is valid; None: there is none of the name. One of another table is in the way.
async fn state(client: &Client, index: &Index, name: &str) -> Result<Option<bool>> {
    let sql = "SELECT x.indisvalid, coalesce(x.indrelid, 0::pg_catalog.oid) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2";
    let row = client.query_opt(sql, &[&index.schema, &name]).await;
    let Some(row) = row.map_err(on("looking for an index"))? else {
        return Ok(None);
    };
    if row.get::<_, u32>(1) != index.table {
        let name = quote_qualified(&index.schema, name);
        return Err(
            Error::new(Side::Target, format!("building {}", index.display()))
                .because(format!("the name {name} is taken by something else"))
                .remedy("rename that, and run the same command again"),
        );
    }
    Ok(row.get(0))
}

/// Drops the one that the plan knows, not another of its name.
pub(super) async fn drop_known(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    index: &Index,
) -> Result<()> {
    let sql = "SELECT $1::pg_catalog.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class WHERE oid = $1 AND relkind IN ('i', 'I')";
    let row = session.query_opt(sql, &[&index.oid]).await;
    let Some(row) = row.map_err(on("looking for an index"))? else {
        return Ok(());
    };
    let name: String = row.get(0);
    if !index.partitioned {
        return run(session, &format!("DROP INDEX CONCURRENTLY {name}")).await;
    }
    let drop = format!("DROP INDEX {name}");
    let body = async || run(session, &drop).await;
    let done = locked(work, session, unit, "dropping an index of", body).await;
    done.map(|_| ())
}

/// The indexes of a unit.
pub(super) async fn probed(session: &Session, unit: &Unit, under: Under) -> Result<Vec<String>> {
    let members = unit.members(session).await?;
    let indexes = indexes_of(unit, &members).filter(|i| i.vector && !i.partitioned);
    let named = indexes.map(|i| (i.schema.as_str(), under.name(i), i.display()));
    searched(session, named).await
}

/// A search over each of these vector indexes (schema, name, and what it is called after the swap) must find something. Out: those that find less of the vectors
/// themselves than they should: rows are not at stake, so that is said and stops nothing.
pub(super) async fn searched(
    session: &Session,
    indexes: impl Iterator<Item = (&str, &str, String)>,
) -> Result<Vec<String>> {
    let (mut broken, mut weak) = (Vec::new(), Vec::new());
    for (schema, name, shown) in indexes {
        match probe::search(session, schema, name).await {
            Ok(None) => {}
            Ok(Some(why)) => {
                let why = format!("{shown}: {why}, or with a larger m and ef_construction");
                tracing::warn!("{why}");
                weak.push(why);
            }
            Err(why) => broken.push(format!("{shown} ({name}): {why}")),
        }
    }
    match broken.is_empty() {
        true => Ok(weak),
        false => Err(
            Error::new(Side::Verification, "searching over the new indexes")
                .because(broken.join("; "))
                .remedy("DROP that INDEX, and run the same command again: it is made anew"),
        ),
    }
}
