//! In: a place, as a configuration has it. Out: a socket to it, with the keepalives and limits that libpq knows. It speaks no protocol.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_postgres::Config;

use super::parameters::Place;

#[derive(Clone, Debug)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Where a place is: several addresses where a name has them.
pub async fn addresses(place: &Place) -> io::Result<Vec<Address>> {
    if place.is_socket() {
        // An @ stands for the NUL byte of a name that is in no directory.
        let host = match place.host.strip_prefix('@') {
            Some(name) => format!("\0{name}"),
            None => place.host.clone(),
        };
        let path = PathBuf::from(host).join(format!(".s.PGSQL.{}", place.port));
        return Ok(vec![Address::Unix(path)]);
    }
    if let Some(address) = place.address {
        return Ok(vec![Address::Tcp((address, place.port).into())]);
    }
    let found = lookup_host((place.host.as_str(), place.port)).await?;
    Ok(found.map(Address::Tcp).collect())
}

impl Socket {
    pub async fn connect(address: &Address, config: &Config) -> io::Result<Socket> {
        let socket = match address {
            Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
            Address::Tcp(address) => TcpStream::connect(address).await.map(Socket::Tcp),
        }?;
        if let Socket::Tcp(tcp) = &socket {
            set(tcp, config)?;
        }
        Ok(socket)
    }
}

fn set(tcp: &TcpStream, config: &Config) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(config.get_tcp_user_timeout().copied())?;
    if config.get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
        if let Some(interval) = config.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_read(cx, to),
            Socket::Unix(unix) => Pin::new(unix).poll_read(cx, to),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Socket::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Socket::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Socket::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_in_a_directory_or_abstract() {
        for (host, path) in [
            ("/run/pg@15", "/run/pg@15/.s.PGSQL.6543"),
            ("@pg@15", "\0pg@15/.s.PGSQL.6543"),
        ] {
            let place = Place {
                host: host.into(),
                address: None,
                port: 6543,
            };
            let found = addresses(&place).await.expect("no name to look up");
            assert!(matches!(&found[..], [Address::Unix(p)] if p.as_os_str() == path));
        }
    }
}
