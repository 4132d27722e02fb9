"""In: what was measured, or the paths of two records. Out: a record in benches/records/, with its chart and its Markdown as `latest`; two records compared.
A record holds every single round, so that nothing that is said of it needs more than it:

    format, date, commit, changed (the checkout was), program {built, sha256}, machine, options, servers {source, target: {place, settings}},
    pairs [{table, jobs, rows, bytes, pipe, program, empty}], together {what, jobs, rows, bytes, pgcopydb, missing, rounds {contestant: …}} or null,
    many (the same; older records have none, and `tables` in place of `what`);
    a round: seconds, wall, cpu, children_cpu, peak_mib, source_cpu, target_cpu, elsewhere; of the program also ledger, slices.

Not here: how a round is measured (contestants.py)."""

import datetime
import hashlib
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

from benchmark import answers, chart
from benchmark.places import ROOT, say

FORMAT = 1
RECORDS = ROOT / "benches" / "records"
# Issue 5: `compare` fails from here on.
LOSS = 0.15


def first_line(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def machine():
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {"processor": found[1] if found else platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "memory_mib": int(memory[1]) // 1024, "system": f"{platform.system()} {platform.release()}", "load": os.getloadavg()[0]}


def begin(options, program, places, target):
    """All that is known before the first round."""
    psql = places.psql
    return {
        "format": FORMAT, "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": first_line(["git", "rev-parse", "--short=9", "HEAD"]) or "unknown",
        "changed": bool(first_line(["git", "status", "--porcelain", "--untracked-files=no"])),
        "program": {"built": options.program is None, "sha256": hashlib.sha256(program.read_bytes()).hexdigest()},
        "machine": machine(),
        "options": {"scale": options.scale, "rounds": options.rounds, "jobs": options.jobs},
        "servers": {name: {"place": server.place, "settings": psql.settings(server)}
                    for name, server in (("source", places.source), ("target", target))},
        "pairs": [], "together": None, "many": None,
    }


def write(record):
    RECORDS.mkdir(parents=True, exist_ok=True)
    name = f"{record['date'][:10]}-{record['commit']}{'-changed' if record['changed'] else ''}"
    path, number = RECORDS / f"{name}.json", 1
    # What was once recorded stays, also where it was a bad day.
    while path.exists():
        number += 1
        path = RECORDS / f"{name}-{number}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    (RECORDS / "latest.svg").write_text(chart.svg(record))
    (RECORDS / "latest.md").write_text(
        f"# The latest record\n\nWritten by `scripts/bench --record`; every round is in [{path.name}]({path.name}).\n\n"
        "![MB/s of psql's pipe and of pgv2rs-copy, table by table](latest.svg)\n\n" + "\n".join(answers.markdown(record)) + "\n")
    say(f"recorded in {path.relative_to(ROOT)}")


def unusable(why):
    """Not 1, which says that something was lost."""
    say(why)
    sys.exit(2)


def read(path):
    try:
        record = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        unusable(f"{path} cannot be read as a record: {error}")
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        unusable(f"{path} is no record of format {FORMAT}")
    return record


def ratios(record):
    """All that one run says about the program beside others: ratios, never speeds, since these are the machine's."""
    found = {f"{pair.key}, psql pipe": pair.ratio() for pair in answers.pairs(record)}
    for key in ("together", "many"):
        moved = answers.together_ratios(record.get(key))
        found.update({f"{key}, --verify {verify}, {other}": ratio for (verify, other), (ratio, _) in moved.items()})
    return found


def compare(before, after):
    """Prints how the ratios of two records differ; 1 where one has lost too much."""
    old, new = (ratios(read(path)) for path in (before, after))
    common = [key for key in old if key in new]
    if not common:
        unusable(f"{before} and {after} have nothing in common")
    lost = [key for key in common if is_loss(old[key], new[key])]
    rows = [[key, f"{old[key]:.3f}", f"{new[key]:.3f}", f"{100 * (new[key] / old[key] - 1):+.1f} %", "**lost**" if key in lost else ""] for key in common]
    print("\n".join(answers.table(["times as fast as", "before", "after", "change", ""], rows)))
    for path, mine, other in ((before, old, new), (after, new, old)):
        if alone := [key for key in mine if key not in other]:
            print(f"\nOnly in {path}: {'; '.join(alone)}.")
    if lost:
        print(f"\n{len(lost)} of {len(common)} lost {100 * LOSS:.0f} % or more.")
    return 1 if lost else 0


def is_loss(before, after):
    # A loss of exactly the limit counts, whatever the division makes of its last digit.
    return after / before <= 1 - LOSS + 1e-9
