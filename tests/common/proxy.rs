//! In: a server, and a mischief. Out: a port of the loopback interface that leads to the server and does the mischief on the way:
//! cuts a connection after some bytes, or changes some. It understands nothing of the protocol.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Place;

#[derive(Clone)]
pub enum Mischief {
    /// A connection that has brought more than this from the server is cut.
    CutFromServer(usize),
    /// A connection that has brought more than this to the server is cut.
    CutToServer(usize),
    /// On the way to the server these bytes become others, as many.
    Replace(Vec<u8>, Vec<u8>),
}

/// Starts a proxy in front of the place; it serves until the test binary ends. Returns the place to connect to instead.
pub fn before(place: &Place, mischief: Mischief) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let upstream = (place.host.clone(), place.port);
    let mischief = Arc::new(mischief);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect((upstream.0.as_str(), upstream.1)) else {
                continue;
            };
            serve(client, server, mischief.clone());
        }
    });
    place.through(port)
}

/// Starts a balancer: the first connection goes to the first place, all others to the second. Returns the first place, through it.
pub fn balancer(first: &Place, others: &Place) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let ways = [first, others].map(|p| (p.host.clone(), p.port));
    std::thread::spawn(move || {
        for (n, client) in listener.incoming().flatten().enumerate() {
            let (host, port) = &ways[n.min(1)];
            if let Ok(server) = TcpStream::connect((host.as_str(), *port)) {
                serve(client, server, Arc::new(Mischief::CutToServer(usize::MAX)));
            }
        }
    });
    first.through(port)
}

/// A way to the place that counts its connections.
pub fn counted(place: &Place) -> (Place, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let way = (place.host.clone(), place.port);
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            counting.fetch_add(1, Ordering::SeqCst);
            if let Ok(server) = TcpStream::connect((way.0.as_str(), way.1)) {
                serve(client, server, Arc::new(Mischief::CutToServer(usize::MAX)));
            }
        }
    });
    (place.through(port), count)
}

/// A Unix socket that leads its first connection to the place.
pub fn socket_to(place: &Place, path: &std::path::Path) {
    let listener = std::os::unix::net::UnixListener::bind(path).expect("a socket");
    let way = (place.host.clone(), place.port);
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().ok()?;
        let mut server = TcpStream::connect((way.0.as_str(), way.1)).ok()?;
        let (mut up, mut down) = (client.try_clone().ok()?, server.try_clone().ok()?);
        std::thread::spawn(move || std::io::copy(&mut up, &mut server));
        std::io::copy(&mut down, &mut client).ok()
    });
}

/// A port where nobody listens.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn serve(client: TcpStream, server: TcpStream, mischief: Arc<Mischief>) {
    let both = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
    let (Some(up), Some(down)) = (both(), both()) else {
        return;
    };
    let limit = match *mischief {
        Mischief::CutFromServer(bytes) => (usize::MAX, bytes),
        Mischief::CutToServer(bytes) => (bytes, usize::MAX),
        Mischief::Replace(..) => (usize::MAX, usize::MAX),
    };
    std::thread::spawn(move || pump(up.0, up.1, limit.0, Some(&mischief)));
    std::thread::spawn(move || pump(down.1, down.0, limit.1, None));
}

/// Carries bytes one way until either end closes, or the limit is reached; then both ways are closed.
fn pump(mut from: TcpStream, mut to: TcpStream, limit: usize, mischief: Option<&Mischief>) {
    let mut buffer = vec![0; 1 << 16];
    let mut carried = 0;
    while let Ok(n) = from.read(&mut buffer) {
        carried += n;
        if n == 0 || carried > limit {
            break;
        }
        let bytes = &mut buffer[..n];
        if let Some(Mischief::Replace(old, new)) = mischief {
            replace(bytes, old, new);
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let places: Vec<usize> = bytes
        .windows(old.len())
        .enumerate()
        .filter(|(_, w)| *w == old)
        .map(|(at, _)| at)
        .collect();
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
}
