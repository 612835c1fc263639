"""What fails from one vantage is looked at from another: what passes there stays good, what fails there is dead."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.guard.model import Guard, GuardedScope
from plabctl.core.liveness_record import Liveness, LostWay
from plabctl.core.model import Claim, Event, Member, Outcome, Verdict
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import GuardSettings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.core.vantage import VANTAGES_NOTE, Tally
from plabctl.values import replace
from tests.builders import NOW, make_claim, make_report
from tests.core.second_opinions import Sight, TwoVantages, list_kinds, make_opinionated, waiting

HOUR = 3600.0
PASSED = Verdict(Outcome.PASS, None, "", NOW - HOUR, 1.0)
CHECKED = Liveness(NOW, 600.0, NOW - 600.0)


def blind(*vantages: str) -> Sight:
    """Nothing is reached from these."""
    return lambda _node, vantage, _now: "fail" if vantage in vantages else "pass"


def always(word: str) -> Sight:
    return lambda _node, _vantage, _now: word


def make_lost(**fields: Any) -> LostWay:
    return replace(LostWay("north", NOW - HOUR, NOW - 600.0, NOW + HOUR, "south", is_told=True), **fields)


def bed(sight: Sight, *members: Member, between: int = 0, **fields: Any) -> TwoVantages:
    return TwoVantages(make_opinionated(between=between, **fields), sight, *(members or (waiting(),)))


def told(events: Iterable[Event], kind: str) -> list[str]:
    return [str(event.data["reason"]) for event in events if event.kind == kind]


def test_a_node_that_passes_from_elsewhere_stays_good_as_if_nothing_had_happened() -> None:
    testbed = bed(blind("north"))
    before = testbed.member()

    events = testbed.run(1.0)

    assert [(what, where) for _, what, where in testbed.probes] == [
        ("test", "north"),
        ("test", "south"),
        ("liveness", "north"),
    ]
    after = testbed.member()
    assert (after.pool, after.since_at, after.ok_streak, after.penalty) == (before.pool, before.since_at, 8, 0.0)
    assert list_kinds(events) == ["suspect", "refuted", "path-lost"]
    assert told(events, "path-lost") == ["not reached from north, but from south: no answer"]
    assert after.lost_ways == (LostWay("north", NOW + 1.0, NOW + 3.0, NOW + 303.0, "south", is_told=True),)


def test_what_was_lost_for_a_moment_is_no_lost_way() -> None:
    testbed = bed(lambda _node, vantage, now: "fail" if vantage == "north" and now == NOW else "pass")

    events = testbed.run(1.0)

    assert list_kinds(events) == ["suspect", "refuted"]
    assert testbed.member().lost_ways == ()
    assert [what for _, what, _ in testbed.probes] == ["test", "test", "liveness"]


def test_a_node_that_fails_after_the_login_says_nothing_of_the_way() -> None:
    testbed = bed(lambda _node, vantage, _now: "broken" if vantage == "north" else "pass")

    assert list_kinds(testbed.run(1.0)) == ["suspect", "refuted"]
    assert [where for _, _, where in testbed.probes] == ["north", "south"]
    assert testbed.member().lost_ways == ()


def test_a_node_that_fails_from_both_is_confirmed() -> None:
    testbed = bed(always("fail"))

    events = testbed.run(1.0)

    assert list_kinds(events) == ["suspect", "transition"]
    assert [where for _, _, where in testbed.probes][:2] == ["north", "south"]
    assert testbed.member().pool == "bad"


def test_a_held_failure_that_was_seen_from_both_may_be_looked_at_from_either() -> None:
    held = waiting(suspicion=Suspicion("good", NOW - 86400.0, 7, NOW - 60.0, vantage="north"), fail_streak=1)
    guard = Guard({"pool good": GuardedScope("pool good", NOW, "many fail")})
    testbed = bed(always("fail"), held)
    testbed.state.apply(Changes(claims=(make_claim(away_from=("north",)),)))
    report = replace(make_report(outcome="fail"), vantage="south")

    changes = settle(testbed.state, [report], build_pools(testbed.settings), NOW, Random(1), guard)

    (after,) = changes.members
    assert after.suspicion == Suspicion("good", NOW - 86400.0, 7, NOW - 60.0, vantage=None)
    assert after.due_at > NOW, "that a vantage is guarded would be another thing"


def test_a_node_to_which_a_way_is_lost_already_is_looked_at_from_a_third_vantage() -> None:
    testbed = bed(
        lambda _node, vantage, _now: "pass" if vantage == "east" else "fail", waiting(lost_ways=(make_lost(),))
    )
    testbed.vantages = ("north", "south", "east")

    events = testbed.run(120.0)

    assert [where for _, _, where in testbed.probes][:2] == ["south", "east"]
    assert "transition" not in list_kinds(events)
    assert testbed.member().pool == "good"


def test_of_two_lost_ways_each_is_looked_at_and_told_by_itself() -> None:
    testbed = bed(blind("north", "west"), waiting(lost_ways=(make_lost(),)))
    testbed.vantages = ("north", "west", "south")
    testbed.state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(3)})))

    assert told(testbed.run(2 * HOUR), "path-lost") == ["not reached from west, but from south: no answer"]
    assert {where for _, what, where in testbed.probes if what == "liveness"} == {"north", "west"}
    assert [way.vantage for way in testbed.member().lost_ways] == ["north", "west"]

    testbed.sight = blind("west")
    assert told(testbed.run(2 * HOUR), "path-back") == ["reached again from north"]
    assert [way.vantage for way in testbed.member().lost_ways] == ["west"]

    testbed.sight = always("pass")
    assert told(testbed.run(2 * HOUR), "path-back") == ["reached again from west"]
    known = {"north": Tally(2, 1), "west": Tally(0, 1), "south": Tally()}
    assert VANTAGES_NOTE.read(testbed.state.notes) == known


@pytest.mark.parametrize(
    ("is_told", "why"), [(True, "is the way from west still lost"), (False, "is the way from west lost")]
)
def test_a_look_is_at_one_way_at_a_time(why: str, *, is_told: bool) -> None:
    due = make_lost(vantage="west", look_at=NOW, is_told=is_told)
    testbed = bed(always("pass"), waiting(lost_ways=(make_lost(is_asked=True), due)))
    testbed.vantages = ("north", "west", "south")

    testbed.step()

    after = testbed.member()
    asked = replace(due, is_asked=True, look_at=testbed.now + HOUR)
    assert (after.lost_ways, after.liveness and after.liveness.called) == ((make_lost(), asked), why)


def test_where_there_is_no_other_vantage_a_failure_is_confirmed_from_the_same() -> None:
    testbed = bed(always("fail"))
    testbed.vantages = ("north",)

    assert list_kinds(testbed.run(1.0)) == ["suspect", "transition"]
    assert {where for _, _, where in testbed.probes} == {"north"}


def test_a_lost_way_is_told_once_and_the_node_is_tested_from_elsewhere_meanwhile() -> None:
    testbed = bed(blind("north"))
    testbed.run(1.0)
    testbed.probes.clear()

    events = testbed.run(6 * HOUR)

    assert list_kinds(events) == []
    assert {where for _, what, where in testbed.probes if what == "test"} == {"south"}
    looks = [where for _, what, where in testbed.probes if what == "liveness"]
    assert 4 <= len(looks) <= 8, "after five minutes, then ever more seldom, at least each hour or test"
    assert {*looks} == {"north"}
    assert testbed.member().pool == "good"


def test_a_way_that_works_again_is_told_and_the_node_is_tested_from_there() -> None:
    testbed = bed(blind("north"))
    testbed.run(HOUR)
    testbed.sight = always("pass")
    testbed.probes.clear()

    events = testbed.run(4 * HOUR)

    assert list_kinds(events) == ["path-back"]
    assert told(events, "path-back") == ["reached again from north"]
    assert testbed.probes[-1] == ("n1", "test", "north")
    assert testbed.member().lost_ways == ()


def test_a_node_that_dies_while_a_way_to_it_is_lost_is_found_dead_from_elsewhere() -> None:
    testbed = bed(always("fail"), waiting(lost_ways=(make_lost(is_asked=True),)))

    events = testbed.run(1.0)

    assert testbed.member().lost_ways == (make_lost(is_told=False, look_at=NOW + 2.0),)
    assert list_kinds(events) == ["suspect", "transition", "path-back"]
    assert told(events, "path-back") == ["it fails from south, too"]
    assert [where for _, _, where in testbed.probes] == ["south", "south"]


def test_a_node_that_recovers_is_found_good_from_elsewhere_and_the_way_is_told_as_lost_again() -> None:
    testbed = bed(always("fail"), waiting(lost_ways=(make_lost(),)))
    testbed.run(HOUR)
    testbed.sight = blind("north")
    testbed.probes.clear()

    events = testbed.run(2 * HOUR)

    assert list_kinds(events)[:2] == ["transition", "path-lost"]
    assert {where for _, what, where in testbed.probes if what == "test"} == {"south"}
    assert testbed.member().pool == "good"


def test_a_silent_check_is_repeated_from_elsewhere_and_an_answer_calls_no_test() -> None:
    testbed = bed(blind("north"), waiting(due_at=NOW + HOUR, liveness=CHECKED), between=8)

    events = testbed.run(1.0)

    assert [(what, where) for _, what, where in testbed.probes] == [
        ("liveness", "north"),
        ("liveness", "south"),
        ("liveness", "north"),
    ]
    assert list_kinds(events) == ["path-lost"]
    assert (testbed.member().due_at, testbed.member().suspicion) == (NOW + HOUR, None)
    assert testbed.member().liveness == replace(CHECKED, due_at=NOW + 602.0, answered_at=NOW + 2.0)


def test_a_silence_that_nothing_explains_calls_the_test() -> None:
    testbed = bed(
        lambda _node, vantage, now: "fail" if vantage == "north" and now == NOW else "pass",
        waiting(due_at=NOW + HOUR, liveness=CHECKED),
        between=8,
    )

    events = testbed.run(1.0)

    assert list_kinds(events) == []
    assert [what for _, what, _ in testbed.probes] == ["liveness", "liveness", "liveness", "test"]


def look_from_there(word: str, *, is_told: bool = False, **fields: Any) -> Member:
    """What a look from where a way is doubted, or lost, makes of a node whose test is not due."""
    way = make_lost(is_told=is_told, is_asked=True)
    known = {"probed_at": NOW - 2 * HOUR, "liveness": Liveness(NOW, called="is it lost"), "lost_ways": (way,)}
    testbed = bed(always(word), waiting(due_at=NOW + HOUR, **{**known, **fields}), between=8)
    testbed.step()
    assert testbed.probes == [("n1", "liveness", "north")]
    return testbed.member()


@pytest.mark.parametrize(
    ("fields", "is_called"),
    [
        ({}, True),
        ({"probed_at": None}, True),
        ({"probed_at": NOW - HOUR}, False),
        ({"is_told": True}, False),
        ({"pool": "bad"}, False),
        ({"suspicion": Suspicion("good", NOW - 86400.0, 7, NOW - 60.0)}, False),
    ],
)
def test_a_moment_of_silence_calls_the_test_of_a_good_node_that_was_not_tested_since(
    fields: dict[str, Any], *, is_called: bool
) -> None:
    after = look_from_there("pass", **fields)

    assert (after.lost_ways, after.due_at) == ((), NOW + 1.0 if is_called else NOW + HOUR)


@pytest.mark.parametrize("is_told", [False, True])
def test_a_way_from_where_the_node_is_silent_is_looked_at_again_when_it_has_been_lost_for_as_long(
    *, is_told: bool
) -> None:
    lost = make_lost(seen_at=NOW + 1.0, look_at=NOW + 1.0 + HOUR)

    assert look_from_there("fail", is_told=is_told).lost_ways == (lost,)
    assert look_from_there("unknown", is_told=is_told).lost_ways == (make_lost(is_told=is_told),)


def test_after_a_silence_a_test_that_passes_from_elsewhere_is_enough_once_the_way_is_found_to_work() -> None:
    silent = replace(CHECKED, due_at=NOW + HOUR, silences=1, silent_from="north")
    testbed = bed(always("pass"), waiting(last=PASSED, liveness=silent), between=8)

    testbed.run(1.0)

    assert testbed.probes == [("n1", "test", "south"), ("n1", "liveness", "north")]
    assert testbed.member().lost_ways == ()


def test_a_node_that_is_silent_from_both_leaves_as_a_suspect_that_any_vantage_may_test() -> None:
    testbed = bed(always("fail"), waiting(due_at=NOW + HOUR, liveness=CHECKED), between=8)

    testbed.step()
    events = testbed.step()

    assert list_kinds(events) == ["suspect"]
    assert testbed.member().suspicion == Suspicion("good", NOW - 86400.0, 7, NOW + 2, by_silence=True)
    assert list_kinds(testbed.step()) == ["transition"]


def test_a_node_that_is_silent_from_the_only_vantage_is_tested_from_another_once_there_is_one() -> None:
    testbed = bed(blind("north"), waiting(due_at=NOW + HOUR, liveness=CHECKED), between=8)
    testbed.vantages = ("north",)
    testbed.step()
    assert list_kinds(testbed.step()) == ["suspect"]

    testbed.vantages = ("north", "south")
    assert list_kinds(testbed.run(1.0)) == ["refuted", "path-lost"]
    assert testbed.probes[2:] == [("n1", "test", "south"), ("n1", "liveness", "north")]


@pytest.mark.parametrize("word", ["pass", "fail"])
def test_a_check_of_a_suspect_says_nothing_of_the_failure_that_a_test_saw(word: str) -> None:
    suspicion = Suspicion("good", NOW - 86400.0, 7, NOW - 60.0, vantage="north")
    suspect = waiting(pool="bad", due_at=NOW + HOUR, suspicion=suspicion, liveness=CHECKED)
    testbed = bed(always(word), suspect, between=8)

    testbed.step()

    assert testbed.probes == [("n1", "liveness", "south")]
    after = testbed.member()
    assert after.liveness
    assert after.liveness.silent_from == {"pass": None, "fail": "south"}[word]
    assert (after.suspicion, after.lost_ways) == (suspicion, ())


@pytest.mark.parametrize(("word", "looks"), [("pass", ["south", "north"]), ("fail", ["south", "east"])])
def test_a_lost_way_is_looked_at_after_a_check_that_was_answered(word: str, looks: list[str]) -> None:
    lost = waiting(due_at=NOW + HOUR, liveness=CHECKED, lost_ways=(make_lost(look_at=NOW),))
    testbed = bed(always(word), lost, between=8)
    testbed.vantages = ("north", "south", "east")

    testbed.step()
    testbed.step()

    assert [where for _, _, where in testbed.probes] == looks


def test_a_way_that_is_lost_already_is_not_lost_once_more() -> None:
    testbed = bed(blind("north"), waiting(lost_ways=(make_lost(),)))
    testbed.vantages = ("north",)
    assert list_kinds(testbed.step()) == ["suspect"]

    testbed.vantages = ("north", "south")
    assert list_kinds(testbed.run(1.0)) == ["refuted"]
    assert [way.vantage for way in testbed.member().lost_ways] == ["north"]


def test_while_a_way_is_lost_checks_are_made_from_elsewhere_and_count() -> None:
    lost = waiting(due_at=NOW + HOUR, liveness=CHECKED, lost_ways=(make_lost(),))
    testbed = bed(always("fail"), lost, between=8)

    assert list_kinds(testbed.run(1.0))[:2] == ["suspect", "transition"]
    assert {where for _, _, where in testbed.probes} == {"south"}


def test_checks_that_come_from_the_lost_way_all_the_same_count_as_ever() -> None:
    lost = waiting(due_at=NOW + HOUR, liveness=CHECKED, lost_ways=(make_lost(),))
    testbed = bed(always("fail"), lost, between=8)
    testbed.vantages = ("north",)

    assert list_kinds(testbed.run(1.0))[:2] == ["suspect", "transition"]


def test_a_way_that_nobody_looks_at_any_more_is_forgotten() -> None:
    testbed = bed(always("pass"), waiting(lost_ways=(make_lost(seen_at=NOW - 2 * 86400.0),)))

    events = testbed.run(1.0)

    assert told(events, "path-back") == ["no longer looked at from north"]


def test_a_look_that_came_from_elsewhere_says_nothing_of_the_way() -> None:
    testbed = bed(always("fail"), waiting(lost_ways=(make_lost(look_at=NOW),)))
    testbed.sight = always("pass")
    testbed.vantages = ("south",)

    testbed.run(1.0)

    assert [what for _, what, _ in testbed.probes] == ["test", "liveness"]
    (way,) = testbed.member().lost_ways
    assert (way.vantage, way.is_told) == ("north", True)


@pytest.mark.parametrize("confirm", [0, 2])
def test_quick_retests_are_made_from_elsewhere_too(confirm: int) -> None:
    testbed = bed(blind("north"), confirm=confirm)

    testbed.run(1.0)

    assert [where for _, what, where in testbed.probes if what == "test"] == ["north", "south"]
    assert testbed.member().pool == "good"


def test_what_tells_nothing_leaves_the_doubt_as_it_is() -> None:
    testbed = bed(lambda _node, vantage, _now: "fail" if vantage == "north" else "unknown")
    testbed.run(1.0)

    (suspicion,) = {testbed.member().suspicion}
    assert suspicion is not None
    assert suspicion.vantage == "north"
    testbed.sight = blind("north")
    events = testbed.run(600.0)
    assert list_kinds(events) == ["refuted", "path-lost"]


def test_a_check_that_tells_nothing_leaves_the_doubt_as_it_is() -> None:
    silent = replace(CHECKED, silences=1, silent_from="north")
    testbed = bed(always("unknown"), waiting(due_at=NOW + HOUR, liveness=silent), between=8)

    testbed.step()

    assert testbed.probes == [("n1", "liveness", "south")]
    assert testbed.member().liveness == replace(silent, due_at=NOW + 600.0)


Spans = Sequence[tuple[float, float]]
SPANS = st.lists(st.tuples(st.floats(0, 6 * HOUR), st.floats(1, 2 * HOUR)), max_size=4)


def is_in(spans: Spans, now: float) -> bool:
    return any(start <= now - NOW < start + length for start, length in spans)


@settings(max_examples=20, deadline=None)
@given(spans=SPANS, between=st.sampled_from([0, 8]), ratio=st.sampled_from([0.2, 1.0]))
def test_no_move_to_bad_rests_on_one_vantage_while_another_passes(spans: Spans, between: int, ratio: float) -> None:
    def sight(_node: str, vantage: str, now: float) -> str:
        return "fail" if vantage == "north" and is_in(spans, now) else "pass"

    members = [waiting(f"n{number}", due_at=NOW + 200.0 * number) for number in range(4)]
    testbed = bed(sight, *members, between=between, guard=GuardSettings(max_ratio=ratio))

    events = testbed.run(8 * HOUR, every_s=240.0)

    assert [event for event in events if event.kind == "transition"] == []
    assert {testbed.member(member.node).pool for member in members} == {"good"}
    assert all(testbed.member(member.node).penalty == 0.0 for member in members)


@settings(max_examples=30, deadline=None)
@given(spans=SPANS, dies_at=st.floats(600, 3 * HOUR), between=st.sampled_from([0, 8]))
def test_a_dead_node_is_confirmed_with_no_more_tests_than_without(spans: Spans, dies_at: float, between: int) -> None:
    def sight(_node: str, vantage: str, now: float) -> str:
        return "fail" if now - NOW >= dies_at or (vantage == "north" and is_in(spans, now)) else "pass"

    testbed = bed(sight, between=between)

    while not any(event.kind == "transition" for event in testbed.step()):
        if testbed.now - NOW < dies_at:
            testbed.probes.clear()
        assert testbed.now - NOW < dies_at + 3 * HOUR
        testbed.now += 29.0

    assert sum(what == "test" for _, what, _ in testbed.probes) <= 2, "a suspect and its retest, as ever"


def strip(member: Member) -> Member:
    """The member without what is kept of vantages."""
    own, known = member.suspicion, member.liveness
    return replace(
        member,
        suspicion=own and replace(own, vantage=None),
        liveness=known and replace(known, silent_from=None),
        flaps=tuple(replace(flap, before=replace(flap.before, vantage=None)) for flap in member.flaps),
    )


@settings(max_examples=30, deadline=None)
@given(
    words=st.lists(st.sampled_from(["pass", "fail", "broken", "unknown"]), min_size=5, max_size=60),
    between=st.sampled_from([0, 8]),
    confirm=st.sampled_from([0, 1]),
)
def test_with_one_vantage_all_is_as_without_second_opinions(words: list[str], between: int, confirm: int) -> None:
    def play(*, is_on: bool) -> tuple[list[Event], list[Member], Sequence[Claim]]:
        left = list(words)
        own = make_opinionated(between=between, is_on=is_on, confirm=confirm)
        testbed = TwoVantages(own, lambda *_: left.pop() if left else "pass", waiting())
        testbed.vantages = ("",)
        events, members = list[Event](), list[Member]()
        while left:
            events += testbed.step()
            members.append(strip(testbed.member()))
            testbed.now += 57.0
        return events, members, [*testbed.state.claims.values()]

    assert play(is_on=True) == play(is_on=False)


@settings(max_examples=20, deadline=None)
@given(words=st.lists(st.sampled_from(["pass", "fail", "broken"]), min_size=5, max_size=60), between=st.just(8))
def test_without_second_opinions_vantages_change_nothing_but_what_is_told_of_them(
    words: list[str], between: int
) -> None:
    def play(*vantages: str) -> tuple[list[Event], list[Member]]:
        left = list(words)
        testbed = TwoVantages(
            make_opinionated(between=between, is_on=False),
            lambda *_: left.pop() if left else "pass",
            waiting(vantage=""),
        )
        events, members = list[Event](), list[Member]()
        while left:
            testbed.vantages = (vantages[len(left) % len(vantages)],)
            events += testbed.step()
            members.append(replace(testbed.member(), vantage=""))
            testbed.now += 57.0
        assert all(claim.away_from == () for claim in testbed.state.claims.values())
        bare = [
            replace(event, data={key: value for key, value in event.data.items() if key != "vantage"})
            for event in events
        ]
        return bare, members

    assert play("north", "south") == play("")
