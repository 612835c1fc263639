"""Whatever a node does not do, the report is there a second after the deadline, and the process can end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Leftover, Outcome, Report
from plabctl.core.recipe import Stage
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes.prober import Prober
from tests.probes.jobs import make_assignment, make_recipe
from tests.probes.openssh import Sshd, needs_sshd
from tests.probes.stalling_servers import STAGES, StallingServer

DEADLINE_S = 1.5

CONNECTING = {
    "accept": (Cause.PROTOCOL, "no SSH banner"),
    "banner": (Cause.PROTOCOL, "no SSH banner"),
    "drip-banner": (Cause.PROTOCOL, "no SSH banner"),
    "drip-lines": (Cause.PROTOCOL, "no SSH banner"),
    "kex": (Cause.DEADLINE, "key exchange"),
    "kex-reply": (Cause.DEADLINE, "key exchange"),
    "auth": (Cause.DEADLINE, "authentication"),
}
RUNNING = {
    "channel": (Cause.DEADLINE, "did not start"),
    "exec": (Cause.DEADLINE, "did not start"),
    "silence": (Cause.DEADLINE, "did not end"),
    "drip": (Cause.DEADLINE, "last output: ..."),
    "eof-only": (Cause.DEADLINE, "did not end"),
    "close-only": (Cause.SETUP, "killed by a signal"),
    "flood": (Cause.SETUP, "printed endlessly"),
    "exit-then-drip": (Cause.DEADLINE, "last output: ..."),
    "exit-then-flood": (Cause.SETUP, "printed endlessly"),
    "hang-up": (Cause.CONNECT, "lost its connection: mind the gap"),
}
DEAF = {"exec", "hang-up"}  # it has the stage and answers nothing any more, so the vnode may be there


def after_login(report: Report) -> float:
    """Return the seconds that a probe took from the moment at which its first stage began."""
    login = report.stages[0]
    assert login.stage == "connect"
    return report.seconds - login.seconds


def test_every_stall_has_its_expectation() -> None:
    assert set(STAGES) == CONNECTING.keys() | RUNNING.keys()


@pytest.mark.parametrize("stage", sorted(CONNECTING))
def test_a_stall_before_the_login_ends_at_the_connect_time_out(
    stalling_server: Callable[[str], StallingServer], stage: str
) -> None:
    prober = Prober(stalling_server(stage).settings(connect_timeout_s=DEADLINE_S), SystemClock())
    prober.prepare()
    start = time.monotonic()
    report = prober.probe(make_assignment(make_recipe(setup="true", teardown="true"), deadline_s=60))

    assert time.monotonic() - start < DEADLINE_S + 1
    cause, words = CONNECTING[stage]
    assert (report.outcome, report.cause) == (Outcome.FAIL, cause)
    assert words in report.reason
    assert report.left == ()


@pytest.mark.parametrize("stage", sorted(RUNNING))
def test_a_stall_of_a_stage_ends_at_its_deadline(stalling_server: Callable[[str], StallingServer], stage: str) -> None:
    prober = Prober(stalling_server(stage).settings(connect_timeout_s=10.0), SystemClock())
    prober.prepare()
    recipe = make_recipe(setup=Stage(run="stall", timeout_s=DEADLINE_S), teardown="true")
    job = make_assignment(recipe, deadline_s=60)
    report = prober.probe(job)

    assert after_login(report) < DEADLINE_S + 1
    cause, words = RUNNING[stage]
    assert (report.outcome, report.cause) == (Outcome.FAIL, cause)
    assert words in report.reason
    assert report.left == ((job.vnode,) if stage in DEAF else ())


def test_a_node_that_tears_nothing_down_costs_one_teardown_more_and_collects_no_more(
    stalling_server: Callable[[str], StallingServer],
) -> None:
    prober = Prober(stalling_server("silence").settings(), SystemClock())
    prober.prepare()
    recipe = make_recipe(setup="true", teardown=Stage(run="stall {vnode}", timeout_s=DEADLINE_S))
    names = tuple(f"old-{number}" for number in range(16))
    job = make_assignment(recipe, leftovers=tuple((Leftover(name, recipe.name, 0.0), recipe) for name in names))
    report = prober.probe(job)

    assert after_login(report) < 2 * DEADLINE_S + 1, "one for what was left, and its own"
    assert report.left == (*names[1:], job.vnode)
    assert report.note.startswith("more than 16 vnodes are left; no more remembered: old-0")


@pytest.mark.parametrize("stage", ["banner", "auth", "channel", "exec", "silence"])
def test_an_interrupt_ends_any_wait_at_once(stalling_server: Callable[[str], StallingServer], stage: str) -> None:
    prober = Prober(stalling_server(stage).settings(connect_timeout_s=30.0), SystemClock())
    prober.prepare()
    runner = ThreadExecutor(prober, SystemClock())
    job = make_assignment(make_recipe(setup=Stage(run="stall", timeout_s=30), teardown="true"))
    runner.start(job)
    assert runner.wait(0.7) == []
    start = time.monotonic()
    runner.interrupt()
    (report,) = runner.wait(5)

    assert time.monotonic() - start < 1
    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.INTERRUPTED)
    assert report.left == (() if stage in {"banner", "auth"} else (job.vnode,))


PROGRAM = """
import sys
from plabctl.clock import SystemClock
from plabctl.probes.prober import Prober
from plabctl.executors.threads import ThreadExecutor
from plabctl.core.recipe import Stage
from plabctl.core.settings import SshSettings
from tests.probes.jobs import make_assignment, make_recipe

port, key, known = sys.argv[1:]
clock = SystemClock()
prober = Prober(SshSettings("any", int(port), key, known, connect_timeout_s=1.0), clock)
prober.prepare()
runner = ThreadExecutor(prober, clock)
recipe = make_recipe(setup=Stage(run="stall", timeout_s=1))
for _ in range(3):
    runner.start(make_assignment(recipe))
while runner.running:
    for report in runner.wait(10):
        print(report.cause)
"""


@pytest.mark.parametrize("stage", ["banner", "auth", "channel", "exec"])
def test_a_process_with_stalled_probes_ends_by_itself(
    stalling_server: Callable[[str], StallingServer], stage: str
) -> None:
    server = stalling_server(stage)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(server.port), server.user_key, server.known_hosts],
        capture_output=True,
        timeout=30,
        text=True,
        check=True,
    )

    assert len(done.stdout.split()) == 3
    assert done.stderr == ""
    assert time.monotonic() - start < 1 + 1 + 8  # the imports of a busy machine


@needs_sshd
def test_a_session_that_is_stopped_in_mid_command_ends_at_the_deadline(own_sshd: Sshd, tmp_path: Path) -> None:
    prober = Prober(own_sshd.settings(), SystemClock())
    prober.prepare()
    recipe = make_recipe(
        setup=Stage(run=f"touch {tmp_path}/begun; sleep 60", timeout_s=DEADLINE_S), teardown=Stage("true", timeout_s=60)
    )
    job = make_assignment(recipe)
    stopped: list[int] = []

    def stop_it() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        for session in own_sshd.sessions():
            stopped.append(session)
            os.kill(session, signal.SIGSTOP)

    threading.Thread(target=stop_it, daemon=True).start()
    try:
        report = prober.probe(job)
    finally:
        for session in stopped:
            os.kill(session, signal.SIGCONT)

    assert stopped
    assert after_login(report) < DEADLINE_S + 1
    assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.DEADLINE, (job.vnode,))
