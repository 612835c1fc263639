"""What one report makes of one vnode: its state, its counters, when it is looked at again, and what is told."""

from dataclasses import replace
from typing import Any

import pytest

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.experiments.model import Vnode, VnodeState
from plabctl.core.model import Cause, Goal, Outcome
from plabctl.core.pools.experiment import explain_death, judge_vnode
from plabctl.core.settings import ExperimentSettings
from tests.builders import NOW, make_claim, make_report

OWN = ExperimentSettings(
    retry=Backoff(ADDITIVE, base_s=60.0, step_s=60.0, jitter_s=0.0), check=Backoff(ADDITIVE, jitter_s=0.0)
)
NAME = "plabctl-n1"
PENDING = Vnode("exp", "n1", VnodeState.PENDING, NOW - 50, NOW - 5, vnode=NAME, interval_s=7.0)
UP = replace(PENDING, state=VnodeState.UP, is_set_up=True, ok_streak=2, up_at=NOW - 50, probed_at=NOW - 50)
FAILED = replace(PENDING, state=VnodeState.FAILED, fail_streak=2, probed_at=NOW - 50)
LEAVING = replace(PENDING, state=VnodeState.LEAVING)


def judged(before: Vnode, outcome: str, cause: Cause | None = None, *, roll: float = 0.0, **fields: Any) -> Vnode:
    """The member after a probe for what was to be done for it."""
    report = make_report(outcome=outcome, experiment="exp", cause=cause, **fields)
    claim = make_claim(experiment="exp", goal=before.goal)
    after, _ = judge_vnode(before, claim, report, OWN, NOW, roll)
    assert after is not None
    return after


def waits(after: Vnode) -> float:
    assert after.due_at == NOW + after.interval_s
    return after.interval_s


def test_what_comes_up_is_up_from_now_on_and_looked_at_ever_less() -> None:
    up = judged(PENDING, "pass")
    again = judged(up, "pass")

    assert (up.state, up.since_at, up.up_at, up.ok_streak, up.is_set_up) == (VnodeState.UP, NOW, NOW, 1, True)
    assert (again.ok_streak, again.since_at) == (2, NOW)
    assert waits(up) < waits(again)


def test_what_recovers_has_failed_never() -> None:
    after = judged(FAILED, "pass")

    assert (after.state, after.since_at, after.ok_streak, after.fail_streak) == (VnodeState.UP, NOW, 1, 0)


def test_what_fails_has_failed_from_now_on_and_never_passed() -> None:
    after = judged(UP, "fail", Cause.CONNECT)

    assert (after.state, after.since_at, after.ok_streak, after.fail_streak) == (VnodeState.FAILED, NOW, 0, 1)
    assert judged(FAILED, "fail", Cause.CONNECT).since_at == FAILED.since_at


def test_the_last_verdict_is_kept() -> None:
    after = judged(UP, "fail", Cause.CONNECT)

    assert after.last is not None
    assert (after.last.outcome, after.last.cause, after.last.at, after.probed_at) == (
        Outcome.FAIL, Cause.CONNECT, NOW, NOW,
    )  # fmt: skip


def test_what_was_interrupted_is_due_at_once_as_it_was() -> None:
    assert judged(UP, "unknown", Cause.INTERRUPTED) == replace(UP, due_at=NOW, interval_s=0.0)


@pytest.mark.parametrize(("before", "seconds"), [(UP, 300.0), (FAILED, 60.0), (LEAVING, 60.0)])
def test_what_says_nothing_is_asked_again_after_the_shortest_wait(before: Vnode, seconds: float) -> None:
    after = judged(before, "unknown", Cause.LOCAL)

    assert waits(after) == seconds
    assert (after.state, after.ok_streak, after.fail_streak) == (before.state, before.ok_streak, before.fail_streak)


@pytest.mark.parametrize("cause", [Cause.SETUP, Cause.UP_TIMEOUT, Cause.CHECK])
def test_a_set_up_that_fails_whatever_it_fails_at_is_tried_again_by_back_off(cause: Cause) -> None:
    assert [waits(judged(before, "fail", cause)) for before in (PENDING, FAILED)] == [120.0, 240.0]


