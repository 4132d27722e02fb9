//! In: the servers of the other tests, of which only the programs are taken. Out: a source and a target of this test's own in a
//! temporary directory, which it may restart as roughly as it likes; they end with it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use super::common::{Place, unique};

/// Whether what fails is to stay for a look.
pub fn kept() -> bool {
    std::env::var_os("PGV2RS_KEEP").is_some()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
        })
    }
}

pub struct Servers {
    pub directory: PathBuf,
    source: Cluster,
    target: Cluster,
    /// Where the source is a standby.
    primary: Option<Cluster>,
}

struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    place: Place,
}

/// In memory of the system only, as scripts/servers has them: a restarted postmaster loses nothing.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 100\nfsync = off\nfull_page_writes = off\n\
    max_wal_size = '1GB'\ntimezone = 'UTC'\nlog_line_prefix = '%m [%p] %d '\n";

impl Servers {
    pub fn start() -> Servers {
        let directory = std::env::temp_dir().join(unique("chaos"));
        std::fs::create_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        own(&directory);
        let cluster = |like: Place, name: &str, settings: &str| {
            let cluster = Cluster {
                programs: programs(&like),
                directory: directory.join(name),
                place: Place {
                    host: "127.0.0.1".into(),
                    port: free_port(),
                    user: "postgres".into(),
                    password: None,
                    database: "postgres".into(),
                },
            };
            cluster.create(settings);
            cluster
        };
        let source = cluster(Place::source(), "source", "");
        let vectors = "shared_preload_libraries = 'vectors.so'\n";
        let target = cluster(Place::target(), "target", vectors);
        Servers {
            source,
            target,
            primary: None,
            directory,
        }
    }

    pub fn place(&self, side: Side) -> &Place {
        &self.cluster(side).place
    }

    /// As after a crash: no session is asked, and the log of changes is replayed.
    pub fn restart(&self, side: Side) {
        self.cluster(side)
            .control(&["restart", "--mode=immediate", "--wait", "--timeout=120"]);
    }

    /// As if so many times four thousand million transactions had been.
    pub fn count_from(&self, side: Side, epoch: u32) {
        self.reset(side, &[format!("--epoch={epoch}")]);
    }

    /// As if all transactions but so many had been before the numbers of transactions come round. All rows are frozen first.
    pub fn count_down_from(&self, side: Side, left: u32) {
        let cluster = self.cluster(side);
        let freeze = || {
            let frozen = cluster
                .program("vacuumdb")
                .args(["--all", "--freeze", "--quiet"])
                .arg(format!(
                    "--maintenance-db={}",
                    cluster.place.connection_string()
                ))
                .output();
            assert!(frozen.is_ok_and(|o| o.status.success()), "vacuumdb");
        };
        freeze();
        let next = 0u32.wrapping_sub(left);
        // The server looks up how the last ones ended; a segment has 2^20 of them, in two bits each.
        let segment = cluster
            .directory
            .join(format!("pg_xact/{:04X}", next >> 20));
        std::fs::write(segment, vec![0; 256 << 10]).expect("a segment of pg_xact");
        let numbers = ["next", "oldest"].map(|which| format!("--{which}-transaction-id={next}"));
        self.reset(side, &numbers);
        // Of each table it is noted how far it is frozen, in numbers of before.
        freeze();
    }

    fn reset(&self, side: Side, arguments: &[String]) {
        let cluster = self.cluster(side);
        cluster.control(&["stop", "--mode=fast", "--wait"]);
        let reset = cluster
            .program("pg_resetwal")
            .args(arguments)
            .arg(&cluster.directory)
            .status();
        assert!(reset.is_ok_and(|s| s.success()), "pg_resetwal");
        cluster.control(&["start", "--wait", "--timeout=120"]);
    }

