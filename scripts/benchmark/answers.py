"""In: a record (records.py says what is in one). Out: its ratios, all of them within the one run; the Markdown; what falls short of issue 5.
Not here: where records lie, and two of them compared (records.py)."""

import statistics

# Issue 5, "Must show" 1, 2 and 4.
WANTED_ONE_JOB, WANTED_JOBS, WANTED_CPU, WANTED_PEAK_MIB, WANTED_LEDGER = 0.97, 1.0, 1.0, 128, 0.02
WANTED_TOGETHER = {("counts", "pgcopydb"): 5, ("counts", "pg_dump | pg_restore"): 8, ("full", "pgcopydb"): 4, ("full", "pg_dump | pg_restore"): 6}
PROGRAM = "pgv2rs-copy --verify "
# What a reader wants to know of the servers first; the record has more.
SHOWN = ("vector", "vectors", "shared_buffers", "wal_level", "max_wal_size", "fsync", "full_page_writes", "synchronous_commit")


def median(rounds, key):
    return statistics.median(round_[key] for round_ in rounds)


def peak(rounds):
    return max(round_["peak_mib"] for round_ in rounds)


def spread(values, digits=2):
    """Median, and the whole range."""
    values = list(values)
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


class Pair:
    """The program and psql's pipe over one table, with equally many jobs and pipes, in turn."""

    def __init__(self, recorded):
        self.table, self.jobs, self.rows, self.bytes = (recorded[key] for key in ("table", "jobs", "rows", "bytes"))
        self.pipe, self.program, self.empty = (recorded[key] for key in ("pipe", "program", "empty"))

    @property
    def key(self):
        return f"{self.table}, {self.jobs} {'job' if self.jobs == 1 else 'jobs'}"

    def ratio(self):
        """How many times as fast as the pipe: of medians."""
        return median(self.pipe, "seconds") / median(self.program, "seconds")

    def ratios(self):
        return [pipe["seconds"] / program["seconds"] for pipe, program in zip(self.pipe, self.program)]

    def program_cpu(self):
        """That of the process itself, without what it spends on a table that is empty: connections, catalogs, the plan, the report."""
        return median(self.program, "cpu") - median(self.empty, "cpu")

    def cpu_ratio(self):
        return self.program_cpu() / median(self.pipe, "cpu")

    def ledger(self):
        """Its share of the jobs' time: the report says what all of them together spent."""
        return statistics.median(round_["ledger"] / (round_["seconds"] * self.jobs) for round_ in self.program)

    def megabytes_a_second(self, rounds):
        return self.bytes / 1e6 / median(rounds, "seconds")

    def short(self):
        wanted = WANTED_ONE_JOB if self.jobs == 1 else WANTED_JOBS
        if self.ratio() < wanted:
            yield f"{self.key}: {self.ratio():.3f} times as fast as the pipe, {wanted} is wanted"
        if self.cpu_ratio() > WANTED_CPU:
            yield f"{self.key}: {self.cpu_ratio():.2f} times the pipe's CPU, at most {WANTED_CPU} is wanted"
        if peak(self.program) > WANTED_PEAK_MIB:
            yield f"{self.key}: {peak(self.program):.0f} MiB, at most {WANTED_PEAK_MIB} is wanted"
        if self.ledger() > WANTED_LEDGER:
            yield f"{self.key}: {100 * self.ledger():.1f} % of the copy phase for the ledger, at most {100 * WANTED_LEDGER:.0f} % is wanted"


def pairs(record):
    return [Pair(recorded) for recorded in record["pairs"]]


def together_ratios(moved):
    """How many times as fast as each of the others the program is, by how it verifies and whose ratio it is: of medians, and round by round.
    `moved` is what a record has under `together` or `many`, or nothing."""
    rounds = moved["rounds"] if moved else {}
    others = [name for name in rounds if not name.startswith(PROGRAM)]
    return {
        (name.removeprefix(PROGRAM), other): (
            median(rounds[other], "seconds") / median(rounds[name], "seconds"),
            [theirs["seconds"] / ours["seconds"] for theirs, ours in zip(rounds[other], rounds[name])])
        for name in rounds if name.startswith(PROGRAM) for other in others}


def short(record):
    """What the issue asks for and this run does not show."""
    for pair in pairs(record):
        yield from pair.short()
    for (verify, other), (ratio, _) in together_ratios(record["together"]).items():
        if ratio < WANTED_TOGETHER[verify, other]:
            yield f"together, --verify {verify}: {ratio:.1f} times as fast as {other}, {WANTED_TOGETHER[verify, other]} is wanted"


def table(head, rows):
    def line(cells):
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    yield line(head)
    yield "|---" * len(head) + "|"
    yield from map(line, rows)