def test_what_is_found_dead_is_set_up_at_once() -> None:
    after = judged(UP, "fail", Cause.CHECK)

    assert (after.goal, after.due_at, after.interval_s) == (Goal.SETUP, NOW, 0.0)


def test_what_dies_each_time_before_the_first_look_is_told_with_what_to_do() -> None:
    vnode, said = replace(PENDING, vnode=""), []
    for _ in range(3):
        vnode = judged(vnode, "pass")
        report = make_report(outcome="fail", experiment="exp", cause=Cause.CHECK, reason="the process is gone")
        said.append(explain_death(vnode, report).reason)
        vnode = judged(vnode, "fail", Cause.CHECK)

    assert said[0] == "the process is gone"
    for count, reason in enumerate(said[1:], 2):
        assert reason.startswith(f"the process is gone; dead {count} times in a row at the first look")
        assert "`loginctl enable-linger USER`" in reason
    assert vnode.early_deaths == 3


def test_what_was_seen_alive_or_merely_did_not_answer_is_no_early_death() -> None:
    up = replace(UP, ok_streak=1, early_deaths=1)

    assert judged(up, "pass").early_deaths == 0
    assert judged(UP, "fail", Cause.CHECK).early_deaths == 0
    assert judged(up, "unknown", Cause.LOCAL).early_deaths == 1
    away = judged(up, "fail", Cause.CONNECT)
    assert away.early_deaths == 1
    assert judged(away, "fail", Cause.CHECK).early_deaths == 0, "its node was away meanwhile"
    refused = make_report(outcome="fail", experiment="exp", cause=Cause.CONNECT, reason="refused")
    assert explain_death(up, refused) == refused


def test_the_advice_fits_into_a_reason() -> None:
    report = make_report(outcome="fail", experiment="exp", cause=Cause.CHECK, reason="x" * 500)

    assert len(explain_death(replace(UP, ok_streak=1, early_deaths=9), report).reason) == 500


def test_what_was_set_up_stands_under_the_name_that_was_claimed() -> None:
    assert judged(replace(PENDING, vnode=""), "pass").vnode == NAME


def test_after_a_failed_set_up_only_what_may_be_left_has_a_name() -> None:
    assert judged(PENDING, "fail", Cause.SETUP, left=(NAME,)).vnode == NAME
    assert judged(PENDING, "fail", Cause.SETUP).vnode == ""


@pytest.mark.parametrize("outcome", ["fail", "unknown"])
def test_a_teardown_that_did_not_pass_is_tried_again_by_back_off_whatever_it_says_is_left(outcome: str) -> None:
    after = judged(LEAVING, outcome, Cause.LOCAL if outcome == "unknown" else Cause.CONNECT)

    assert (after.state, after.vnode) == (VnodeState.LEAVING, NAME)
    assert waits(after) >= 60.0


def test_a_teardown_that_passes_and_leaves_the_vnode_brings_nobody_up() -> None:
    after = judged(LEAVING, "pass", left=(NAME,))

    assert (after.state, after.goal, after.vnode) == (VnodeState.LEAVING, Goal.TEARDOWN, NAME)


def test_what_leaves_while_it_is_looked_at_is_torn_down_at_once() -> None:
    claim = make_claim(experiment="exp", goal=Goal.CHECK)

    after, kind = judge_vnode(LEAVING, claim, make_report(experiment="exp"), OWN, NOW, 0.0)

    assert after == replace(LEAVING, due_at=NOW, interval_s=0.0)
    assert kind == ""


def test_instants_have_milliseconds_and_no_more() -> None:
    own = replace(OWN, check=Backoff(ADDITIVE, jitter_s=60.0))
    claim = make_claim(experiment="exp", goal=Goal.CHECK)

    after, _ = judge_vnode(UP, claim, make_report(experiment="exp"), own, NOW + 1 / 7, 1 / 7)

    assert after
    assert after.due_at == round(after.due_at, 3) != round(after.due_at, 2)
