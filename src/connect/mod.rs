//! In: a connection string. Out: sessions whose settings cannot change a meaning or kill a long copy, all with one server, and the
//! environment under which pg_dump reaches it too. `parameters` says where and as whom, `tls` how; it knows the wire only as
//! tokio-postgres shows it.

mod gathered;
mod login;
pub mod parameters;
mod password_file;
mod service_file;
mod session;
mod socket;
mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode};

use crate::error::{Error, Result, Side};
pub use gathered::LONGEST as LONGEST_COPY_DATA;
use login::{Cancel, Unreached, answered};
use parameters::{Parameters, Place};
pub use session::{FULL_NAMES, NAMES_IN_FULL, SAME_TEXT, Session};
use tls::{Mode, Tls};

/// One of the two servers, and the way to it.
#[derive(Clone)]
pub struct Endpoint {
    side: Side,
    parameters: Arc<Parameters>,
    tls: Tls,
    places: Arc<[Place]>,
    wanted: Wanted,
    /// Set by the first session: all later ones must be with the same server.
    reached: Arc<Mutex<Option<Reached>>>,
    cancels: Arc<Mutex<Vec<Cancel>>>,
}

#[derive(Clone)]
struct Reached {
    place: Place,
    /// The cluster's identifier, and when its postmaster started: another server, a standby say, has one of them otherwise.
    server: String,
}

