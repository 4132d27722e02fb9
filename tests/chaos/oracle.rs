//! In: a source with its history, a snapshot's text, a target. Out: what the target holds otherwise than the source did in that
//! snapshot: rows, and what stands around them. The servers compute it: rows as texts by their own casts, sums of md5 over
//! them, what a snapshot sees by the transactions that the triggers wrote down. No code is shared with the program.

use std::collections::BTreeMap;

use super::common::Place;
use super::common::db::Session;
use super::database::{TABLES, Table};
use super::servers::Side;
use super::session;

/// All differences, one a line; none: the target is the source as of the snapshot.
pub fn differences(
    source: &Session,
    target: &Session,
    snapshot: &str,
) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for table in TABLES {
        found.extend(rows(table, source, target, &then(table, snapshot))?);
    }
    found.extend(surroundings(source, target)?);
    Ok(found)
}

/// The same for a source that nobody changes: as it is, which is also as it was in the snapshot.
pub fn differences_at_rest(
    source: &Session,
    target: &Session,
    snapshot: &str,
) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for table in TABLES {
        found.extend(rows(table, source, target, &now(table, Side::Source))?);
        let since = source.try_rows(&sum(&since(table, snapshot)))?;
        if since != ["0|0|0"] {
            found.push(format!(
                "{}: changed since the snapshot: {since:?}",
                table.name
            ));
        }
    }
    let sequences = (source.try_rows(SEQUENCES)?, target.try_rows(SEQUENCES)?);
    if sequences.0 != sequences.1 {
        found.push(format!("sequences: {sequences:?}"));
    }
    found.extend(surroundings(source, target)?);
    Ok(found)
}

/// A query of (sign, row's text) that gives the rows as they are.
pub fn now(table: &Table, side: Side) -> String {
    format!(
        "SELECT 1 AS sign, {} AS row FROM ONLY {} t",
        table.text(side),
        table.name
    )
}

/// The same as the snapshot saw them: as they are, without what came after it and with what went. Which of two changes of a row was
/// the first does not matter to a sum.
pub fn then(table: &Table, snapshot: &str) -> String {
    let now = now(table, Side::Source);
    format!("{now} UNION ALL {}", since(table, snapshot))
}

fn since(table: &Table, snapshot: &str) -> String {
    let (text, name) = (table.text(Side::Source), table.name);
    format!(
        "SELECT -sign AS sign, {text} AS row FROM (SELECT l.sign, l.written::{name} AS t FROM history.log l \
         WHERE l.relation = '{name}' AND NOT pg_visible_in_snapshot(l.xid, '{snapshot}'::pg_snapshot) OFFSET 0) l"
    )
}

/// How many rows, and a sum that does not depend on their order.
pub fn sum(rows: &str) -> String {
    let half = |from: u32| {
        format!(
            "coalesce(sum(sign * ('x' || substr(hash, {from}, 16))::bit(64)::bigint::numeric), 0)"
        )
    };
    format!(
        "SELECT coalesce(sum(sign), 0), {}, {} FROM (SELECT sign, md5(row) AS hash FROM ({rows}) r) h",
        half(1),
        half(17)
    )
}

fn rows(
    table: &Table,
    source: &Session,
    target: &Session,
    of_source: &str,
) -> Result<Vec<String>, String> {
    let of_target = now(table, Side::Target);
    let (expected, found) = std::thread::scope(|scope| {
        let there = scope.spawn(|| target.try_rows(&sum(&of_target)));
        let here = source.try_rows(&sum(of_source));
        (here, there.join().expect("it only asks"))
    });
    let (expected, found) = (expected?, found?);
    if expected == found {
        return Ok(Vec::new());
    }
    let mut lines = vec![format!(
        "{}: rows and sums {expected:?} expected, {found:?} found",
        table.name
    )];
    let copies = |rows: &str| {
        format!("SELECT sum(sign), row FROM ({rows}) r GROUP BY row HAVING sum(sign) <> 0")
    };
    let mut surplus: BTreeMap<String, i64> = BTreeMap::new();
    for (rows, sign) in [
        (target.try_rows(&copies(&of_target))?, 1),
        (source.try_rows(&copies(of_source))?, -1),
    ] {
        for row in rows {
            let (number, text) = row.split_once('|').unwrap_or(("0", &row));
            *surplus.entry(text.into()).or_default() += sign * number.parse::<i64>().unwrap_or(0);
        }
    }
    surplus.retain(|_, number| *number != 0);
    for (row, number) in surplus.iter().take(10) {
        let what = match number {
            n if *n < 0 => format!("{} too few", -n),
            n => format!("{n} too many"),
        };
        let start: String = row.chars().take(160).collect();
        lines.push(format!("  {what}: {start}"));
    }
    if surplus.len() > 10 {
        lines.push(format!("  and {} more", surplus.len() - 10));
    }
    Ok(lines)
}

