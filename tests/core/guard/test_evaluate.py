"""Too many failing together: nobody moves to bad, once said, until it is over."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.guard.evaluate import evaluate
from plabctl.core.guard.model import UNGUARDED, Guard, read_guard
from plabctl.core.model import Cause, Member, Node, Report
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import GuardSettings, GuardThen, Settings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from tests.builders import NOW, make_claim, make_member, make_report, make_settings
from tests.memory_state import MemoryState

SETTINGS = make_settings()


def world(good: int, *, sites: int = 1) -> MemoryState:
    nodes = [Node(f"n{number:03}", {"site": f"s{number % sites}"}) for number in range(good)]
    members = [make_member(node.name, ok_streak=5, probed_at=NOW - 3600) for node in nodes]
    return MemoryState(Changes(nodes=tuple(nodes), members=tuple(members)))


def stepped(
    state: MemoryState,
    outcomes: dict[str, str],
    now: float,
    settings: Settings = SETTINGS,
    *,
    cut_off: bool | None = None,
) -> Guard:
    """One step of a tick in which each of these nodes was tested."""
    reports = [_report(state, name, outcome) for name, outcome in outcomes.items()]
    guard, changes = evaluate(state, settings, reports, now, is_cut_off=cut_off)
    state.apply(changes)
    state.apply(settle(state, reports, build_pools(settings), now, Random(1), guard))
    return guard


def _report(state: MemoryState, name: str, outcome: str) -> Report:
    state.apply(Changes(claims=(make_claim(name),)))
    return make_report(name, outcome)


def pools(state: MemoryState) -> dict[str, int]:
    return dict(state.counts())


def all_names(state: MemoryState) -> list[str]:
    return sorted(state.names())


def member(state: MemoryState, name: str) -> Member:
    found = state.member(name)
    assert found is not None
    return found


def alerts(state: MemoryState) -> list[tuple[str, object]]:
    return [(event.kind, event.data["scope"]) for event in state.outbox if event.kind.startswith("guard-")]


def test_one_failure_among_many_moves_its_node() -> None:
    state = world(50)
    stepped(state, dict.fromkeys(all_names(state)[1:], "pass"), NOW)

    guard = stepped(state, {"n000": "fail"}, NOW + 1)

    assert not guard.scopes
    assert pools(state) == {"good": 49, "bad": 1}


def test_when_all_fail_together_nobody_moves_and_it_is_said_once() -> None:
    state = world(100)
    for second in range(5):
        stepped(state, dict.fromkeys(all_names(state)[20 * second : 20 * second + 20], "fail"), NOW + second)

    assert pools(state) == {"good": 100}
    assert alerts(state) == [("guard-on", "pool good")]


def test_suspects_from_before_the_guard_are_taken_back_by_their_retest() -> None:
    state = world(100)
    stepped(state, dict.fromkeys(all_names(state)[:5], "fail"), NOW)
    assert pools(state) == {"good": 95, "bad": 5}

    stepped(state, dict.fromkeys(all_names(state)[5:40], "fail"), NOW + 1)
    stepped(state, dict.fromkeys(all_names(state)[:5], "fail"), NOW + 2)

    assert pools(state) == {"good": 100}


def test_when_it_is_over_all_is_as_before() -> None:
    state = world(30)
    before = {name: member(state, name) for name in all_names(state)}
    stepped(state, dict.fromkeys(all_names(state), "fail"), NOW)

    stepped(state, dict.fromkeys(all_names(state), "pass"), NOW + 300)

    assert alerts(state) == [("guard-on", "pool good"), ("guard-off", "pool good")]
    assert not read_guard(state).scopes
    for name, then in before.items():
        now = member(state, name)
        assert (now.pool, now.since_at, now.ok_streak, now.penalty) == ("good", then.since_at, then.ok_streak + 1, 0.0)
        assert now.suspicion is None


def test_held_nodes_are_tested_again_soon() -> None:
    state = world(30)
    stepped(state, dict.fromkeys(all_names(state), "fail"), NOW)

    assert {found.due_at for found in state.members()} == {NOW + 300}


def test_half_a_site_is_held_and_other_sites_go_on() -> None:
    state = world(100, sites=5)
    site = [name for name in all_names(state) if state.node(name).site == "s0"]  # type: ignore[union-attr]  # it is there
    others = [name for name in all_names(state) if name not in site]
    stepped(state, {**dict.fromkeys(site[10:], "pass"), **dict.fromkeys(others[1:], "pass")}, NOW)

    stepped(state, {**dict.fromkeys(site[:10], "fail"), others[0]: "fail"}, NOW + 1)

    assert alerts(state) == [("guard-on", "site s0")]
    assert [found.node for found in state.members() if found.pool == "bad"] == [others[0]]


def test_a_silent_canary_holds_everything() -> None:
    state = world(3)

    stepped(state, {"n000": "fail"}, NOW, cut_off=True)

    assert pools(state) == {"good": 3}
    assert alerts(state) == [("guard-on", "monitor")]
    stepped(state, {"n000": "pass"}, NOW + 60, cut_off=False)
    assert alerts(state)[1:] == [("guard-off", "monitor")]


def test_what_was_seen_while_cut_off_is_no_evidence_afterwards() -> None:
    state = world(30)
    stepped(state, dict.fromkeys(all_names(state), "fail"), NOW, cut_off=True)

    stepped(state, {"n000": "pass"}, NOW + 60, cut_off=False)
    stepped(state, {"n001": "fail"}, NOW + 61)
    stepped(state, dict.fromkeys(all_names(state), "pass"), NOW + 120)

    assert alerts(state) == [("guard-on", "monitor"), ("guard-off", "monitor")]


def test_a_machine_that_cannot_test_says_so_once() -> None:
    state = world(40)
    stepped(state, dict.fromkeys(all_names(state), "unknown"), NOW)
    stepped(state, dict.fromkeys(all_names(state), "unknown"), NOW + 300)

    assert pools(state) == {"good": 40}
    assert alerts(state) == [("guard-on", "monitor")]


def test_returns_to_good_go_on_under_the_guard() -> None:
    state = world(30)
    nodes = (Node("back"),)
    state.apply(Changes(nodes=nodes, members=(make_member("back", "bad"),)))
    stepped(state, dict.fromkeys(all_names(state)[1:], "fail"), NOW)

    stepped(state, {"back": "pass"}, NOW + 1)

    assert member(state, "back").pool == "good"


def test_dead_nodes_that_stay_dead_are_no_reason_for_a_guard() -> None:
    state = world(10)
    dead = [make_member(f"dead{number}", "bad", penalty=1.0, penalty_at=NOW - 9e5) for number in range(50)]
    state.apply(Changes(nodes=tuple(Node(found.node) for found in dead), members=tuple(dead)))
    stepped(state, dict.fromkeys(["n000", "n001"], "pass"), NOW)

    stepped(state, {found.node: "fail" for found in dead}, NOW + 1)

    assert not alerts(state)


def test_after_its_longest_time_a_failing_node_moves() -> None:
    state = world(30)
    for minute in range(0, 65, 5):
        stepped(state, dict.fromkeys(all_names(state), "fail"), NOW + 60 * minute)

    assert pools(state) == {"bad": 30}
    assert {found.since_at for found in state.members()} == {NOW}


def test_after_its_longest_time_a_failing_node_stays_when_that_is_configured() -> None:
    settings = make_settings(guard=GuardSettings(then=GuardThen.LEAVE))
    state = world(30)
    for minute in range(0, 125, 5):
        stepped(state, dict.fromkeys(all_names(state), "fail"), NOW + 60 * minute, settings)

    assert pools(state) == {"good": 30}


def test_a_node_that_still_fails_when_the_guard_is_over_moves() -> None:
    state = world(30)
    stepped(state, dict.fromkeys(all_names(state), "fail"), NOW)

    stepped(state, {**dict.fromkeys(all_names(state), "pass"), "n007": "fail"}, NOW + 300)

    assert pools(state) == {"good": 29, "bad": 1}
    assert "transition" in [event.kind for event in state.outbox if event.node == "n007"]


def test_the_guard_ends_by_itself_when_failures_are_too_long_ago() -> None:
    state = world(30)
    stepped(state, dict.fromkeys(all_names(state), "fail"), NOW)

    stepped(state, {}, NOW + 601)

    assert not read_guard(state).scopes


@given(
    st.lists(st.dictionaries(st.integers(0, 29).map("n{:03}".format), st.sampled_from(["pass", "fail"])), max_size=12)
)
def test_whatever_the_guard_does_it_never_keeps_a_passing_node_in_bad(rounds: list[dict[str, str]]) -> None:
    state = world(30, sites=2)
    now = NOW
    for outcomes in rounds:
        before = {name: member(state, name) for name in outcomes}
        now += 120
        stepped(state, outcomes, now)
        for name, outcome in outcomes.items():
            after = member(state, name)
            assert not (after.ok_streak and after.fail_streak)
            if outcome == "pass" and before[name].is_suspect:
                assert after.pool == "good"


def test_without_a_guard_the_policy_is_as_it_was() -> None:
    state = world(1)
    report = _report(state, "n000", "fail")
    state.apply(settle(state, [replace(report, cause=Cause.SETUP)], build_pools(SETTINGS), NOW, Random(1), UNGUARDED))

    assert pools(state) == {"bad": 1}
