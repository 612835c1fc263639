"""What an executor reports in place of a probe that did not run."""

from dataclasses import replace

import pytest

from plabctl.core.model import Cause, Goal, Outcome
from plabctl.executors.base import build_substitute, report_expired
from tests.manual_clock import ManualClock
from tests.probes.jobs import make_assignment, make_recipe

JOB = make_assignment(make_recipe(setup="true", teardown="true"))


@pytest.mark.parametrize(("begun", "left"), [(True, (JOB.vnode,)), (False, ())])
def test_a_vnode_is_taken_for_left_once_stages_may_have_run(begun: bool, left: tuple[str, ...]) -> None:
    report = build_substitute(JOB, 5.0, 1.0004, Cause.LOCAL, "no thread", begun=begun)

    assert (report.token, report.outcome, report.cause, report.reason) == (
        JOB.token, Outcome.UNKNOWN, Cause.LOCAL, "no thread",
    )  # fmt: skip
    assert (report.started_at, report.seconds, report.left) == (5.0, 1.0, left)
    assert (report.stray is None) is not begun


def test_what_was_to_be_torn_down_stays_left_however_it_ends() -> None:
    job = replace(JOB, goal=Goal.TEARDOWN)

    assert build_substitute(job, 5.0, 0.0, Cause.INTERRUPTED, "interrupted", begun=False).left == (JOB.vnode,)


@pytest.mark.parametrize(("begin_by", "is_late"), [(None, False), (10.0, False), (9.9, True)])
def test_an_assignment_must_begin_in_time(begin_by: float | None, is_late: bool) -> None:
    report = report_expired(replace(JOB, begin_by_uptime_s=begin_by), ManualClock(10.0))

    assert (report is not None) is is_late
    assert report is None or (report.cause, report.left) == (Cause.LOCAL, ())
