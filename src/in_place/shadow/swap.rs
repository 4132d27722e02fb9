//! In: a new table whose rows are all compared. Out: it in the old one's place, in one short transaction: writers wait while the last notes are taken over and whoever
//! looked before that has looked away, readers only while the names change. Before it, the way back.

use std::time::{Duration, Instant};

use super::super::guard::{as_planned, is_there};
use super::super::lock::{Held, holders, locked, locked_once};
use super::super::snapshots::{looking, named, still};
use super::super::statement::run;
use super::super::swap::new_indexes;
use super::super::unit::{Part, Unit};
use super::super::{Work, on, views};
use super::carry::carried;
use super::notes::{Taken, take_over};
use super::planned::hanging;
use super::words::{self, Words};
use crate::connect::{Session, quote, quote_qualified};
use crate::error::{Error, Result, Side};
use crate::ledger::in_place::{Line, forget, replaced};

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
    if taken.emptied || self::file(session, unit).await? != file {
        return Ok(Tried::Anew);
    }
    // Whoever looked before would not see it. Who waits for the lock with the first statement of a transaction looks anew when it comes, but for EXECUTE; another
    // one may be in REPEATABLE READ, which nothing tells.
    let then = looking(session).await?;
    sound(session, words).await?;
    let members = unit.members(session).await?;
    as_planned(session, unit, &members, &work.casts).await?;
    new_indexes(session, unit, &members).await?;
    let changed = members.len() > 1 || shape(session, unit).await? != words.shadow.shape;
    if let Some(new) = hanging(session, unit).await?.first() {
        return Err(Error::new(Side::Target, "comparing it with the plan")
            .because(format!(
                "{} was hung on it since the plan, and would be lost",
                new.object
            ))
            .remedy(
                "take that back and run the same command again; or --undo, and begin again with it",
            ));
    }
    if changed {
        return Err(Error::new(Side::Target, "comparing it with the plan")
            .because("its columns, checks, keys, indexes or its owner were changed since the plan, or a table inherits from it, and that would be lost")
            .remedy("take that back and run the same command again; or --undo, and begin again with it"));
    }
    let waiting = "SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) \
        WHERE l.relation = $1 AND NOT l.granted AND a.xact_start = a.query_start AND a.query !~* '\\mexecute\\M' \
          AND pg_catalog.octet_length(a.query) < pg_catalog.pg_size_bytes(pg_catalog.current_setting('track_activity_query_size')) - 8";
    let since = Instant::now();
    loop {
        let now = looking(session).await?;
        let rows = session.query(waiting, &[&unit.root]).await;
        let rows = rows.map_err(on("asking who waits for the lock"))?;
        let waiting: Vec<i32> = rows.iter().map(|r| r.get(0)).collect();
        let left = still(&then, &now).filter(|pid| !waiting.contains(pid));
        let left: Vec<i32> = left.collect();
        if left.is_empty() {
            break;
        }
        if since.elapsed() >= work.options.lock_timeout {
            return Ok(Tried::Watched(left));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
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

/// The new table, the notes and the triggers go; the old table is as it always was.
pub(in super::super) async fn undo(work: &Work<'_>, line: &Line) -> Result<()> {
    let unit = &line.unit;
    let session = work.connect().await?;
    if !is_there(&session, unit).await? {
        return gone(&session, line).await;
    }
    let body = async || {
        for name in [unit.trigger.clone(), words::emptied(unit)] {
            let drop = format!(
                "DROP TRIGGER IF EXISTS {} ON {}",
                quote(&name),
                unit.quoted()
            );
            run(&session, &drop).await?;
        }
        away(&session, line).await
    };
    locked(work, &session, unit, "undoing the change of", body).await?;
    tracing::info!("{} is as it was", unit.display());
    Ok(())
}

/// Of a table that was dropped meanwhile.
pub(in super::super) async fn gone(session: &Session, line: &Line) -> Result<()> {
    away(session, line).await?;
    tracing::warn!(
        "{} was dropped meanwhile: there is nothing to change any more",
        line.unit.display()
    );
    Ok(())
}

async fn away(session: &Session, line: &Line) -> Result<()> {
    let unit = &line.unit;
    run(
        session,
        &format!("DROP FUNCTION IF EXISTS {}()", unit.function()),
    )
    .await?;
    let new = words::new_table(unit, super::shadow(unit)?);
    for table in [new, words::notes(unit)] {
        run(session, &format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    forget(session, line.id).await
}

/// The triggers stand and fire for everybody, as ever since they were made.
pub(super) async fn sound(session: &Session, words: &Words<'_>) -> Result<()> {
    if triggers(session, words.unit).await? == words.shadow.triggers {
        return Ok(());
    }
    let attempt = format!("looking at the triggers of {}", words.unit.display());
    Err(Error::new(Side::Target, attempt)
        .because("they are not as they were made")
        .remedy("somebody has dropped, disabled or changed one, so changes since then may be missing: pgv2rs-copy in-place --undo, and begin again"))
}

pub(super) async fn triggers(session: &Session, unit: &Unit) -> Result<String> {
    let ours = [unit.trigger.clone(), words::emptied(unit)];
    let sql = "SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat_ws('/', g.oid, g.xmin, g.tgenabled, p.oid, p.xmin), ' ' ORDER BY g.oid), '') \
        FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid WHERE g.tgrelid = $1 AND g.tgname = ANY ($2)";
    let row = session.query_one(sql, &[&unit.root, &&ours[..]]).await;
    Ok(row.map_err(on("looking at the triggers"))?.get(0))
}

/// What a comparison is of: the old table's file, and its columns as they stand in the catalog. A rewrite by ALTER TABLE fires no trigger.
pub(super) async fn file(session: &Session, unit: &Unit) -> Result<String> {
    let sql = "SELECT pg_catalog.concat(pg_catalog.pg_relation_filenode(c.oid), ' ', (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', a.attnum, a.xmin), ' ' ORDER BY a.attnum) \
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)) FROM pg_catalog.pg_class c WHERE c.oid = $1";
    let row = session.query_one(sql, &[&unit.root]).await;
    Ok(row.map_err(on("looking at a table's file"))?.get(0))
}

/// What the new table was made after: columns, checks, keys, indexes, identities, owner.
pub(super) async fn shape(session: &Session, unit: &Unit) -> Result<String> {
    let row = session.query_one(SHAPE, &[&unit.root]).await;
    Ok(row.map_err(on("looking at a table's shape"))?.get(0))
}

const SHAPE: &str = "SELECT pg_catalog.md5(pg_catalog.concat_ws('|', c.relowner, c.relpersistence, c.relam, c.relispartition, c.reloftype, c.reloptions::text, c.reltablespace, (SELECT t.reloptions::text FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attstorage, a.attcompression, \
          pg_catalog.pg_get_expr(f.adbin, f.adrelid)), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum \
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', k.conname, pg_catalog.pg_get_constraintdef(k.oid)), ',' ORDER BY k.oid) FROM pg_catalog.pg_constraint k \
        WHERE k.conrelid = c.oid AND k.contype <> 'f'), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', i.relname, pg_catalog.pg_get_indexdef(i.oid), i.reltablespace, \
          (SELECT pg_catalog.string_agg(coalesce(b.attstattarget, -1)::text, ' ' ORDER BY b.attnum) FROM pg_catalog.pg_attribute b WHERE b.attrelid = i.oid)), ',' ORDER BY i.relname) FROM pg_catalog.pg_index x \
        JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid AND x.indislive AND x.indisvalid), \
      (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/', s.seqtypid, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle), ',' ORDER BY s.seqrelid) \
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid WHERE d.refobjid = c.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'i'))) \
    FROM pg_catalog.pg_class c WHERE c.oid = $1";
