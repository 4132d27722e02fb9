//! In: the indexes that stand on a unit's columns. Out: the same in PGVecto.rs's words, said for the new column and for the old one's place; and
//! built, without keeping writers out. Which words are the column's the server itself says: in a transaction that is rolled back, an empty copy of
//! the table has its column renamed.

use std::time::Instant;

use dialect::dump::{Entry, ObjectId};
use dialect::rewrite::Context;
use tokio_postgres::{Client, Row};

use super::look::Looking;
use super::unit::{Column, Index, Member, Unit};
use super::{findings_of, on};
use crate::after_data::{Built, probe};
use crate::catalog::class;
use crate::connect::{Session, literal, quote, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::plan::{Finding, Severity};

/// The indexes of all members, parents first, and the OIDs of those that cannot be said, with findings.
pub(super) async fn read(
    looking: &Looking<'_>,
    unit: &Unit,
    members: &[Member],
    context: &Context,
    findings: &mut Vec<Finding>,
) -> Result<(Vec<Index>, Vec<u32>)> {
    let session = looking.session;
    let names: Vec<&str> = unit.columns.iter().map(|c| c.old.as_str()).collect();
    let sql = indexes_sql();
    let (mut found, mut all) = (Vec::<Index>::new(), Vec::new());
    for member in members {
        let rows = session.query(&sql, &[&member.oid, &names]).await;
        let rows = rows.map_err(on("reading the indexes"))?;
        if rows.is_empty() {
            continue;
        }
        let tails = beside(session, member, &unit.columns).await?;
        for row in &rows {
            all.push(row.get::<_, u32>(0));
            let tail = tails.iter().find(|(oid, _)| *oid == row.get::<_, u32>(0));
            let said = Said {
                member,
                row,
                context,
                columns: &unit.columns,
            };
            match tail {
                Some((_, tail)) => found.extend(said.index(tail, findings)),
                None => {
                    let object = format!("index {}", row.get::<_, String>(2));
                    let reason =
                        "cannot be said for another column: a copy of the table has other indexes";
                    let finding = Finding::new(Severity::Decision, object, reason);
                    findings.push(finding.remedy(
                        "drop it before and make it again after; with --allow-findings it is left out",
                    ));
                }
            }
        }
    }
    // A part does not come without its whole.
    while let Some(at) = found
        .iter()
        .position(|i| i.parent.is_some_and(|p| !found.iter().any(|w| w.oid == p)))
    {
        found.remove(at);
    }
    all.retain(|oid| !found.iter().any(|i| i.oid == *oid));
    Ok((found, all))
}

/// One index of a member, in the server's words.
struct Said<'a> {
    member: &'a Member,
    row: &'a Row,
    context: &'a Context,
    columns: &'a [Column],
}

impl Said<'_> {
    fn index(&self, tail: &str, findings: &mut Vec<Finding>) -> Option<Index> {
        let row = self.row;
        let (schema, name): (String, String) = (row.get(1), row.get(2));
        let oid: u32 = row.get(0);
        let temporary = format!("pgv2rs_{oid}");
        let own: String = row.get(4);
        let beside = self.translated(&temporary, tail, |c| &c.new, findings)?;
        let mut again = Vec::new();
        let instead = self.translated(&name, &own, |c| &c.old, &mut again)?;
        Some(Index {
            oid,
            table: self.member.oid,
            parent: row.get(5),
            schema,
            name,
            temporary,
            vector: beside.contains(" USING vectors "),
            of_pgvector: row.get(9),
            partitioned: row.get(6),
            before: format!("{}{own}", self.head(row.get(2), false)),
            beside,
            instead,
            tablespace: row.get(7),
            comment: row.get(8),
        })
    }

    /// `CREATE INDEX CONCURRENTLY name ON table`: that of a partitioned table is made without its parts, which are attached.
    fn head(&self, name: &str, concurrently: bool) -> String {
        let partitioned: bool = self.row.get(6);
        let (unique, only) = (self.row.get::<_, bool>(3), partitioned);
        format!(
            "CREATE {}INDEX {}{} ON {}{}",
            if unique { "UNIQUE " } else { "" },
            if concurrently && !partitioned {
                "CONCURRENTLY "
            } else {
                ""
            },
            quote(name),
            if only { "ONLY " } else { "" },
            self.member.quoted()
        )
    }

    fn translated(
        &self,
        name: &str,
        tail: &str,
        column: fn(&Column) -> &String,
        findings: &mut Vec<Finding>,
    ) -> Option<String> {
        let entry = Entry {
            object: Some(ObjectId {
                class: class::RELATION,
                oid: self.row.get(0),
            }),
            name: self.row.get(2),
            kind: "INDEX".into(),
            schema: Some(self.row.get(1)),
            statements: vec![format!("{}{tail}", self.head(name, true))],
            ..Entry::default()
        };
        let mut context = self.context.clone();
        let changes = self.columns.iter().map(|c| (column(c).clone(), c.change));
        context.columns.insert(self.member.oid, changes.collect());
        let translated = dialect::rewrite::entry(&entry, &context);
        findings.extend(findings_of(
            translated.findings,
            "drop it before; with --allow-findings it is left out: it goes with the old column",
        ));
        match (translated.left_out, translated.statements.as_slice()) {
            (false, [statement]) => Some(statement.clone()),
            _ => None,
        }
    }
}

