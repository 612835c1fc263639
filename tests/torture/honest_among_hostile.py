"""One process that tests honest nodes alone, and again among many servers that lie, and tells what that took.

I/O. `python -m tests.torture.honest_among_hostile` reads a JSON object from standard input, and prints one. See
`liars`.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plabctl.clock import SystemClock
from plabctl.core.assignment import Assignment
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.prober import Prober
from tests.probes.jobs import make_assignment, make_recipe

HONEST = "honest"
_HONEST_WAIT_S, _LIAR_WAIT_S = 60.0, 10.0


def _recipe(wait_s: float) -> Recipe:
    """Return a set-up test that takes five seconds, which is a short one."""
    return make_recipe(
        setup=Stage(run="sleep 5; seq 2000", timeout_s=wait_s),
        up=Stage(run="true", timeout_s=wait_s, every_s=1.0),
        check=Stage(run="echo fine", timeout_s=wait_s),
        teardown=Stage(run="true", timeout_s=5.0),
    )


def main() -> None:
    """Test the honest nodes twice, alone and among the others, and print the figures."""
    given = json.load(sys.stdin)
    clock = SystemClock()
    ssh = SshSettings(
        user=given["user"], key=given["key"], known_hosts=given["known_hosts"], connect_timeout_s=_HONEST_WAIT_S
    )
    prober = Prober(ssh, clock)
    prober.prepare()
    runner = ThreadExecutor(prober, clock)
    honest = [(HONEST, given["honest"])] * given["honest_count"]
    _together(runner, honest)  # what is loaded late is loaded
    alone = _together(runner, honest)
    kib = _peak_kib()
    kinds: list[tuple[str, int]] = given["liars"]
    mixed = honest + [kinds[number % len(kinds)] for number in range(given["liar_count"])]
    random.Random(given["seed"]).shuffle(mixed)
    before = time.process_time()
    together = _together(runner, mixed)
    print(
        json.dumps(
            {
                "alone": alone,
                "together": together,
                "kib_alone": kib,
                "kib": _peak_kib(),
                "cpu_s": round(time.process_time() - before, 1),
            }
        )
    )


def _together(runner: ThreadExecutor, jobs: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Run the jobs all at once; return when the last honest verdict came, and what was said of each kind."""
    began = time.monotonic()
    kinds: dict[str, str] = {}
    for kind, port in jobs:
        wait_s = _HONEST_WAIT_S if kind == HONEST else _LIAR_WAIT_S
        job: Assignment = make_assignment(_recipe(wait_s), connect_timeout_s=wait_s, ssh_port=str(port))
        kinds[job.token] = kind
        runner.start(job)
    last_s = 0.0
    said: dict[str, Counter[str]] = {}
    while runner.running:
        for report in runner.wait(1.0):
            kind = kinds[report.token]
            if kind == HONEST:
                last_s = time.monotonic() - began
            said.setdefault(kind, Counter())[f"{report.outcome} {report.cause}: {report.reason}"] += 1
    return {"honest_s": round(last_s, 2), "said": said, "seconds": round(time.monotonic() - began, 2)}


def _peak_kib() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0])


if __name__ == "__main__":
    main()