/// libpq's target_session_attrs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Endpoint {
    /// Parses a URL or a libpq key/value string, and reads what it does not say from where libpq would; nothing is connected to yet.
    /// The text is never repeated in an error: it may hold a password.
    pub fn parse(side: Side, text: &str) -> Result<Endpoint> {
        Endpoint::read(side, text).map_err(|cause| {
            Error::new(
                Side::Plan,
                format!("reading the {side}'s connection string"),
            )
            .because(cause)
            .remedy("give postgresql://user@host:port/database, or libpq's key=value form; PG* variables and the service file fill in the rest")
        })
    }

    fn read(side: Side, text: &str) -> std::result::Result<Endpoint, String> {
        let variable = |name: &str| std::env::var(name).ok();
        let parameters = Parameters::read(text, &variable)?;
        let wanted = match parameters.get("target_session_attrs") {
            None | Some("any") => Wanted::Any,
            Some("read-write") => Wanted::ReadWrite,
            Some("read-only") => Wanted::ReadOnly,
            Some("primary") => Wanted::Primary,
            Some("standby") => Wanted::Standby,
            Some("prefer-standby") => Wanted::PreferStandby,
            Some(_) => return Err("there are no such target_session_attrs".into()),
        };
        let endpoint = Endpoint {
            side,
            tls: Tls::read(&parameters)?,
            places: parameters.places()?.into(),
            parameters: Arc::new(parameters),
            wanted,
            reached: Arc::default(),
            cancels: Arc::default(),
        };
        // What is wrong is wrong for every place.
        endpoint.config(SslMode::Disable, None)?;
        Ok(endpoint)
    }

    /// Whether it is on this machine, as far as its name tells.
    pub fn is_local(&self) -> bool {
        self.places.iter().all(Place::is_local)
    }

    /// What a careful person would say of the way to this server.
    pub fn warnings(&self) -> Vec<String> {
        let far = self.places.iter().find(|p| !p.is_local());
        let unproven = far.filter(|_| self.tls.mode < Mode::VerifyFull).map(|place| {
            let mode = self.parameters.get("sslmode").unwrap_or("prefer");
            format!(
                "the {} is reached with sslmode={mode}: nothing proves that it is {}; sslmode=verify-full with sslrootcert does",
                self.side, place.host
            )
        });
        let files = self
            .places
            .iter()
            .filter_map(|p| self.parameters.password(p).1);
        let mut warnings: Vec<String> = unproven.into_iter().chain(files).collect();
        warnings.dedup();
        warnings
    }

    /// For one place, one way to encrypt.
    fn config(
        &self,
        mode: SslMode,
        password: Option<String>,
    ) -> std::result::Result<Config, String> {
        let get = |name| self.parameters.get(name);
        let number = |name| self.parameters.number(name);
        let seconds = |name| Ok::<_, String>(number(name)?.map(Duration::from_secs));
        let mut config = Config::new();
        config.ssl_mode(mode);
        config.ssl_negotiation(self.tls.negotiation);
        config.dbname(self.parameters.database());
        if let Some(user) = get("user") {
            config.user(user);
        }
        if let Some(password) = password {
            config.password(password);
        }
        if let Some(options) = get("options") {
            config.options(options);
        }
        let name = get("application_name").or(get("fallback_application_name"));
        config.application_name(name.unwrap_or("pgv2rs-copy"));
        config.channel_binding(match get("channel_binding") {
            None | Some("prefer") => ChannelBinding::Prefer,
            Some("disable") => ChannelBinding::Disable,
            Some("require") => ChannelBinding::Require,
            Some(_) => return Err("channel_binding must be disable, prefer or require".into()),
        });
        let timeout = seconds("connect_timeout")?.unwrap_or(Duration::from_secs(15));
        // 0 is "wait for ever" in libpq, and no timeout in the library.
        if !timeout.is_zero() {
            config.connect_timeout(timeout);
        }
        // A copy of hours must notice a peer that is gone.
        config.keepalives(number("keepalives")? != Some(0));
        config.keepalives_idle(seconds("keepalives_idle")?.unwrap_or(Duration::from_secs(60)));
        config.keepalives_interval(
            seconds("keepalives_interval")?.unwrap_or(Duration::from_secs(15)),
        );
        let count = number("keepalives_count")?.unwrap_or(8);
        config.keepalives_retries(u32::try_from(count).map_err(|e| e.to_string())?);
        if let Some(timeout) = number("tcp_user_timeout")?.filter(|t| *t > 0) {
            config.tcp_user_timeout(Duration::from_millis(timeout));
        }
        Ok(config)
    }

    pub fn side(&self) -> Side {
        self.side
    }

    /// `host:port/database`, for people; never the user's password.
    pub fn place(&self) -> String {
        let places = match self.reached() {
            Some(reached) => reached.place.to_string(),
            None => {
                let places: Vec<String> = self.places.iter().map(Place::to_string).collect();
                places.join(",")
            }
        };
        format!("{places}/{}", self.parameters.database())
    }

    /// A new session with this program's settings: with the first server that will do, and from then on with that server only.
    pub async fn connect(&self) -> Result<Session> {
        if let Some(reached) = self.reached() {
            let (session, server) = self.open(&reached.place).await.map_err(|(e, _)| e)?;
            return match server == reached.server {
                true => Ok(session),
                false => Err(self.elsewhere()),
            };
        }
        let passes: &[Wanted] = match self.wanted {
            Wanted::PreferStandby => &[Wanted::Standby, Wanted::Any],
            _ => &[self.wanted],
        };
        let mut wrong = None;
        for wanted in passes {
            for place in self.places.iter() {
                match self.open(place).await {
                    Ok((session, server)) if wanted.fits(&session).await => {
                        let place = place.clone();
                        let reached = Reached { place, server };
                        let first = self.first(&reached);
                        // Two first sessions at once may have gone two ways.
                        return match first.server == reached.server {
                            true => Ok(session),
                            false => Err(self.elsewhere()),
                        };
                    }
                    Ok(_) => {
                        wrong = Some(self.failed(place).because(format!(
                            "it is not what target_session_attrs={wanted} asks for"
                        )));
                    }
                    // As libpq: a server that has answered has answered for all.
                    Err((error, true)) => return Err(error),
                    Err((error, false)) => wrong = Some(error),
                }
            }
        }
        Err(wrong.unwrap_or_else(|| Error::new(self.side, "connecting to no place at all")))
    }

    fn failed(&self, place: &Place) -> Error {
        let attempt = format!("connecting to {place}/{}", self.parameters.database());
        Error::new(self.side, attempt)
    }

    fn elsewhere(&self) -> Error {
        Error::new(self.side, format!("connecting to {}", self.place()))
            .because("this session is with another server than the first one, or the server was restarted since")
            .remedy("a pooler, a load balancer or a name with several addresses stands between: name the server itself")
            .from_the_start()
    }

    fn reached(&self) -> Option<Reached> {
        self.reached.lock().map_or(None, |reached| reached.clone())
    }

    /// The server that the first session reached: this one, if there was none before.
    fn first(&self, reached: &Reached) -> Reached {
        let first = self.reached.lock();
        first.map_or(reached.clone(), |mut first| {
            first.get_or_insert_with(|| reached.clone()).clone()
        })
    }

    /// Whether the server that was reached is on this machine.
    pub fn is_here(&self) -> bool {
        self.reached()
            .is_some_and(|reached| reached.place.is_local())
    }

    /// The next session may be with another server, or with the same one after a restart: for a run that starts over.
    pub fn forget(&self) {
        if let Ok(mut reached) = self.reached.lock() {
            *reached = None;
        }
    }

    /// A session, and what tells its server from any other; or why not, and whether that is a server's answer.
    async fn open(&self, place: &Place) -> std::result::Result<(Session, String), (Error, bool)> {
        let attempts = match place.is_socket() {
            true => &[SslMode::Disable],
            false => self.tls.attempts(),
        };
        let (password, _) = self.parameters.password(place);
        let mut wrong = None;
        for mode in attempts {
            let config = self
                .config(*mode, password.clone())
                .map_err(|e| (self.failed(place).because(e), true))?;
            match self.begun(place, config).await {
                Ok(Ok(begun)) => return Ok(begun),
                Ok(Err(error)) => return Err((self.failed(place).because(error), false)),
                Err(Unreached::Silent) => {
                    let silent = self.failed(place).because("it did not answer in time");
                    let remedy = "check that it is a PostgreSQL server and that it is well; connect_timeout says how many seconds to wait";
                    return Err((silent.remedy(remedy), false));
                }
                Err(Unreached::Socket(error)) => {
                    let silent = self.failed(place).because(error);
                    return Err((silent.remedy(NOT_THERE), false));
                }
                Err(Unreached::Server(error)) => {
                    let again = worth_another_way(&error);
                    wrong = Some(error);
                    if !again {
                        break;
                    }
                }
            }
        }
        Err(match wrong {
            Some(error) => {
                let answered = answered(&error);
                let remedy = connect_remedy(&error);
                (self.failed(place).because(error).remedy(remedy), answered)
            }
            None => (self.failed(place), true),
        })
    }

    /// libpq's environment for pg_dump, to the server that was reached: no password in the process list.
    pub fn libpq_environment(&self) -> Vec<(&'static str, String)> {
        let place = self.reached().map_or(self.places[0].clone(), |r| r.place);
        let mut variables = self.parameters.variables(&place);
        // A role's own timeout may be too short for pg_dump to lift it.
        let own = self.parameters.get("options").unwrap_or_default();
        variables.retain(|(name, _)| *name != "PGOPTIONS");
        variables.push(("PGOPTIONS", format!("{own} -c statement_timeout=0")));
        variables
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Wanted::Any => "any",
            Wanted::ReadWrite => "read-write",
            Wanted::ReadOnly => "read-only",
            Wanted::Primary => "primary",
            Wanted::Standby | Wanted::PreferStandby => "standby",
        })
    }
}