/// What follows the table's name in the definition of each index, had the columns their new names.
async fn beside(
    session: &Session,
    member: &Member,
    columns: &[Column],
) -> Result<Vec<(u32, String)>> {
    let attempt = format!("saying the indexes of {} for new columns", member.display());
    let failed = |e: tokio_postgres::Error| Error::new(Side::Target, attempt.clone()).because(e);
    session.batch_execute("BEGIN").await.map_err(failed)?;
    let tails = async {
        let like = format!(
            "CREATE TEMPORARY TABLE pgv2rs_like (LIKE {} INCLUDING INDEXES)",
            member.quoted()
        );
        session.batch_execute(&like).await?;
        let own = tails(session, "$1::pg_catalog.oid", &[&member.oid]).await?;
        let copy = "'pg_temp.pgv2rs_like'::pg_catalog.regclass";
        let copies = tails(session, copy, &[]).await?;
        for column in columns {
            let rename = format!(
                "ALTER TABLE pg_temp.pgv2rs_like RENAME COLUMN {} TO {}",
                quote(&column.old),
                quote(&column.new)
            );
            session.batch_execute(&rename).await?;
        }
        let renamed = tails(session, copy, &[]).await?;
        Ok((own, copies, renamed))
    }
    .await;
    let back = session.batch_execute("ROLLBACK").await;
    let (own, copies, renamed) = tails.map_err(failed)?;
    back.map_err(failed)?;
    // In the order of their OIDs both are the same, or it is not known which is which.
    if own.len() != copies.len() || own.iter().zip(&copies).any(|(a, b)| a.1 != b.1) {
        return Ok(Vec::new());
    }
    Ok(own
        .iter()
        .zip(renamed)
        .map(|((oid, _), (_, tail))| (*oid, tail))
        .collect())
}

