//! In: a new table whose rows are all compared. Out: it in the old one's place, in one short transaction: writers wait while the last notes are taken over and whoever
//! looked before that has looked away, readers only while the names change. After it, what can come later.

use std::time::{Duration, Instant};

use super::super::guard::as_planned;
use super::super::lock::{Held, holders, locked_once};
use super::super::snapshots::{Looking, looking, named, still};
use super::super::statement::run;
use super::super::swap::new_indexes;
use super::super::unit::{Part, Unit};
use super::super::{Work, on, views};
use super::carry::carried;
use super::notes::{Taken, take_over};
use super::planned::hanging;
use super::stamps::{self, shape, sound};
use super::words::Words;
use crate::connect::{Session, quote, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, replaced};

/// How one try has ended.
enum Tried {
    Done(Taken),
    /// What was compared is not what is there.
    Anew,
    /// These look through a snapshot that is older than what was taken over last, or may do so.
    Watched(Vec<i32>),
}

/// None: the table was emptied or rewritten since the comparison.
pub(super) async fn swap(
    work: &Work<'_>,
    (session, own): (&Session, &Session),
    words: &Words<'_>,
    line: &Line,
    file: &str,
) -> Result<Option<(Held, Taken)>> {
    let unit = words.unit;
    let since = Instant::now();
    let mut tries = 0;
    let mut taken = Taken::default();
    loop {
        // Before each try: what is noted meanwhile would be taken over under the lock.
        taken.merge(super::caught_up(work, own, words).await?);
        tries += 1;
        let body = async || attempt(work, (session, own), words, line, file).await;
        let tried = locked_once("EXCLUSIVE", work, session, unit, body).await;
        let tried = tried.map_err(|e| e.during(format!("swapping {}", unit.display())))?;
        let why = match tried {
            Ok((Tried::Done(last), seconds)) => {
                taken.merge(last);
                return Ok(Some((Held { seconds, tries }, taken)));
            }
            Ok((Tried::Anew, _)) => return Ok(None),
            Ok((Tried::Watched(watchers), _)) => {
                let who = named(session, &watchers).await?;
                format!(
                    "somebody looks through a snapshot, and would not see the rows that were taken over last: {who}"
                )
            }
            Err(error) => match holders(session, unit).await? {
                Some(who) => format!("the lock did not come in time; it is held by {who}"),
                None => format!("a lock did not come in time: {error}"),
            },
        };
        if since.elapsed() >= work.options.retry_for {
            return Err(Error::new(Side::Target, format!("swapping {}", unit.display()))
                .because(why)
                .remedy("end that, or wait for less traffic, and run the same command again: it goes on from here; or --undo it and use --method add-column, which asks for less"));
        }
        if tries % 5 == 1 {
            tracing::info!("{}: the swap is tried again: {why}", unit.display());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn attempt(
    work: &Work<'_>,
    (session, own): (&Session, &Session),
    words: &Words<'_>,
    line: &Line,
    file: &str,
) -> Result<Tried> {
    let unit = words.unit;
    // Nobody writes any more: what is noted now is all. First of all, since who comes after it and waits has seen it.
    let taken = take_over(own, words).await?;
    if taken.emptied || stamps::file(session, unit).await? != file {
        return Ok(Tried::Anew);
    }
    // Whoever looked before would not see it.
    let then = looking(session).await?;
    sound(session, words).await?;
    let members = unit.members(session).await?;
    as_planned(session, unit, &members, &work.casts).await?;
    new_indexes(session, unit, &members).await?;
    let hung = hanging(session, unit).await?;
    let changed = match hung.first() {
        Some(new) => Some(format!("{} was hung on it", new.object)),
        None if members.len() > 1 || shape(session, unit).await? != words.shadow.shape => Some(
            "a table inherits from it, or its columns, checks, keys, indexes or its owner were changed"
                .to_string(),
        ),
        None => None,
    };
    if let Some(changed) = changed {
        return Err(Error::new(Side::Target, "comparing it with the plan")
            .because(format!("{changed} since the plan, and that would be lost"))
            .remedy(
                "take that back and run the same command again; or --undo, and begin again with it",
            ));
    }
    let left = watching(work, session, unit, &then).await?;
    if !left.is_empty() {
        return Ok(Tried::Watched(left));
    }
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", words.old);
    run(session, &lock).await?;
    let none = format!("SELECT NOT EXISTS (SELECT FROM {})", words.notes);
    let row = session.query_one(&none, &[]).await;
    if !row
        .map_err(on("looking for changed rows"))?
        .get::<_, bool>(0)
    {
        return Err(
            Error::new(Side::Internal, format!("swapping {}", unit.display()))
                .because("a row was changed under the lock"),
        );
    }
    let parts: Vec<&Part> = words.shadow.parts.iter().collect();
    let validate = replace(session, words, &parts).await.map_err(|e| {
        e.remedy(
            "nothing was swapped: mend what it names and run the same command again; or --undo",
        )
    })?;
    noted(session, words, line, validate).await?;
    crate::fail::point("swapping");
    Ok(Tried::Done(taken))
}

/// Waits until these look no more; who still does. Who waits for the lock with the first statement of a transaction looks anew when it comes, but for EXECUTE; another
/// one may be in REPEATABLE READ, which nothing tells.
async fn watching(
    work: &Work<'_>,
    session: &Session,
    unit: &Unit,
    then: &[Looking],
) -> Result<Vec<i32>> {
    let waiting = "SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) \
        WHERE l.relation = $1 AND NOT l.granted AND a.xact_start = a.query_start AND a.query !~* '\\mexecute\\M' \
          AND pg_catalog.octet_length(a.query) < pg_catalog.pg_size_bytes(pg_catalog.current_setting('track_activity_query_size')) - 8";
    let since = Instant::now();
    loop {
        let now = looking(session).await?;
        let rows = session.query(waiting, &[&unit.root]).await;
        let rows = rows.map_err(on("asking who waits for the lock"))?;
        let waiting: Vec<i32> = rows.iter().map(|r| r.get(0)).collect();
        let left = still(then, &now).filter(|pid| !waiting.contains(pid));
        let left: Vec<i32> = left.collect();
        if left.is_empty() || since.elapsed() >= work.options.lock_timeout {
            return Ok(left);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The new table, with these parts, in the old one's place. Out: the foreign keys that are to be validated.
pub(super) async fn replace(
    session: &Session,
    words: &Words<'_>,
    parts: &[&Part],
) -> Result<Vec<u32>> {
    let unit = words.unit;
    let members = unit.members(session).await?;
    views::drop_all(session, unit, &members).await?;
    let mut without = unit.left_out.clone();
    let made = |name: &String| parts.iter().any(|p| p.temporary == *name);
    let missing = unit.indexes.iter().filter(|i| !made(&i.temporary));
    without.extend(missing.map(|i| i.oid));
    let carried = carried(session, words, &without).await?;
    for statement in &carried.before {
        run(session, statement).await?;
    }
    // With its triggers, keys and indexes. What hangs on it besides makes this fail.
    run(session, &format!("DROP TABLE {}", words.old)).await?;
    run(session, &format!("DROP FUNCTION {}()", unit.function())).await?;
    run(session, &format!("DROP TABLE {}", words.notes)).await?;
    let rename = format!("ALTER TABLE {} RENAME TO {}", words.new, quote(&unit.name));
    run(session, &rename).await?;
    for part in parts {
        let (now, name) = (quote(&part.temporary), quote(&part.name));
        let rename = match part.constraint {
            true => format!(
                "ALTER TABLE {} RENAME CONSTRAINT {now} TO {name}",
                words.old
            ),
            false => format!(
                "ALTER INDEX {} RENAME TO {name}",
                quote_qualified(&unit.schema, &part.temporary)
            ),
        };
        run(session, &rename).await?;
    }
    privileges_by_default(session, words).await?;
    for statement in &carried.after {
        run(session, statement).await?;
    }
    views::make_all(session, unit).await?;
    let mut validate = Vec::new();
    for find in &carried.later {
        let row = session.query_one(find.as_str(), &[]).await;
        validate.push(row.map_err(on("looking at a foreign key"))?.get(0));
    }
    Ok(validate)
}

/// The line in the ledger is the new table's.
async fn noted(
    session: &Session,
    words: &Words<'_>,
    line: &Line,
    validate: Vec<u32>,
) -> Result<()> {
    let sql = "SELECT $1::pg_catalog.text::pg_catalog.regclass::pg_catalog.oid";
    let row = session.query_one(sql, &[&words.old]).await;
    let mut now = words.unit.clone();
    now.root = row.map_err(on("looking at the new table"))?.get(0);
    now.facts.clear();
    if let Some(shadow) = &mut now.shadow {
        shadow.validate = validate;
    }
    replaced(session, line.id, &now).await
}

/// What default privileges have given the new table and its sequences, the old ones had not.
async fn privileges_by_default(session: &Session, words: &Words<'_>) -> Result<()> {
    let sql = "SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s%s FROM %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, c.oid::pg_catalog.regclass, \
          CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::pg_catalog.regrole::text END) \
        FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x WHERE x.grantee <> c.relowner AND (c.oid = $1::pg_catalog.text::pg_catalog.regclass OR c.relkind = 'S' AND EXISTS ( \
          SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.refobjid = $1::pg_catalog.text::pg_catalog.regclass AND d.deptype = 'i'))";
    let rows = session.query(sql, &[&words.old]).await;
    for row in rows.map_err(on("looking at a table's privileges"))? {
        run(session, row.get(0)).await?;
    }
    Ok(())
}

/// After the swap: foreign keys are tried against all rows, while others read and write. Each may be said again.
pub(in super::super) async fn validate(session: &Session, unit: &Unit) -> Result<()> {
    let Some(shadow) = &unit.shadow else {
        return Ok(());
    };
    let sql = "SELECT pg_catalog.format('ALTER TABLE ONLY %s VALIDATE CONSTRAINT %I', conrelid::pg_catalog.regclass, conname) \
        FROM pg_catalog.pg_constraint WHERE oid = ANY ($1) AND NOT convalidated ORDER BY oid";
    let rows = session.query(sql, &[&shadow.validate]).await;
    for row in rows.map_err(on("looking at the foreign keys"))? {
        run(session, row.get(0)).await.map_err(|e| {
            e.remedy("the table is swapped, and only this is left: mend the rows it names, or drop that key, and run the same command again")
        })?;
    }
    Ok(())
}
