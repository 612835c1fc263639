"""What comes late because this process did not run is no node's failure."""

import os
import signal
import subprocess
import sys
import time

import pytest

from plabctl.probes.stall_detector import BEAT_S, StallDetector, read_asleep_s
from tests.manual_clock import ManualClock


class Sleep:
    """A machine that sleeps when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def beating(clock: ManualClock, stall_detector: StallDetector, seconds: float) -> None:
    for _ in range(int(seconds / BEAT_S)):
        stall_detector.beat()
        clock.advance(BEAT_S)
    stall_detector.beat()


def test_a_process_that_runs_loses_nothing(clock: ManualClock) -> None:
    stall_detector, start = StallDetector(clock, Sleep()), clock.monotonic()
    beating(clock, stall_detector, 60)

    assert stall_detector.compute_lost_since(start) == 0.0


def test_a_process_that_was_stopped_knows_for_how_long_whoever_asks_first(clock: ManualClock) -> None:
    stall_detector, start = StallDetector(clock, Sleep()), clock.monotonic()
    beating(clock, stall_detector, 2)
    clock.advance(BEAT_S + 30)

    assert stall_detector.compute_lost_since(start) == 30.0
    stall_detector.beat()
    assert stall_detector.compute_lost_since(start) == 30.0


def test_what_began_afterwards_lost_nothing(clock: ManualClock) -> None:
    stall_detector = StallDetector(clock, Sleep())
    stall_detector.beat()
    clock.advance(30)
    stall_detector.beat()

    assert stall_detector.compute_lost_since(clock.monotonic()) == 0.0


def test_a_machine_that_slept_knows_for_how_long_though_its_clock_stood_still(clock: ManualClock) -> None:
    sleep = Sleep()
    stall_detector, start = StallDetector(clock, sleep), clock.monotonic()
    beating(clock, stall_detector, 2)
    sleep.seconds += 3600.0

    assert stall_detector.compute_lost_since(start) == 3600.0
    beating(clock, stall_detector, 30)
    assert stall_detector.compute_lost_since(start) == 3600.0


def test_a_small_hiccup_long_ago_excuses_nothing(clock: ManualClock) -> None:
    stall_detector, start = StallDetector(clock, Sleep()), clock.monotonic()
    stall_detector.beat()
    clock.advance(BEAT_S + 1.5)
    beating(clock, stall_detector, 1)
    assert stall_detector.compute_lost_since(start) == 1.5
    beating(clock, stall_detector, 60)

    assert stall_detector.compute_lost_since(start) == 0.0


def test_nothing_is_missed_while_nothing_is_under_way(clock: ManualClock) -> None:
    sleep = Sleep()
    stall_detector, start = StallDetector(clock, sleep), clock.monotonic()
    stall_detector.beat()
    stall_detector.pause()
    clock.advance(900)
    sleep.seconds += 900.0
    stall_detector.wake()

    assert stall_detector.compute_lost_since(start) == 0.0


def test_this_machine_s_own_sleep_can_be_told() -> None:
    assert read_asleep_s() >= -0.01


STOPPED = """
import sys
from plabctl.clock import SystemClock
from plabctl.core.recipe import Stage, Transport
from plabctl.core.settings import SshSettings
from plabctl.probes.prober import Prober
from plabctl.executors.threads import ThreadExecutor
from tests.probes.jobs import make_assignment, make_recipe

late = Stage(run="sleep 600", timeout_s=3.0)
never_up = Stage(run="exit 2", timeout_s=3.0, every_s=0.2)
recipes = {
    "check": make_recipe(transport=Transport.LOCAL, check=late),
    "up": make_recipe(transport=Transport.LOCAL, up=never_up),
    "sound": make_recipe(transport=Transport.LOCAL, check=Stage(run="sleep 1", timeout_s=3.0)),
    "broken": make_recipe(transport=Transport.LOCAL, check="exit 2"),
}
clock = SystemClock()
runner = ThreadExecutor(Prober(SshSettings(), clock), clock)
names = {}
for name, recipe in recipes.items():
    job = make_assignment(recipe)
    names[job.token] = name
    runner.start(job)
print("started", flush=True)
while runner.running:
    for report in runner.wait(30):
        print(names[report.token], report.outcome, report.cause, report.reason, flush=True)
"""


@pytest.mark.timeout(60)
def test_a_process_that_is_stopped_beyond_the_deadline_blames_nobody() -> None:
    process = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "started\n"
    broken = process.stdout.readline().split()
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(5.0)
    os.kill(process.pid, signal.SIGCONT)
    said = dict(line.strip().split(" ", 1) for line in process.communicate(timeout=30)[0].splitlines())

    assert broken[:3] == ["broken", "fail", "check"], "it had failed before"
    assert said["sound"].startswith("pass")
    for name in ("check", "up"):
        assert said[name].startswith("unknown local this machine stood still for "), said[name]
