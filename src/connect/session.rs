//! In: a connection that stands. Out: a session whose settings cannot change a meaning or end a long copy; rows out and in, in the
//! database's own encoding.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Buf;
use futures::future::{join, join3};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, CopyInSink, CopyOutStream, Row, Statement};

use super::literal;
use crate::error::{Error, Result, Side};

/// A session and the number by which the server knows it.
pub struct Session {
    pub client: Client,
    pub pid: i32,
    pub version_num: u32,
    /// The database's encoding, where texts are converted on their way.
    encoding: Option<String>,
    ungranted: Arc<AtomicUsize>,
    /// Goes with the session.
    pub alive: Arc<()>,
}

impl std::ops::Deref for Session {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Session {
    /// Sets what must be set. Also what tells the session's server from any other: the cluster's identifier, and when its postmaster
    /// started.
    pub async fn begin<S, T>(
        side: Side,
        client: Client,
        connection: Connection<S, T>,
    ) -> std::result::Result<(Session, String), tokio_postgres::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let ungranted = Arc::new(AtomicUsize::new(0));
        tokio::spawn(listen(side, connection, ungranted.clone()));
        // Sent together, done one after another: a session costs two round trips, and a run opens dozens.
        let (set, itself, cluster) = join3(
            client.batch_execute(SETTINGS),
            client.query_typed_one(ITSELF, &[]),
            client.query_typed_one(CLUSTER, &[]),
        )
        .await;
        set?;
        let itself = itself?;
        let (own, spoken): (String, String) = (itself.get(1), itself.get(2));
        let version_num = itself.get::<_, i32>(4).unsigned_abs();
        let later = later_settings(version_num, &own);
        let notice = match version_num >= 140_000 {
            true => NOTICE_THE_END,
            false => "",
        };
        let (set, noticed) = join(client.batch_execute(&later), client.batch_execute(notice)).await;
        set?;
        if let Err(error) = noticed
            && error.as_db_error().is_none()
        {
            return Err(error);
        }
        // Some services keep it to themselves; the start alone tells nearly as much.
        let cluster: String = cluster.map_or(String::new(), |row| row.get(0));
        let bytes = own == SQL_ASCII;
        let session = Session {
            client,
            pid: itself.get(0),
            version_num,
            encoding: (own != spoken && !bytes).then_some(own),
            ungranted,
            alive: Arc::default(),
        };
        Ok((session, format!("{cluster} {}", itself.get::<_, String>(3))))
    }

    /// Finds names as the source's applications do. For what calls the users' functions, whose bodies may name others so.
    pub async fn look_in(&self, search_path: &str) -> Result<()> {
        let sql = "SELECT pg_catalog.set_config('search_path', $1, false)";
        let done = self.client.query_one(sql, &[&search_path]).await;
        done.map(drop)
            .map_err(Error::on(Side::Target, "setting the search_path"))
    }

    /// A query of a table. The planner looks at the expressions of its indexes, and up to PostgreSQL 16 puts functions in SQL in their
    /// place, whose bodies may find others by the database's own search_path. What prints names needs `NAMES_IN_FULL`.
    pub async fn rows_of_table(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> std::result::Result<Vec<Row>, tokio_postgres::Error> {
        self.client.batch_execute(BARE_NAMES).await?;
        let rows = self.client.query(sql, parameters).await;
        // Also after an error: the session may be asked something else.
        let full = self.client.batch_execute(FULL_NAMES).await;
        let rows = rows?;
        full?;
        Ok(rows)
    }

    /// The same, of one row.
    pub async fn query_of_table(
        &self,
        sql: &str,
    ) -> std::result::Result<Row, tokio_postgres::Error> {
        let asked = self.client.query_typed_one(sql, &[]);
        self.between_names(asked).await
    }

    /// The same, of statements.
    pub async fn execute_on_table(
        &self,
        sql: &str,
    ) -> std::result::Result<(), tokio_postgres::Error> {
        let done = self.client.batch_execute(sql);
        self.between_names(done).await
    }

    /// What is one round trip by itself stays one, since all is sent together.
    async fn between_names<T>(
        &self,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> std::result::Result<T, tokio_postgres::Error> {
        let bare = self.client.batch_execute(BARE_NAMES);
        let full = self.client.batch_execute(FULL_NAMES);
        let (bare, done, full) = join3(bare, work, full).await;
        bare?;
        let done = done?;
        full?;
        Ok(done)
    }

    /// How often the server was content to warn that it did not grant or revoke what it was told to.
    pub fn ungranted(&self) -> usize {
        self.ungranted.load(Ordering::Relaxed)
    }

    /// COPY TO, planned as in `rows_of_table`. Rows pass in the database's own encoding: converted to UTF-8, some texts would be refused,
    /// and each would cost.
    pub async fn rows_out(
        &self,
        sql: &str,
    ) -> std::result::Result<CopyOutStream, tokio_postgres::Error> {
        let bare = self.client.batch_execute(BARE_NAMES);
        let (bare, statement) = join(bare, self.as_they_are(sql)).await;
        bare?;
        self.client.copy_out(&statement?).await
    }

    /// COPY FROM, in the same way.
    pub async fn rows_in<T: Buf + Send + 'static>(
        &self,
        sql: &str,
    ) -> std::result::Result<CopyInSink<T>, tokio_postgres::Error> {
        self.client.copy_in(&self.as_they_are(sql).await?).await
    }

    /// The names in the statement are UTF-8, so the server reads it before the encoding changes.
    async fn as_they_are(
        &self,
        sql: &str,
    ) -> std::result::Result<Statement, tokio_postgres::Error> {
        let statement = self.client.prepare(sql).await?;
        if let Some(encoding) = &self.encoding {
            let set = format!("SET client_encoding = {}", literal(encoding));
            self.client.batch_execute(&set).await?;
        }
        Ok(statement)
    }

    /// To be called when the COPY has ended: what else is said is UTF-8.
    pub async fn rows_ended(&self) -> std::result::Result<(), tokio_postgres::Error> {
        match self.encoding {
            Some(_) => {
                self.client
                    .batch_execute("SET client_encoding = 'UTF8'")
                    .await
            }
            None => Ok(()),
        }
    }
}

/// Drives a connection to its end.
async fn listen<S, T>(side: Side, mut connection: Connection<S, T>, ungranted: Arc<AtomicUsize>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                tracing::debug!(%side, "{}: {}", notice.severity(), notice.message());
                if ["01006", "01007"].contains(&notice.code().code()) {
                    ungranted.fetch_add(1, Ordering::Relaxed);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%side, %error, "connection ended");
                return;
            }
            None => return,
        }
    }
}

