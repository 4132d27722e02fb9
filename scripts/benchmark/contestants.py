"""In: tables on the source, a target, the program. Out: one round of a contestant at a time: seconds, CPU, memory.
Not here: how often and in which order (scripts/bench), what the numbers mean (answers.py)."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from benchmark.places import HOME, environment
from benchmark.tables import DATABASE

TICKS = os.sysconf("SC_CLK_TCK")


def resident_mib(process):
    """Its peak so far; 0 when it has ended."""
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{process}/status").read_text()):
            return int(found[1]) / 1024
    return 0.0


def family_mib(ancestor):
    """What this process and all that descend from it hold now, shared pages counted for each."""
    parents, held = {}, {}
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
            parents[int(directory.name)] = int(fields[1])
            held[int(directory.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def descends(process):
        while process and process != ancestor:
            process = parents.get(process, 0)
        return process == ancestor

    return sum(mib for process, mib in held.items() if descends(process))


class Watched:
    """A process from its start to its end. Its peak is looked at while it runs: what wait4 gives counts that of this script in.
    With `family` it counts those that it starts."""

    def __init__(self, command, family=False, **keywords):
        self.process = subprocess.Popen(command, **keywords)
        self.family, self.peak_mib = family, 0.0
        self.watch = threading.Thread(target=self.look, daemon=True)
        self.watch.start()

    def look(self):
        # A look at all processes costs more than one at one.
        pause, now = (0.25, family_mib) if self.family else (0.02, resident_mib)
        while (held := now(self.process.pid)) > 0:
            self.peak_mib = max(self.peak_mib, held)
            time.sleep(pause)

    def wait(self):
        """Its exit code. From then on `cpu` is its CPU in seconds, and `children_cpu` that of those that it started and waited for."""
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        self.children_cpu = (int(fields[13]) + int(fields[14])) / TICKS
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime - self.children_cpu
        self.watch.join()
        return self.process.returncode


def machine_cpu_seconds():
    """CPU of everything on this machine."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


