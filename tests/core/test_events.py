"""What is written down of each thing that happened is what readers of the history and hooks are promised."""

from dataclasses import replace
from random import Random

from plabctl.core import events
from plabctl.core.experiments.model import Vnode, VnodeState
from plabctl.core.model import Cause, Goal, StageRun
from tests.builders import NOW, make_claim, make_report


def test_a_token_is_sixteen_hexadecimal_digits() -> None:
    rng = Random(3)
    tokens = {events.make_token(rng) for _ in range(200)}

    assert len(tokens) == 200
    assert {len(token) for token in tokens} == {16}
    assert set("".join(tokens)) <= set("0123456789abcdef")


def test_a_failure_is_written_down_with_its_cause_and_a_pass_with_none() -> None:
    failed = events.build_probe_event(make_report(outcome="fail"), "good", NOW)
    passed = events.build_probe_event(make_report(), "good", NOW)

    assert (failed.data["outcome"], failed.data["cause"]) == ("fail", "connect")
    assert passed.data == {"pool": "good", "outcome": "pass", "started_at": NOW, "seconds": 2.0}


def test_seconds_are_written_down_to_the_millisecond() -> None:
    run = StageRun("check", 1.23456, 0)
    event = events.build_probe_event(make_report(seconds=2.34567, stages=(run,)), "good", NOW)

    assert event.data["seconds"] == 2.346
    assert event.data["stages"] == [
        {"stage": "check", "seconds": 1.235, "exit_code": 0, "output": "", "truncated": False}
    ]


def test_the_kind_says_whether_a_probe_was_late_or_of_a_vnode() -> None:
    report = make_report()
    of_vnode = replace(report, experiment="exp")

    kinds = [
        events.build_probe_event(each, "good", NOW, late=late).kind
        for each in (report, of_vnode)
        for late in (False, True)
    ]
    assert kinds == ["probe", "late", "vnode-probe", "late"]
    assert events.build_probe_event(of_vnode, "good", NOW).data["experiment"] == "exp"


def test_a_step_of_a_vnode_tells_the_cause_when_there_is_one() -> None:
    claim = make_claim(experiment="exp")
    vnode = Vnode("exp", "n1", VnodeState.UP, NOW, NOW + 60, tries=2)
    failed = make_report(outcome="fail", cause=Cause.SETUP, reason="no space")

    assert events.build_vnode_event("vnode-failed", claim, failed, vnode, NOW).data == {
        "experiment": "exp",
        "vnode": claim.vnode,
        "state": "up",
        "tries": 2,
        "cause": "setup",
        "reason": "no space",
        "due_at": NOW + 60,
    }
    assert events.build_vnode_event("vnode-gone", claim, make_report(), None, NOW).data == {
        "experiment": "exp",
        "vnode": claim.vnode,
    }


def test_a_void_claim_is_written_down_with_its_experiment_when_it_has_one() -> None:
    health = events.build_void_event(make_claim(), "the tick is gone", NOW)
    of_vnode = events.build_void_event(make_claim(experiment="exp", goal=Goal.TEST), "the tick is gone", NOW)

    assert health.data == {
        "pool": "good",
        "vnode": "plabctl-n1",
        "tick": "tick-1",
        "started_at": NOW,
        "reason": "the tick is gone",
    }
    assert of_vnode.data == {**health.data, "experiment": "exp", "goal": str(Goal.TEST)}