/// What is not rows: the same objects on both sides, each valid; sequences not behind their rows and not ahead of the source.
fn surroundings(source: &Session, target: &Session) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (what, sql) in [
        ("relations", RELATIONS),
        ("constraints", CONSTRAINTS),
        ("triggers", TRIGGERS),
    ] {
        let (expected, there) = (source.try_rows(sql)?, target.try_rows(sql)?);
        let missing = expected.iter().filter(|o| !there.contains(o));
        found.extend(missing.map(|o| format!("{what}: {o} is not on the target")));
        let more = there.iter().filter(|o| !expected.contains(o));
        found.extend(more.map(|o| format!("{what}: {o} is on the target only")));
    }
    let invalid = target.try_rows(INVALID)?;
    found.extend(invalid.iter().map(|i| format!("index {i} is not valid")));
    let values = |rows: Vec<String>| -> BTreeMap<String, i64> {
        let value = |row: &String| {
            let (name, value) = row.split_once('|')?;
            Some((name.to_string(), value.parse().ok()?))
        };
        rows.iter().filter_map(value).collect()
    };
    let on_source = values(source.try_rows(SEQUENCES)?);
    let on_target = values(target.try_rows(SEQUENCES)?);
    let used = values(target.try_rows(USED)?);
    for (name, most) in &on_source {
        let least = used.get(name).copied().unwrap_or(100);
        match on_target.get(name) {
            Some(value) if (least..=*most).contains(value) => {}
            value => found.push(format!(
                "sequence {name} is at {value:?}, not between {least} and {most}"
            )),
        }
    }
    let through_view = target.try_rows(VIEW)?;
    if through_view != ["t"] {
        found.push(format!("the view shows other rows: {through_view:?}"));
    }
    Ok(found)
}

/// Sessions of the program, and of what it started.
pub fn of_the_program(place: &Place) -> Result<Vec<String>, String> {
    session(place)?.try_rows(
        "SELECT pid, application_name, state, left(query, 80) FROM pg_stat_activity \
         WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'chaos'",
    )
}

const RELATIONS: &str = "SELECT c.relkind::text, c.oid::regclass::text FROM pg_class c WHERE c.relnamespace::regnamespace::text IN ('public', 'app') \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2";

/// The first four: NOT NULL is a constraint from PostgreSQL 18 on.
const CONSTRAINTS: &str = "SELECT conrelid::regclass::text, conname, contype::text, convalidated FROM pg_constraint WHERE contype IN ('p', 'f', 'c', 'u') \
    AND connamespace::regnamespace::text IN ('public', 'app') ORDER BY 1, 2";

const TRIGGERS: &str = "SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid \
    WHERE NOT tgisinternal AND c.relnamespace::regnamespace::text IN ('public', 'app') ORDER BY 1, 2";

const INVALID: &str = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)";

const SEQUENCES: &str = "SELECT schemaname || '.' || sequencename, last_value FROM pg_sequences WHERE schemaname IN ('public', 'app') ORDER BY 1";

/// The largest value that is in a table.
const USED: &str = "SELECT 'public.items_id_seq', max(id) FROM public.items UNION ALL SELECT 'public.notes_id_seq', max(id) FROM public.notes";

const VIEW: &str =
    "SELECT (SELECT count(*) FROM public.recent) = (SELECT count(*) FROM public.items)";
