//! In: a place, and a configuration for it. Out: a session there, begun, or why there is none; and the way to end what sessions do. Which
//! place, and which way to encrypt, is decided before.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::gathered::{First, Gathered, Inside};
use super::parameters::Place;
use super::socket::{self, Address, Socket};
use super::{Endpoint, Session};

/// How to end what a session does, and whether it still is.
pub(super) struct Cancel {
    alive: Weak<()>,
    token: CancelToken,
    place: Place,
    address: Address,
    config: Config,
}

type Wire = Gathered<Socket>;
type TlsOf = <MakeRustlsConnect as MakeTlsConnect<Wire>>::TlsConnect;
type TlsWire = Gathered<<MakeRustlsConnect as MakeTlsConnect<Wire>>::Stream>;
type Login = (Client, Connection<Wire, TlsWire>);

/// Why there is no session.
pub(super) enum Unreached {
    /// No answer came in time.
    Silent,
    /// It ended before anything was said.
    Socket(io::Error),
    Server(tokio_postgres::Error),
}

impl From<io::Error> for Unreached {
    fn from(error: io::Error) -> Unreached {
        Unreached::Socket(error)
    }
}

impl Endpoint {
    /// The outer error is of connecting, the inner one of what this program sets in its session. A role or a database may have timeouts so
    /// short that they strike before they are lifted; then they are lifted at login.
    pub(super) async fn begun(
        &self,
        place: &Place,
        mut config: Config,
    ) -> Result<Result<(Session, String), tokio_postgres::Error>, Unreached> {
        let mut tries = 3;
        loop {
            tries -= 1;
            let ((client, connection), address) = self.logged_in(place, &config).await?;
            let token = client.cancel_token();
            match Session::begin(self.side, client, connection).await {
                Err(error) if tries > 0 && struck(&error) => {
                    let own = config.get_options().unwrap_or_default();
                    let options = format!("{own} -c statement_timeout=0");
                    config.options(options);
                }
                begun => {
                    if let (Ok((session, _)), Ok(mut cancels)) = (&begun, self.cancels.lock()) {
                        cancels.retain(|cancel| cancel.alive.strong_count() > 0);
                        cancels.push(Cancel {
                            alive: Arc::downgrade(&session.alive),
                            token,
                            place: place.clone(),
                            address,
                            config,
                        });
                    }
                    return Ok(begun);
                }
            }
        }
    }

    /// At the first of the place's addresses that lets it in.
    async fn logged_in(
        &self,
        place: &Place,
        config: &Config,
    ) -> Result<(Login, Address), Unreached> {
        let nowhere = "the name has no address";
        let nowhere = io::Error::new(io::ErrorKind::NotFound, nowhere);
        let mut wrong = Unreached::Socket(nowhere);
        // Of the handshakes of TCP and TLS, and of the login.
        let limit = config.get_connect_timeout().copied();
        let limit = limit.unwrap_or(Duration::MAX);
        for address in socket::addresses(place).await? {
            let login = async {
                let (wire, tls) = self.wire(place, &address, config).await?;
                let login = config.connect_raw(wire, tls).await;
                login.map_err(Unreached::Server)
            };
            match tokio::time::timeout(limit, login).await {
                Ok(Ok(login)) => return Ok((login, address)),
                Ok(Err(Unreached::Server(error))) if answered(&error) => {
                    return Err(Unreached::Server(error));
                }
                Ok(Err(error)) => wrong = error,
                Err(_) => wrong = Unreached::Silent,
            }
        }
        Err(wrong)
    }

    /// A socket to the server, and how it is encrypted if it is.
    async fn wire(
        &self,
        place: &Place,
        address: &Address,
        config: &Config,
    ) -> io::Result<(Wire, Inside<TlsOf>)> {
        let first = match (config.get_ssl_mode(), config.get_ssl_negotiation()) {
            (SslMode::Disable, _) => First::Message,
            (_, SslNegotiation::Direct) => First::Tls,
            _ => First::Answer,
        };
        let socket = Socket::connect(address, config).await?;
        let mut connector = self.tls.connector.clone();
        let tls = MakeTlsConnect::<Wire>::make_tls_connect(&mut connector, &place.host);
        let tls = tls.map_err(io::Error::other)?;
        Ok((Gathered::new(socket, first), Inside(tls)))
    }

    /// Asks the server to end whatever its sessions of this run are doing. Used when the user stops the run: closing a
    /// socket alone does not stop an index build.
    pub async fn cancel_all(&self) {
        let cancels = self.cancels.lock();
        let cancels = cancels.map_or(Vec::new(), |mut cancels| std::mem::take(&mut *cancels));
        let cancels = cancels.into_iter();
        let cancels = cancels.filter(|cancel| cancel.alive.strong_count() > 0);
        let all = cancels.map(|cancel| async move {
            let Cancel {
                token,
                place,
                address,
                config,
                ..
            } = cancel;
            if let Ok((wire, tls)) = self.wire(&place, &address, &config).await {
                let _ = token.cancel_query_raw(wire, tls).await;
            }
        });
        let all = futures::future::join_all(all);
        let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
    }
}

/// For all: no other address or host is asked. One that starts up or shuts down leaves that to the others.
pub(super) fn answered(error: &tokio_postgres::Error) -> bool {
    let code = error.code().map(|c| c.code());
    code.is_some_and(|c| c != "57P03" && c != "57P01")
}

/// By a timeout: of a statement, or of an idle session, which is closed.
fn struck(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.code().is_some_and(|c| c.code() == "57014")
}
