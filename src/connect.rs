//! In: a connection string. Out: sessions whose settings cannot change a meaning or kill a long copy, and the environment
//! under which pg_dump reaches the same server. It knows the wire only as tokio-postgres shows it; TLS is not done yet.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, Connection, CopyInSink, CopyOutStream, NoTls,
    Statement,
};

use crate::error::{Error, Result, Side};

/// One of the two servers, and the way to it.
#[derive(Clone)]
pub struct Endpoint {
    side: Side,
    config: Config,
    cancels: Arc<Mutex<Vec<CancelToken>>>,
}

/// A session and the number by which the server knows it.
pub struct Session {
    pub client: Client,
    pub pid: i32,
    /// The database's encoding, where texts are converted on their way.
    encoding: Option<String>,
    ungranted: Arc<AtomicUsize>,
}

impl std::ops::Deref for Session {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Session {
    /// How often the server was content to warn that it did not grant or revoke what it was told to.
    pub fn ungranted(&self) -> usize {
        self.ungranted.load(Ordering::Relaxed)
    }

    /// COPY TO. Rows pass in the database's own encoding: converted to UTF-8, some texts would be refused, and each would cost.
    pub async fn rows_out(
        &self,
        sql: &str,
    ) -> std::result::Result<CopyOutStream, tokio_postgres::Error> {
        match self.as_they_are(sql).await? {
            Some(statement) => self.client.copy_out(&statement).await,
            None => self.client.copy_out(sql).await,
        }
    }

    /// COPY FROM, in the same way.
    pub async fn rows_in<T: Buf + Send + 'static>(
        &self,
        sql: &str,
    ) -> std::result::Result<CopyInSink<T>, tokio_postgres::Error> {
        match self.as_they_are(sql).await? {
            Some(statement) => self.client.copy_in(&statement).await,
            None => self.client.copy_in(sql).await,
        }
    }