async fn tails(
    client: &Client,
    table: &str,
    parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> std::result::Result<Vec<(u32, String)>, tokio_postgres::Error> {
    let sql = format!(
        "SELECT x.indexrelid, {TAIL} {TAIL_FROM} WHERE x.indrelid = {table} AND x.indislive ORDER BY x.indexrelid"
    );
    let rows = client.query(&sql, parameters).await?;
    Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
}

/// The definition without what the server puts before it.
const TAIL: &str = "pg_catalog.substr(pg_catalog.pg_get_indexdef(x.indexrelid), 1 + pg_catalog.length(pg_catalog.format('CREATE %sINDEX %I ON %s%I.%I', \
    CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname, CASE c.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END, CASE WHEN n.oid = pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, t.relname)))";

const TAIL_FROM: &str = "FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_class t ON t.oid = x.indrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace";

/// OID, schema, name, unique, what follows the table's name, parent, on a partitioned table, tablespace, comment, of pgvector.
fn indexes_sql() -> String {
    format!(
        "SELECT x.indexrelid, s.nspname::text, c.relname::text, x.indisunique, {TAIL}, \
        (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = x.indexrelid), c.relkind = 'I', \
        (SELECT s.spcname::text FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace), pg_catalog.obj_description(c.oid, 'pg_class'), \
        m.amname IN ('hnsw', 'ivfflat') {TAIL_FROM} JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace \
        JOIN pg_catalog.pg_am m ON m.oid = c.relam \
        WHERE x.indrelid = $1 AND x.indislive AND EXISTS (SELECT FROM pg_catalog.pg_depend d \
          JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = x.indexrelid \
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = x.indrelid AND a.attname = ANY ($2)) \
        ORDER BY x.indexrelid"
    )
}

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
pub(super) async fn build(session: &Session, unit: &Unit, under: Under) -> Result<Vec<Built>> {
    let mut built = Vec::new();
    let wanted = unit
        .indexes
        .iter()
        .filter(|i| under != Under::Before || i.of_pgvector);
    for index in wanted.clone() {
        let started = Instant::now();
        let name = under.name(index);
        let there = state(session, &index.schema, name).await?;
        match there {
            Some(true) => {}
            // The one of a partitioned table is not valid before all of its parts are attached.
            Some(false) if index.partitioned => {}
            Some(false) => {
                let drop = quote_qualified(&index.schema, name);
                let drop = format!("DROP INDEX CONCURRENTLY {drop}");
                let dropped = session.batch_execute(&drop).await;
                dropped.map_err(on("dropping an index that was not built to its end"))?;
                make(session, index, under).await?;
            }
            None => make(session, index, under).await?,
        }
        if let Some(parent) = unit.indexes.iter().find(|p| Some(p.oid) == index.parent) {
            attach(session, (parent, index), under).await?;
        }
        built.push(Built {
            index: index.display(),
            before: Some(index.before.clone()),
            ddl: vec![match under {
                Under::Own => index.instead.clone(),
                Under::Before => index.before.clone(),
                Under::Temporary => index.beside.clone(),
            }],
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    for index in wanted.filter(|i| i.parent.is_none()) {
        let there = state(session, &index.schema, under.name(index)).await?;
        if there != Some(true) {
            return Err(Error::new(Side::Target, format!("building {}", index.display()))
                .because("it is not valid: not every partition has its part")
                .remedy("a partition was added meanwhile: make an index on it and ALTER INDEX … ATTACH PARTITION, and run the same command again"));
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
}

async fn make(session: &Session, index: &Index, under: Under) -> Result<()> {
    let attempt = format!("building {}", index.display());
    let failed = |e: tokio_postgres::Error| Error::new(Side::Target, attempt.clone()).because(e);
    if index.vector && under != Under::Before {
        probe::worker_answers(session).await?;
    }
    tracing::info!("building {}", index.display());
    let statement = match under {
        Under::Temporary => index.beside.clone(),
        Under::Own => index.instead.clone(),
        Under::Before => concurrently(&index.before, index.partitioned),
    };
    let space = index.tablespace.as_deref().unwrap_or_default();
    let space = format!("SET default_tablespace = {}", literal(space));
    session.batch_execute(&space).await.map_err(failed)?;
    crate::fail::point("before-index");
    tracing::debug!("{statement}");
    // A single statement: CONCURRENTLY commits in between.
    session.batch_execute(&statement).await.map_err(failed)?;
    crate::fail::point("after-index");
    let back = "SET default_tablespace = ''";
    session.batch_execute(back).await.map_err(failed)?;
    if let Some(comment) = &index.comment {
        let name = quote_qualified(&index.schema, under.name(index));
        let comment = format!("COMMENT ON INDEX {name} IS {}", literal(comment));
        session.batch_execute(&comment).await.map_err(failed)?;
    }
    Ok(())
}

fn concurrently(statement: &str, partitioned: bool) -> String {
    match partitioned {
        true => statement.to_string(),
        false => statement.replacen("INDEX ", "INDEX CONCURRENTLY ", 1),
    }
}

async fn attach(session: &Session, (parent, part): (&Index, &Index), under: Under) -> Result<()> {
    let (schema, name) = (&part.schema, under.name(part));
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";
    let row = session.query_one(sql, &[schema, &name]).await;
    if row.map_err(on("asking for the parts of an index"))?.get(0) {
        return Ok(());
    }
    let attach = format!(
        "ALTER INDEX {} ATTACH PARTITION {}",
        quote_qualified(&parent.schema, under.name(parent)),
        quote_qualified(schema, name)
    );
    let attached = session.batch_execute(&attach).await;
    let attempt = format!("attaching {} to {}", part.display(), parent.display());
    attached.map_err(|e| Error::new(Side::Target, attempt).because(e))
}

/// Whether an index is valid; None: there is none of the name.
async fn state(client: &Client, schema: &str, name: &str) -> Result<Option<bool>> {
    let sql = "SELECT x.indisvalid FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
    let row = client.query_opt(sql, &[&schema, &name]).await;
    Ok(row.map_err(on("looking for an index"))?.map(|r| r.get(0)))
}

/// A search over each vector index must find the vectors themselves.
pub(super) async fn probed(session: &Session, unit: &Unit, under: Under) -> Result<()> {
    let mut broken = Vec::new();
    for index in unit.indexes.iter().filter(|i| i.vector && !i.partitioned) {
        let (schema, name) = (&index.schema, under.name(index));
        if let Err(why) = probe::search(session, schema, name).await {
            broken.push(format!("{} ({name}): {why}", index.display()));
        }
    }
    match broken.is_empty() {
        true => Ok(()),
        false => Err(
            Error::new(Side::Verification, "searching over the new indexes")
                .because(broken.join("; "))
                .remedy("DROP that INDEX, and run the same command again: it is made anew"),
        ),
    }
}
