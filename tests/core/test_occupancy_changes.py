from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from plabctl.core.model import Member
from plabctl.core.occupancy import OccupancyNote, OccupancySettings, Use, find_busy, make_occupancy_note
from plabctl.core.occupancy_changes import Listed, OccupancyReading, plan_occupancy
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import Settings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.usable import explain_unusable
from plabctl.values import replace
from tests.builders import (
    NOW,
    make_claim,
    make_member,
    make_occupancy,
    make_report,
    make_settings,
    make_state,
)
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


def test_a_clock_that_was_set_back_lets_a_failing_source_hold_no_longer() -> None:
    state = make_three()
    read(state, ["a"], NOW + 86400)

    fail(state, NOW)
    fail(state, NOW + 60)

    assert busy_in(state, NOW + 900) == ["a"]
    assert busy_in(state, NOW + 901) == []


def test_strangers_that_come_and_go_are_one_fault() -> None:
    state = make_three()
    read(state, ["x1", "x2"], NOW)
    fault = note_of(state).fault

    read(state, ["x3"], NOW + 60)

    assert fault == note_of(state).fault == "none of the names that it lists is a node here, such as 'x1'"
    read(state, ["x3", "a"], NOW + 120)
    assert note_of(state).fault == ""


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
    assert note_of(state) == OccupancyNote(NOW + 9000.0, {"b": Use("", NOW + 9000.0)}, has_matched=True)


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


def test_a_reading_beside_that_of_another_tick_frees_nobody() -> None:
    """The other may be newer, and have said nothing that was worth writing down."""
    state = make_three()
    read(state, ["a"], NOW)
    read(state, ["a"], NOW + 30.0)

    read(state, ["b"], NOW + 10.0, is_overtaken=True)

    assert busy_in(state, NOW + 40.0) == ["a", "b"]
    assert not is_checked(state, "a")
    read(state, ["b"], NOW + 60.0)
    assert is_checked(state, "a")


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


def test_a_source_that_listed_a_node_once_may_list_only_others_later() -> None:
    state = make_three()
    read(state, ["a", "x1"], NOW)

    read(state, ["x1", "x2"], NOW + 60)

    note = note_of(state)
    assert (note.fault, note.remark) == ("", "2 names are no nodes here: x1, x2")


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


def test_a_source_with_a_new_name_begins_with_what_the_old_one_said() -> None:
    renamed = make_occupancy("desk")
    settings = make_settings(occupancies=(renamed,))
    state = make_three()
    read(state, ["a"])
    failed = OccupancyReading(NOW + 60.0, fault="no database", is_unread=True)
    assert list(find_busy(state.notes, settings.occupancies, NOW + 60.0)) == ["a"], "before its first reading, too"

    state.apply(plan_occupancy(state, settings, [(renamed, failed, None)], NOW + 60.0))

    assert not is_checked(state, "a")
    assert list(state.notes) == ["occupancy desk"]
    note = note_of(state, "desk")
    assert (list(note.busy), note.fault, note.fault_since_at) == (["a"], "no database", NOW + 60.0)
    assert list(find_busy(state.notes, settings.occupancies, NOW + 900.0)) == ["a"]
    assert list(find_busy(state.notes, settings.occupancies, NOW + 901.0)) == []
    state.apply(plan_occupancy(state, settings, [(renamed, OccupancyReading(NOW + 120.0), None)], NOW + 120.0))
    assert is_checked(state, "a"), "the new source says that it is free"


def test_each_new_source_begins_with_what_the_old_ones_said() -> None:
    first, second = make_occupancy("one"), make_occupancy("two")
    settings = make_settings(occupancies=(first, second))
    state = make_three()
    read(state, ["a", "b"])
    fault = OccupancyReading(NOW + 60.0, fault="no database", is_unread=True)
    readings = [(first, OccupancyReading(NOW + 60.0, {"b": Listed()}), None), (second, fault, None)]

    state.apply(plan_occupancy(state, settings, readings[:1], NOW + 60.0))
    state.apply(plan_occupancy(state, settings, readings[1:], NOW + 60.0))

    assert sorted(find_busy(state.notes, settings.occupancies, NOW + 60.0)) == ["a", "b"]
    assert not is_checked(state, "a")


def test_a_source_that_is_taken_away_releases_nobody() -> None:
    other = make_occupancy("desk")
    both, one = make_settings(occupancies=(SOURCE, other)), make_settings(occupancies=(other,))
    state = make_three()
    readings = [(SOURCE, OccupancyReading(NOW, {"a": Listed()}), None), (other, OccupancyReading(NOW), None)]
    state.apply(plan_occupancy(state, both, readings, NOW))

    state.apply(plan_occupancy(state, one, [(other, OccupancyReading(NOW + 60.0), None)], NOW + 60.0))

    assert list(state.notes) == ["occupancy desk"]
    assert list(find_busy(state.notes, one.occupancies, NOW + 60.0)) == []
    assert not is_checked(state, "a"), "nobody said that it is free"


@pytest.mark.parametrize("word", ["null", "17", "unauthorized"])
def test_a_lone_word_that_means_nothing_here_is_not_believed(word: str) -> None:
    state = make_three()
    read(state, ["a"])

    read(state, [word], NOW + 60.0, doubt=f"it printed only {word!r}")

    assert busy_in(state, NOW + 60.0) == ["a"]
    assert not is_checked(state, "a")
    note = note_of(state)
    assert (note.is_unread, note.fault) == (True, f"it printed only {word!r}")


def test_a_lone_word_that_is_a_node_or_was_listed_before_is_believed() -> None:
    state = make_three()
    read(state, ["a", "login1"])

    read(state, ["login1"], NOW + 60.0, doubt="it printed only 'login1'")
    assert is_checked(state, "a")
    read(state, ["b"], NOW + 120.0, doubt="it printed only 'b'")
    assert busy_in(state, NOW + 120.0) == ["b"]
    assert note_of(state).fault == ""


