//! In: both servers, while a run works. Out: warnings, with numbers, of what it costs them as far as they let it be seen: WAL that piles up,
//! old rows that the snapshot holds back, the target's disk; and the end of the run before that disk is full, where `--min-free` says so.

use std::time::Duration;

use tokio::process::Command;

use crate::cli::Options;
use crate::connect::{Endpoint, Session};
use crate::error::{Error, Result, Side};
use crate::progress::megabytes;

const EVERY: Duration = Duration::from_secs(10);

/// Transactions since the snapshot: autovacuum forces its way at 200 million, unless set otherwise.
const OLD: i64 = 50_000_000;

/// Of the disk, the hundredth part.
const SHORT: u64 = 5;

/// Bytes of the disk that the target's data directory is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Disk {
    free: u64,
    all: u64,
}

/// Ends only when the run has to be stopped.
pub async fn harm(options: &Options) -> Error {
    let mut said = Said::default();
    loop {
        // The run itself finds out about servers that are gone.
        match looks(options, &mut said).await {
            Ok(harm) => return harm,
            Err(error) => tracing::debug!("{}", error.chain()),
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn looks(options: &Options, said: &mut Said) -> Result<Error> {
    let source = options.source.connect().await?;
    let target = options.target.connect().await?;
    loop {
        if let Some(harm) = look(options, &source, &target, said).await? {
            return Ok(harm);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What was said already is said again only when it has doubled.
#[derive(Default)]
struct Said {
    wal: [u64; 2],
    age: u64,
    unseen: bool,
    short: bool,
}

async fn look(
    options: &Options,
    source: &Session,
    target: &Session,
    said: &mut Said,
) -> Result<Option<Error>> {
    let disk = disk(&options.target, target).await?;
    match (disk, options.min_free) {
        (Some(Disk { free, .. }), Some(wanted)) if free < wanted => {
            let (free, wanted) = (megabytes(free), megabytes(wanted));
            return Ok(Some(
                Error::new(Side::Target, "watching the target's disk")
                    .because(format!("{free} are free, and --min-free asks for {wanted}"))
                    .remedy("make room and run the same command again: what is done stays done"),
            ));
        }
        (None, Some(_)) if !said.unseen => {
            said.unseen = true;
            tracing::warn!(
                "the target's disk cannot be seen from here (it is another machine, or the role may not read data_directory): --min-free has no effect"
            );
        }
        (Some(Disk { free, all }), _) if free < all / 100 * SHORT && !said.short => {
            said.short = true;
            tracing::warn!(
                "the target's disk has {} of {} left",
                megabytes(free),
                megabytes(all)
            );
        }
        _ => {}
    }
    let ends = [(source, Side::Source), (target, Side::Target)];
    for ((session, side), said) in ends.into_iter().zip(&mut said.wal) {
        if let Some((held, usual)) = wal(session).await
            && held > usual.saturating_mul(4).max(2 * *said)
        {
            *said = held;
            tracing::warn!(
                "the {side} keeps {} of WAL (max_wal_size is {}): a replication slot or an archive_command may be behind",
                megabytes(held),
                megabytes(usual)
            );
        }
    }
    if let Some(age) = age(source).await
        && age > OLD.unsigned_abs().max(2 * said.age)
    {
        said.age = age;
        tracing::warn!(
            "the source has begun {age} transactions since the oldest snapshot in use: VACUUM removes no row that died since"
        );
    }
    Ok(None)
}

/// None where it is not this machine's, or not to be seen.
async fn disk(end: &Endpoint, session: &Session) -> Result<Option<Disk>> {
    if !end.is_here() {
        return Ok(None);
    }
    let sql = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'";
    let row = session.query_opt(sql, &[]).await;
    let on = Error::on(Side::Target, "asking for the data directory");
    let Some(row) = row.map_err(on)? else {
        return Ok(None);
    };
    let directory: String = row.get(0);
    let asked = Command::new("df")
        .args(["-P", "-k", &directory])
        .output()
        .await;
    let said = asked
        .map_err(Error::on(Side::Internal, "running df"))?
        .stdout;
    Ok(parsed(&String::from_utf8_lossy(&said)))
}

/// What POSIX has `df -P -k` print: name, blocks of 1 KiB, used, available.
fn parsed(text: &str) -> Option<Disk> {
    let fields: Vec<&str> = text.lines().nth(1)?.split_whitespace().collect();
    let from_end = |n: usize| {
        fields
            .get(fields.len().checked_sub(n)?)?
            .parse::<u64>()
            .ok()
    };
    // The name may hold spaces.
    Some(Disk {
        free: from_end(3)? * 1024,
        all: from_end(5)? * 1024,
    })
}

/// Bytes of WAL that are kept, and how many are usual. None for a role that may not see it.
async fn wal(session: &Session) -> Option<(u64, u64)> {
    let sql = "SELECT (SELECT coalesce(sum(size), 0)::int8 FROM pg_catalog.pg_ls_waldir()), \
        pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size'))";
    let row = session.query_one(sql, &[]).await.ok()?;
    Some((
        row.get::<_, i64>(0).unsigned_abs(),
        row.get::<_, i64>(1).unsigned_abs(),
    ))
}

/// Of the oldest snapshot that the role's own sessions use.
async fn age(session: &Session) -> Option<u64> {
    let sql = "SELECT max(pg_catalog.age(backend_xmin))::int8 FROM pg_catalog.pg_stat_activity \
        WHERE usename = current_user AND datname = current_database()";
    let row = session.query_one(sql, &[]).await.ok()?;
    row.get::<_, Option<i64>>(0).map(i64::unsigned_abs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_df_prints() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a b 1000 600 300 67% /\n";
        let disk = Disk {
            free: 300 * 1024,
            all: 1000 * 1024,
        };
        assert_eq!(parsed(text), Some(disk));
        assert_eq!(parsed("df: no such file"), None);
        assert_eq!(parsed("a\nb"), None);
    }
}
