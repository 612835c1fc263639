"""What a reading changes; and that a source that blinks, in whatever way, costs no node its record."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import absences, enrolment, node_orders
from plabctl.core.inventory_changes import (
    FEW,
    InventoryChanges,
    Listing,
    Others,
    plan_changes,
)
from plabctl.core.model import Hold, Node
from plabctl.core.settings import InventorySettings
from plabctl.core.source_note import SourceNote
from plabctl.core.state import Changes
from plabctl.values import replace
from tests.builders import NOW, make_member, make_settings
from tests.memory_state import MemoryState

SOURCE = InventorySettings("file", name="lab", grace_s=100.0, max_leave=0.25, believe_after=3)
MANY = [f"n{number}" for number in range(40)]


def known(
    *names: str, source: str = "lab", absent: Sequence[str] = (), since: float = NOW
) -> dict[str, tuple[Node, float | None]]:
    return {name: (Node(name, {}, source), since if name in absent else None) for name in names}


def listing(*names: str, **unreadable: object) -> Listing:
    return Listing(tuple(Node(name) for name in names))


def plan(
    there: dict[str, tuple[Node, float | None]],
    listed: Listing,
    note: SourceNote | None = None,
    now: float = NOW,
    **more: object,
) -> InventoryChanges:
    return plan_changes(there, listed, SOURCE, note or SourceNote(), now, **more)  # type: ignore[arg-type]


def test_new_nodes_join_and_what_is_as_before_changes_nothing() -> None:
    changes = plan(known("a"), listing("a", "b"))

    assert [node.name for node in changes.joins] == ["b"]
    assert not plan(known("a"), listing("a"))


def test_a_node_that_is_missing_is_absent_then_back_as_it_was() -> None:
    assert plan(known("a", "b"), listing("a")).absent == ("b",)
    assert plan(known("a", "b", absent=["b"]), listing("a", "b")) == InventoryChanges(back=("b",))


def test_a_node_leaves_when_its_grace_is_over_and_not_before() -> None:
    there = known("a", "b", absent=["b"], since=NOW)

    assert not plan(there, listing("a"), now=NOW + 99.0)
    assert plan(there, listing("a"), now=NOW + 100.0).leaves == ("b",)


def test_a_row_that_cannot_be_read_keeps_its_node() -> None:
    assert not plan(known("a", "b"), Listing((Node("a"),), frozenset({"b"})))


def test_nodes_of_a_person_and_of_other_sources_are_theirs() -> None:
    there = known("mine", source="operator") | known("other", source="cloud")

    assert not plan(there, listing("mine", "other"))


def test_a_node_that_its_source_dropped_goes_over_to_one_that_lists_it() -> None:
    there = known("a", source="cloud", absent=["a"])

    changes = plan(there, listing("a"), others=Others(free={"a"}))

    assert [(node.name, node.source) for node in changes.changed] == [("a", "lab")]
    assert changes.back == ("a",)


def test_a_node_that_another_source_lists_is_handed_over_and_never_absent() -> None:
    assert not plan(known("a", "b"), listing("a"), others=Others(listed={"b"}))


def test_nodes_under_an_earlier_name_of_the_source_are_its_own() -> None:
    source = replace(SOURCE, aliases=("file:/old/nodes.txt",))

    changes = plan_changes(known("a", source="file:/old/nodes.txt"), listing("a"), source, SourceNote(), NOW)

    assert [(node.name, node.source) for node in changes.changed] == [("a", "lab")]


def test_a_reading_that_drops_many_is_believed_after_equal_readings() -> None:
    there, half = known(*MANY), listing(*MANY[:20])

    first = plan(there, half)
    assert not first
    assert "lists 20 of its 40 nodes, so it is not believed yet (1 of 3 equal readings)" in first.refusal
    second = plan(there, half, SourceNote("", None, first.doubted, first.doubted_count))
    assert not second
    other = plan(there, listing(*MANY[:19]), SourceNote("", None, second.doubted, second.doubted_count))
    assert (other.doubted_count, bool(other)) == (1, False)
    third = plan(there, half, SourceNote("", None, second.doubted, second.doubted_count))
    assert third.absent == tuple(MANY[20:])


@pytest.mark.parametrize("few", [1, FEW])
def test_a_few_may_be_missing_at_once_and_more_are_doubted(few: int) -> None:
    there = known(*MANY[:8])

    assert len(plan(there, listing(*MANY[: 8 - few])).absent) == few
    assert not plan(there, listing(*MANY[: 8 - FEW - 1]))


def test_a_source_that_lists_nothing_is_doubted_however_small() -> None:
    assert "lists none of its 2 nodes" in plan(known("a", "b"), listing()).refusal


def test_many_nodes_that_went_and_came_take_few_steps() -> None:
    gone = known(*(f"x{number}" for number in range(20_000)), source="other")
    others = Others(free=frozenset(gone))
    started = time.process_time()
    plan({**known(*MANY), **gone}, listing(*MANY, *(f"y{number}" for number in range(20_000))), others=others)

    assert time.process_time() - started < 1.0


def test_the_command_that_accepts_can_be_pasted() -> None:
    source = replace(SOURCE, name="file:my list.txt")
    changes = plan_changes(known("a", source=source.name), listing(), source, SourceNote(), NOW)

    assert changes.refusal.endswith("plabctl inventory sync 'file:my list.txt' --accept")


def test_a_person_can_accept_what_a_reading_drops() -> None:
    assert plan(known(*MANY), listing(*MANY[:20]), is_accepted=True).absent == tuple(MANY[20:])


def test_many_nodes_leave_only_when_a_person_accepts_it() -> None:
    there = known(*MANY, absent=MANY[20:], since=NOW - 1000)

    changes = plan(there, listing(*MANY[:20]))
    assert changes.leaves == ()
    assert "has not listed 20 nodes for more than 1m40s, too many to remove without a person" in changes.refusal
    assert plan(there, listing(*MANY[:20]), is_accepted=True).leaves == tuple(MANY[20:])


def test_what_is_believed_after_all_is_told_until_a_person_accepts_it() -> None:
    there, listed = known(*MANY, absent=MANY[20:]), listing(*MANY[:20])
    told = plan(there, listed)
    accepted = plan(there, listed, is_accepted=True)
    note = SourceNote(accepted=accepted.accepted)

    assert "lab does not list 20 of its 40 nodes, which are absent now" in told.refusal
    assert (accepted.refusal, plan(there, listed, note).refusal) == ("", "")


@pytest.mark.parametrize("is_accepted", [False, True])
def test_a_text_without_a_row_that_can_be_used_is_never_believed(is_accepted: bool) -> None:
    for there in (known("a", "b"), known("a", "b", absent=("a", "b"), since=NOW - 1000)):
        changes = plan(
            there, Listing(fault="F:1: 'Error:' is no name"), SourceNote(doubted_count=99), is_accepted=is_accepted
        )
        assert not changes
        assert changes.refusal == "lab: no row can be used, so nothing is changed: F:1: 'Error:' is no name"


def test_nodes_whose_absence_was_accepted_leave_without_another_order() -> None:
    there, listed = known(*MANY, absent=MANY[20:], since=NOW - 50), listing(*MANY[:20])
    note = SourceNote(accepted=plan(there, listed, is_accepted=True).accepted)
    later = plan(there, listed, note, NOW + 100)

    assert (later.leaves, later.refusal) == (tuple(MANY[20:]), "")
    more_missing = plan(there, listing(*MANY[:19]), SourceNote(accepted=note.accepted, doubted_count=9), NOW + 100)
    assert more_missing.leaves == ()
    assert more_missing.refusal


def test_renamed_nodes_are_neither_missing_nor_new() -> None:
    changes = plan(known(*MANY), listing(*(f"{name}.example.org" for name in MANY)))

    assert [(old, node.name) for old, node in changes.renamed] == [(name, f"{name}.example.org") for name in MANY]
    assert (changes.joins, changes.absent, changes.refusal) == ((), (), "")


# Any sequence of readings.

READINGS = st.lists(st.tuples(st.floats(1.0, 60.0), st.sets(st.sampled_from(MANY[:12]))), min_size=1, max_size=12)


class World:
    """A state of twelve nodes with a record, and readings that come one after the other."""

    def __init__(self) -> None:
        self.names = MANY[:12]
        members = [make_member(name, ok_streak=7, penalty=1.5, hold=Hold("ada", "mine", NOW)) for name in self.names]
        nodes = [Node(name, {"rack": "1"}, "lab", NOW) for name in self.names]
        self.state = MemoryState(Changes(nodes=tuple(nodes), members=tuple(members)))
        self.before = {name: self.state.member(name) for name in self.names}
        self.note = SourceNote()

    def read(self, names: set[str], now: float) -> int:
        """Apply a reading; return how many nodes it removes."""
        there = {
            node.name: (node, member.absent_since_at)
            for node in self.state.nodes()
            if (member := self.state.member(node.name))
        }
        nodes = tuple(Node(name, {"rack": "1"}) for name in sorted(names))
        changes = plan_changes(there, Listing(nodes), SOURCE, self.note, now)
        order = node_orders.Order("lab", "", now, random.Random(1))
        self.state.apply(absences.mark_back(self.state, changes.back, order))
        if changes.joins:
            self.state.apply(enrolment.add_nodes(self.state, make_settings(), changes.joins, order))
        self.state.apply(absences.mark_absent(self.state, changes.absent, order, SOURCE.grace_s))
        if changes.leaves:
            self.state.apply(enrolment.remove_nodes(self.state, changes.leaves, order))
        self.note = SourceNote("", None, changes.doubted, changes.doubted_count)
        return len(changes.leaves)


@given(READINGS)
def test_a_node_that_is_never_missing_for_the_whole_grace_is_as_if_it_had_never_been_missing(
    readings: list[tuple[float, set[str]]],
) -> None:
    world, now = World(), NOW
    last_listed = dict.fromkeys(world.names, NOW)
    survivors = set(world.names)
    for wait_s, names in readings:
        now += wait_s
        survivors -= {name for name in survivors - names if now - last_listed[name] >= SOURCE.grace_s}
        last_listed.update(dict.fromkeys(names, now))
        world.read(names, now)
    world.read(set(world.names), now + 1.0)

    for name in survivors:
        assert world.state.member(name) == world.before[name]
        assert world.state.node(name) == Node(name, {"rack": "1"}, "lab", NOW)


@given(READINGS)
def test_no_sequence_of_readings_removes_many_nodes_at_once(readings: list[tuple[float, set[str]]]) -> None:
    world, now = World(), NOW
    for wait_s, names in readings:
        now += wait_s * 4
        own_count = len(list(world.state.nodes()))
        assert world.read(names, now) <= max(FEW, SOURCE.max_leave * own_count)
