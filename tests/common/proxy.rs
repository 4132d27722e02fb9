//! In: a server, and a mischief. Out: a port of the loopback interface that leads to the server and does the mischief on the way:
//! cuts a connection after some bytes, or changes some; or cuts, stalls and delays when the test says so. It understands nothing of
//! the protocol.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

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
    let mischief = Arc::new(mischief);
    way(place, move |client, server| {
        serve(client, server, mischief.clone());
    })
}

/// A port that leads to the place, each connection carried by `carry`.
fn way(place: &Place, mut carry: impl FnMut(TcpStream, TcpStream) + Send + 'static) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let (host, upstream) = (place.host.clone(), place.port);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Ok(server) = TcpStream::connect((host.as_str(), upstream)) {
                carry(client, server);
            }
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
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let place = way(place, move |client, server| {
        counting.fetch_add(1, Ordering::SeqCst);
        serve(client, server, Arc::new(Mischief::CutToServer(usize::MAX)));
    });
    (place, count)
}

/// A long way to the place, and how often a client has sent something after an answer: its round trips.
pub fn far(place: &Place) -> (Place, Arc<AtomicUsize>) {
    let turns = Arc::new(AtomicUsize::new(0));
    let counting = turns.clone();
    let place = way(place, move |client, server| {
        for end in [&client, &server] {
            let _ = end.set_nodelay(true);
        }
        let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        let answered = Arc::new(AtomicBool::new(true));
        let (asks, answers, turns) = (answered.clone(), answered, counting.clone());
        std::thread::spawn(move || {
            let ask = || {
                if asks.swap(false, Ordering::SeqCst) {
                    turns.fetch_add(1, Ordering::SeqCst);
                }
            };
            slowly(from, server, ask, || ());
        });
        std::thread::spawn(move || {
            slowly(to, client, || (), || answers.store(true, Ordering::SeqCst));
        });
    });
    (place, turns)
}

fn slowly(mut from: TcpStream, mut to: TcpStream, before: impl Fn(), after: impl Fn()) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        before();
        std::thread::sleep(Duration::from_millis(5));
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
        after();
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// A way to the place that the test disturbs while it is in use.
#[derive(Clone, Default)]
pub struct Way(Arc<Mutex<Trouble>>);

#[derive(Default)]
struct Trouble {
    /// Both ends of each open connection, by its number. They go when it ends: only a socket that nobody holds tells a server that
    /// still sends that there is no reader.
    connections: BTreeMap<usize, [TcpStream; 2]>,
    made: usize,
    stalled_until: Option<Instant>,
    /// What each piece waits, and until when.
    delay: Option<(Duration, Instant)>,
    /// The connection that carries the last of these bytes is cut behind it, mostly within a message.
    left: Option<usize>,
    cuts: usize,
}

impl Trouble {
    fn cut(&mut self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            for end in self.connections.remove(&number).into_iter().flatten() {
                let _ = end.shutdown(Shutdown::Both);
            }
            self.cuts += 1;
        }
    }
}

impl Way {
    pub fn to(place: &Place) -> (Place, Way) {
        let this = Way::default();
        let disturbed = this.clone();
        let place = way(place, move |client, server| disturbed.carry(client, server));
        (place, this)
    }

    fn carry(&self, client: TcpStream, server: TcpStream) {
        // Else each small message waits forty milliseconds for the acknowledgement of the one before.
        for end in [&client, &server] {
            let _ = end.set_nodelay(true);
        }
        let both = || Some([client.try_clone().ok()?, server.try_clone().ok()?]);
        let (Some(kept), Some(up), Some(down)) = (both(), both(), both()) else {
            return;
        };
        let number = {
            let mut trouble = self.trouble();
            trouble.made += 1;
            let number = trouble.made;
            trouble.connections.insert(number, kept);
            number
        };
        let [client, server] = down;
        for [from, to] in [up, [server, client]] {
            let way = self.clone();
            std::thread::spawn(move || {
                way.pump(from, to);
                way.trouble().connections.remove(&number);
            });
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.0.lock().expect("no thread of the proxy panics")
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n) = from.read(&mut buffer) {
            if n == 0 {
                break;
            }
            self.wait();
            let (bytes, cut) = self.allowed(n);
            if to.write_all(&buffer[..bytes]).is_err() || cut {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn wait(&self) {
        loop {
            let now = Instant::now();
            let (stall, delay) = {
                let trouble = self.trouble();
                let delay = trouble.delay.filter(|(_, until)| *until > now);
                (trouble.stalled_until, delay.map(|(each, _)| each))
            };
            match stall {
                Some(until) if until > now => {
                    std::thread::sleep((until - now).min(Duration::from_millis(50)));
                }
                _ => {
                    std::thread::sleep(delay.unwrap_or_default());
                    return;
                }
            }
        }
    }

    /// How many of these bytes may pass, and whether the connection is cut behind them.
    fn allowed(&self, bytes: usize) -> (usize, bool) {
        let mut trouble = self.trouble();
        match trouble.left {
            Some(left) if left < bytes => {
                trouble.left = None;
                trouble.cuts += 1;
                (left, true)
            }
            Some(left) => {
                trouble.left = Some(left - bytes);
                (bytes, false)
            }
            None => (bytes, false),
        }
    }

    /// Cuts the open connection of this number, counted around.
    pub fn cut_one(&self, which: usize) {
        let mut trouble = self.trouble();
        let place = which % trouble.connections.len().max(1);
        let number = trouble.connections.keys().nth(place).copied();
        trouble.cut(number);
    }

    pub fn cut_all(&self) {
        let mut trouble = self.trouble();
        let all: Vec<usize> = trouble.connections.keys().copied().collect();
        trouble.cut(all);
    }

    /// Nothing passes for so long.
    pub fn stall(&self, time: Duration) {
        self.trouble().stalled_until = Some(Instant::now() + time);
    }

    /// Every piece comes later by `each`, for so long.
    pub fn delay(&self, each: Duration, time: Duration) {
        self.trouble().delay = Some((each, Instant::now() + time));
    }

    /// Cuts the connection that carries the last of the next so many bytes.
    pub fn truncate_after(&self, bytes: usize) {
        self.trouble().left = Some(bytes);
    }

    /// Everything passes from now on.
    pub fn mend(&self) {
        let mut trouble = self.trouble();
        (trouble.stalled_until, trouble.delay, trouble.left) = (None, None, None);
    }

    /// Connections that were cut so far.
    pub fn cuts(&self) -> usize {
        self.trouble().cuts
    }
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
