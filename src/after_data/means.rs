//! In: what the target lets be seen of its settings. Out: memory and workers for the sessions that build ordinary indexes: what a careful
//! administrator would give them, in the session only, and never less than they have.

use tokio_postgres::Client;

const MOST_MEMORY_KB: i64 = 1024 * 1024;

const MEMORY: &str = "maintenance_work_mem";
const WORKERS: &str = "max_parallel_maintenance_workers";

/// A setting as a new session has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    value: i64,
    /// Somebody chose it for this role, database or connection.
    chosen: bool,
    /// What it should be.
    better: i64,
}

impl Setting {
    fn raised(self) -> Option<i64> {
        (!self.chosen && self.better > self.value).then_some(self.better)
    }

    fn said(self, shown: fn(i64) -> String) -> String {
        let value = shown(self.value);
        match self.raised() {
            Some(better) => format!("{} (the target has {value})", shown(better)),
            None => format!("{value} (as it is)"),
        }
    }
}

/// For each of several sessions.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    memory_kb: Setting,
    workers: Setting,
}

impl Means {
    /// For so many sessions at once. None where the target does not tell: they have what it gives them.
    pub async fn of(session: &Client, sessions: usize) -> Option<Means> {
        let sql = "SELECT name, CASE WHEN unit LIKE '%B' THEN pg_catalog.pg_size_bytes(pg_catalog.current_setting(name)) / 1024 ELSE setting::int8 END, \
            source NOT IN ('default', 'environment variable', 'configuration file', 'command line') FROM pg_catalog.pg_settings WHERE name = ANY ($1)";
        let names = [
            MEMORY,
            WORKERS,
            "shared_buffers",
            "max_parallel_workers",
            "max_worker_processes",
        ];
        let rows = session.query(sql, &[&names.as_slice()]).await.ok()?;
        let of = |name: &str| {
            let row = rows.iter().find(|r| r.get::<_, &str>(0) == name)?;
            Some((row.get::<_, i64>(1), row.get::<_, bool>(2)))
        };
        let sessions = i64::try_from(sessions).unwrap_or(i64::MAX).max(1);
        let ((memory, memory_chosen), (workers, workers_chosen)) = (of(MEMORY)?, of(WORKERS)?);
        let all = of("max_parallel_workers")?.0;
        let all = all.min(of("max_worker_processes")?.0);
        Some(Means {
            memory_kb: Setting {
                value: memory,
                chosen: memory_chosen,
                better: memory_kb(of("shared_buffers")?.0, sessions),
            },
            workers: Setting {
                value: workers,
                // Off is a decision.
                chosen: workers_chosen || workers == 0,
                better: share_of_workers(all, sessions),
            },
        })
    }

    /// Raises what is to be raised. A server that refuses costs time, and nothing else.
    pub async fn give(&self, session: &Client) {
        let settings = [(MEMORY, self.memory_kb), (WORKERS, self.workers)];
        for (name, setting) in settings {
            if let Some(better) = setting.raised()
                && let Err(error) = session
                    .batch_execute(&format!("SET {name} = {better}"))
                    .await
            {
                tracing::debug!(%error, "the target does not let {name} be set");
            }
        }
    }

    /// For the log.
    pub fn said(&self) -> String {
        format!(
            "{MEMORY} = {}, {WORKERS} = {}",
            self.memory_kb.said(memory),
            self.workers.said(|n| n.to_string())
        )
    }
}

/// As the server would write it.
fn memory(kb: i64) -> String {
    match kb % 1024 {
        0 => format!("{}MB", kb / 1024),
        _ => format!("{kb}kB"),
    }
}

/// A quarter of the shared buffers, which are the only measure of the machine's memory that a server shows, for all sessions together.
fn memory_kb(shared_buffers_kb: i64, sessions: i64) -> i64 {
    (shared_buffers_kb / 4 / sessions).min(MOST_MEMORY_KB)
}

/// A session's own process works too. The server starts fewer where a table is small, or where each would have less than 32 MB.
fn share_of_workers(all: i64, sessions: i64) -> i64 {
    all / sessions - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: i64 = 1024 * 1024;

    #[test]
    fn memory_grows_with_the_shared_buffers_and_is_divided_among_the_sessions() {
        assert_eq!(memory_kb(8 * GB, 2), GB);
        assert_eq!(memory_kb(8 * GB, 4), GB / 2);
        assert_eq!(memory_kb(256 * GB, 2), GB);
        assert_eq!(memory_kb(128 * 1024, 2), 16 * 1024);
    }

    #[test]
    fn all_processes_together_are_as_many_as_the_server_may_have() {
        assert_eq!(share_of_workers(8, 2), 3);
        assert_eq!(share_of_workers(16, 1), 15);
        assert_eq!(share_of_workers(2, 4), -1);
    }

    #[test]
    fn nothing_is_lowered_and_nothing_that_was_chosen_is_changed() {
        let setting = |value, chosen, better| Setting {
            value,
            chosen,
            better,
        };
        assert_eq!(setting(64, false, 256).raised(), Some(256));
        assert_eq!(setting(64, false, 16).raised(), None);
        assert_eq!(setting(64, true, 256).raised(), None);
        assert_eq!(setting(2, false, -1).raised(), None);
    }
}
