"""One process that runs very many probes, as a long tick does, and tells what it holds after each part of them.

I/O. `python -m tests.torture.soak` reads a JSON object from standard input, and prints one a line. See `leaks`.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from plabctl.clock import SystemClock
from plabctl.core.assignment import Assignment
from plabctl.core.recipe import Stage
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.prober import Prober
from tests.probes.jobs import make_assignment, make_recipe

STAGE_S = 0.6
CONNECT_S = 0.8


def main() -> None:
    """Run the probes and print what is held after each part."""
    given = json.load(sys.stdin)
    clock = SystemClock()
    ssh = SshSettings(user=given["user"], key=given["key"], known_hosts=given["known_hosts"], connect_timeout_s=20.0)
    prober = Prober(ssh, clock)
    prober.prepare()
    runner = ThreadExecutor(prober, clock)
    for number in range(given["parts"]):
        kinds = [given["kinds"][place % len(given["kinds"])] for place in range(given["each"])]
        late, outcomes = _part(runner, [_job(*kind) for kind in kinds], given["at_once"])
        time.sleep(given["settled_s"])  # what has ended may take a moment to be gone
        gc.collect()
        print(json.dumps({"part": number, "late_s": late, "outcomes": outcomes, **_held()}), flush=True)


def _job(kind: str, port: int) -> tuple[str, Assignment]:
    """Return a probe of a server of this kind; what stalls may do so for a second, what is sound for twenty."""
    is_sound = kind in {"sound", "endless"}
    text = {"sound": "echo fine", "endless": "cat /dev/zero"}.get(kind, "stall")
    recipe = make_recipe(check=Stage(run=text, timeout_s=20.0 if is_sound else STAGE_S))
    wait_s = 20.0 if is_sound else CONNECT_S
    deadline_s = wait_s + (20.0 if is_sound else STAGE_S)
    return kind, make_assignment(recipe, deadline_s=deadline_s, connect_timeout_s=wait_s, ssh_port=str(port))


def _part(
    runner: ThreadExecutor, jobs: Sequence[tuple[str, Assignment]], at_once: int
) -> tuple[dict[str, float], dict[str, dict[str, int]]]:
    """Run the jobs; return by kind how many seconds after its deadline the latest report came, and the outcomes."""
    late: dict[str, float] = {}
    outcomes: dict[str, Counter[str]] = {}
    waiting: Iterator[tuple[str, Assignment]] = iter(jobs)
    started: dict[str, tuple[str, float]] = {}
    while True:
        while runner.running < at_once and (following := next(waiting, None)):
            kind, job = following
            started[job.token] = kind, time.monotonic() + job.deadline_s
            runner.start(job)
        if not runner.running:
            return late, {kind: dict(counted) for kind, counted in outcomes.items()}
        for report in runner.wait(1.0):
            kind, deadline = started.pop(report.token)
            late[kind] = round(max(late.get(kind, -1e9), time.monotonic() - deadline), 2)
            said = f"{report.outcome} {report.cause}" + (
                f" {report.reason}" if kind == "sound" and report.reason else ""
            )
            outcomes.setdefault(kind, Counter())[said] += 1


def _held() -> dict[str, int]:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    tasks = list(Path("/proc/self/task").iterdir())
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": len(tasks),
        "children": len(children),
        "kib": int(status["VmRSS"].split()[0]),
    }


if __name__ == "__main__":
    main()
