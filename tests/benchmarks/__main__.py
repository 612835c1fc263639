"""Speed and size, as ratios of things that are taken alternately in one run. `make bench` runs all of it.

I/O. `python -m tests.benchmarks --help` names the parts; each is a module beside this one. Ratios hold on any machine
that is at rest, absolute figures only on the one that printed them. Read `measure` first, then `sweep`.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from tests.benchmarks.measure import Failed
from tests.benchmarks.nodes import missing
from tests.benchmarks.options import Options
from tests.benchmarks.sealed import own_account, seal
from tests.benchmarks.table import Row, draw
from tests.benchmarks.testbed import Installation

PARTS = {
    "sweep": "200 nodes, forty at once, against the other tools; three stages against one",
    "jump": "the same 200 nodes behind one jump host",
    "idle": "CPU of commands that have nothing to do, at 1,000 nodes",
    "large": "100,000 nodes: time, memory, growth, the store's own work",
    "growth": "a backlog at 1,000 and at 100,000 nodes: tests a second, bytes written",
    "history": "10,000,000 events: what looks at them cost, and what events take on the disk",
    "inventory": "a reading of 20,000 hosts with nothing new",
    "stats": "1,000,000 events of a month: time and memory of statistics",
    "page": "the page of 1,000 and of 10,000 nodes: size and time",
    "monitors": "fifty monitors of 20,000 nodes each in one view",
    "backlog": "busy slots while ticks overlap and probes differ in length",
    "swapin": "an experiment of 500 vnodes, forty at once",
    "slow": "a thousand slow probes at once",
    "reach": "what the client can do when the nodes are other machines",
    "login": "one login, nothing else running",
    "liveness": "what a liveness check costs, here and on the node",
    "workers": "tests made by workers of a Dask cluster against threads",
}


def main() -> int:
    """Run the parts that were asked for and print their tables; return 1 when a part could not be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", help="; ".join(f"{name}: {what}" for name, what in PARTS.items()))
    parser.add_argument("--quick", action="store_true", help="a handful of nodes, to see that everything still runs")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison, instead of each part's own number")
    parser.add_argument("--against", default="", metavar="TEXT", help="sweep: only tools with this in their names")
    given = parser.parse_args()
    unknown = set(given.part) - PARTS.keys()
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if absent := missing():
        print(f"benchmarks not run: {absent} not installed here (Debian: openssh-server, openssh-client)")
        return 0
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody runs an installed program without its bytecode
    seal()
    signal.signal(signal.SIGTERM, _leave)
    failed = False
    with tempfile.TemporaryDirectory(prefix="plabctl-bench-", ignore_cleanup_errors=True) as folder:
        options = Options(Path(folder), Installation(Path(folder) / "venv"), given.quick, given.rounds, given.against)
        with own_account(Path(folder)):
            for name in given.part or PARTS:
                failed |= not _run_part(name, options)
    return int(failed)


def _leave(*_: object) -> None:
    """End by way of all that stops daemons and takes files away, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def _run_part(name: str, options: Options) -> bool:
    print(f"\n$ python -m tests.benchmarks {name}    # {PARTS[name]}", flush=True)
    started = time.monotonic()
    own = replace(options, folder=options.folder / name)  # two parts may call what they make by the same name
    own.folder.mkdir()
    try:
        rows: list[Row] = import_module(f"tests.benchmarks.{name}").run(own)
    except Failed as failure:
        print(f"not measured: {failure}")
        return False
    print(draw(rows))
    print(f"# {time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f} at the end", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
