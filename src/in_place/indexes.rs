//! In: the indexes that stand on a unit's columns. Out: the same in PGVecto.rs's words, said for the new column and for the old one's place.
//! `build` makes them. Which words are the column's the server itself says: in a transaction that is rolled back, an empty copy of
//! the table has its column renamed.

use dialect::dump::{Entry, ObjectId};
use dialect::rewrite::Context;
use tokio_postgres::{Client, Row};

use super::look::Looking;
use super::unit::{Column, Index, Member, Unit};
use super::{findings_of, on};
use crate::catalog::class;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::plan::Finding;

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
        let own: Vec<(u32, String)> = rows.iter().map(|r| (r.get(0), r.get(4))).collect();
        let tails = beside(session, member, &unit.columns, &own).await?;
        for row in &rows {
            all.push(row.get::<_, u32>(0));
            let said = Said {
                member,
                row,
                context,
                columns: &unit.columns,
            };
            let of = |(oid, _): &&(u32, String)| *oid == row.get::<_, u32>(0);
            if let Some((_, tail)) = tails.iter().find(of) {
                found.extend(said.index(tail, findings));
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

/// What follows the table's name in the definition of each index, had the columns their new names. An empty copy of the table has the same indexes, and
/// its columns are renamed.
async fn beside(
    session: &Session,
    member: &Member,
    columns: &[Column],
    own: &[(u32, String)],
) -> Result<Vec<(u32, String)>> {
    let attempt = format!("saying the indexes of {} for new columns", member.display());
    let failed = |e: tokio_postgres::Error| Error::new(Side::Target, attempt.clone()).because(e);
    session.batch_execute("BEGIN").await.map_err(failed)?;
    let tails = async {
        let like = format!("CREATE TEMPORARY TABLE pgv2rs_like (LIKE {})", member.quoted());
        session.batch_execute(&like).await?;
        for (oid, tail) in own {
            let make = format!("CREATE INDEX pgv2rs_{oid} ON pg_temp.pgv2rs_like{tail}");
            session.batch_execute(&make).await?;
        }
        for column in columns {
            let rename = format!(
                "ALTER TABLE pg_temp.pgv2rs_like RENAME COLUMN {} TO {}",
                quote(&column.old),
                quote(&column.new)
            );
            session.batch_execute(&rename).await?;
        }
        let sql = format!(
            "SELECT {TAIL} {TAIL_FROM} WHERE x.indexrelid = pg_catalog.concat('pg_temp.pgv2rs_', $1::pg_catalog.text)::pg_catalog.regclass"
        );
        let mut tails = Vec::new();
        for (oid, _) in own {
            let number = oid.to_string();
            let row = session.query_one(&sql, &[&number]).await?;
            tails.push((*oid, row.get(0)));
        }
        Ok(tails)
    }
    .await;
    let back = session.batch_execute("ROLLBACK").await;
    let tails = tails.map_err(failed)?;
    back.map_err(failed)?;
    Ok(tails)
}

/// The same as they are, of all indexes but those of PGVecto.rs: these are made in no transaction that is rolled back.
pub(super) async fn own_tails(
    session: &Client,
    table: u32,
) -> std::result::Result<Vec<String>, tokio_postgres::Error> {
    let sql = format!(
        "SELECT {TAIL} {TAIL_FROM} JOIN pg_catalog.pg_am m ON m.oid = c.relam \
        WHERE x.indrelid = $1 AND x.indislive AND m.amname <> 'vectors' ORDER BY x.indexrelid"
    );
    let rows = session.query(&sql, &[&table]).await?;
    Ok(rows.iter().map(|r| r.get(0)).collect())
}

/// The definition without what the server puts before it.
pub(super) const TAIL: &str = "pg_catalog.substr(pg_catalog.pg_get_indexdef(x.indexrelid), 1 + pg_catalog.length(pg_catalog.format('CREATE %sINDEX %I ON %s%I.%I', \
    CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname, CASE c.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END, CASE WHEN n.oid = pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, t.relname)))";

pub(super) const TAIL_FROM: &str = "FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_class t ON t.oid = x.indrelid \
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
