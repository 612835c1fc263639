"""When a good node fails, its neighbours are asked at once: the right ones, never more than the bound, never twice."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.claim import list_candidates
from plabctl.core.forecast import DueReason, find_due_reason
from plabctl.core.guard.evaluate import evaluate
from plabctl.core.guard.model import Guard, GuardedScope
from plabctl.core.liveness_record import Liveness
from plabctl.core.model import Cause, Goal, Hold, Member, Report
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import GuardSettings, Settings
from plabctl.core.settings_parts import LivenessSettings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.values import replace
from tests.builders import NOW, make_claim, make_member, make_node, make_report, make_settings
from tests.memory_state import MemoryState

NO_GUARD = GuardSettings(min_tested=1000)
OWN = make_settings(guard=NO_GUARD)


def make_site(*members: Member, site: str = "rack1", **others: str) -> MemoryState:
    """A state in which all stand at one site, but for those that `others` says something else of."""
    places = {member.node: others.get(member.node, site) for member in members}
    nodes = tuple(make_node(name, **({"site": place} if place else {})) for name, place in places.items())
    return MemoryState(Changes(nodes=nodes, members=members))


def make_rack(count: int = 6, **fields: Any) -> list[Member]:
    """Good nodes n0, n1, ... that are due in half an hour; n0 was tested last, the next a minute before, and so on."""
    return [
        make_member(f"n{number}", due_at=NOW + 1800, interval_s=1800.0, probed_at=NOW - 60.0 * number, **fields)
        for number in range(count)
    ]


def end(
    state: MemoryState, outcomes: Mapping[str, str], own: Settings = OWN, guard: Guard | None = None, at: float = NOW
) -> Changes:
    """Let tests of these nodes end, as a step of a tick does; return what it has changed."""
    claims = tuple(make_claim(name, started_at=at - 1) for name in outcomes)
    state.apply(Changes(claims=claims))
    reports = [make_report(name, outcome) for name, outcome in outcomes.items()]
    return settle_reports(state, reports, own, guard, at)


def settle_reports(
    state: MemoryState, reports: Iterable[Report], own: Settings, guard: Guard | None = None, at: float = NOW
) -> Changes:
    changes = settle(state, reports, build_pools(own), at, Random(1), guard or Guard())
    state.apply(changes)
    return changes


def list_called(state: MemoryState) -> list[str]:
    return [member.node for member in state.members() if member.asked_early]


def get(state: MemoryState, name: str) -> Member:
    member = state.member(name)
    assert member is not None
    return member


def test_a_failure_calls_those_of_its_site_that_were_tested_longest_ago() -> None:
    state = make_site(*make_rack(), n5="rack2")
    end(state, {"n0": "fail"})

    assert list_called(state) == ["n3", "n4"]
    member = get(state, "n4")
    assert (member.due_at, member.interval_s) == (NOW, 0.0)
    assert member.asked_early == "n0 at the same site failed"
    assert find_due_reason(replace(member, last=get(state, "n0").last), OWN) is DueReason.ASKED_EARLY
    assert {row.node for row in list_candidates(state, OWN, NOW)} == {"n0", "n3", "n4"}


def test_each_that_fails_calls_the_next_and_what_passes_calls_nobody() -> None:
    state = make_site(*make_rack(8))
    end(state, {"n0": "fail"})
    changes = end(state, {"n6": "fail", "n7": "pass"}, at=NOW + 5)

    assert list_called(state) == ["n4", "n5"]
    assert get(state, "n7").due_at > NOW + 60
    told = {event.node: event.data.get("asked_early") for event in changes.events if event.kind == "probe"}
    assert set(told.values()) == {"n0 at the same site failed"}


def test_the_second_failure_of_a_suspect_calls_nobody() -> None:
    state = make_site(*make_rack())
    end(state, {"n0": "fail"})
    end(state, {"n0": "fail"}, at=NOW + 5)

    assert len(list_called(state)) == 2


def test_with_quick_retests_the_first_failure_calls() -> None:
    own = make_settings(guard=NO_GUARD, confirm=2)
    state = make_site(*make_rack())
    end(state, {"n0": "fail"}, own)
    assert list_called(state) == ["n4", "n5"]
    end(state, {"n0": "fail"}, own, at=NOW + 5)
    assert list_called(state) == ["n4", "n5"]


@pytest.mark.parametrize(
    "fields",
    [
        {"absent_since_at": NOW},
        {"hold": Hold("ada", "", NOW)},
        {"suspicion": Suspicion("good", NOW - 900, 3, NOW - 60), "fail_streak": 1},
        {"pool": "bad"},
        {"asked_early": "n9 at the same site failed"},
    ],
)
def test_nobody_is_asked_who_cannot_say_anything_new(fields: dict[str, Any]) -> None:
    asked, other = make_rack(2)[1], make_rack(2)[0]
    state = make_site(other, replace(asked, **fields))
    changes = end(state, {"n0": "fail"})

    assert {member.node for member in changes.members} == {"n0"}


def test_a_node_that_is_being_tested_is_not_asked_and_one_alone_has_nobody_to_ask() -> None:
    state = make_site(*make_rack(3), n2="rack2")
    state.apply(Changes(claims=(make_claim("n1"),)))
    end(state, {"n0": "fail"})
    end(state, {"n2": "fail"})

    assert list_called(state) == []


def test_nodes_without_a_site_ask_nobody() -> None:
    state = make_site(*make_rack(), site="")
    end(state, {"n0": "fail"})

    assert list_called(state) == []


def test_zero_turns_it_off() -> None:
    state = make_site(*make_rack())
    end(state, {"n0": "fail"}, make_settings(guard=replace(NO_GUARD, neighbours=0)))

    assert list_called(state) == []


@pytest.mark.parametrize("scope", ["monitor", "pool good", "site rack1"])
def test_nobody_is_asked_while_the_guard_is_on(scope: str) -> None:
    other = replace(OWN.pools["good"], name="other")
    own = replace(OWN, pools={**OWN.pools, "other": other})
    state = make_site(*make_rack(3), make_member("n9", "other"))
    end(state, {"n0": "fail"}, own, guard=Guard({scope: GuardedScope(scope, NOW, "many fail")}))

    assert list_called(state) == []


def test_nodes_whose_own_moves_are_held_are_not_asked() -> None:
    own = replace(OWN, pools={**OWN.pools, "other": replace(OWN.pools["good"], name="other")})
    state = make_site(*make_rack(3), make_member("n9", "other", probed_at=NOW - 9000))
    end(state, {"n0": "fail"}, own, guard=Guard({"pool other": GuardedScope("pool other", NOW, "many fail")}))

    assert list_called(state) == ["n1", "n2"]


def test_a_report_that_is_settled_again_calls_nobody_again() -> None:
    state = make_site(*make_rack())
    end(state, {"n0": "fail"})
    before = list(state.members())
    settle_reports(state, [make_report("n0", "fail")], OWN)

    assert list(state.members()) == before


def test_an_interrupted_test_is_still_called_and_any_other_answers_the_call() -> None:
    state = make_site(*make_rack(3))
    end(state, {"n0": "fail"})
    state.apply(Changes(claims=(make_claim("n1"), make_claim("n2"))))
    settle_reports(
        state,
        [
            make_report("n1", "unknown", cause=Cause.INTERRUPTED),
            make_report("n2", "unknown"),
        ],
        OWN,
    )

    assert list_called(state) == ["n1"]


CHECKED = replace(OWN, pools={
    "good": replace(OWN.pools["good"], liveness=LivenessSettings(8)), "bad": OWN.pools["bad"],
})  # fmt: skip


def test_where_there_are_liveness_checks_all_of_the_site_are_asked_for_a_login() -> None:
    state = make_site(*make_rack(6, liveness=Liveness(NOW + 300, 200.0, NOW - 100)), n5="rack2")
    end(state, {"n0": "fail"}, CHECKED)

    assert list_called(state) == []
    called = {row.node for row in state.due_checks(NOW)}
    assert called == {"n1", "n2", "n3", "n4"}
    own = get(state, "n1").liveness
    assert own is not None
    assert (own.called, get(state, "n1").due_at) == ("n0 at the same site failed", NOW + 1800)


def test_silence_that_makes_a_suspect_calls_all_but_those_that_answered_just_now() -> None:
    rack = make_rack(5, liveness=Liveness(NOW + 300, 200.0, NOW - 100))
    rack[0] = replace(rack[0], liveness=Liveness(NOW, 200.0, NOW - 100, silences=1))
    rack[1] = replace(rack[1], liveness=Liveness(NOW + 300, 200.0, NOW - 20))
    state = make_site(*rack)
    state.apply(Changes(claims=(make_claim("n0", goal=Goal.LIVENESS),)))
    settle_reports(state, [make_report("n0", "fail", goal=Goal.LIVENESS)], CHECKED)

    assert get(state, "n0").is_suspect
    assert {row.node for row in state.due_checks(NOW)} == {"n2", "n3", "n4"}
    own = get(state, "n2").liveness
    assert own is not None
    assert own.called == "n0 at the same site fell silent"


STEPS = st.lists(
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["pass", "fail", "unknown"])), min_size=1, max_size=4),
    min_size=1,
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(STEPS, st.integers(0, 3), st.booleans())
def test_a_failure_never_calls_more_than_its_bound_and_nobody_while_the_guard_is_on(
    steps: list[list[tuple[int, str]]], neighbours: int, is_wary: bool
) -> None:
    """Twelve nodes in three racks, tested in any order, in steps of one tick or of several that overlap."""
    guard_settings = GuardSettings(min_tested=3 if is_wary else 1000, neighbours=neighbours)
    own = make_settings(guard=guard_settings)
    nodes = tuple(make_node(f"n{number}", site=f"rack{number % 3}") for number in range(12))
    members = tuple(make_member(f"n{number}", due_at=NOW + 1800, probed_at=NOW - number) for number in range(12))
    state = MemoryState(Changes(nodes=nodes, members=members))
    for number, step in enumerate(steps):
        now = NOW + 10.0 * number
        outcomes = {f"n{which}": outcome for which, outcome in step}
        state.apply(Changes(claims=tuple(make_claim(name, started_at=now - 1) for name in outcomes)))
        reports = [make_report(name, outcome) for name, outcome in outcomes.items()]
        watch, changes = evaluate(state, own, reports, now, is_cut_off=None)
        state.apply(changes)
        before = {member.node: member for member in state.members()}
        settle_reports(state, reports, own, watch, now)

        called = [each for each in state.members() if each.asked_early and not before[each.node].asked_early]
        failed = {
            each.node
            for each in state.members()
            if each.suspicion and not before[each.node].suspicion and before[each.node].pool == "good"
        }
        assert len(called) <= neighbours * len(failed)
        for member in called:
            caller = member.asked_early.split()[0]
            assert caller in failed
            assert int(caller[1:]) % 3 == int(member.node[1:]) % 3, "of the same site"
            assert member.node not in outcomes
            assert not watch.holds("good", state.node(member.node))
        assert all(sum(each.asked_early.startswith(f"{name} ") for each in called) <= neighbours for name in failed)


def count_rounds(own: Settings) -> int:
    """How many ticks, a minute apart, it takes until all ten nodes of a site are out of good whose switch died."""
    rng = Random(3)
    members = (
        make_member(f"n{number}", ok_streak=99, due_at=NOW + rng.random() * 3600, interval_s=3600.0, probed_at=NOW)
        for number in range(10)
    )
    state, now = make_site(*members), NOW
    is_noticed, rounds = False, 0
    while any(member.pool == "good" for member in state.members()):
        while rows := list_candidates(state, own, now):
            is_noticed = True
            end(state, {row.node: "fail" for row in rows}, own, at=now)
        now += 60.0
        rounds += is_noticed
    return rounds


def test_a_dead_switch_is_found_in_one_round() -> None:
    """From the tick that notices it on; without, the last node is found when its own test is due."""
    assert count_rounds(OWN) == 1
    assert count_rounds(make_settings(guard=replace(NO_GUARD, neighbours=1))) == 1
    assert count_rounds(make_settings(guard=replace(NO_GUARD, neighbours=0))) > 30
