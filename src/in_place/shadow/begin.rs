//! In: a unit as it was planned. Out: its new table, empty, with the columns of the old one in their new types; where changed keys are noted, and the triggers that
//! note them; and its line in the ledger, in the same transaction.

use super::super::facts::{default, plain, standing};
use super::super::guard::as_planned;
use super::super::lock::locked;
use super::super::statement::run;
use super::super::trigger;
use super::super::unit::{Fact, Part, Shadow, Unit};
use super::super::{Work, on};
use super::planned::INSTEAD;
use super::stamps::{shape, triggers};
use super::swap::replace;
use super::words;
use crate::cli::Method;
use crate::connect::{Session, quote};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::Line;

pub(super) async fn begin(work: &Work<'_>, session: &Session, unit: &Unit) -> Result<Line> {
    work.ledger.in_place_tables().await?;
    tracing::info!("{}: making its new table", unit.display());
    let shadow = super::shadow(unit)?;
    let body = async || {
        let members = unit.members(session).await?;
        as_planned(session, unit, &members, &work.casts).await?;
        if shape(session, unit).await? != shadow.shape {
            return Err(Error::new(
                Side::Target,
                format!("making the new table of {}", unit.display()),
            )
            .because("its columns, checks, keys or indexes were changed since the plan")
            .remedy("run the same command again: it plans anew"));
        }
        let owner = table(session, unit, shadow).await?;
        noting(session, unit, shadow, &owner).await?;
        rehearsed(work, session, unit, shadow).await?;
        let mut unit = unit.clone();
        let now = triggers(session, &unit).await?;
        if let Some(shadow) = &mut unit.shadow {
            shadow.triggers = now;
        }
        let line = crate::ledger::in_place::begin(session, Method::Shadow, &unit).await?;
        crate::fail::point("adding");
        Ok(line)
    };
    let attempt = "making the new table of";
    let (line, _) = locked(work, session, unit, attempt, body).await?;
    Ok(line)
}

/// Out: its owner, quoted.
async fn table(session: &Session, unit: &Unit, shadow: &Shadow) -> Result<String> {
    let new = words::new_table(unit, shadow);
    let row = session.query_one(TABLE, &[&unit.root]).await;
    let row = row.map_err(on("asking how a table is kept"))?;
    let (around, owner): (String, String) = (row.get(0), row.get(1));
    run(session, "SET LOCAL default_tablespace = ''").await?;
    run(
        session,
        &format!(
            "CREATE TABLE {new} (LIKE {} INCLUDING ALL EXCLUDING COMMENTS EXCLUDING INDEXES EXCLUDING STATISTICS){around}",
            unit.quoted()
        ),
    )
    .await?;
    for column in &unit.columns {
        let (name, ty) = (quote(&column.old), column.change.target_sql());
        run(
            session,
            &format!("ALTER TABLE {new} ALTER COLUMN {name} DROP DEFAULT"),
        )
        .await?;
        run(
            session,
            &format!("ALTER TABLE {new} ALTER COLUMN {name} TYPE {ty} USING NULL"),
        )
        .await?;
    }
    let names: Vec<&str> = unit.columns.iter().map(|c| c.old.as_str()).collect();
    let rows = session
        .query(COMPRESSION, &[&unit.root, &names, &new])
        .await;
    for row in rows.map_err(on("asking how columns are compressed"))? {
        run(session, row.get(0)).await?;
    }
    for fact in &unit.facts {
        // Comments and privileges come with those of the table, in the swap.
        let own = Fact {
            table: shadow.name.clone(),
            comment: None,
            grants: Vec::new(),
            ..fact.clone()
        };
        for statement in standing(&own, &own.column) {
            run(session, &statement).await?;
        }
        default(session, unit, &own, &own.column).await?;
        if let Some(statement) = plain(&own) {
            run(session, &statement).await?;
        }
    }
    run(session, &format!("ALTER TABLE {new} OWNER TO {owner}")).await?;
    Ok(owner)
}

