from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.occupancy import OccupancyNote, Use, find_busy, make_occupancy_note, merge_uses
from tests.builders import NOW, make_busy, make_occupancy, write_occupancy

SOURCE = make_occupancy(stale_after_s=900.0)
OTHER = make_occupancy("desk")
instants = st.floats(0.0, 4e9)
uses = st.builds(Use, st.text(max_size=20), instants, st.none() | instants)
notes = st.builds(
    OccupancyNote,
    read_at=st.none() | instants.filter(bool),
    busy=st.dictionaries(st.text(min_size=1, max_size=9), uses, max_size=4),
    fault=st.text(max_size=20),
    fault_since_at=st.none() | instants.filter(bool),
    is_unread=st.booleans(),
    remark=st.text(max_size=20),
)


@given(notes)
def test_a_note_is_read_as_it_was_written(note: OccupancyNote) -> None:
    assert make_occupancy_note("scheduler").read(write_occupancy(note)) == note


def test_who_is_busy_is_found_by_the_name_in_any_case() -> None:
    busy = find_busy(make_busy("PC1.lab"), [SOURCE], NOW)

    assert "pc1.LAB" in busy
    assert busy["PC1.lab"] == Use("ada", NOW - 600.0)
    assert busy.get("pc2") is None
    assert list(busy) == ["pc1.lab"]
    assert len(busy) == 1


def test_a_source_that_is_not_configured_says_nothing() -> None:
    assert list(find_busy(make_busy("pc1", source="old") | make_busy("pc2"), [SOURCE], NOW)) == ["pc2"]
    assert not find_busy({}, [SOURCE], NOW)
    assert not find_busy(make_busy("pc1"), [], NOW)


def test_two_sources_are_believed_together() -> None:
    both = make_busy("a", "b") | write_occupancy(
        OccupancyNote(NOW, {"b": Use("bob", NOW - 900.0, NOW + 60.0), "c": Use("bob", NOW)}), "desk"
    )
    busy = find_busy(both, [SOURCE, OTHER], NOW)

    assert sorted(busy) == ["a", "b", "c"]
    assert len(busy) == 3
    assert busy["b"] == Use("ada, bob", NOW - 900.0)


def test_of_uses_the_first_beginning_and_the_last_end_hold() -> None:
    assert merge_uses([Use("a", 5.0, 20.0), Use("b", 7.0, 30.0), Use("a", 6.0, 25.0)]) == Use("a, b", 5.0, 30.0)


def test_what_a_source_said_holds_for_a_while_and_then_nobody_is_known_to_be_busy() -> None:
    unread = make_busy("a", is_unread=True, fault="no database", fault_since_at=NOW)

    assert "a" in find_busy(unread, [SOURCE], NOW + 900.0)
    assert not find_busy(unread, [SOURCE], NOW + 900.1)
    assert "a" in find_busy(unread, [SOURCE], NOW - 5.0), "the clock was set back a little"


def test_a_reading_that_was_not_written_down_counts_as_long_as_it_may_have_been() -> None:
    assert "a" in find_busy(make_busy("a"), [SOURCE], NOW + 1350.0)
    assert not find_busy(make_busy("a"), [SOURCE], NOW + 1350.1), "no tick has come for long"


def test_what_is_read_seldom_holds_from_one_reading_to_the_next() -> None:
    hourly = make_occupancy(stale_after_s=900.0, every_s=3600.0)

    assert "a" in find_busy(make_busy("a"), [hourly], NOW + 3660.0)
    assert not find_busy(make_busy("a"), [hourly], NOW + 8100.1)


def test_a_damaged_note_is_no_error() -> None:
    broken = {"occupancy scheduler": {"read_at": NOW, "busy": {"a": 5, "b": {"since_at": "x", "by": 7}}}}

    busy = find_busy(broken, [SOURCE], NOW)
    assert dict(busy) == {"b": Use("", 0.0)}
    assert not find_busy({"occupancy scheduler": {"read_at": "x", "busy": 3}}, [SOURCE], NOW)
