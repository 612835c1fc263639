"""The weave, short; and that it sees what it is there to see: mistakes put into the product break an episode."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from plabctl import values
from plabctl.app import claim_slots, tick
from plabctl.core import assign, claim, clock_skew, leftovers, liveness, node_orders, spared
from plabctl.core.model import Claim, Member, Report
from plabctl.core.pools import experiment
from plabctl.core.pools.base import Judgement, Move, enter_pool
from plabctl.core.settings import LivenessSettings, PoolSettings
from plabctl.core.state import Changes
from tests.torture import interleave
from tests.torture.finding import draw
from tests.torture.interleaving import faults, settings
from tests.torture.interleaving.kernel import SimSlots
from tests.torture.options import TortureOptions

EPISODES = 100


def test_ticks_and_people_at_once_break_no_promise(tmp_path: Path) -> None:
    findings = interleave.run(TortureOptions(tmp_path, seed=20061, whole=False))

    assert all(finding.holds for finding in findings), draw(findings)


def test_an_episode_is_the_same_when_it_is_played_again() -> None:
    once, again = Counter[str](), Counter[str]()
    for counts in (once, again):
        interleave.play_one(7, 3, 1500, counts)

    assert once == again


Mistake = Callable[[pytest.MonkeyPatch], None]


def any_report_counts(patch: pytest.MonkeyPatch) -> None:
    """A report is applied under whatever claim there is."""
    settle = cast(Callable[..., Changes], vars(tick)["settle"])

    def careless(state: Any, reports: Sequence[Report], *more: Any) -> Changes:
        current = [
            replace(report, token=found.token) if (found := state.claims.get(report.key)) else report
            for report in reports
        ]
        return settle(state, current, *more)

    patch.setattr(tick, "settle", careless)


def one_slot_too_many(patch: pytest.MonkeyPatch) -> None:
    init = SimSlots.__init__

    def generous(self: SimSlots, kernel: Any, window: int) -> None:
        init(self, kernel, window + 1)

    patch.setattr(SimSlots, "__init__", generous)


def a_void_claim_leaves_no_debris(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claim, "add_leftovers", lambda member, *_: member.leftovers)


def a_removed_node_leaves_none(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "file_leftovers", lambda *_: {})


def dead_ticks_keep_their_claims(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claim_slots, "find_dead_claims", lambda *_: {})


def a_living_tick_is_taken_for_dead(patch: pytest.MonkeyPatch) -> None:
    def hasty(state: Any, _slots: Any, claimant: Any, _now: float) -> dict[str, str]:
        return {key: "hasty" for key, each in state.claims.items() if each.tick != claimant.mark.id}

    patch.setattr(claim_slots, "find_dead_claims", hasty)


def a_move_by_a_person_overrules_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(node_orders, "_supersede_claims", lambda *_: [])


def an_older_vnode_is_taken_for_new(patch: pytest.MonkeyPatch) -> None:
    real = assign._plan_vnode

    def hasty(*given: Any) -> Any:
        return replace(real(*given), leftovers=())

    patch.setattr(assign, "_plan_vnode", hasty)


def a_failed_teardown_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    real = experiment._update_leftovers

    def hopeful(vnode: Any, taken: Claim, report: Report) -> Any:
        after = real(vnode, taken, report)
        return replace(after, vnode="") if taken.goal == "teardown" else after

    patch.setattr(experiment, "_update_leftovers", hopeful)


def a_login_lets_a_node_return(patch: pytest.MonkeyPatch) -> None:
    real = liveness.judge_check

    def hasty(member: Member, look: liveness.Look, own: PoolSettings, now: float, **more: Any) -> Judgement:
        if not look.answered or own.is_good or member.is_held(now):
            return real(member, look, own, now, **more)
        move = Move("transition", own.name, own.goes_to, now, "passed", "it let us log in")
        return Judgement(values.replace(enter_pool(member, own.goes_to, now), suspicion=None), move)

    patch.setattr(liveness, "judge_check", hasty)
    patch.setattr(settings, "choose_checks", lambda _: LivenessSettings(between=8))


def a_clock_that_was_never_set_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clock_skew, "explain_distrust", lambda *_, **__: "")


def a_busy_node_is_tested(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spared, "is_spared", lambda *_: False)


@pytest.mark.parametrize(
    ("mistake", "often"),
    [
        (any_report_counts, {"stop": 20, "wait_long": 20, "order": 3}),
        (one_slot_too_many, {}),
        (a_void_claim_leaves_no_debris, {}),
        (a_removed_node_leaves_none, {}),
        (dead_ticks_keep_their_claims, {}),
        (a_living_tick_is_taken_for_dead, {}),
        (a_move_by_a_person_overrules_nothing, {"order": 6}),
        (an_older_vnode_is_taken_for_new, {}),
        (a_failed_teardown_counts_as_done, {}),
        (a_login_lets_a_node_return, {}),
        (a_clock_that_was_never_set_is_believed, {"set_clock": 10}),
        (a_busy_node_is_tested, {"take": 3}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mistake_in_the_product_is_seen(
    mistake: Mistake, often: Mapping[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    # What reveals it happens so many times as often, so that one of the first episodes does, whatever the dice say.
    mishaps = [(chance * often.get(happen.__name__, 1), happen) for chance, happen in faults.MISHAPS]
    monkeypatch.setattr(faults, "MISHAPS", mishaps)

    told = (interleave.play_one(1, number, interleave.CHAOS, Counter()) for number in range(EPISODES))
    assert any(broken.startswith(("Defect", "AssertionError")) for broken in told)
