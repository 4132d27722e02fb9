//! In: a unit of an earlier plan. Out: whether its tables still are what they were: OIDs tell, names may belong to another table by now; and what else of
//! the plan must hold until the swap. It changes nothing, but takes away what a table that has left the tree would keep.

use std::time::{Duration, Instant};

use super::cast::Casts;
use super::facts::facts;
use super::look::HANGING;
use super::on;
use super::statement::run;
use super::unit::{Fact, Index, Member, Unit};
use crate::cli::InPlaceOptions;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};

/// Whether its root is there; an error where the root or a member has another name now.
pub(super) async fn is_there(session: &Session, unit: &Unit) -> Result<bool> {
    let members = unit.members(session).await?;
    let mut expected: Vec<(u32, &String, &String)> = vec![(unit.root, &unit.schema, &unit.name)];
    expected.extend(facts_of(unit, &members).map(|f| (f.oid, &f.schema, &f.table)));
    let oids: Vec<u32> = expected.iter().map(|(oid, _, _)| *oid).collect();
    let sql = "SELECT c.oid, n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1)";
    let rows = session.query(sql, &[&oids]).await;
    let rows = rows.map_err(on("looking for the tables of the plan"))?;
    let mut there = false;
    for row in &rows {
        let (oid, schema, name): (u32, String, String) = (row.get(0), row.get(1), row.get(2));
        there |= oid == unit.root;
        let mut named = expected.iter();
        let is = |(o, s, n): &&(u32, &String, &String)| *o == oid && (**s != schema || **n != name);
        if let Some((_, s, n)) = named.find(is) {
            let ident = crate::catalog::ident;
            return Err(Error::new(Side::Target, format!("looking for {}.{}", ident(s), ident(n)))
                .because(format!("the table of the plan is called {}.{} now", ident(&schema), ident(&name)))
                .remedy("rename it back (and what has its name now), and run the same command again, or --undo"));
        }
    }
    Ok(there)
}

/// Those whose table is still one of the unit's.
pub(super) fn facts_of<'a>(
    unit: &'a Unit,
    members: &'a [Member],
) -> impl Iterator<Item = &'a Fact> {
    let is = |f: &&Fact| members.iter().any(|m| m.oid == f.oid);
    unit.facts.iter().filter(is)
}

pub(super) fn indexes_of<'a>(
    unit: &'a Unit,
    members: &'a [Member],
) -> impl Iterator<Item = &'a Index> + Clone {
    let is = |i: &&Index| members.iter().any(|m| m.oid == i.table);
    unit.indexes.iter().filter(is)
}

/// What was put on the old columns, or hung on them, since the plan would be lost without a word.
pub(super) async fn as_planned(
    session: &Session,
    unit: &Unit,
    members: &[Member],
    casts: &Casts<'_>,
) -> Result<()> {
    let refuse = |why: String| {
        Err(Error::new(
            Side::Target,
            format!("swapping the columns of {}", unit.display()),
        )
        .because(format!("{why} since the plan, and would be lost"))
        .remedy(
            "take that back and run the same command again; or --undo, and begin again with it",
        ))
    };
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let names: Vec<&str> = unit.columns.iter().map(|c| c.old.as_str()).collect();
    let views = !unit.views.is_empty();
    let rows = session.query(HANGING, &[&oids, &names, &views]).await;
    let rows = rows.map_err(on("asking what hangs on the columns"))?;
    if let Some(row) = rows.first() {
        return refuse(format!("{} was hung on a column", row.get::<_, String>(0)));
    }
    for member in members
        .iter()
        .filter(|m| unit.facts.iter().any(|f| f.oid == m.oid))
    {
        let now = facts(session, member, &unit.columns, casts, &mut Vec::new()).await?;
        let then: Vec<&Fact> = unit.facts.iter().filter(|f| f.oid == member.oid).collect();
        if now
            .iter()
            .map(Option::as_ref)
            .ne(then.into_iter().map(Some))
        {
            return refuse(format!(
                "what stands on a column of {} (NOT NULL, default, privileges, comment, statistics target or storage) was changed",
                member.display()
            ));
        }
    }
    Ok(())
}

/// Tables that have left the tree with the trigger, or with a new column: they get rid of both, in the caller's transaction.
pub(super) async fn strays(session: &Session, unit: &Unit, members: &[Member]) -> Result<()> {
    // What hangs below another one goes with it.
    let sql = "SELECT c.oid::pg_catalog.regclass::text, EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = $4) \
        FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') AND c.oid <> ALL ($1) AND (c.oid = ANY ($2) OR EXISTS (SELECT FROM pg_catalog.pg_trigger t \
          WHERE t.tgrelid = c.oid AND t.tgparentid = 0 AND t.tgfoid = pg_catalog.to_regproc($3))) AND EXISTS (SELECT FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname = ANY ($5) AND a.attinhcount = 0) ORDER BY c.oid LIMIT 1";
    let oids: Vec<u32> = members.iter().map(|m| m.oid).collect();
    let known: Vec<u32> = unit.facts.iter().map(|f| f.oid).collect();
    let new: Vec<&str> = unit.columns.iter().map(|c| c.new.as_str()).collect();
    loop {
        let row = session
            .query_opt(sql, &[&oids, &known, &unit.function(), &unit.trigger, &new])
            .await;
        let Some(row) = row.map_err(on("looking for tables that have left the tree"))? else {
            return Ok(());
        };
        let (table, triggered): (String, bool) = (row.get(0), row.get(1));
        if triggered {
            let drop = format!("DROP TRIGGER {} ON {table}", quote(&unit.trigger));
            run(session, &drop).await?;
        }
        for column in &unit.columns {
            let drop = format!(
                "ALTER TABLE {table} DROP COLUMN IF EXISTS {}",
                quote(&column.new)
            );
            run(session, &drop).await?;
        }
        tracing::info!(
            "{table} has left the tree of {}: its new columns are taken away",
            unit.display()
        );
    }
}

/// The same in a transaction of its own, which waits no longer for a lock than it may.
pub(super) async fn let_go(options: &InPlaceOptions, session: &Session, unit: &Unit) -> Result<()> {
    let since = Instant::now();
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {}",
        options.lock_timeout.as_millis().clamp(1, 2_147_483_647)
    );
    loop {
        run(session, &begin).await?;
        let members = unit.members(session).await?;
        let done = strays(session, unit, &members).await;
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        run(session, end).await?;
        match done {
            Err(error) if error.may_pass() && since.elapsed() < options.retry_for => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            done => return done,
        }
    }
}
