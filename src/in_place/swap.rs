//! In: a unit whose rows are all compared. Out: the new columns in the old ones' place, in one short transaction; or word that something has changed since.

use super::facts::plain;
use super::guard::{as_planned, facts_of, indexes_of, strays};
use super::lock::{Held, locked};
use super::statement::run;
use super::trigger::stamp;
use super::unit::{Index, Member, Unit};
use super::{Work, on, views};
use crate::connect::{Session, quote, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, State, moved};

/// One short transaction. None: something has changed since the comparison.
pub(super) async fn swap(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    line: &Line,
    compared: &str,
) -> Result<Option<Held>> {
    let body = async || {
        if stamp(session, unit).await? != compared {
            return Ok(false);
        }
        let members = unit.members(session).await?;
        new_indexes(session, unit, &members).await?;
        as_planned(session, unit, &members, &work.casts).await?;
        strays(session, unit, &members).await?;
        views::drop_all(session, unit, &members).await?;
        let (function, trigger) = (unit.function(), quote(&unit.trigger));
        for member in members
            .iter()
            .filter(|m| m.oid == unit.root || !m.is_partition)
        {
            run(
                session,
                &format!("DROP TRIGGER {trigger} ON {}", member.quoted()),
            )
            .await?;
        }
        run(session, &format!("DROP FUNCTION {function}()")).await?;
        for column in &unit.columns {
            let old = quote(&column.old);
            run(
                session,
                &format!("ALTER TABLE {} DROP COLUMN {old}", unit.quoted()),
            )
            .await?;
            // A child that has it from itself as well keeps it.
            for member in members.iter().filter(|m| m.oid != unit.root) {
                let table = member.quoted();
                run(
                    session,
                    &format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {old}"),
                )
                .await?;
            }
            let new = quote(&column.new);
            run(
                session,
                &format!("ALTER TABLE {} RENAME COLUMN {new} TO {old}", unit.quoted()),
            )
            .await?;
        }
        for statement in facts_of(unit, &members).filter_map(plain) {
            run(session, &statement).await?;
        }
        for index in indexes_of(unit, &members) {
            let temporary = quote_qualified(&index.schema, &index.temporary);
            run(
                session,
                &format!("ALTER INDEX {temporary} RENAME TO {}", quote(&index.name)),
            )
            .await?;
            key_names(session, unit, index).await?;
        }
        views::make_all(session, unit).await?;
        moved(session, line.id, State::Swapped).await?;
        crate::fail::point("swapping");
        Ok(true)
    };
    let (done, held) = locked(work, session, unit, "swapping the columns of", body).await?;
    Ok(done.then_some(held))
}

/// An index remembers what its columns were called when it was made. Of its parts too.
async fn key_names(session: &Session, unit: &Unit, index: &Index) -> Result<()> {
    let name = quote_qualified(&index.schema, &index.name);
    for column in &unit.columns {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1::pg_catalog.text::pg_catalog.regclass AND attname = $2)";
        let row = session.query_one(sql, &[&name, &column.new]).await;
        if row.map_err(on("looking at an index"))?.get(0) {
            let (old, new) = (quote(&column.old), quote(&column.new));
            run(
                session,
                &format!("ALTER TABLE {name} RENAME COLUMN {new} TO {old}"),
            )
            .await?;
        }
    }
    Ok(())
}

/// An index that somebody has made on an old column since the plan would be lost without a word.
pub(super) async fn new_indexes(session: &Session, unit: &Unit, members: &[Member]) -> Result<()> {
    let known: Vec<u32> = unit.indexes.iter().map(|i| i.oid).collect();
    let parents: Vec<u32> = unit
        .indexes
        .iter()
        .filter(|i| i.partitioned)
        .map(|i| i.oid)
        .collect();
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let names: Vec<&str> = unit.columns.iter().map(|c| c.old.as_str()).collect();
    let sql = "SELECT DISTINCT x.indexrelid::pg_catalog.regclass::text FROM pg_catalog.pg_index x \
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = x.indexrelid \
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = x.indrelid \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
        WHERE x.indrelid = ANY ($1) AND a.attname = ANY ($2) AND x.indexrelid <> ALL ($3) \
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(x.indexrelid) i WHERE i.relid = ANY ($4)) \
          AND x.indexrelid <> ALL ($5) ORDER BY 1";
    let left_out = &unit.left_out;
    let rows = session
        .query(sql, &[&oids, &names, &known, &parents, left_out])
        .await;
    let new: Vec<String> = rows
        .map_err(on("looking for new indexes"))?
        .iter()
        .map(|r| r.get(0))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Side::Target,
        format!("swapping the columns of {}", unit.display()),
    )
    .because(format!(
        "an index was made on an old column since the plan, and would be lost: {}",
        new.join(", ")
    ))
    .remedy("drop it, run the same command again, and make it anew on the new column"))
}
