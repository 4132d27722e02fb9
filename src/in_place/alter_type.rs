//! In: a unit, and where the ledger says that it stands. Out: its columns in their new type, by one rewrite of each table under an ACCESS EXCLUSIVE
//! lock: no room beside the table's own copy, and no trigger. The rows are proved inside the same transaction, by a sum of hashes before and after.
//! No table that is rewritten has an index of PGVecto.rs then, so rolling back harms nothing.

use super::build::{self, Under};
use super::facts::{default, plain, standing};
use super::guard::as_planned;
use super::lock::locked;
use super::report::Changed;
use super::statement::run;
use super::unit::{Column, Member, Unit};
use super::{Work, on, views};
use crate::cli::Method;
use crate::connect::{Session, literal, quote, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, State};
use dialect::types::{SourceType, TargetType};

pub(super) async fn change(work: &Work<'_>, unit: &Unit, line: Option<Line>) -> Result<Changed> {
    let session = work.connect().await?;
    let mut changed = Changed::of(unit, Method::AlterType);
    if line.is_none() {
        work.ledger.in_place_tables().await?;
        tracing::info!("{}: rewriting it in the new types", unit.display());
        let body = async || rewritten(work, &session, unit).await;
        let (rows, held) = locked(work, &session, unit, "rewriting", body).await?;
        changed.verified_rows = rows;
        changed.swap_seconds = held.seconds;
        changed.swap_tries = held.tries;
    }
    crate::fail::point("altered");
    changed.indexes = build::build(work, &session, unit, Under::Own).await?;
    changed.weak_indexes = build::probed(&session, unit, Under::Own).await?;
    Ok(changed)
}