class Contest:
    """The tables that are copied, and between which servers."""

    def __init__(self, psql, program, source, target, made):
        self.psql, self.program, self.source, self.target, self.made = psql, program, source, target, made
        self.pgvector = psql.has_pgvector(target)
        HOME.mkdir(parents=True, exist_ok=True)
        self.log, self.report = HOME / "log", HOME / "report.json"

    def origin(self):
        return self.source.at(self.made[0].database)

    @contextlib.contextmanager
    def database(self, *statements):
        """A fresh database on the target, nothing of the last one left to write; in the end it must hold every row."""
        self.psql.drop(self.target, DATABASE)
        self.psql.create(self.target, DATABASE)
        self.psql(self.target.at(DATABASE), *statements, "CHECKPOINT")
        yield self.target.at(DATABASE)
        counts = ", ".join(f"(SELECT count(*) FROM {made.name})" for made in self.made)
        counts = self.psql(self.target.at(DATABASE), f"SELECT unnest(ARRAY[{counts}])").split()
        for made, found in zip(self.made, counts, strict=True):
            if found != str(made.rows):
                sys.exit(f"bench: {found} of {made.rows} rows of {made.table.name} arrived")
        self.psql.drop(self.target, DATABASE)

    @contextlib.contextmanager
    def measured(self, round_, names_processes):
        """Seconds from here to the end, what the processes named cost, what the servers and the rest of the machine spent meanwhile."""
        servers = (self.source, self.target)
        before, machine, started = [server.cpu_seconds() for server in servers], machine_cpu_seconds(), time.monotonic()
        yield
        round_["wall"] = time.monotonic() - started
        processes = names_processes()
        round_["cpu"] = sum(process.cpu for process in processes)
        round_["children_cpu"] = sum(process.children_cpu for process in processes)
        round_["peak_mib"] = sum(process.peak_mib for process in processes)
        # A backend is reaped a moment after its client has gone.
        time.sleep(0.1)
        spent = [server.cpu_seconds() - start for server, start in zip(servers, before)]
        round_["source_cpu"], round_["target_cpu"] = spent
        round_["elsewhere"] = machine_cpu_seconds() - machine - sum(spent) - round_["cpu"] - round_["children_cpu"]

    def read_from(self, made, part, parts):
        """COPY of one of so many equal stretches of the table's heap."""
        if parts == 1:
            return f"COPY {made.name} TO STDOUT (FORMAT binary)"
        start, end = (made.blocks * number // parts for number in (part, part + 1))
        # What is behind the last block that was counted belongs to the last part.
        until = f" AND ctid < '({end},0)'" if part + 1 < parts else ""
        return f"COPY (SELECT * FROM {made.name} WHERE ctid >= '({start},0)'{until}) TO STDOUT (FORMAT binary)"

    def pipe(self, pipes):
        """psql's pipe, or several side by side, of the one table. Where the target has no pgvector, its bytes can still go into bytea."""
        made, = self.made
        needs = made.table.has_vectors()
        create = f"CREATE TABLE {made.name} ({made.table.definition('bytea' if needs and not self.pgvector else None)})"
        round_, processes = {}, []
        with self.database(*(["CREATE EXTENSION vector"] if needs and self.pgvector else []), create) as target:
            with self.measured(round_, lambda: processes):
                for part in range(pipes):
                    reader = Watched(self.psql.command(self.origin(), self.read_from(made, part, pipes)), env=environment(), stdout=subprocess.PIPE)
                    writer = Watched(self.psql.command(target, f"COPY {made.name} FROM STDIN (FORMAT binary)"),
                                     env=environment(), stdin=reader.process.stdout)
                    reader.process.stdout.close()
                    processes += [reader, writer]
                codes = [process.wait() for process in processes]
            if any(codes):
                sys.exit("bench: the pipe failed")
        return {"seconds": round_["wall"], **round_}

    def copy(self, jobs, verify="none"):
        """The program; `seconds` is its copy phase."""
        maps = [part for made in self.made if made.table.map for part in ("--map", f"public.{made.name}.embedding={made.table.map}")]
        chosen = [part for made in self.made for part in ("--table", f"public.{made.name}")]
        round_, processes = {}, []
        with self.database("CREATE EXTENSION vectors") as target, open(self.log, "w") as log:
            with self.measured(round_, lambda: processes):
                processes.append(Watched(
                    [self.program, "--quiet", "--jobs", str(jobs), "--verify", verify, *chosen, *maps,
                     "--pg-dump", self.psql.beside("pg_dump"), "--report", self.report],
                    env=environment(PGV2RS_SOURCE=self.origin(), PGV2RS_TARGET=target), stdin=subprocess.DEVNULL, stdout=log, stderr=log))
                code = processes[0].wait()
            self.must_be_zero("pgv2rs-copy", code)
        report = json.loads(self.report.read_text())
        return {"seconds": report["seconds"]["copy"], "ledger": report["seconds"]["ledger"],
                "slices": sum(table["slices"] for table in report["tables"]), **round_}

    def must_be_zero(self, name, code):
        if code != 0:
            sys.exit(f"bench: {name} ended with exit code {code}:\n{self.log.read_text()}")

    def pgcopydb(self, jobs):
        """It takes pg_dump and pg_restore from beside the first psql on the PATH."""
        round_, processes = {}, []
        with self.database() as target, open(self.log, "w") as log, tempfile.TemporaryDirectory(prefix="pgv2rs-bench-pgcopydb-") as work:
            self.programs_for_pgcopydb(pathlib.Path(work) / "bin")
            path = os.pathsep.join([f"{work}/bin", os.environ.get("PATH", "")])
            variables = environment(PATH=path, PGCOPYDB_SOURCE_PGURI=self.origin(), PGCOPYDB_TARGET_PGURI=target)
            with self.measured(round_, lambda: processes):
                # When it fails it ends its process group, which must not be that of this script.
                processes.append(Watched(
                    ["pgcopydb", "clone", "--dir", f"{work}/work", "--table-jobs", str(jobs), "--index-jobs", str(jobs), "--no-owner", "--no-acl"],
                    family=True, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))
                try:
                    code = processes[0].wait()
                except BaseException:
                    os.killpg(processes[0].process.pid, signal.SIGTERM)
                    raise
            self.must_be_zero("pgcopydb", code)
        return {"seconds": round_["wall"], **round_}

    def programs_for_pgcopydb(self, directory):
        """Those of the source's version, but for pg_restore: pgcopydb gives up where that (17 and later) sets transaction_timeout, which a target
        before 17 does not know, and an older pg_restore cannot read the file. So the schema goes through psql without that line."""
        directory.mkdir()
        for program in ("psql", "pg_dump", "pg_dumpall", "vacuumdb"):
            (directory / program).symlink_to(self.psql.beside(program))
        wrapper = directory / "pg_restore"
        real, psql = (shlex.quote(str(path)) for path in (self.psql.beside("pg_restore"), self.psql.path))
        wrapper.write_text(f"""#!/bin/sh
next= url=
for argument; do
    shift
    case "$next$argument" in
        --dbname) next=url: ;;
        url:*) url=$argument next= ;;
        --single-transaction) single=1 ;;
        *) set -- "$@" "$argument" ;;
    esac
done
[ "$url" ] || exec {real} "$@"
{real} --file - "$@" | sed '/^SET transaction_timeout = 0;$/d' | {psql} -X -q -o /dev/null -v ON_ERROR_STOP=1 ${{single:+-1}} -d "$url"
""")
        wrapper.chmod(0o755)

    def dump(self):
        """pg_dump -Fc -Z0 | pg_restore (what a pipe carries need not be compressed), which asks an older target for a setting that it lacks, says so and goes on: the rows are counted anyway."""
        round_, processes = {}, []
        with self.database() as target, open(self.log, "w") as log:
            with self.measured(round_, lambda: processes):
                dump = Watched([self.psql.beside("pg_dump"), "-Fc", "-Z0", "-d", self.origin()], env=environment(), stdout=subprocess.PIPE, stderr=log)
                restore = Watched([self.psql.beside("pg_restore"), "--no-owner", "--no-acl", "-d", target],
                                  env=environment(), stdin=dump.process.stdout, stdout=log, stderr=log)
                dump.process.stdout.close()
                processes += [dump, restore]
                codes = [process.wait() for process in processes]
            self.must_be_zero("pg_dump", codes[0])
            if codes[1] not in (0, 1):
                self.must_be_zero("pg_restore", codes[1])
        return {"seconds": round_["wall"], **round_}


def pgcopydb_version():
    """None where it is not on the PATH."""
    if not shutil.which("pgcopydb"):
        return None
    shown = subprocess.run(["pgcopydb", "--version"], env=environment(), capture_output=True, text=True)
    found = re.search(r"version (\S+)", shown.stdout + shown.stderr)
    return found[1] if found else "of an unknown version"