    /// The names in the statement are UTF-8, so the server reads it before the encoding changes.
    async fn as_they_are(
        &self,
        sql: &str,
    ) -> std::result::Result<Option<Statement>, tokio_postgres::Error> {
        let Some(encoding) = &self.encoding else {
            return Ok(None);
        };
        let statement = self.client.prepare(sql).await?;
        let set = format!("SET client_encoding = {}", literal(encoding));
        self.client.batch_execute(&set).await?;
        Ok(Some(statement))
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

impl Endpoint {
    /// Parses a URL or a libpq key/value string; nothing is connected to yet. The text is never repeated in an error: it may
    /// hold a password.
    pub fn parse(side: Side, text: &str) -> Result<Endpoint> {
        if text.contains("sslmode=verify") {
            return Err(no_tls(side, "verify-ca or verify-full"));
        }
        let mut config: Config = text.parse().map_err(|e: tokio_postgres::Error| {
            let cause = std::error::Error::source(&e).map_or(e.to_string(), |c| c.to_string());
            Error::new(
                Side::Plan,
                format!("reading the {side}'s connection string"),
            )
            .because(cause)
            .remedy("give postgresql://user@host:port/database, or libpq's key=value form")
        })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(no_tls(side, "require"));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        if config.get_user().is_none()
            && let Ok(user) = std::env::var("USER")
        {
            config.user(user);
        }
        config.application_name("pgv2rs-copy");
        config
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(60));
        config
            .keepalives_interval(Duration::from_secs(15))
            .keepalives_retries(8);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(15));
        }
        Ok(Endpoint {
            side,
            config,
            cancels: Arc::default(),
        })
    }

    pub fn side(&self) -> Side {
        self.side
    }

    /// `host:port/database`, for people; never the user's password.
    pub fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self
                .config
                .get_hostaddrs()
                .first()
                .map_or(String::new(), |a| a.to_string()),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.database())
    }

    pub fn database(&self) -> &str {
        self.config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or("postgres")
    }

    /// A new session with this program's settings.
    pub async fn connect(&self) -> Result<Session> {
        let attempt = || format!("connecting to {}", self.place());
        let (client, connection) = self.config.connect(NoTls).await.map_err(|e| {
            let remedy = connect_remedy(&e);
            Error::new(self.side, attempt()).because(e).remedy(remedy)
        })?;
        let side = self.side;
        let ungranted = Arc::new(AtomicUsize::new(0));
        tokio::spawn(listen(side, connection, ungranted.clone()));
        if let Ok(mut cancels) = self.cancels.lock() {
            cancels.push(client.cancel_token());
        }
        client
            .batch_execute(SETTINGS)
            .await
            .map_err(Error::on(side, attempt()))?;
        client
            .batch_execute(LATER_SETTINGS)
            .await
            .map_err(Error::on(side, attempt()))?;
        let row = client
            .query_one("SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_encoding'), \
                pg_catalog.current_setting('client_encoding')", &[])
            .await
            .map_err(Error::on(side, attempt()))?;
        let (own, spoken): (String, String) = (row.get(1), row.get(2));
        Ok(Session {
            client,
            pid: row.get(0),
            encoding: (own != spoken).then_some(own),
            ungranted,
        })
    }

    /// Asks the server to end whatever its sessions of this run are doing. Used when the user stops the run: closing a
    /// socket alone does not stop an index build.
    pub async fn cancel_all(&self) {
        let tokens = self
            .cancels
            .lock()
            .map(|mut c| std::mem::take(&mut *c))
            .unwrap_or_default();
        let cancels = tokens
            .into_iter()
            .map(|token| async move { token.cancel_query(NoTls).await });
        let all = futures::future::join_all(cancels);
        let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
    }

    /// libpq's environment for pg_dump: no password in the process list.
    pub fn libpq_environment(&self) -> Vec<(&'static str, String)> {
        let mut env = vec![
            ("PGDATABASE", self.database().to_string()),
            ("PGPORT", "5432".to_string()),
        ];
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|h| match h {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let addresses: Vec<String> = self
            .config
            .get_hostaddrs()
            .iter()
            .map(|a| a.to_string())
            .collect();
        let ports: Vec<String> = self
            .config
            .get_ports()
            .iter()
            .map(|p| p.to_string())
            .collect();
        for (name, list) in [
            ("PGHOST", hosts),
            ("PGHOSTADDR", addresses),
            ("PGPORT", ports),
        ] {
            if !list.is_empty() {
                env.push((name, list.join(",")));
            }
        }
        if let Some(user) = self.config.get_user() {
            env.push(("PGUSER", user.to_string()));
        }
        if let Some(password) = self.config.get_password() {
            env.push(("PGPASSWORD", String::from_utf8_lossy(password).into_owned()));
        }
        if let Some(options) = self.config.get_options() {
            env.push(("PGOPTIONS", options.to_string()));
        }
        if self.config.get_ssl_mode() == SslMode::Disable {
            env.push(("PGSSLMODE", "disable".into()));
        }
        env
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
    SET client_min_messages = warning; SET standard_conforming_strings = on";

/// The text of money hangs on this one, and it is a database's own: a schema's literals are written in it. Rows that are sent or
/// compared as text need it to be the same on both sides.
pub const SAME_TEXT: &str = "SET lc_monetary = 'C'";

/// The same for settings that older servers do not know. And a database in SQL_ASCII holds bytes, not characters: read as
/// UTF-8 they would be refused.
const LATER_SETTINGS: &str = "DO $$ DECLARE s text; BEGIN FOR s IN SELECT name FROM pg_catalog.pg_settings \
    WHERE name IN ('idle_session_timeout', 'transaction_timeout') LOOP \
    PERFORM pg_catalog.set_config(s, '0', false); END LOOP; \
    IF pg_catalog.current_setting('server_encoding') = 'SQL_ASCII' THEN \
    PERFORM pg_catalog.set_config('client_encoding', 'SQL_ASCII', false); END IF; END $$";

fn no_tls(side: Side, mode: &str) -> Error {
    Error::new(
        Side::Plan,
        format!("connecting to the {side} with sslmode={mode}"),
    )
    .because("this version cannot speak TLS yet")
    .remedy("use sslmode=prefer or disable over a private network or an SSH tunnel")
}

fn connect_remedy(error: &tokio_postgres::Error) -> &'static str {
    match error.code().map(|c| c.code()) {
        Some("28P01") | Some("28000") => {
            "check user, password and pg_hba.conf; the password can stand in PGV2RS_SOURCE or PGV2RS_TARGET"
        }
        Some("3D000") => "create the database first; this program fills one, it does not make it",
        Some("42501") => "GRANT CONNECT ON DATABASE to the role",
        Some("53300") => "raise max_connections or lower --jobs",
        Some(_) => "see the server's log",
        None => "check host, port, firewall, and that the server is running",
    }
}

/// A name quoted by the server's own rule (quote_ident with every name quoted).
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"schema"."name"`.
pub fn quote_qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote(schema), quote(name))
}

/// A string literal under standard_conforming_strings.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_repeats_the_connection_string() {
        let error = Endpoint::parse(Side::Source, "postgresql://u:s3cret@h:notaport/db")
            .err()
            .unwrap();
        assert!(!error.chain().contains("s3cret"), "{}", error.chain());
        let endpoint =
            Endpoint::parse(Side::Source, "host=h user=u password=s3cret dbname=d").unwrap();
        assert_eq!(endpoint.place(), "h:5432/d");
    }

    #[test]
    fn refuses_a_tls_that_it_cannot_speak() {
        let error = Endpoint::parse(Side::Source, "postgresql://h/db?sslmode=require")
            .err()
            .unwrap();
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn quotes_odd_names() {
        assert_eq!(quote_qualified("a\"b", "C d"), "\"a\"\"b\".\"C d\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
