"""A vantage from which many nodes are lost is guarded: they are tested from elsewhere, and nothing else happens."""

from random import Random

import pytest

from plabctl.core.guard.lost_vantages import find_lost_vantages
from plabctl.core.guard.model import GUARD_NOTE, Guard, GuardedScope, describe_effect, read_guard
from plabctl.core.liveness_record import LostWay
from plabctl.core.model import Event, Member, Outcome, Verdict
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import GuardSettings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.vantage import VANTAGES_NOTE, Tally
from plabctl.values import replace
from tests.builders import NOW, make_claim, make_report
from tests.core.second_opinions import TwoVantages, list_kinds, make_opinionated, waiting

HOUR = 3600.0
SCOPE = "vantage north"
PASSED = Verdict(Outcome.PASS, None, "", NOW - 60.0, 1.0)


def seen(node: str, *, lost: bool, at: float = NOW - 60.0, vantage: str = "north") -> Member:
    """A good node that was looked at from a vantage, and reached or not."""
    ways = (LostWay(vantage, at, at, NOW + HOUR, "south", is_told=True),) if lost else ()
    return waiting(node, probed_at=at, last=PASSED, vantage="south" if lost else vantage, lost_ways=ways)


def find(members: list[Member], before: Guard | None = None, back: int = 0, site: str = "lab") -> dict[str, str]:
    settings = make_opinionated()
    testbed = TwoVantages(settings, lambda *_: "pass", *members, site=site)
    lost = sum(bool(member.lost_ways) for member in members)
    testbed.state.notes.update({k: v for k, v in VANTAGES_NOTE.write({"north": Tally(lost, back)}).items() if v})
    return find_lost_vantages(testbed.state, settings, before or Guard(), NOW)


@pytest.mark.parametrize(
    ("lost", "reached", "is_guarded"),
    [(3, 9, True), (2, 8, False), (2, 0, True), (1, 0, False), (2, 1, False), (4, 4, False), (5, 5, True)],
)
def test_the_guard_comes_on_by_the_share_or_when_nothing_of_a_site_is_reached(
    lost: int, reached: int, *, is_guarded: bool
) -> None:
    nodes = [seen(f"l{number}", lost=True) for number in range(lost)]
    nodes += [seen(f"r{number}", lost=False) for number in range(reached)]

    found = find(nodes)

    assert (SCOPE in found) is is_guarded


def test_what_was_seen_long_ago_or_from_elsewhere_does_not_count() -> None:
    assert find([seen("a", lost=True, at=NOW - HOUR), seen("b", lost=True, at=NOW - HOUR)]) == {}
    here = [seen(f"s{number}", lost=False, vantage="south") for number in range(5)]
    assert SCOPE in find([seen("a", lost=True), seen("b", lost=True), *here])


def test_a_way_that_nobody_looked_at_lately_does_not_count_although_its_node_was_tested() -> None:
    old = [replace(seen(name, lost=True), lost_ways=seen(name, lost=True, at=NOW - HOUR).lost_ways) for name in "ab"]

    assert find(old) == {}


def test_nodes_without_a_site_are_no_site() -> None:
    assert find([seen("a", lost=True), seen("b", lost=True)], site="") == {}


def test_the_guard_stays_on_until_as_many_ways_are_back_as_are_lost() -> None:
    on = Guard({SCOPE: GuardedScope(SCOPE, NOW - HOUR, "many are lost")})
    long_ago = [seen(f"n{number}", lost=True, at=NOW - HOUR) for number in range(3)]

    assert find(long_ago, on, back=2) == {SCOPE: "many are lost"}
    assert find(long_ago, on, back=3) == {}
    assert find(long_ago[:1], on) == {}


def make_site(count: int = 4) -> TwoVantages:
    nodes = (waiting(f"n{number}", due_at=NOW + 60.0 * number) for number in range(count))
    settings = make_opinionated(guard=GuardSettings(neighbours=0))
    return TwoVantages(settings, lambda _node, vantage, _now: "fail" if vantage == "north" else "pass", *nodes)


def told(events: list[Event]) -> list[str]:
    return [f"{event.kind} {event.data['scope']}" for event in events if event.kind.startswith("guard")]


