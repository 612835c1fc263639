"""The promises of docs/reliability.md, each put to the test for minutes. `make torture` runs all of it.

I/O. `python -m tests.torture --help` names the parts; each is a module beside this one with a function
`run(effort: Effort) -> list[Finding]`. `make test` runs each of them too, shorter. The seed is printed; with it a run
can be repeated. Go on with `tests.torture.calls`.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from tests.torture.finding import Finding, draw
from tests.torture.options import TortureOptions

PARTS: dict[str, str] = {
    "clocks": "a clock that is set back, ahead or never, other zones, odd dates in the state",
    "interleave": "ticks and people at once, interleaved step by step, each step may fail",
    "day": "a day of cron: every minute a tick, no mail without a reason, an alarm when it stops",
    "hostile": "hostile outputs, names, labels and values through every input and every view",
    "leaks": "very many probes in one process: what it holds, and what stalls, stopped servers and floods cost",
    "liars": "honest nodes among hundreds of servers that lie at every point of the protocol",
    "ticking": "very many ticks: the processes and files that they leave",
    "users": "a second user on the machine: what he may read, what he plants, and what of secrets gets out",
    "traces": "every published figure of the policies, on the traces of real machines",
    "mutants": "small changes to what decides and to what keeps the state whole, each of which a test has to notice",
    "limits": "whole ticks with too few descriptors, threads, bytes of memory or bytes in a file",
    "calls": "killed and failed at every call on the state directory, for every command that writes it",
    "folds": "writers and readers of one state, interleaved call by call, with folds, kills, errors and power cuts",
    "power": "the power cut at every call of a commit, a fold, a restore, with every loss that a disk may show",
    "kills": "a thousand kills among ticks and operators, and a checker over the record",
    "workers": "workers, scheduler and ticks killed, stopped and ended at random: no vnode twice, none left",
}


def main() -> int:
    """Run the parts that were asked for and print what they found; return 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("part", nargs="*", help="; ".join(f"{name}: {what}" for name, what in PARTS.items()))
    parser.add_argument("--seed", type=int, help="repeat the run that printed this seed")
    parser.add_argument("--short", action="store_true", help="as much of it as `make test` runs")
    given = parser.parse_args()
    unknown = set(given.part) - PARTS.keys()
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, _leave)
    seed = random.randrange(1 << 31) if given.seed is None else given.seed
    kept = True
    with tempfile.TemporaryDirectory(prefix="plabctl-torture-", ignore_cleanup_errors=True) as folder:
        os.environ["PLABCTL_STATE_DIR"] = f"{folder}/state"  # what is written by default stays in here too
        for name in given.part or PARTS:
            place = Path(folder, name)
            place.mkdir()
            kept &= _run_part(name, TortureOptions(place, seed, whole=not given.short))
    return int(not kept)


def _leave(*_: object) -> None:
    """End by way of all that stops daemons and takes files away, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def _run_part(name: str, options: TortureOptions) -> bool:
    print(f"\n$ python -m tests.torture {name} --seed {options.seed}    # {PARTS[name]}", flush=True)
    part = import_module(f"tests.torture.{name}")
    if reason := getattr(part, "missing", str)():
        print(f"not run: {reason}")
        return True
    started = time.monotonic()
    findings: list[Finding] = part.run(options)
    print(draw(findings))
    with contextlib.suppress(OSError):
        print(f"# {time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f} at the end", flush=True)
    return all(finding.holds for finding in findings)


if __name__ == "__main__":
    sys.exit(main())