    /// A standby of the source takes its place; it has replayed all.
    pub fn with_a_standby_as_source(mut self) -> Servers {
        let standby = Cluster {
            programs: self.source.programs.clone(),
            directory: self.directory.join("standby"),
            place: Place {
                port: free_port(),
                ..self.source.place.clone()
            },
        };
        let primary = self.source.place.connection_string();
        let copied = standby
            .program("pg_basebackup")
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .arg(format!("--dbname={primary}"))
            .arg("--pgdata")
            .arg(&standby.directory)
            .status();
        assert!(copied.is_ok_and(|s| s.success()), "pg_basebackup");
        let file = standby.directory.join("postgresql.conf");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let port = format!("{text}\nport = {}\n", standby.place.port);
        std::fs::write(&file, port).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        standby.control(&["start", "--wait", "--timeout=120"]);
        self.primary = Some(std::mem::replace(&mut self.source, standby));
        self
    }

    fn cluster(&self, side: Side) -> &Cluster {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if std::thread::panicking() && kept() {
            for side in [Side::Source, Side::Target] {
                println!("{side} kept: {}", self.place(side).connection_string());
            }
            return println!("both are in {}", self.directory.display());
        }
        for cluster in [&self.source, &self.target]
            .into_iter()
            .chain(&self.primary)
        {
            let _ = cluster.try_control(&["stop", "--mode=immediate", "--wait"]);
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Cluster {
    fn create(&self, settings: &str) {
        let made = self
            .program("initdb")
            .arg("--pgdata")
            .arg(&self.directory)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync"])
            .output();
        let made = made.unwrap_or_else(|e| panic!("starting initdb: {e}"));
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "initdb: {said}");
        let file = self.directory.join("postgresql.conf");
        let port = self.place.port;
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(
            &file,
            format!("{text}\n{SETTINGS}{settings}port = {port}\n"),
        )
        .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.control(&["start", "--wait", "--timeout=120"]);
    }

    fn control(&self, arguments: &[&str]) {
        if let Err(said) = self.try_control(arguments) {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            panic!("pg_ctl {arguments:?}: {said}\n{log}");
        }
    }

    fn try_control(&self, arguments: &[&str]) -> Result<(), String> {
        let done = self
            .program("pg_ctl")
            .args(arguments)
            .arg("--pgdata")
            .arg(&self.directory)
            .arg("--log")
            .arg(self.log())
            // The postmaster inherits it, and a pipe would be waited for.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match done {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// A server's program as the account that it runs under, with nothing of the caller's environment that could lead it elsewhere.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.env_clear().env("LC_ALL", "C").env("HOME", "/");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir("/").stdin(Stdio::null());
        if let Some((user, group)) = unprivileged() {
            command.gid(group).uid(user);
        }
        command
    }
}

/// Below those that the system gives to clients: while a server restarts, one that tries to reach it could be given its port. A
/// hundred of its own for each process, so that tests side by side do not choose the same one.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 15_000 + (std::process::id() % 150) as u16 * 100;
    let next = || first + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(next)
        .take(100)
        .find(free)
        .expect("a free port")
}

/// Where the server's own programs are, which says itself.
fn programs(place: &Place) -> PathBuf {
    let bin = place
        .session()
        .one("SELECT setting FROM pg_config() WHERE name = 'BINDIR'");
    let bin = PathBuf::from(bin);
    assert!(
        bin.join("initdb").is_file(),
        "the servers of this test are made with the programs of the others, and {} is not on this machine",
        bin.display()
    );
    bin
}

/// PostgreSQL does not run as root: user and group of `nobody`, where root runs the tests.
fn unprivileged() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").ok()?.uid();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let nobody = accounts.lines().find(|l| l.starts_with("nobody:"))?;
    let mut ids = nobody.split(':').skip(2).filter_map(|id| id.parse().ok());
    (own == 0).then_some((ids.next()?, ids.next()?))
}

/// Gives a file or directory to the account that the servers run under.
pub fn own(path: &Path) {
    if let Some((user, group)) = unprivileged() {
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}
