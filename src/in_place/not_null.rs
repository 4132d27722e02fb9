//! In: a unit whose rows are all filled. Out: NOT NULL on the new columns where the old ones have it, without a long lock.

use super::facts::new_name;
use super::guard::facts_of;
use super::lock::locked;
use super::statement::run;
use super::unit::{Fact, Unit};
use super::{Work, on};
use crate::connect::{Session, quote};
use crate::error::Result;

/// A check that is validated while others write, and then the column's own NOT NULL, which it proves at once: no long lock. Late, since a partition that
/// is detached keeps it without the trigger.
pub(super) async fn not_null(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<()> {
    let members = unit.members(session).await?;
    let facts: Vec<&Fact> = facts_of(unit, &members).filter(|f| f.not_null).collect();
    let mut missing = Vec::new();
    for fact in &facts {
        if !is_not_null(session, unit, fact).await?
            && has_check(session, unit, fact).await?.is_none()
        {
            missing.push(*fact);
        }
    }
    if !missing.is_empty() {
        let body = async || {
            for fact in &missing {
                // That of its parent may have come to it.
                if has_check(session, unit, fact).await?.is_none() {
                    let (table, check) = (fact.quoted(), check_name(unit, fact));
                    let column = quote(new_name(unit, fact));
                    run(
                        session,
                        &format!("ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"),
                    )
                    .await?;
                }
            }
            Ok(())
        };
        locked(work, session, unit, "adding checks to", body).await?;
    }
    let mut any = false;
    for fact in facts {
        let Some((validated, _)) = has_check(session, unit, fact).await? else {
            continue;
        };
        any = true;
        if !validated {
            let (table, check) = (fact.quoted(), check_name(unit, fact));
            run(
                session,
                &format!("ALTER TABLE {table} VALIDATE CONSTRAINT {check}"),
            )
            .await?;
        }
    }
    if !any {
        return Ok(());
    }
    let body = async || {
        let members = unit.members(session).await?;
        for fact in facts_of(unit, &members).filter(|f| f.not_null) {
            let column = quote(new_name(unit, fact));
            let set = format!(
                "ALTER TABLE {} ALTER COLUMN {column} SET NOT NULL",
                fact.quoted()
            );
            run(session, &set).await?;
        }
        for fact in facts_of(unit, &members).filter(|f| f.not_null) {
            if let Some((_, true)) = has_check(session, unit, fact).await? {
                let (table, check) = (fact.quoted(), check_name(unit, fact));
                run(
                    session,
                    &format!("ALTER TABLE {table} DROP CONSTRAINT {check}"),
                )
                .await?;
            }
        }
        Ok(())
    };
    let done = locked(work, session, unit, "setting NOT NULL in", body).await;
    done.map(drop)
}

async fn is_not_null(session: &Session, unit: &Unit, fact: &Fact) -> Result<bool> {
    let sql = "SELECT attnotnull FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped";
    let row = session
        .query_one(sql, &[&fact.oid, &new_name(unit, fact)])
        .await;
    Ok(row.map_err(on("looking at a new column"))?.get(0))
}

/// Whether the check for NOT NULL is there, validated, and the table's own.
async fn has_check(session: &Session, unit: &Unit, fact: &Fact) -> Result<Option<(bool, bool)>> {
    let sql = "SELECT k.convalidated, k.coninhcount = 0 FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND k.conname = $3";
    let name = check_name(unit, fact);
    let row = session
        .query_opt(sql, &[&fact.schema, &fact.table, &name])
        .await;
    let row = row.map_err(on("looking for the check of a new column"))?;
    Ok(row.map(|r| (r.get(0), r.get(1))))
}

fn check_name(unit: &Unit, fact: &Fact) -> String {
    let at = unit.columns.iter().position(|c| c.old == fact.column);
    format!("pgv2rs_not_null_{}", at.unwrap_or(0))
}
