from collections.abc import Iterable
from typing import Any

from plabctl.core.occupancy import OccupancyNote, OccupancySettings, Use, find_busy, make_occupancy_note
from plabctl.core.occupancy_changes import Listed, OccupancyReading, plan_occupancy
from plabctl.values import replace
from tests.builders import NOW, make_member, make_occupancy, make_settings, make_state
from tests.memory_state import MemoryState

SOURCE = make_occupancy(stale_after_s=900.0)
SETTINGS = make_settings(occupancies=(SOURCE,))


def read(
    state: MemoryState, names: Iterable[str], at: float = NOW, source: OccupancySettings = SOURCE, **fields: Any
) -> bool:
    """Let a source list these nodes; return whether that is anything new."""
    reading = replace(OccupancyReading(at, {name: Listed() for name in names}), **fields)
    return plan(state, reading, at, source)


def fail(state: MemoryState, at: float, previous_at: float | None = None, fault: str = "no database") -> bool:
    return plan(state, OccupancyReading(at, fault=fault, is_unread=True), at, SOURCE, previous_at)


def plan(
    state: MemoryState,
    reading: OccupancyReading,
    at: float,
    source: OccupancySettings = SOURCE,
    previous_at: float | None = None,
) -> bool:
    changes = plan_occupancy(state, SETTINGS, [(source, reading, previous_at)], at)
    state.apply(changes)
    return bool(changes)


def note_of(state: MemoryState, source: str = "scheduler") -> OccupancyNote:
    return make_occupancy_note(source).read(state.notes)


def busy_in(state: MemoryState, at: float) -> list[str]:
    return sorted(find_busy(state.notes, SETTINGS.occupancies, at))


def make_three() -> MemoryState:
    return make_state(make_member("a"), make_member("b"), make_member("PC3"))


def test_a_use_without_a_beginning_began_when_it_was_first_seen() -> None:
    state = make_three()

    read(state, ["a"], NOW)
    read(state, ["a", "b"], NOW + 60.0)

    assert note_of(state).busy == {"a": Use("", NOW), "b": Use("", NOW + 60.0)}
    read(state, ["b"], NOW + 120.0)
    read(state, ["a", "b"], NOW + 180.0)
    assert note_of(state).busy["a"].since_at == NOW + 180.0


def test_a_use_that_is_to_begin_later_has_begun() -> None:
    state = make_three()

    read(state, (), uses={"a": Listed("ada", NOW + 3600.0, NOW + 7200.0)})

    assert note_of(state).busy == {"a": Use("ada", NOW, NOW + 7200.0)}


def test_readings_with_nothing_new_are_written_down_now_and_then() -> None:
    state = make_three()

    written = [minute for minute in range(31) if read(state, ["a"], NOW + 60.0 * minute)]

    assert written == [0, 8, 16, 24]
    assert busy_in(state, NOW + 1860.0) == ["a"]


def test_a_failing_source_is_believed_from_its_last_good_reading_on() -> None:
    state = make_three()
    for minute in range(8):
        read(state, ["a"], NOW + 60.0 * minute)

    assert fail(state, NOW + 480.0, previous_at=NOW + 420.0)
    assert not fail(state, NOW + 540.0, previous_at=NOW + 480.0)

    note = note_of(state)
    assert (note.read_at, note.fault, note.fault_since_at) == (NOW + 420.0, "no database", NOW + 480.0)
    assert busy_in(state, NOW + 420.0 + 900.0) == ["a"]
    assert busy_in(state, NOW + 420.0 + 901.0) == []
    assert fail(state, NOW + 600.0, fault="no route")
    assert note_of(state).fault_since_at == NOW + 480.0

    read(state, ["b"], NOW + 9000.0)
    assert note_of(state) == OccupancyNote(NOW + 9000.0, {"b": Use("", NOW + 9000.0)})


def test_a_source_that_never_could_be_read_says_nothing() -> None:
    state = make_three()

    assert fail(state, NOW)

    assert note_of(state) == OccupancyNote(None, {}, "no database", NOW, is_unread=True)
    assert busy_in(state, NOW) == []


def test_a_reading_that_was_overtaken_changes_nothing() -> None:
    state = make_three()
    read(state, ["b"], NOW + 60.0)

    late = OccupancyReading(NOW, {"a": Listed()})

    assert not plan(state, late, NOW + 61.0)
    assert busy_in(state, NOW + 61.0) == ["b"]
    assert not plan(state, OccupancyReading(NOW, fault="time-out", is_unread=True), NOW + 61.0)


def test_after_the_clock_was_set_back_a_reading_counts() -> None:
    state = make_three()
    read(state, ["b"], NOW + 3600.0)

    assert read(state, ["a"], NOW)
    assert busy_in(state, NOW) == ["a"]


def test_names_that_are_no_nodes_are_kept_and_told_in_short() -> None:
    state = make_three()

    read(state, ["a", "pc3", *(f"x{number}" for number in range(100))])

    note = note_of(state)
    assert note.remark == "100 names are no nodes here: x0, x1, x2, ..."
    assert not note.fault
    assert "x7" in note.busy, "it may be added the next moment"


def test_a_source_whose_names_all_mean_nothing_here_is_a_fault() -> None:
    state = make_three()

    read(state, ["x1", "x2"])

    note = note_of(state)
    assert note.fault == "none of the names that it lists is a node here, such as 'x1'"
    assert (note.is_unread, note.remark, note.fault_since_at) == (False, "", NOW)


def test_bad_rows_are_told_and_the_others_count() -> None:
    state = make_three()

    read(state, ["a"], fault="busy:3: '-x' can be the name of no node")

    assert note_of(state).fault == "busy:3: '-x' can be the name of no node"
    assert busy_in(state, NOW + 1000.0) == ["a"]


def test_the_note_of_a_source_that_is_not_configured_any_more_goes() -> None:
    state = make_three()
    state.apply(replace(plan_occupancy(state, SETTINGS, [(SOURCE, OccupancyReading(NOW, {"a": Listed()}), None)], NOW)))
    other = make_occupancy("desk")

    state.apply(
        plan_occupancy(state, make_settings(occupancies=(other,)), [(other, OccupancyReading(NOW + 1.0), None)], NOW)
    )

    assert list(state.notes) == ["occupancy desk"]
