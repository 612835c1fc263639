"""A real sshd that is stopped at any moment of a probe: the report comes by the deadline and a second.

I/O: stops and continues the processes of an sshd of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from plabctl.clock import SystemClock
from plabctl.core.model import Outcome
from plabctl.core.recipe import Stage
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.prober import Prober
from tests.lab.sshd import Sshd, descendants
from tests.probes.jobs import make_assignment, make_recipe
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

STAGE_S = 1.0
CONNECT_S = 1.0
LONGEST_S = 0.5
"""The latest moment at which it is stopped: by then the slow stage runs."""


def run(options: TortureOptions) -> list[Finding]:
    """Stop the sshd at moments spread over a probe's time, and return how late the reports came."""
    dice = options.dice("frozen")
    count, late_s = options.count(45, 2), options.count(1, 6)
    late, wrong = [], []
    with Sshd(options.folder / "frozen", totals=False) as sshd:
        known = options.folder / "frozen" / "known"
        known.write_text(sshd.known_hosts())
        prober = Prober(SshSettings(sshd.user, sshd.port, str(sshd.key), str(known)), SystemClock())
        prober.prepare()
        for number in range(count):
            moment_s = LONGEST_S * (number + dice.random()) / count
            after_s, outcomes = _frozen_at(sshd, prober, moment_s, with_listener=number % 3 == 0)
            late.append(after_s)
            wrong += [f"stopped after {moment_s:.3f} s: {each}" for each in outcomes if each is Outcome.PASS]
    return [
        Finding(
            f"longest after its deadline that a report came from an sshd stopped at {count} moments",
            f"{max(late):.2f} s",
            f"{late_s} s",
            max(late) <= late_s,
        ),
        none_of("moments at which a stopped sshd passed", wrong, f"{count}"),
    ]


def _frozen_at(sshd: Sshd, prober: Prober, moment_s: float, *, with_listener: bool) -> tuple[float, list[Outcome]]:
    """Stop the sessions `moment_s` after probes begin; return how late the last report was, and the outcomes."""
    clock = SystemClock()
    runner = ThreadExecutor(prober, clock)
    recipe = make_recipe(check=Stage(run="sleep 30", timeout_s=STAGE_S))
    began = time.monotonic()
    for _ in range(4):
        job = make_assignment(recipe, deadline_s=CONNECT_S + STAGE_S, connect_timeout_s=CONNECT_S)
        runner.start(job)
    time.sleep(moment_s)
    stopped = [*descendants(sshd.pid), *([sshd.pid] if with_listener else [])]
    for pid in stopped:
        _signal(pid, signal.SIGSTOP)
    try:
        reports = []
        while runner.running:
            reports += runner.wait(10.0)
        return time.monotonic() - began - CONNECT_S - STAGE_S, [report.outcome for report in reports]
    finally:
        for pid in stopped:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