/// Rows and their sum are the same before and after, or nothing is done. Out: how many rows.
async fn rewritten(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<u64> {
    let before = sums(work, session, unit, false).await?;
    let members = unit.members(session).await?;
    as_planned(session, unit, &members, &work.casts).await?;
    no_vector_index(session, &members).await?;
    views::drop_all(session, unit, &members).await?;
    for index in unit.indexes.iter().filter(|i| i.parent.is_none()) {
        let name = quote_qualified(&index.schema, &index.name);
        run(session, &format!("DROP INDEX {name}")).await?;
    }
    for name in left_out(session, unit).await? {
        run(session, &format!("DROP INDEX {name}")).await?;
    }
    for fact in unit.facts.iter().filter(|f| f.default.is_some()) {
        let column = quote(&fact.column);
        let table = fact.quoted();
        run(
            session,
            &format!("ALTER TABLE ONLY {table} ALTER COLUMN {column} DROP DEFAULT"),
        )
        .await?;
    }
    let mut types = Vec::new();
    for column in &unit.columns {
        let name = quote(&column.old);
        let value = work.casts.forward(&column.change, &name);
        let mut value = value.map_err(Error::on(Side::Internal, "changing a column's type"))?;
        if value.contains("(SELECT ") {
            value = in_function(work, session, column).await?;
        }
        let ty = column.change.target_sql();
        types.push(format!("ALTER COLUMN {name} TYPE {ty} USING {value}"));
    }
    run(
        session,
        &format!("ALTER TABLE {} {}", unit.quoted(), types.join(", ")),
    )
    .await?;
    crate::fail::point("altering");
    for fact in &unit.facts {
        // Comments and privileges stay where they were.
        let bare = super::unit::Fact {
            comment: None,
            grants: Vec::new(),
            ..fact.clone()
        };
        for statement in standing(&bare, &fact.column) {
            run(session, &statement).await?;
        }
        default(session, unit, fact, &fact.column).await?;
        if let Some(statement) = plain(fact) {
            run(session, &statement).await?;
        }
    }
    views::make_all(session, unit).await?;
    let after = sums(work, session, unit, true).await?;
    if before != after {
        return Err(Error::new(Side::Verification, format!("rewriting {}", unit.display()))
            .because("the rows in the new types are not what they were")
            .remedy("nothing was changed; this is an error of the program or of PGVecto.rs: please report it"));
    }
    crate::ledger::in_place::begin_at(session, Method::AlterType, unit, State::Altered, before.0)
        .await?;
    Ok(before.0)
}

/// A rewrite that is rolled back destroys an index of PGVecto.rs, of whatever column.
async fn no_vector_index(session: &Session, members: &[Member]) -> Result<()> {
    let sql = "SELECT x.indexrelid::pg_catalog.regclass::text FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid \
        JOIN pg_catalog.pg_am m ON m.oid = c.relam WHERE m.amname = 'vectors' AND x.indrelid = ANY ($1) LIMIT 1";
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let row = session.query_opt(sql, &[&oids]).await;
    match row.map_err(on("looking for indexes of PGVecto.rs"))? {
        None => Ok(()),
        Some(row) => Err(Error::new(Side::Target, "rewriting a table")
            .because(format!(
                "it has an index of PGVecto.rs, {}, which a rewrite that is rolled back destroys",
                row.get::<_, String>(0)
            ))
            .remedy("use --method add-column, or drop the index first")),
    }
}

/// A rewrite takes no query in its expression, but a function with one.
async fn in_function(work: &Work<'_>, session: &Session, column: &Column) -> Result<String> {
    let value = work.casts.forward(&column.change, "value");
    let value = value.map_err(Error::on(Side::Internal, "changing a column's type"))?;
    let schema = quote(work.casts.vector_schema);
    let (from, to) = (column.change.from, column.change.to.sql_name());
    run(
        session,
        &format!(
            "CREATE OR REPLACE FUNCTION pg_temp.pgv2rs_converted(value {schema}.{from}) RETURNS {to} LANGUAGE plpgsql IMMUTABLE AS {}",
            literal(&format!("BEGIN RETURN {value}; END"))
        ),
    )
    .await?;
    Ok(format!("pg_temp.pgv2rs_converted({})", quote(&column.old)))
}

/// Indexes that cannot be made again, as the plan has said.
async fn left_out(session: &Session, unit: &Unit) -> Result<Vec<String>> {
    let sql = "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND i.inhparent = ANY ($1))";
    let rows = session.query(sql, &[&unit.left_out]).await;
    let rows = rows.map_err(on("looking for indexes that are left out"))?;
    Ok(rows.iter().map(|r| r.get(0)).collect())
}

/// The number of rows, and a sum over a hash of each row's values, in which a value has the same words before and after.
async fn sums(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    after: bool,
) -> Result<(u64, String)> {
    let mut words = Vec::new();
    for column in &unit.columns {
        let word = word(work, column, after);
        words.push(word.map_err(Error::on(Side::Internal, "summing the rows up"))?);
    }
    let key = format!("pg_catalog.concat_ws('|', {})", words.join(", "));
    let sql = format!(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(pg_catalog.hashtextextended({key}, 0)::pg_catalog.numeric), 0)::pg_catalog.text FROM {}",
        unit.quoted()
    );
    let row = session.query_of_table(&sql).await;
    let row = row.map_err(Error::on(
        Side::Target,
        format!("summing up the rows of {}", unit.display()),
    ))?;
    Ok((row.get::<_, i64>(0).unsigned_abs(), row.get(1)))
}

fn word(work: &Work<'_>, column: &Column, after: bool) -> std::result::Result<String, String> {
    let name = quote(&column.old);
    let (from, to) = (column.change.from, column.change.to);
    let text = |value: String| format!("coalesce({value}::pg_catalog.text, 'NULL')");
    let forward = || work.casts.forward(&column.change, &name);
    let back = |value: &str| format!("{value}::vectors.vector::pg_catalog.float4[]");
    Ok(text(match (from, to, after) {
        (_, TargetType::Vector, true) => format!("{name}::pg_catalog.float4[]"),
        (SourceType::Vector | SourceType::Halfvec, TargetType::Vector, false) => {
            work.casts.real(from, &name)
        }
        (SourceType::Halfvec, TargetType::Vecf16, true)
        | (SourceType::Bit | SourceType::Varbit, TargetType::Bvector, true) => back(&name),
        (SourceType::Halfvec, TargetType::Vecf16, false)
        | (SourceType::Bit | SourceType::Varbit, TargetType::Bvector, false) => {
            work.casts.real(from, &name)
        }
        (_, _, true) => name,
        (_, _, false) => forward()?,
    }))
}
