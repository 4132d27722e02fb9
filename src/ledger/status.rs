//! In: the target. Out: `pgv2rs-copy status`, which says where each run stands, and `pgv2rs-copy clean`, which forgets them all. Status
//! writes nothing, and can be asked from anywhere while a run works.

use std::time::Duration;

use tokio_postgres::Client;

use super::in_place::{self, State};
use super::{FORMAT, Ledger, Phase, Run, format, on, readable_runs};
use crate::connect::Endpoint;
use crate::error::{Error, Result, Side};
use crate::progress::megabytes;
use crate::report::{count_of, line};

/// How far one run is.
struct Standing {
    done: i64,
    all: i64,
    tables: i64,
    rows: i64,
    rejected: i64,
    bytes: i64,
    steps: i64,
    /// Seconds since the last slice or step was done.
    idle: Option<f64>,
}

/// Every run that the ledger knows, in words.
pub async fn status(target: &Endpoint) -> Result<String> {
    let session = target.connect().await?;
    let known = readable_runs(&session).await?;
    let lines = in_place::lines(&session).await?;
    if known.is_empty() && lines.is_empty() {
        return Ok(format!(
            "{} has no ledger of pgv2rs-copy.\n",
            target.place()
        ));
    }
    let works = works(&session).await?;
    let mut out = String::new();
    for of in &lines {
        changed_in_place(&mut out, of, works);
    }
    for run in &known {
        described(&mut out, &session, run, works).await?;
    }
    Ok(out)
}

fn changed_in_place(out: &mut String, of: &in_place::Line, works: bool) {
    let (table, method) = (of.unit.display(), of.method.text());
    line(
        out,
        format_args!("{table} in place by {method}, begun {}", of.begun),
    );
    let what = match of.state {
        State::Kept => "what is new is there and kept in step; rows are filled, or indexes built",
        State::Verified => "all of its rows were compared; it is to be swapped",
        State::Swapped
            if of
                .unit
                .shadow
                .as_ref()
                .is_some_and(|s| !s.validate.is_empty()) =>
        {
            "it is swapped; its foreign keys are to be validated, then it is vacuumed and analyzed"
        }
        State::Swapped => "it is swapped, and is to be vacuumed and analyzed",
        State::Altered => "it is rewritten; its indexes are made again",
        State::Undoing => "it is as it was but for dropped indexes, which are made again",
        State::Done => "done",
    };
    let now = match (of.state, works) {
        (State::Done, _) => "",
        (_, true) => "; a process works on it",
        (_, false) => "; no process works on it: the same command goes on from here",
    };
    line(out, format_args!("  {what}{now}"));
}

async fn described(out: &mut String, session: &Client, run: &Run, works: bool) -> Result<()> {
    line(
        out,
        format_args!("run {} from {}, begun {}", run.id, run.place, run.begun),
    );
    if !run.wishes.is_empty() {
        line(out, format_args!("  with {}", run.wishes));
    }
    if run.phase == Phase::Done {
        let rejected = "SELECT count(*) FROM pgv2rs.rejected WHERE run = $1";
        let rejected = session.query_one(rejected, &[&run.id]).await;
        let rejected: i64 = rejected.map_err(on("reading the rejected rows"))?.get(0);
        let but = match rejected {
            0 => String::new(),
            n => format!(
                ", but for {} (pgv2rs.rejected)",
                count_of(usize::try_from(n).unwrap_or(usize::MAX), "rejected row")
            ),
        };
        line(out, format_args!("  done{but}"));
        return Ok(());
    }
    let s = standing(session, run.id).await?;
    let count = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
    line(
        out,
        format_args!(
            "  {} of {} done ({}), {} rows{}, {}",
            s.done,
            count_of(count(s.all), "slice"),
            count_of(count(s.tables), "table"),
            s.rows,
            match s.rejected {
                0 => String::new(),
                n => format!(" and {n} rejected"),
            },
            megabytes(s.bytes.unsigned_abs())
        ),
    );
    let steps = run.recorded().map_or(0, |r| r.steps.len());
    let what = match run.phase {
        Phase::Copying => "rows are copied or verified".to_string(),
        _ => format!(
            "all rows are there; {} of {} after them done",
            s.steps,
            count_of(steps, "step")
        ),
    };
    line(out, format_args!("  {what}"));
    let since = s.idle.map_or(String::new(), |s| {
        format!("; the last thing was done {s:.0} s ago")
    });
    let now = match works {
        true => "a process works on it",
        false => "no process works on it: the same command goes on from here",
    };
    line(out, format_args!("  {now}{since}"));
    Ok(())
}

