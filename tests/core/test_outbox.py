"""What waits to be told has a bound, and only what each test found may be dropped for it."""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import outbox
from plabctl.core.eventkinds import EVENT_KINDS
from plabctl.core.model import Event
from plabctl.core.state import Changes, MemoryState
from tests.builders import NOW

RNG = Random(1)
LOUD = 2 * 1024**2


def an_event(number: int, kind: str = "probe", output: int = 0) -> Event:
    stages = [{"stage": "check", "seconds": 0.1, "exit_code": 0, "output": "x" * output, "truncated": False}]
    data: dict[str, Any] = {"outcome": "pass", "stages": stages} if "probe" in kind or kind == "late" else {}
    return Event(f"e{number:05}", NOW + number, kind, f"n{number}", "plabctl", data)


def state_of(*events: Event) -> MemoryState:
    return MemoryState(Changes(events=events))


def test_what_fits_stays_untouched() -> None:
    assert not outbox.trimmed([], NOW, RNG)
    assert not outbox.trimmed([an_event(number, output=LOUD) for number in range(15)], NOW, RNG)


def test_the_oldest_records_go_first_and_are_counted() -> None:
    state = state_of(*(an_event(number, output=LOUD) for number in range(20)))

    state.apply(outbox.trimmed(state.outbox, NOW, RNG))

    *left, note = state.outbox
    assert [event.id for event in left] == [f"e{number:05}" for number in range(20 - len(left), 20)]
    assert 10 < len(left) < 13, "there is room for some more before this is done again"
    assert (note.kind, note.node) == ("dropped", None)
    assert (note.data["count"], note.data["since_at"]) == (20 - len(left), NOW)
    assert str(note.data["reason"]).startswith(f"{20 - len(left)} records of tests")


def test_a_second_time_the_first_is_counted_in() -> None:
    state = state_of(*(an_event(number, output=LOUD) for number in range(20)))
    state.apply(outbox.trimmed(state.outbox, NOW, RNG))
    state.apply(Changes(events=tuple(an_event(number, "late", output=LOUD) for number in range(20, 30))))
    state.apply(outbox.trimmed(state.outbox, NOW + 60, RNG))

    (note,) = [event for event in state.outbox if event.kind == "dropped"]
    kept = [event for event in state.outbox if event.kind != "dropped"]
    assert note.data["count"] == 30 - len(kept)
    assert (note.data["since_at"], note.at) == (NOW, NOW + 60)


@given(st.lists(st.tuples(st.sampled_from(EVENT_KINDS), st.sampled_from([0, 1000, LOUD])), max_size=60))
def test_nothing_is_dropped_but_records_of_tests_and_the_rest_keeps_its_order(rows: list[tuple[str, int]]) -> None:
    rows = [row for row in rows if row[0] != "dropped"]
    events = [an_event(number, kind, output) for number, (kind, output) in enumerate(rows)]
    state = state_of(*events)

    state.apply(outbox.trimmed(state.outbox, NOW, RNG))

    left = [event for event in state.outbox if event.kind != "dropped"]
    gone = [event for event in events if event not in left]
    assert left == [event for event in events if event in left]
    assert {event.kind for event in gone} <= {"probe", "vnode-probe", "late"}
    assert sum(int(str(event.data["count"])) for event in state.outbox if event.kind == "dropped") == len(gone)
    held = sum(len(str(event.data)) for event in left if event.data.get("stages"))
    assert held <= outbox.MOST_BYTES


def test_moves_and_orders_stay_however_many_they_are() -> None:
    events = [an_event(number, "transition") for number in range(100_000)]

    assert not outbox.trimmed(events, NOW, RNG)
