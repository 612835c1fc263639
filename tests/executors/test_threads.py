"""The thread runner, with a prober that does as it is told."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from plabctl.clock import SystemClock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Outcome, Report
from plabctl.executors.threads import ThreadExecutor
from tests.manual_clock import ManualClock
from tests.probes.jobs import make_assignment, make_recipe

RECIPE = make_recipe(check="true", teardown="true")


def passed(job: Assignment) -> Report:
    return Report(job.node.name, job.token, Outcome.PASS, None, "", 0.0, 0.0)


class ToldProber:
    """Runs a function for each assignment."""

    def __init__(self, act: Callable[[Assignment], Report] = passed) -> None:
        self.act = act
        self.interrupted = threading.Event()

    def probe(self, assignment: Assignment) -> Report:
        return self.act(assignment)

    def interrupt(self) -> None:
        self.interrupted.set()


def make_runner(act: Callable[[Assignment], Report] = passed) -> ThreadExecutor:
    return ThreadExecutor(ToldProber(act), SystemClock())


def all_of(runner: ThreadExecutor) -> list[Report]:
    reports: list[Report] = []
    while runner.running:
        reports += runner.wait(10)
    return reports


def test_every_assignment_is_reported_once() -> None:
    runner = make_runner()
    jobs = [make_assignment(RECIPE) for _ in range(50)]
    for job in jobs:
        runner.start(job)

    assert sorted(report.token for report in all_of(runner)) == sorted(job.token for job in jobs)
    assert runner.running == 0


def test_waiting_for_nothing_returns_at_once() -> None:
    assert make_runner().wait() == []


def test_waiting_ends_at_its_time_out() -> None:
    stop = threading.Event()
    runner = make_runner(lambda job: (stop.wait(10), passed(job))[1])
    runner.start(make_assignment(RECIPE))
    start = time.monotonic()

    assert runner.wait(0.2) == []
    assert time.monotonic() - start < 2
    stop.set()
    assert len(all_of(runner)) == 1


def test_threads_are_used_again() -> None:
    runner = make_runner()
    before = threading.active_count()
    for _ in range(50):
        runner.start(make_assignment(RECIPE))
        all_of(runner)

    assert threading.active_count() <= before + 2


def test_an_exception_in_one_probe_costs_only_that_probe() -> None:
    def act(job: Assignment) -> Report:
        if job.pool == "bad":
            raise ValueError("surprise")
        return passed(job)

    runner = make_runner(act)
    runner.start(make_assignment(RECIPE))
    (report,) = all_of(runner)

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert "surprise" in report.reason


def test_a_stuck_thread_is_reported_for_at_the_deadline_and_its_late_report_dropped() -> None:
    stop = threading.Event()
    runner = make_runner(lambda job: (stop.wait(20), passed(job))[1])
    job = make_assignment(RECIPE, deadline_s=0.3)
    start = time.monotonic()
    runner.start(job)
    (report,) = all_of(runner)

    assert time.monotonic() - start < 0.3 + 1
    assert (report.outcome, report.cause, report.left) == (Outcome.UNKNOWN, Cause.LOCAL, (job.vnode,))
    stop.set()
    other = make_assignment(RECIPE)
    runner.start(other)
    assert [report.token for report in all_of(runner)] == [other.token]


def test_an_interrupt_reports_every_probe_within_a_second_and_a_half() -> None:
    runner = make_runner(lambda job: (threading.Event().wait(20), passed(job))[1])
    jobs = [make_assignment(RECIPE) for _ in range(20)]
    for job in jobs:
        runner.start(job)
    start = time.monotonic()
    runner.interrupt()
    reports = all_of(runner)

    assert time.monotonic() - start < 1.5
    assert {report.cause for report in reports} == {Cause.INTERRUPTED}
    assert {report.left for report in reports} == {(job.vnode,) for job in jobs}


def test_nothing_is_started_after_an_interrupt() -> None:
    started: list[str] = []

    def act(job: Assignment) -> Report:
        started.append(job.token)
        return passed(job)

    runner = make_runner(act)
    runner.interrupt()
    runner.start(make_assignment(RECIPE))

    assert [report.cause for report in all_of(runner)] == [Cause.INTERRUPTED]
    assert started == []


def test_many_threads_ask_for_the_interpreter_less_often() -> None:
    usual_s = sys.getswitchinterval()
    stop = threading.Event()
    runner = make_runner(lambda job: (stop.wait(20), passed(job))[1])
    try:
        for count, interval_s in ((100, 0.005), (200, 0.01)):
            while runner.running < count:
                runner.start(make_assignment(RECIPE))
            assert sys.getswitchinterval() == pytest.approx(interval_s)
        stop.set()
        assert len(all_of(runner)) == 200
    finally:
        sys.setswitchinterval(usual_s)


def test_a_report_is_taken_without_a_look_at_all_that_still_run(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    compute_due = ThreadExecutor._compute_due

    def look(runner: ThreadExecutor, overdue: float) -> float:
        looks.append(overdue)
        return compute_due(runner, overdue)

    monkeypatch.setattr(ThreadExecutor, "_compute_due", look)
    turns, runner = threading.Semaphore(0), make_runner(lambda job: (turns.acquire(), passed(job))[1])
    for _ in range(50):
        runner.start(make_assignment(RECIPE))
    for _ in range(50):
        turns.release()
        assert len(runner.wait(10)) == 1

    assert len(looks) <= 4 * 50


def test_no_thread_to_be_had_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    runner = make_runner()
    runner.start(make_assignment(RECIPE))
    (report,) = runner.wait(5)

    assert (report.outcome, report.cause, report.left) == (Outcome.UNKNOWN, Cause.LOCAL, ())


def test_what_was_given_up_before_it_began_is_never_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, threads, begun = ManualClock(), list[threading.Thread](), list[str]()

    def act(job: Assignment) -> Report:
        begun.append(job.token)
        return passed(job)

    runner = ThreadExecutor(ToldProber(act), clock)
    with monkeypatch.context() as held:
        held.setattr(threading.Thread, "start", lambda self: threads.append(self))  # noqa: PLW0108 - a method binds, a bound method does not
        runner.start(make_assignment(RECIPE))
    clock.advance(3600)
    (given_up,) = runner.wait(0)
    assert given_up.outcome is Outcome.UNKNOWN

    threads[0].start()
    runner.start(make_assignment(RECIPE))
    (report,) = runner.wait(10)

    assert begun == [report.token]


@pytest.mark.parametrize(("late_s", "begins"), [(-60.0, True), (1.0, False)])
def test_what_would_outlast_its_claim_is_not_begun(late_s: float, begins: bool) -> None:
    runner = make_runner()
    runner.start(replace(make_assignment(RECIPE), begin_by_uptime_s=SystemClock().uptime() - late_s))

    (report,) = all_of(runner)

    assert (report.outcome is Outcome.PASS) is begins
    assert report.cause is (None if begins else Cause.LOCAL)
