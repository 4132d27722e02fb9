"""In: the servers of scripts/servers, or those that PGV2RS_TEST_SOURCE and PGV2RS_TEST_TARGET name by hand; how many bytes will be copied.
Out: source and target to measure between, psql and the programs beside it, databases that are ours alone.
Not here: what is in the databases (tables.py), what is measured (contestants.py)."""

import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOME = ROOT / "target" / "bench"
RAM_DISK = pathlib.Path("/dev/shm")
MARK = "made by scripts/bench, which drops it"
# What changes how fast rows are read or written, or what they cost.
SETTINGS = ("server_version", "shared_buffers", "fsync", "full_page_writes", "synchronous_commit", "wal_level", "wal_compression", "max_wal_size",
            "checkpoint_timeout", "autovacuum", "default_toast_compression", "max_parallel_maintenance_workers", "maintenance_work_mem", "jit")


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def environment(**more):
    """No PG* variable of the caller may change what is measured."""
    return {**{key: value for key, value in os.environ.items() if not key.startswith("PG")}, **more}


class Server:
    """A server to connect to; the cluster behind it where it is one of ours."""

    def __init__(self, url, place, cluster=None):
        self.url, self.place, self.cluster = url, place, cluster

    def at(self, database):
        """The same server, another database: in a URL the path says which, in libpq's key=value form the last dbname."""
        found = re.fullmatch(r"(postgres(?:ql)?://[^/?]*)(?:/[^?]*)?(\?.*)?", self.url)
        return f"{found[1]}/{database}{found[2] or ''}" if found else f"{self.url} dbname={database}"

    def cpu_seconds(self):
        """CPU of the backends that have ended: the postmaster has reaped them. 0 for a server elsewhere."""
        if not self.cluster:
            return 0.0
        fields = pathlib.Path(f"/proc/{self.cluster.process()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


class Psql:
    """psql, and the client programs of the same version beside it."""

    def __init__(self, path):
        self.path = path

    def command(self, url, *statements):
        commands = [part for statement in statements for part in ("-c", statement)]
        return [self.path, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, *commands]

    def __call__(self, url, *statements, single_transaction=False):
        command = self.command(url, *statements)
        if single_transaction:
            command.insert(1, "--single-transaction")
        done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"bench: psql failed on: {'; '.join(statements)}")
        return done.stdout.strip()

    def beside(self, program):
        return self.path.parent / program

    def exists(self, server, database):
        return self(server.at("postgres"), f"SELECT 1 FROM pg_database WHERE datname = '{database}'") == "1"

    def drop(self, server, database):
        """On a server named by hand a database of this name may be somebody's: only one with our mark is dropped."""
        ours = self(server.at("postgres"), "SELECT shobj_description(oid, 'pg_database') IS NOT DISTINCT FROM "
                    f"'{MARK}' FROM pg_database WHERE datname = '{database}'")
        if ours == "f":
            sys.exit(f"bench: a database {database} exists that this script did not make; rename it or drop it first")
        if ours == "t":
            self(server.at("postgres"), f"DROP DATABASE {database} WITH (FORCE)")

    def create(self, server, database):
        self(server.at("postgres"), f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'",
             f"COMMENT ON DATABASE {database} IS '{MARK}'")

    def has_pgvector(self, server):
        return self(server.at("postgres"), "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'") == "1"

    def settings(self, server):
        """Those of SETTINGS that this server has, and what it can install for vectors."""
        names = ", ".join(f"'{name}'" for name in SETTINGS)
        shown = self(server.at("postgres"),
                     f"SELECT name || '=' || current_setting(name) FROM pg_settings WHERE name IN ({names}) ORDER BY name",
                     "SELECT name || '=' || default_version FROM pg_available_extensions WHERE name IN ('vector', 'vectors') ORDER BY name")
        return dict(line.split("=", 1) for line in shown.splitlines())


def load_servers():
    """scripts/servers as a module: it knows where the binaries are and how a cluster is made."""
    loader = importlib.machinery.SourceFileLoader("servers", str(ROOT / "scripts" / "servers"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("servers", loader))
    loader.exec_module(module)
    return module


def psql_path():
    """The psql beside the source's server, or the one on the PATH where that server is somebody's."""
    shown = subprocess.run([ROOT / "scripts" / "servers", "env"], check=True, capture_output=True, text=True).stdout
    exports = dict(word.split("=", 1) for word in shlex.split(shown) if "=" in word)
    path = exports.get("PGV2RS_PSQL") or shutil.which("psql")
    if not path:
        sys.exit("bench: psql is missing; install it, or name it by PGV2RS_PSQL")
    return pathlib.Path(path)


class Places:
    """scripts/servers up; the source is there from then on, a target while it is asked for."""

    def __init__(self):
        subprocess.run([ROOT / "scripts" / "servers", "up"], check=True)
        self.module = load_servers()
        self.state = self.module.read_state()
        self.psql = Psql(psql_path())
        source, self.ready_target = (
            cluster for cluster in self.module.clusters(self.state, pathlib.Path(self.state["base"])) if cluster.name in self.module.PAIR)
        hand = self.module.by_hand("source")
        self.source = Server(hand, "the server that PGV2RS_TEST_SOURCE names") if hand else Server(source.url(), "that of scripts/servers", source)

    @contextlib.contextmanager
    def target(self, table_bytes):
        """A target of our own, made like that of scripts/servers but elsewhere, and gone afterwards; or the one named by hand."""
        hand = self.module.by_hand("target")
        if hand:
            yield Server(hand, "the server that PGV2RS_TEST_TARGET names")
            return
        HOME.mkdir(parents=True, exist_ok=True)
        in_ram = room_for(RAM_DISK, table_bytes)
        # The account that the servers run as may not pass through the checkout: then the base directory is where it may.
        home = pathlib.Path(tempfile.mkdtemp(prefix="pgv2rs-bench-", dir=RAM_DISK if in_ram else self.state["base"]))
        home.chmod(0o755)
        # Its state file must not take the place of that of scripts/servers.
        self.module.HOME = HOME
        own_state = {"password": self.state["password"], "target_data": str(home)}
        cluster = self.module.Cluster("target", own_state, home, self.ready_target.install, self.ready_target.settings)
        try:
            cluster.create()
            cluster.start()
            place = "a cluster of its own in memory (/dev/shm)" if in_ram else "a cluster of its own on disk"
            yield Server(cluster.url(), place + ", PGVecto.rs played by the stand-in", cluster)
        finally:
            cluster.stop()
            shutil.rmtree(home, ignore_errors=True)


def room_for(directory, table_bytes):
    """Heap, TOAST and what WAL may be kept (max_wal_size, and what one checkpoint lets pass), with air."""
    return directory.is_dir() and shutil.disk_usage(directory).free > 3 * table_bytes + (6 << 30)