def test_a_lone_word_that_stays_is_believed_in_the_end_and_told() -> None:
    """It may be right, as all jobs may be on machines that are no nodes here: then nothing is critical."""
    state = make_three()
    read(state, ["a"])
    doubt = "it lists only 'gpu7', which is no node here"
    for minute in range(1, 40):
        read(state, ["gpu7"], NOW + 60.0 * minute, doubt=doubt)
        note = note_of(state)
        assert (note.fault, note.is_unread) == (doubt, minute <= 15)
        assert is_checked(state, "a") is (minute > 15), "nobody is known to be busy by then, either way"
        assert note.fault_since_at == NOW + 60.0

    read(state, ["gpu7", "b"], NOW + 3000.0)
    assert note_of(state).fault == ""
    read(state, ["gpu7"], NOW + 3060.0, doubt=doubt)
    assert (note_of(state).fault, busy_in(state, NOW + 3060.0)) == ("", ["gpu7"]), "listed with others before"


def test_a_source_that_was_never_believed_is_believed_with_a_lone_word() -> None:
    state = make_three()

    read(state, ["gpu7"], doubt="it lists only 'gpu7', which is no node here")

    note = note_of(state)
    assert (note.is_unread, note.fault) == (False, "it lists only 'gpu7', which is no node here")


def find_member(state: MemoryState, name: str) -> Member:
    member = state.member(name)
    assert member
    return member


def is_checked(state: MemoryState, name: str) -> bool:
    known = find_member(state, name).liveness
    return known is not None and known.called == "released"


def release_at(how: str) -> Settings:
    pools = {name: replace(pool, at_release=how) for name, pool in SETTINGS.pools.items()}
    return replace(SETTINGS, pools=pools)


def test_a_release_calls_a_login() -> None:
    state = make_three()
    read(state, ["a", "pc3"])

    read(state, ["a"], NOW + 60.0)

    assert not is_checked(state, "a")
    assert is_checked(state, "PC3")
    assert find_member(state, "PC3").due_at == NOW
    assert find_member(state, "PC3").release_test_since_at is None


def test_a_release_calls_a_test_where_the_pool_says_so() -> None:
    state = make_state(make_member("a", due_at=NOW + 1800.0, interval_s=1800.0))
    read(state, ["a"])

    state.apply(plan_occupancy(state, release_at("test"), [(SOURCE, OccupancyReading(NOW + 60.0), None)], NOW + 60.0))

    member = find_member(state, "a")
    assert (member.due_at, member.interval_s, member.release_test_since_at) == (NOW + 60.0, 0.0, NOW + 60.0)
    assert explain_unusable(member, NOW + 60.0, is_in_good=True) == "released, and not tested since"


def test_a_release_calls_nothing_where_the_pool_says_so() -> None:
    state = make_three()
    read(state, ["a"])
    before = find_member(state, "a")

    state.apply(plan_occupancy(state, release_at("none"), [(SOURCE, OccupancyReading(NOW + 60.0), None)], NOW + 60.0))

    assert find_member(state, "a") == before


def test_a_node_is_released_when_the_last_source_says_so() -> None:
    other = make_occupancy("desk")
    settings = replace(SETTINGS, occupancies=(SOURCE, other))
    state = make_three()
    both = [(each, OccupancyReading(NOW, {"a": Listed()}), None) for each in settings.occupancies]
    state.apply(plan_occupancy(state, settings, both, NOW))

    state.apply(plan_occupancy(state, settings, [(SOURCE, OccupancyReading(NOW + 60.0), None)], NOW + 60.0))
    assert not is_checked(state, "a")
    state.apply(plan_occupancy(state, settings, [(other, OccupancyReading(NOW + 61.0), None)], NOW + 61.0))
    assert is_checked(state, "a")


def test_an_outage_of_a_source_releases_nobody_and_its_end_those_who_left_meanwhile() -> None:
    state = make_three()
    read(state, ["a", "b"])

    fail(state, NOW + 60.0, NOW)
    fail(state, NOW + 9000.0, NOW + 60.0)
    assert not is_checked(state, "a")
    read(state, ["b"], NOW + 9060.0)

    assert is_checked(state, "a")
    assert not is_checked(state, "b")


def test_a_source_that_leaves_the_configuration_releases_its_nodes() -> None:
    other = make_occupancy("desk")
    state = make_three()
    read(state, ["a"])

    settings = make_settings(occupancies=(other,))
    state.apply(plan_occupancy(state, settings, [(other, OccupancyReading(NOW + 1.0), None)], NOW + 1.0))

    assert is_checked(state, "a")


def settle_test(state: MemoryState, started_at: float, outcome: str, at: float) -> Member:
    state.apply(Changes(claims=(make_claim("a", started_at=started_at),)))
    report = make_report("a", outcome, started_at=started_at)
    state.apply(settle(state, [report], build_pools(SETTINGS), at, Random(1)))
    return find_member(state, "a")


@pytest.mark.parametrize("outcome", ["pass", "fail", "unknown"])
def test_only_a_pass_that_was_begun_after_the_release_ends_the_wait(outcome: str) -> None:
    state = make_state(make_member("a", release_test_since_at=NOW, interval_s=60.0))

    before = settle_test(state, NOW - 30.0, outcome, NOW + 30.0)
    assert (before.release_test_since_at, before.due_at) == (NOW, NOW + 30.0), "it is tested again at once"

    after = settle_test(state, NOW + 60.0, outcome, NOW + 90.0)
    assert after.release_test_since_at == (None if outcome == "pass" else NOW)
