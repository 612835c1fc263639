"""What waits to be told has a bound, and only what each test found may be dropped for it."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import outbox
from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.model import Event
from plabctl.core.state import Changes
from tests.builders import NOW
from tests.memory_state import MemoryState

RNG = Random(1)
LOUD = 2 * 1024**2
ALSO = 600
"""What an event with one stage counts for beside its output."""


def an_event(number: int, kind: str = "probe", output: int = 0) -> Event:
    stages = [{"stage": "check", "seconds": 0.1, "exit_code": 0, "output": "x" * output, "truncated": False}]
    data: dict[str, Any] = {"outcome": "pass", "stages": stages} if "probe" in kind or kind == "late" else {}
    return Event(f"e{number:05}", NOW + number, kind, f"n{number}", "plabctl", data)


def state_of(*events: Event) -> MemoryState:
    return MemoryState(Changes(events=events))


def test_what_fits_stays_untouched() -> None:
    assert not outbox.trim_outbox([], NOW, RNG)
    assert not outbox.trim_outbox([an_event(number, output=LOUD) for number in range(15)], NOW, RNG)


def test_the_oldest_records_go_first_and_are_counted() -> None:
    state = state_of(*(an_event(number, output=LOUD) for number in range(20)))

    state.apply(outbox.trim_outbox(state.outbox, NOW, RNG))

    *left, note = state.outbox
    assert [event.id for event in left] == [f"e{number:05}" for number in range(20 - len(left), 20)]
    assert 10 < len(left) < 13, "there is room for some more before this is done again"
    assert (note.kind, note.node) == ("dropped", None)
    assert (note.data["count"], note.data["since_at"]) == (20 - len(left), NOW)
    assert str(note.data["reason"]).startswith(f"{20 - len(left)} records of tests")


def test_what_fills_the_room_to_its_last_byte_stays_and_one_byte_more_does_not() -> None:
    rest = an_event(2, output=LOUD)
    room = outbox.MAX_BYTES - LOUD - 2 * ALSO

    assert not outbox.trim_outbox([an_event(1, output=room), rest], NOW, RNG)
    assert outbox.trim_outbox([an_event(1, output=room + 1), rest], NOW, RNG)


@pytest.mark.parametrize(("short", "dropped"), [(0, 1), (1, 2)])
def test_no_more_is_dropped_than_makes_the_room_that_is_wanted(short: int, dropped: int) -> None:
    left = outbox.MAX_BYTES * 3 // 4
    sizes = [10 * LOUD - short, LOUD, left - LOUD + short]
    events = [an_event(number, output=size - ALSO) for number, size in enumerate(sizes)]

    assert outbox.trim_outbox(events, NOW, RNG).delivered == {event.id for event in events[:dropped]}


def test_a_note_that_does_not_say_how_many_were_dropped_counts_for_none() -> None:
    note = Event("n", NOW, "dropped", None, "plabctl", {"count": "many"})

    changes = outbox.trim_outbox([note, *(an_event(number, output=10 * LOUD) for number in range(2))], NOW, RNG)

    assert [event.data["count"] for event in changes.events] == [1]


def test_a_second_time_the_first_is_counted_in() -> None:
    state = state_of(*(an_event(number, output=LOUD) for number in range(20)))
    state.apply(outbox.trim_outbox(state.outbox, NOW, RNG))
    state.apply(Changes(events=tuple(an_event(number, "late", output=LOUD) for number in range(20, 30))))
    state.apply(outbox.trim_outbox(state.outbox, NOW + 60, RNG))

    (note,) = [event for event in state.outbox if event.kind == "dropped"]
    kept = [event for event in state.outbox if event.kind != "dropped"]
    assert note.data["count"] == 30 - len(kept)
    assert (note.data["since_at"], note.at) == (NOW, NOW + 60)


@given(st.lists(st.tuples(st.sampled_from(EVENT_KINDS), st.sampled_from([0, 1000, LOUD])), max_size=60))
def test_nothing_is_dropped_but_records_of_tests_and_the_rest_keeps_its_order(rows: list[tuple[str, int]]) -> None:
    rows = [row for row in rows if row[0] != "dropped"]
    events = [an_event(number, kind, output) for number, (kind, output) in enumerate(rows)]
    state = state_of(*events)

    state.apply(outbox.trim_outbox(state.outbox, NOW, RNG))

    left = [event for event in state.outbox if event.kind != "dropped"]
    gone = [event for event in events if event not in left]
    assert left == [event for event in events if event in left]
    assert {event.kind for event in gone} <= {"probe", "vnode-probe", "late"}
    assert sum(int(str(event.data["count"])) for event in state.outbox if event.kind == "dropped") == len(gone)
    held = sum(len(str(event.data)) for event in left if event.data.get("stages"))
    assert held <= outbox.MAX_BYTES


def test_moves_and_orders_stay_however_many_they_are() -> None:
    events = [an_event(number, "transition") for number in range(100_000)]

    assert not outbox.trim_outbox(events, NOW, RNG)


def test_what_can_not_be_dropped_takes_no_record_its_place() -> None:
    events = [an_event(number, "node-added") for number in range(100_000)]

    assert not outbox.trim_outbox([*events, an_event(0, output=LOUD)], NOW, RNG)