const COMPRESSION: &str = "SELECT pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET COMPRESSION %s', $3::text, attname, CASE attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END) \
    FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = ANY ($2) AND attcompression <> ''";

/// Access method, options and tablespace, as they follow CREATE TABLE; and the owner.
const TABLE: &str = "SELECT pg_catalog.concat(' USING ' || pg_catalog.quote_ident(m.amname), \
      (SELECT ' WITH (' || pg_catalog.string_agg(pg_catalog.concat(o.prefix, pg_catalog.split_part(o.said, '=', 1), '=', \
        pg_catalog.quote_literal(pg_catalog.substr(o.said, pg_catalog.strpos(o.said, '=') + 1))), ', ') || ')' \
       FROM (SELECT '' AS prefix, pg_catalog.unnest(c.reloptions) AS said UNION ALL SELECT 'toast.', pg_catalog.unnest(t.reloptions)) o), \
      ' TABLESPACE ' || pg_catalog.quote_ident(s.spcname)), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) \
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam \
    LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = $1";

/// The swap, with empty tables and without the vector indexes, and rolled back: whatever the server would refuse then, it refuses now.
async fn rehearsed(work: &Work<'_>, session: &Session, unit: &Unit, shadow: &Shadow) -> Result<()> {
    let words = words::Words::new(unit, shadow, &work.casts)?;
    run(session, "SAVEPOINT rehearsed").await?;
    let rehearsed = async {
        let made: Vec<&Part> = shadow.parts.iter().filter(|p| !p.vector).collect();
        super::parts(session, unit, made.iter().copied()).await?;
        replace(session, &words, &made).await
    }
    .await;
    rehearsed.map(drop).map_err(|e| {
        e.during(format!(
            "rehearsing the swap of {}; nothing was written",
            unit.display()
        ))
        .remedy(format!("mend what it names; or {INSTEAD}"))
    })?;
    run(session, "ROLLBACK TO SAVEPOINT rehearsed").await
}

/// Whoever writes, and however: the function has the rights of the table's owner, who may do nothing with the notes but add to them.
async fn noting(session: &Session, unit: &Unit, shadow: &Shadow, owner: &str) -> Result<()> {
    let notes = words::notes(unit);
    run(
        session,
        &format!(
            "CREATE TABLE {notes} AS SELECT {} FROM ONLY {} WITH NO DATA",
            words::keys(shadow, ""),
            unit.quoted()
        ),
    )
    .await?;
    run(
        session,
        &format!("CREATE INDEX ON {notes} ({})", words::keys(shadow, "")),
    )
    .await?;
    let note = |keys: String| format!("INSERT INTO {notes} VALUES ({keys});");
    let (old, new) = (words::keys(shadow, "OLD."), words::keys(shadow, "NEW."));
    let nothing = vec!["NULL"; shadow.key.len()].join(", ");
    // A key that changes is two.
    let body = format!(
        "BEGIN IF TG_OP = 'TRUNCATE' THEN {} ELSIF TG_OP = 'INSERT' THEN {new_note} ELSE {} IF TG_OP = 'UPDATE' THEN \
         IF pg_catalog.record_image_ne(ROW({new}), ROW({old})) THEN {new_note} END IF; END IF; END IF; RETURN NULL; END",
        note(nothing),
        note(old.clone()),
        new_note = note(new.clone()),
    );
    trigger::function(session, unit, &body).await?;
    run(session, &format!("GRANT INSERT ON {notes} TO {owner}")).await?;
    for (name, when, each) in [
        (unit.trigger.clone(), "INSERT OR UPDATE OR DELETE", "ROW"),
        (words::emptied(unit), "TRUNCATE", "STATEMENT"),
    ] {
        let (table, name) = (unit.quoted(), quote(&name));
        let make = format!(
            "CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH {each} EXECUTE FUNCTION {}()",
            unit.function()
        );
        run(session, &make).await?;
        let always = format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}");
        run(session, &always).await?;
    }
    Ok(())
}