async fn standing(session: &Client, run: i64) -> Result<Standing> {
    let sql = "SELECT count(*) FILTER (WHERE rows IS NOT NULL), count(*), count(DISTINCT oid), coalesce(sum(rows), 0)::int8, \
        coalesce(sum(bytes), 0)::int8, (SELECT count(*) FROM pgv2rs.step WHERE run = $1), \
        EXTRACT(epoch FROM pg_catalog.clock_timestamp() - greatest(max(copied), (SELECT max(done) FROM pgv2rs.step WHERE run = $1)))::float8, coalesce(sum(rejected), 0)::int8 \
        FROM pgv2rs.slice WHERE run = $1";
    let r = session.query_one(sql, &[&run]).await;
    let r = r.map_err(on("reading the ledger"))?;
    Ok(Standing {
        done: r.get(0),
        all: r.get(1),
        tables: r.get(2),
        rows: r.get(3),
        bytes: r.get(4),
        steps: r.get(5),
        idle: r.get(6),
        rejected: r.get(7),
    })
}

/// Whether somebody holds the ledger.
async fn works(session: &Client) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted \
         AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
         AND (classid::int8 << 32 | objid::int8) = {})",
        super::LOCK
    );
    let row = session.query_one(&sql, &[]).await;
    Ok(row.map_err(on("asking who holds the ledger"))?.get(0))
}

/// Forgets every run. What was copied stays.
pub async fn clean(target: &Endpoint) -> Result<String> {
    let session = target.connect().await?;
    let another_versions = format(&session).await?.is_some_and(|found| found != FORMAT);
    let known = match another_versions {
        true => Vec::new(),
        false => readable_runs(&session).await?,
    };
    let lines = in_place::lines(&session).await?;
    if let Some(of) = lines.iter().find(|l| l.state != State::Done) {
        return Err(Error::new(Side::Plan, "removing the ledger")
            .because(format!(
                "the change of {} in place is not done: a trigger on it, or indexes that are to be made again, are known here only",
                of.unit.display()
            ))
            .remedy("end it with its own command, or take it back: pgv2rs-copy in-place --undo"));
    }
    if known.is_empty() && lines.is_empty() && !another_versions {
        return Ok(format!(
            "{} has no ledger of pgv2rs-copy.\n",
            target.place()
        ));
    }
    let ledger = Ledger::hold(session, Duration::from_secs(60)).await?;
    let mut out = String::new();
    for run in known.iter().filter(|run| run.phase != Phase::Done) {
        line(
            &mut out,
            format_args!(
                "run {} from {} was not done: its tables on the target may hold a part of their rows, and nothing goes on with it any more",
                run.id, run.place
            ),
        );
    }
    let dropped = ledger
        .session
        .batch_execute("DROP SCHEMA pgv2rs CASCADE")
        .await;
    dropped.map_err(|e| Error::new(Side::Target, "removing the ledger").because(e))?;
    match another_versions {
        true => line(
            &mut out,
            format_args!("the ledger of another version forgotten"),
        ),
        false => line(
            &mut out,
            format_args!("{} forgotten", count_of(known.len() + lines.len(), "run")),
        ),
    }
    Ok(out)
}