def circumstances(record):
    machine, options, program = record["machine"], record["options"], record["program"]
    commit = record["commit"] + (" with changes" if record["changed"] else "")
    built = "built from it" if program["built"] else "the program was given, and may be of another"
    yield f"- {record['date']}, commit {commit}, {built}"
    yield (f"- {machine['processor']}, {machine['cores']} cores, {machine['memory_mib']:,} MiB, {machine['system']}; "
           f"load average at the start {machine['load']:.1f}")
    yield f"- {options['rounds']} rounds of each, in turn; {options['scale']:g} times the usual rows"
    for name, server in record["servers"].items():
        settings = server["settings"]
        shown = ", ".join(f"{key} {settings[key]}" for key in SHOWN if key in settings)
        yield f"- {name.capitalize()}: {server['place']}; PostgreSQL {settings.get('server_version', '?')}, {shown}"


def speed(pair):
    return [
        pair.table, str(pair.jobs), f"{pair.rows:,}", f"{pair.bytes / 1e6:,.0f}",
        spread(round_["seconds"] for round_ in pair.pipe), spread(round_["seconds"] for round_ in pair.program),
        f"{pair.megabytes_a_second(pair.pipe):,.0f}", f"{pair.megabytes_a_second(pair.program):,.0f}",
        f"{pair.rows / median(pair.pipe, 'seconds'):,.0f}", f"{pair.rows / median(pair.program, 'seconds'):,.0f}",
        f"**{pair.ratio():.2f}**", spread(pair.ratios())]


def cost(pair):
    both = (pair.pipe, pair.program)
    return [
        pair.table, str(pair.jobs), spread(round_["cpu"] for round_ in pair.pipe), spread(round_["cpu"] for round_ in pair.program),
        f"{median(pair.empty, 'cpu'):.2f}", f"**{pair.cpu_ratio():.2f}**", *(f"{peak(rounds):.1f}" for rounds in both),
        *(f"{median(rounds, key):.2f}" for key in ("source_cpu", "target_cpu") for rounds in both),
        *(spread((round_["elsewhere"] for round_ in rounds), 1) for rounds in both), f"{100 * pair.ledger():.1f}"]


def together(moved):
    ratios = together_ratios(moved)
    yield (f"\n{moved['what'][0].upper()}{moved['what'][1:]} ({moved['rows']:,} rows, {moved['bytes'] / 1e6:,.0f} MB), {moved['jobs']} jobs, "
           "schema included, from start to exit:\n")
    others = [name for name in moved["rounds"] if not name.startswith(PROGRAM)]
    yield from table(
        ["", "seconds (range)", "MB/s", "rows/s", "CPU s", "peak MiB", *(f"times as fast as {other} (round by round)" for other in others)],
        [[name, spread(round_["seconds"] for round_ in rounds), f"{moved['bytes'] / 1e6 / median(rounds, 'seconds'):,.0f}",
          f"{moved['rows'] / median(rounds, 'seconds'):,.0f}", f"{statistics.median(round_['cpu'] + round_['children_cpu'] for round_ in rounds):.2f}",
          f"{peak(rounds):.1f}", *together_cells(ratios, name, others)] for name, rounds in moved["rounds"].items()])
    if moved["pgcopydb"]:
        yield (f"\npgcopydb is {moved['pgcopydb']}; its memory is what all of its processes held at once, shared pages counted for each. "
               "CPU of pg_dump is in each line that starts one.")
    if moved["missing"]:
        yield f"\nNot here: {', '.join(moved['missing'])}."


def together_cells(ratios, name, others):
    for other in others:
        found = ratios.get((name.removeprefix(PROGRAM), other))
        yield f"**{found[0]:.1f}** ({min(found[1]):.1f} to {max(found[1]):.1f})" if found else ""


def markdown(record):
    yield from circumstances(record)
    measured = pairs(record)
    if measured:
        yield "\nSpeed: psql's pipe, nothing converted, and pgv2rs-copy. Medians, and in brackets the range.\n"
        yield from table(["table", "jobs, pipes", "rows", "MB", "pipe, s", "pgv2rs-copy, s", "pipe, MB/s", "pgv2rs-copy, MB/s", "pipe, rows/s",
                          "pgv2rs-copy, rows/s", "times as fast as the pipe", "round by round"], map(speed, measured))
        yield "\nCost: CPU in seconds, memory in MiB.\n"
        yield from table(["table", "jobs, pipes", "pipe, CPU", "pgv2rs-copy, CPU", "of them for an empty table", "times the pipe's CPU", "pipe, peak",
                          "pgv2rs-copy, peak", "source's backends, pipe", "pgv2rs-copy", "target's backends, pipe", "pgv2rs-copy",
                          "all else on the machine, pipe", "pgv2rs-copy", "ledger, % of the copy phase"], map(cost, measured))
        yield ("\nThe pipe: its psql processes, from the first start to the last end; several pipes read stretches of the table by ctid; memory is the sum of "
               "their peaks. The program: `--verify none`, the copy phase from its report (first COPY to last commit), CPU and memory of the process alone; "
               "an empty table's CPU is subtracted before the two are compared. MB are bytes of binary COPY on the source's side.")
    for key in ("together", "many"):
        if record[key]:
            yield from together(record[key])