impl Wanted {
    async fn fits(self, session: &Session) -> bool {
        let sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')::bool";
        let answer = session.query_one(sql, &[]).await;
        answer.is_ok_and(|row| {
            let (standby, read_only): (bool, bool) = (row.get(0), row.get(1));
            match self {
                Wanted::Any => true,
                Wanted::ReadWrite => !read_only,
                Wanted::ReadOnly => read_only,
                Wanted::Primary => !standby,
                Wanted::Standby | Wanted::PreferStandby => standby,
            }
        })
    }
}

/// Whether the next of the ways to encrypt may succeed where this one failed: the handshake did, or pg_hba.conf has no line for it.
fn worth_another_way(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => code.code() == "28000",
        // The library does not say otherwise that it was TLS.
        None => error.to_string().contains("TLS"),
    }
}

const NOT_THERE: &str = "check host, port, firewall, and that the server is running";

fn connect_remedy(error: &tokio_postgres::Error) -> &'static str {
    match error.code().map(|c| c.code()) {
        Some("28P01") | Some("28000") => {
            "check user, password and pg_hba.conf; the password can stand in PGV2RS_SOURCE or PGV2RS_TARGET"
        }
        Some("3D000") => "create the database first; this program fills one, it does not make it",
        Some("42501") => "GRANT CONNECT ON DATABASE to the role",
        Some("53300") => "raise max_connections or lower --jobs",
        Some(_) => "see the server's log",
        None if error.to_string().contains("TLS") => {
            "check sslmode, and with verify-ca and verify-full sslrootcert and the certificate's dates; with verify-full the host must stand among its alternative names (subjectAltName; a common name does not count). A certificate must be of version 3: openssl x509 -req makes one with -extfile"
        }
        None => NOT_THERE,
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
        for odd in ["u:first@s3cret@h/db", "u:1/s3cret@h/db", "u:1?s3cret@h@i"] {
            let text = format!("postgresql://{odd}");
            let error = Endpoint::parse(Side::Source, &text).err().unwrap();
            assert!(!error.chain().contains("s3cret"), "{}", error.chain());
            assert!(error.chain().contains("%40"), "{}", error.chain());
        }
        let endpoint =
            Endpoint::parse(Side::Source, "host=h user=u password=s3cret dbname=d").unwrap();
        assert_eq!(endpoint.place(), "h:5432/d");
    }

    #[test]
    fn quotes_odd_names() {
        assert_eq!(quote_qualified("a\"b", "C d"), "\"a\"\"b\".\"C d\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