def test_once_the_vantage_is_guarded_its_nodes_are_tested_from_elsewhere_and_no_more_become_suspects() -> None:
    testbed = make_site()

    events = testbed.run(HOUR)

    assert told(events) == ["guard-on vantage north"]
    assert list_kinds(events).count("suspect") == 2, "two are enough to tell"
    late = [where for node, what, where in testbed.probes if node in {"n2", "n3"} and what == "test"]
    assert {*late} == {"south"}
    assert read_guard(testbed.state).scopes[SCOPE].why == (
        "all 2 nodes of site lab looked at from there are reached from elsewhere only"
    )
    assert {testbed.member(f"n{number}").pool for number in range(4)} == {"good"}


def test_ways_that_came_back_before_the_guard_came_on_do_not_end_it() -> None:
    testbed = make_site()
    testbed.state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(0, back=7)})))

    assert told(testbed.run(HOUR)) == ["guard-on vantage north"]


def test_when_the_ways_are_back_the_guard_goes_off_and_the_nodes_are_tested_from_there() -> None:
    testbed = make_site()
    testbed.run(HOUR)
    testbed.sight = lambda *_: "pass"

    events = testbed.run(4 * HOUR)

    assert told(events) == ["guard-off vantage north"]
    assert list_kinds(events) == ["path-back", "guard-off", "path-back"]
    assert {testbed.member(f"n{number}").vantage for number in range(4)} == {"north"}


def test_the_guard_goes_off_when_the_lost_nodes_fail_from_elsewhere_too() -> None:
    testbed = make_site(2)
    testbed.run(HOUR)
    testbed.sight = lambda *_: "fail"

    assert told(testbed.run(HOUR)) == ["guard-off vantage north"]
    assert {testbed.member(f"n{number}").pool for number in range(2)} == {"bad"}


def guarded_node() -> TwoVantages:
    """One node, while the vantage that does not reach it is guarded for others."""
    testbed = make_site(1)
    guard = Guard({SCOPE: GuardedScope(SCOPE, NOW, "many are lost")})
    notes = {**GUARD_NOTE.write(guard), **VANTAGES_NOTE.write({"north": Tally(5)})}
    testbed.state.apply(Changes(notes=notes))
    return testbed


def test_a_failure_seen_from_a_guarded_vantage_is_looked_at_from_elsewhere_at_once_and_moves_nobody() -> None:
    testbed = guarded_node()
    claim = make_claim("n0", started_at=NOW)  # from before the guard came on: it asks for no vantage
    testbed.state.apply(Changes(claims=(claim,)))
    report = replace(make_report("n0", "fail"), vantage="north")
    guard = read_guard(testbed.state)

    changes = settle(testbed.state, [report], build_pools(testbed.settings), NOW, Random(1), guard)
    testbed.state.apply(changes)

    assert list_kinds(changes.events) == []
    after = testbed.member("n0")
    assert (after.pool, after.due_at, after.interval_s) == ("good", NOW, 0.0)
    assert list_kinds(testbed.step()) == []
    assert testbed.probes == [("n0", "test", "south")]
    assert testbed.member("n0").suspicion is None


def test_where_a_guarded_vantage_is_the_only_one_its_failures_wait_as_under_any_guard() -> None:
    testbed = guarded_node()
    testbed.vantages = ("north",)

    assert list_kinds(testbed.step()) == []

    assert testbed.member("n0").pool == "good"
    assert testbed.member("n0").due_at == testbed.now + 300.0


def test_a_node_that_is_dead_is_confirmed_from_elsewhere_while_the_vantage_is_guarded() -> None:
    testbed = make_site()
    testbed.run(HOUR)
    testbed.sight = lambda node, vantage, _now: "fail" if vantage == "north" or node == "n3" else "pass"
    testbed.probes.clear()

    events = testbed.run(2 * HOUR)

    assert testbed.member("n3").pool == "bad"
    assert list_kinds(events).count("transition") == 1
    first = [(what, where) for node, what, where in testbed.probes if node == "n3"][:2]
    assert first == [("test", "south")] * 2


def test_where_all_other_vantages_are_guarded_a_failure_is_confirmed_from_the_same() -> None:
    testbed = guarded_node()
    testbed.sight = lambda _node, vantage, _now: "pass" if vantage == "north" else "fail"

    assert list_kinds(testbed.run(600.0))[:2] == ["suspect", "transition"]
    assert [where for _, _, where in testbed.probes][:2] == ["south", "south"]


def test_what_a_guard_does_is_told_in_words() -> None:
    assert describe_effect(SCOPE) == "nodes are tested from elsewhere"
    assert describe_effect(SCOPE, is_on=False) == "nodes are tested from there again"
    assert describe_effect("pool good") == "moves to bad are held"