/// An empty search_path, so that every name means what it says; no timeout that could end a copy of hours; text forms that
/// are the same on both sides; rows in the order of the heap; and an error, not fewer rows, where a policy would hide some.
const SETTINGS: &str = "SET search_path = ''; SET statement_timeout = 0; SET lock_timeout = 0; \
    SET idle_in_transaction_session_timeout = 0; SET row_security = off; SET DateStyle = ISO; SET IntervalStyle = postgres; \
    SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET synchronize_seqscans = off; \
    SET xmloption = content; SET array_nulls = on; SET quote_all_identifiers = off; \
    SET client_min_messages = warning; SET standard_conforming_strings = on; SET default_transaction_isolation = 'read committed'; \
    SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";

/// The planner has done its work when this runs, and no row has been printed: names are printed in full, whatever they were found by.
pub const NAMES_IN_FULL: &str = "(SELECT pg_catalog.set_config('search_path', '', false)) = ''";

/// What a statement itself says still means what it does without a search_path: pg_catalog comes first.
/// (pg_settings would say what RESET sets, in a millisecond.)
const BARE_NAMES: &str = "RESET search_path; SELECT pg_catalog.set_config('search_path', CASE WHEN own OPERATOR(pg_catalog.=) '' \
    THEN 'pg_catalog' ELSE pg_catalog.concat('pg_catalog, ', own) END, false) FROM pg_catalog.current_setting('search_path') own";
pub const FULL_NAMES: &str = "SET search_path = ''";

/// The text of money hangs on this one, and it is a database's own: a schema's literals are written in it. Rows that are sent or
/// compared as text need it to be the same on both sides.
pub const SAME_TEXT: &str = "SET lc_monetary = 'C'";

/// What the server says of itself.
const ITSELF: &str = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_encoding'), \
    pg_catalog.current_setting('client_encoding'), pg_catalog.pg_postmaster_start_time()::text, \
    pg_catalog.current_setting('server_version_num')::int4";
const CLUSTER: &str = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";

const SQL_ASCII: &str = "SQL_ASCII";

/// The same as `SETTINGS` for what older servers do not know. And a database in SQL_ASCII holds bytes, not characters: read as UTF-8 they
/// would be refused.
fn later_settings(version_num: u32, encoding: &str) -> String {
    let settings = [
        (140_000, "SET idle_session_timeout = 0"),
        (170_000, "SET transaction_timeout = 0"),
    ];
    let known = settings.iter().filter(|(since, _)| version_num >= *since);
    let known = known.map(|(_, setting)| *setting);
    let bytes = (encoding == SQL_ASCII).then_some("SET client_encoding = 'SQL_ASCII'");
    known.chain(bytes).collect::<Vec<_>>().join("; ")
}

/// Since PostgreSQL 14, and where its operating system can tell: then a server notices soon when its client is gone.
const NOTICE_THE_END: &str = "SET client_connection_check_interval = '5s'";
