"""What nodes did in a span: cases worked out by hand, and random histories against the states that made them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core import enrolment
from plabctl.core.model import Event, Hold, Member, Node
from plabctl.core.settings import GuardSettings
from plabctl.core.stats.outages import Bounds
from plabctl.core.stats.place import read_test
from plabctl.core.stats.replay import PastNode, PoolRules, Replay
from plabctl.core.stats.tally import Span
from plabctl.core.suspicion import Suspicion
from plabctl.core.usable import explain_unusable
from plabctl.instants import parse_instant
from tests.builders import NOW, make_member, make_settings
from tests.core.virtual_world import VirtualWorld

RULES = PoolRules({"good"}, "bad")
H = 3600.0


def make_event(hour: float, kind: str, node: str = "n1", actor: str = "plabctl", **data: Any) -> Event:
    """An event so many hours after NOW; `origin` and `target` are the pools of a move."""
    words = {"origin": "from", "target": "to"}
    named = {words.get(key, key): value for key, value in data.items()}
    return Event(f"{hour}-{kind}-{node}", NOW + hour * H, kind, node, actor, named)


def make_test(hour: float, outcome: str, pool: str = "good", node: str = "n1", **data: Any) -> Event:
    cause = {"cause": "connect"} if outcome == "fail" else {}
    return make_event(hour, "probe", node, pool=pool, outcome=outcome, seconds=10.0, **{**cause, **data})


def make_move(kind: str, hour: float, to: str, cause: str = "passed", actor: str = "plabctl", **data: Any) -> Event:
    origin = "good" if to == "bad" else "bad"
    return make_event(hour, kind, actor=actor, origin=origin, target=to, cause=cause, **data)


def play(played: Replay, events: Sequence[Event]) -> None:
    for event in events:
        test = read_test(event)
        if test:
            played.add_test(test)
        else:
            played.add_event(event)


def replay(
    events: Sequence[Event],
    hours: tuple[float, float] = (0, 24),
    *,
    known: Sequence[Member] = (),
    begins: float = 0.0,
    later: Sequence[tuple[str, str]] = (),
) -> Mapping[str, PastNode]:
    """Replay `events`; `known` are members that were added before the history begins, `begins` hours after NOW."""
    span = Span(NOW + hours[0] * H, NOW + hours[1] * H)
    played = Replay(RULES, span, NOW + begins * H, NOW + 1000 * H)
    renames = [(str(event.data["from"]), str(event.node)) for event in events if event.kind == "node-renamed"]
    played.open([(Node(member.node, added_at=NOW - 99 * H), member) for member in known], [*renames, *later])
    play(played, events)
    played.rename_later(later)
    return played.finish()


def hours_of(node: PastNode) -> dict[str, float]:
    """Return the hours of each sum that is not zero."""
    sums = {name: getattr(node.tally, f"{name}_s") / H for name in ("known", "usable", "good", "held", "absent")}
    return {name: round(hours, 6) for name, hours in sums.items() if hours}


ADDED = make_event(0, "node-added", pool="bad")
UP = [ADDED, make_test(1, "pass", "bad"), make_move("transition", 1, "good")]
FAILED = [
    make_test(9, "pass"),
    make_test(10, "fail"),
    make_move("suspect", 10, "bad", "connect"),
    make_test(10.5, "fail", "bad"),
    make_move("transition", 10.5, "bad", "connect"),
]
BACK = [
    make_test(13, "fail", "bad"),
    make_test(14, "pass", "bad"),
    make_test(14.25, "pass", "bad"),
    make_move("transition", 14.25, "good"),
]


def test_a_node_is_bad_from_being_added_until_it_is_good_and_that_is_no_outage() -> None:
    node = replay(UP)["n1"]

    assert hours_of(node) == {"known": 24, "usable": 23, "good": 23}
    assert node.tally.outages_s == []
    assert (node.tally.pass_count, node.tally.slot_s) == (1, 10.0)


def test_an_outage_has_a_length_and_bounds_for_how_long_it_took_to_see_it_and_to_return() -> None:
    node = replay([*UP, *FAILED, *BACK])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 18.75, "good": 18.75}
    assert node.tally.outages_s == [4.25 * H]
    assert node.tally.flap_count == 1
    assert node.tally.detections == [Bounds(0.0, 1 * H)]
    assert node.tally.recoveries == [Bounds(0.25 * H, 1.25 * H)]
    assert node.tally.causes == {"connect": 3}


def test_quick_retests_in_good_take_time_before_a_failure_is_seen() -> None:
    quick = [make_test(9, "pass"), make_test(10, "fail"), make_test(10.5, "fail")]
    node = replay([*UP, *quick, make_move("transition", 10.5, "bad", "connect")])["n1"]

    assert node.tally.detections == [Bounds(0.5 * H, 1.5 * H)]
    assert hours_of(node) == {"known": 24, "usable": 9, "good": 9.5}


@pytest.mark.parametrize(
    ("hours", "usable", "outages", "flaps", "detections", "recoveries"),
    [
        ((0, 10.25), 9.0, [], 0, 0, 0),  # a suspect, and not confirmed yet
        ((0, 12), 9.0, [2.0], 1, 1, 0),
        ((12, 24), 9.75, [2.25], 0, 0, 1),
        ((11, 12), 0.0, [1.0], 0, 0, 0),
        ((14.25, 24), 9.75, [], 0, 0, 1),
        ((20, 24), 4.0, [], 0, 0, 0),
        ((10.25, 11), 0.0, [0.75], 1, 1, 0),
    ],
)
def test_a_span_cuts_an_outage_at_either_end(
    hours: tuple[float, float], usable: float, outages: list[float], flaps: int, detections: int, recoveries: int
) -> None:
    tally = replay([*UP, *FAILED, *BACK], hours)["n1"].tally

    assert tally.usable_s == usable * H
    assert tally.outages_s == [length * H for length in outages]
    assert (tally.flap_count, len(tally.detections), len(tally.recoveries)) == (flaps, detections, recoveries)


def test_a_refuted_suspicion_is_no_outage_but_the_node_was_not_usable_meanwhile() -> None:
    refuted = [make_test(10.5, "pass", "bad"), make_move("refuted", 10.5, "good")]
    node = replay([*UP, *FAILED[:3], *refuted])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 22.5, "good": 22.5}
    assert (node.tally.outages_s, node.tally.flap_count, node.tally.refuted_count) == ([], 0, 1)


def test_what_the_guard_takes_back_is_no_outage_and_a_failing_node_in_good_is_not_usable() -> None:
    taken_back = make_move("transition", 10.75, "good", "guard", since_at=NOW + 1 * H)
    node = replay([*UP, *FAILED, taken_back, make_test(12, "pass")])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 21, "good": 22.25}
    assert (node.tally.outages_s, node.tally.flap_count) == ([], 0)


def test_a_suspect_that_the_guard_takes_back_is_in_good_and_failing() -> None:
    taken_back = make_move("guarded", 10.5, "good", "guard")
    node = replay([*UP, *FAILED[:4], taken_back, make_test(12, "pass")])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 21, "good": 22.5}
    assert (node.tally.outages_s, node.tally.flap_count, node.tally.refuted_count) == ([], 0, 0)


def test_what_is_told_of_a_node_after_it_was_removed_makes_no_node_of_it() -> None:
    events = [*UP, make_event(4, "node-removed", pool="good"), make_event(5, "node-absent"), make_test(6, "pass")]

    assert hours_of(replay(events)["n1"]) == {"known": 4, "usable": 3, "good": 3}


def test_a_failure_that_did_not_count_changes_nothing_but_the_count_of_tests() -> None:
    node = replay([*UP, make_test(5, "fail", counted=False), make_test(6, "unknown")])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 23, "good": 23}
    assert (node.tally.fail_count, node.tally.unknown_count) == (1, 1)


def test_a_late_test_took_its_slot_and_decided_nothing() -> None:
    late = replace(make_test(5, "fail"), kind="late")
    tally = replay([*UP, late])["n1"].tally

    assert (tally.fail_count, tally.slot_s, tally.usable_s) == (0, 20.0, 23 * H)


def test_holds_end_by_themselves_or_by_a_release() -> None:
    timed = make_event(4, "hold", actor="ada", until_at=NOW + 6 * H)
    open_ended = make_event(8, "hold", actor="ada")
    node = replay([*UP, timed, open_ended, make_event(9, "release", actor="ada")])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 20, "good": 23, "held": 3}


def test_a_move_for_a_time_asserts_the_node_whatever_its_tests_say() -> None:
    moved = make_move("transition", 12, "good", "operator", "ada", until_at=NOW + 14 * H)
    node = replay([*UP, *FAILED, moved, make_test(13, "fail"), make_test(15, "fail")])["n1"]

    # Usable from 1 to 10 and from 12 to 14; after that its last test counts, which failed.
    assert hours_of(node) == {"known": 24, "usable": 11, "good": 21, "held": 2}
    assert node.tally.outages_s == [2 * H]
    assert node.tally.recoveries == []  # no test tells that it worked


@pytest.mark.parametrize(
    ("kept_by", "until", "held"), [("move", None, 22), ("move", 5, 3), ("hold", 5, 6), ("tests", None, 2)]
)
def test_a_person_s_move_says_what_keeps_the_node_there(kept_by: str, until: float | None, held: float) -> None:
    until_at = {} if until is None else {"until_at": NOW + until * H}
    moved = make_move("transition", 4, "bad", "operator", "ada", kept_by=kept_by, **until_at)
    standing = make_event(2, "hold", actor="ada", until_at=NOW + 8 * H)

    assert hours_of(replay([*UP, standing, moved])["n1"])["held"] == held


def test_a_move_to_where_the_node_is_holds_it_there_as_usable() -> None:
    extended = make_event(4, "hold", actor="ada", until_at=NOW + 6 * H, pool="good")

    assert hours_of(replay([*UP, extended])["n1"]) == {"known": 24, "usable": 23, "good": 23, "held": 2}


def test_a_person_s_move_to_bad_is_an_outage_and_no_flap() -> None:
    moved = make_move("transition", 12, "bad", "operator", "ada")
    tally = replay([*UP, moved])["n1"].tally

    assert (tally.outages_s, tally.flap_count, tally.detections) == ([12 * H], 0, [])


def test_an_absent_node_is_not_usable_and_is_as_before_when_it_is_back() -> None:
    node = replay([*UP, make_event(5, "node-absent"), make_event(7, "node-back")])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 21, "good": 23, "absent": 2}


def test_a_removed_node_counts_for_as_long_as_it_was_there_and_again_when_it_is_added_again() -> None:
    events = [*UP, *FAILED, make_event(12, "node-removed", pool="bad"), make_event(20, "node-added", pool="bad")]
    node = replay(events)["n1"]

    assert hours_of(node) == {"known": 16, "usable": 9, "good": 9}
    assert node.tally.outages_s == [2 * H]
    assert node.place is not None
    assert replay(events[:-1])["n1"].place is None


def test_a_renamed_node_goes_on_under_its_new_name_and_a_later_one_changes_only_the_name() -> None:
    renamed = make_event(12, "node-renamed", "pc1", **{"from": "n1"})
    again = make_event(20, "node-added", "n1", pool="bad")
    nodes = replay([*UP, renamed, make_test(13, "pass", node="pc1"), again], later=[("pc1", "pc2")])

    assert hours_of(nodes["pc2"]) == {"known": 24, "usable": 23, "good": 23}
    assert nodes["pc2"].tally.pass_count == 2
    assert hours_of(nodes["n1"]) == {"known": 4}
    assert nodes.keys() == {"n1", "pc2"}


def test_nodes_without_an_event_count_by_what_the_state_knows_of_them() -> None:
    suspect = make_member("s", "bad", since_at=NOW + 5, suspicion=Suspicion("good", NOW - H, 3, NOW + 5))
    known = [
        make_member("g"),
        make_member("b", "bad"),
        suspect,
        make_member("h", hold=Hold("ada", "repair", NOW - H)),
        make_member("a", absent_since_at=NOW - H),
        make_member("later", since_at=NOW + 2 * H),
    ]
    nodes = replay([make_test(20, "pass", node="later")], known=known)

    assert {name: hours_of(node) for name, node in nodes.items()} == {
        "g": {"known": 24, "usable": 24, "good": 24},
        "b": {"known": 24},
        "s": {"known": 24, "usable": 24, "good": 24},
        "h": {"known": 24, "good": 24, "held": 24},
        "a": {"known": 24, "good": 24, "absent": 24},
        "later": {"known": 4, "usable": 4, "good": 4},  # where it was before it moved, only its tests say
    }
    assert nodes["b"].tally.outages_s == [24 * H]  # nobody knows since when


def test_a_node_that_was_renamed_later_is_known_under_its_old_name_at_the_beginning() -> None:
    renamed = [
        make_event(10, "node-renamed", "n2", **{"from": "n1"}),
        make_event(11, "node-renamed", "n3", **{"from": "n2"}),
    ]

    assert hours_of(replay(renamed, known=[make_member("n3")])["n3"]) == {"known": 24, "usable": 24, "good": 24}


def test_nothing_is_said_of_the_time_before_the_history_begins() -> None:
    node = replay([make_test(10, "pass")], known=[make_member("n1")], begins=10)["n1"]

    assert hours_of(node) == {"known": 14, "usable": 14, "good": 14}


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        ("2026-10-25", "2026-10-26", 25),  # the clocks go back
        ("2026-03-29", "2026-03-30", 23),
        ("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", 1),
    ],
)
def test_a_day_on_which_the_clocks_change_has_the_hours_that_it_has(since: str, until: str, hours: float) -> None:
    zone = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 12, 1, tzinfo=zone).timestamp()
    start, end = (parse_instant(text, now, zone=zone) for text in (since, until))
    span = Span(start, end)
    played = Replay(RULES, span, start - 99 * H, now)
    played.open([(Node("n1", added_at=start - 100 * H), make_member("n1", since_at=start - 99.5 * H))])

    tally = played.finish()["n1"].tally
    assert (tally.known_s, tally.usable_s) == (hours * H, hours * H)


def test_a_clock_that_was_set_back_or_ahead_counts_no_time_twice() -> None:
    ahead = make_test(5000, "pass")  # later than now: nobody knows when it was
    back = [make_test(3, "pass"), make_event(2, "hold", actor="ada")]
    node = replay([*UP, ahead, *back])["n1"]

    assert hours_of(node) == {"known": 24, "usable": 2, "good": 23, "held": 21}


class PastWorld(VirtualWorld):
    """A world of whole seconds that notes at each of them what its nodes are."""

    def __init__(self, *names: str) -> None:
        guard = GuardSettings(max_ratio=0.4, min_tested=2, within_s=60.0, max_age_s=86400.0)
        super().__init__(*names, settings=replace(make_settings(), guard=guard))
        self.sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        """Seconds by name and by what the node was."""
        self.outages: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
        """By name, with begin and end."""
        self._was_good: set[str] = set()
        self._left_at: dict[str, float] = {}
        """When nodes were first seen out of good, as suspects perhaps."""

    def pass_time(self, seconds: int, span: Span) -> None:
        self.look(span)
        for _ in range(seconds):
            if span.has(self.now):
                for member in self.state.members():
                    self._note(member)
            self.now += 1.0
            self.look(span)

    def look(self, span: Span) -> None:
        """Note which nodes are out of good since when, and which are back, by what the state says of them now."""
        if self.now >= span.until:
            return
        for member in self.state.members():
            self._note_outage(member)
        for name in self._was_good - set(self.state.names()):
            self._was_good.remove(name)
            self._left_at.pop(name, None)
            self._end_outage(name, self.now)

    def _note_outage(self, member: Member) -> None:
        name, own = member.node, self.outages[member.node]
        lasts = bool(own) and own[-1][1] is None
        was_out = name in self._left_at
        if member.pool == "good":
            self._left_at.pop(name, None)
        left_at = self.now if member.pool == "good" else self._left_at.setdefault(name, self.now)
        if member.home_pool == "good":
            since_at = member.suspicion.since_at if member.suspicion else member.since_at
            if was_out:  # good since before an outage began: the guard has taken that back
                own[:] = [outage for outage in own if outage[0] < since_at]
            self._end_outage(name, since_at)
            self._was_good.add(name)
        elif name in self._was_good and not lasts:
            own.append((max(left_at, member.since_at), None))

    def _end_outage(self, name: str, at: float) -> None:
        own = self.outages[name]
        if own and own[-1][1] is None:
            own[-1] = own[-1][0], at

    def sum_outages(self, name: str, span: Span) -> list[float]:
        lengths = (span.measure(began_at, span.until if end is None else end) for began_at, end in self.outages[name])
        return sorted(filter(None, lengths))

    def add(self, name: str) -> None:
        if self.state.node(name) is None:
            order = self._order("add")
            self._apply(enrolment.add_nodes(self.state, self.settings, [Node(name)], order))

    def remove(self, name: str) -> None:
        self._apply(enrolment.remove_nodes(self.state, [name], self._order("rm")))

    def swap_name(self, name: str) -> None:
        new = name[1:] if name[0] == "x" else f"x{name}"
        self.rename(name, new)
        for what, seconds in self.sums.pop(name, {}).items():
            self.sums[new][what] += seconds
        self.outages[new] += self.outages.pop(name, [])
        self._was_good = {new if each == name else each for each in self._was_good}
        self._left_at = {new if each == name else each: at for each, at in self._left_at.items()}

    def _note(self, member: Member) -> None:
        sums = self.sums[member.node]
        is_good = member.pool == "good"
        sums["known"] += 1
        sums["good"] += is_good
        sums["held"] += member.is_held(self.now)
        sums["absent"] += member.absent_since_at is not None
        sums["usable"] += explain_unusable(member, self.now, is_in_good=is_good) is None


ORDERS = (
    "move good", "move bad", "move good for", "move bad for", "hold", "hold for", "release", "remove", "blink",
    "swap_name",
)  # fmt: skip
TESTS = ("pass", "fail", "fail", "pass", "unknown")
STEPS = st.tuples(
    st.sampled_from([0, 1, 7, 30, 80]),
    st.sampled_from(["n1", "n2", "n3"]),
    st.sampled_from([*ORDERS, *TESTS * 4]),
)


def take_step(world: PastWorld, name: str, what: str) -> None:
    """Do that to the node of that name, or to what it was renamed to."""
    if world.state.node(name) is None:
        name = f"x{name}"
    if world.state.node(name) is None:
        world.add(name)
    elif what in TESTS:
        world.start(name)
        world.end(what, name)
    else:
        word, *more = what.split()
        for_s = [70.0] if "for" in more else []
        world.try_to(word, name, *[pool for pool in more if pool != "for"], *for_s)


@settings(max_examples=150)
@given(steps=st.lists(STEPS, max_size=60), cut=st.tuples(st.integers(0, 600), st.integers(1, 3000)))
def test_a_replay_of_the_events_counts_what_the_states_were(
    steps: list[tuple[int, str, str]], cut: tuple[int, int]
) -> None:
    world = PastWorld("n1", "n2", "n3")
    span = Span(world.now + cut[0], world.now + cut[0] + cut[1])
    world.start()
    world.end("pass")
    world.look(span)
    for seconds, name, what in steps:
        take_step(world, name, what)
        world.pass_time(seconds, span)
    world.pass_time(max(0, int(span.until - world.now)), span)
    played = Replay(RULES, span, NOW, world.now)
    play(played, world.events)

    nodes = played.finish()
    found = {
        name: {what: getattr(node.tally, f"{what}_s") for what in ("known", "usable", "good", "held", "absent")}
        for name, node in nodes.items()
    }
    wanted = {name: {what: sums[what] for what in found.get(name, ())} for name, sums in world.sums.items()}
    assert {name: sums for name, sums in found.items() if sums["known"]} == wanted
    for name, node in nodes.items():
        assert sorted(node.tally.outages_s) == world.sum_outages(name, span)
