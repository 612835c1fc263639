"""From where the next probe of a node is made, and how many ways are lost."""

import pytest

from plabctl.core.guard.model import GUARD_NOTE, Guard, GuardedScope
from plabctl.core.liveness_record import Liveness, LostWay
from plabctl.core.model import Member
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.core.vantage import (
    VANTAGES_NOTE,
    Tally,
    find_fit,
    find_look,
    list_away,
    list_lost_ways,
    list_others,
    note_lost_ways,
)
from plabctl.values import replace
from tests.builders import NOW, make_member, make_state
from tests.core.second_opinions import make_opinionated

OWN = make_opinionated(between=8)
LOST = LostWay("north", NOW, NOW, NOW, "south", is_told=True)
SUSPECT = Suspicion("good", NOW, 1, NOW, vantage="south")


def guarding(*vantages: str) -> Guard:
    scopes = (f"vantage {vantage}" for vantage in vantages)
    return Guard({scope: GuardedScope(scope, NOW, "") for scope in scopes})


@pytest.mark.parametrize(
    ("member", "guarded", "away"),
    [
        (make_member(), (), ()),
        (make_member(suspicion=SUSPECT), (), ("south",)),
        (make_member(suspicion=replace(SUSPECT, vantage="")), (), ("",)),
        (make_member(suspicion=replace(SUSPECT, vantage=None)), (), ()),
        (make_member(liveness=Liveness(silences=1, silent_from="south")), (), ("south",)),
        (make_member(liveness=Liveness(silences=0, silent_from="south")), (), ()),
        (make_member(pool="bad", liveness=Liveness(silences=1, silent_from="south")), (), ()),
        (make_member(pool="gone", liveness=Liveness(silences=1, silent_from="south")), (), ()),
        (make_member(lost_ways=(LOST,)), (), ("north",)),
        (make_member(lost_ways=(LOST,), suspicion=SUSPECT), (), ("north", "south")),
        (make_member(lost_ways=(LOST, replace(LOST, vantage="east"))), (), ("north", "east")),
        (make_member(), ("north",), ("north",)),
        (make_member(), ("monitor",), ("",)),
        (make_member(suspicion=SUSPECT), ("north",), ("north", "south")),
        (make_member(suspicion=SUSPECT, lost_ways=(LOST,)), ("south", "north"), ("north", "south")),
    ],
)
def test_a_probe_is_made_away_from_what_says_nothing_else_from_the_failure(
    member: Member, guarded: tuple[str, ...], away: tuple[str, ...]
) -> None:
    assert list_away(member, OWN, guarding(*guarded)) == away


@pytest.mark.parametrize(
    ("away", "fit"),
    [
        ((), {"north", "south", "east"}),
        (("north",), {"south", "east"}),
        (("north", "south"), {"east"}),
        (("east", "north", "south"), {"south"}),
        (("elsewhere", "east", "south", "north"), {"north"}),
    ],
)
def test_of_vantages_that_tell_little_the_best_is_taken_where_there_is_no_other(
    away: tuple[str, ...], fit: set[str]
) -> None:
    assert find_fit({"north", "south", "east"}, away) == fit
    assert find_fit({"north"}, away) == {"north"}


def test_only_a_check_that_was_called_for_it_looks_at_the_way() -> None:
    asked = (replace(LOST, vantage="east", is_asked=True),)

    assert find_look(make_member(lost_ways=(LOST, *asked), liveness=Liveness(NOW, called="is the way lost"))) == "east"
    assert find_look(make_member(lost_ways=asked)) is None
    assert find_look(make_member(lost_ways=asked, liveness=Liveness(NOW))) is None
    assert find_look(make_member(lost_ways=(LOST,), liveness=Liveness(NOW, called="released"))) is None


def test_a_look_at_a_way_is_made_from_no_other_vantage_and_least_from_where_another_is_lost() -> None:
    member = make_member(lost_ways=(replace(LOST, vantage="east"), LOST))

    assert list_others(member, "north", {"south": Tally(), "east": Tally(), "north": Tally()}) == ("east", "south")


def test_the_ways_that_are_lost_are_counted_anew_when_nodes_have_gone() -> None:
    absent = make_member("n2", lost_ways=(LOST,), absent_since_at=NOW)
    state = make_state(make_member(lost_ways=(LOST, replace(LOST, vantage="east", is_told=False))), absent)
    assert note_lost_ways(state, OWN) == Changes()

    state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(3, 1), "south": Tally()})))
    state.apply(note_lost_ways(state, OWN))

    assert VANTAGES_NOTE.read(state.notes) == {"north": Tally(1, 1), "south": Tally(), "east": Tally()}
    assert note_lost_ways(state, OWN) == Changes()


def test_without_second_opinions_no_way_counts_as_lost() -> None:
    state = make_state(make_member(lost_ways=(LOST,)))
    state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(1)})))

    state.apply(note_lost_ways(state, make_opinionated(is_on=False)))

    assert VANTAGES_NOTE.read(state.notes) == {"north": Tally()}


def test_lost_ways_are_listed_but_those_from_a_guarded_vantage_and_to_absent_nodes() -> None:
    east, doubted = replace(LOST, vantage="east"), replace(LOST, vantage="west", is_told=False)
    absent = make_member("n3", lost_ways=(LOST,), absent_since_at=NOW)
    state = make_state(make_member("n1", lost_ways=(LOST, east, doubted)), make_member("n2", lost_ways=(LOST,)), absent)
    assert list_lost_ways(state) == {}

    state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(), "south": Tally()})))
    assert list_lost_ways(state) == {}, "second opinions were turned off"
    state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(2), "south": Tally()})))
    assert list_lost_ways(state) == {"east": ["n1"], "north": ["n1", "n2"]}
    state.apply(Changes(notes=GUARD_NOTE.write(guarding("north"))))
    assert list_lost_ways(state) == {"east": ["n1"]}
