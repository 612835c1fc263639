"""What a member is after a move of it was taken back, one by one: which record, failing or not, due when, told how."""

from dataclasses import replace
from typing import Any

import pytest

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.guard.model import MONITOR, Guard, GuardedScope
from plabctl.core.guard.rollback import roll_back
from plabctl.core.model import Member
from plabctl.core.settings import Settings
from plabctl.core.state import Changes
from plabctl.core.suspicion import Flap, Suspicion
from plabctl.core.uptime import UptimeStats
from tests.builders import NOW, make_member, make_settings, make_state

GUARD = Guard({MONITOR: GuardedScope(MONITOR, NOW, "no canary answers")})
SETTINGS = make_settings(backoff=Backoff(ADDITIVE, jitter_s=60.0))
THEN = NOW - 9e4
BEFORE = Suspicion("good", THEN, 7, NOW - 300)
SPELLS = UptimeStats(THEN, 5e5, 2.0, 4e3, 2.0)
FLOP = Flap(BEFORE, NOW - 290, 0.5, NOW - 5e3, SPELLS, 0.9)


def changed(member: Member, settings: Settings = SETTINGS) -> Changes:
    return roll_back(make_state(member), settings, GUARD, NOW)


def restored(pool: str, settings: Settings = SETTINGS, **fields: Any) -> Member:
    """What becomes of a member that flapped a moment ago."""
    fields = {"probed_at": NOW - 1, "interval_s": 600.0, "due_at": NOW + 2000, "flaps": (FLOP,), **fields}
    members = changed(make_member("n1", pool, since_at=NOW - 300, **fields), settings).members
    assert len(members) == 1
    return members[0]


def test_everything_that_the_flop_changed_is_given_back() -> None:
    back = restored("bad", fail_streak=2, penalty=1.4, penalty_at=NOW - 290, good_ratio=0.2)

    assert (back.pool, back.since_at, back.uptime, back.flaps) == ("good", THEN, SPELLS, ())
    assert (back.penalty, back.penalty_at, back.good_ratio) == (0.5, NOW - 5e3, 0.9)


def test_what_still_fails_is_in_good_under_the_guard_and_due_after_the_shortest_wait_without_dice() -> None:
    back = restored("bad", fail_streak=2)

    assert back.is_guarded
    assert back.suspicion == BEFORE
    assert (back.interval_s, back.due_at) == (300.0, NOW + 300)


def test_what_is_due_sooner_stays_so() -> None:
    assert restored("bad", fail_streak=2, due_at=NOW + 5).due_at == NOW + 5


def test_what_passed_in_bad_since_is_failing_no_more_though_it_was_still_to_prove_itself() -> None:
    back = restored("bad", ok_streak=1)

    assert (back.suspicion, back.ok_streak, back.due_at) == (None, 8, NOW + 2000)


def test_what_is_back_in_good_is_not_failing_for_a_test_that_failed_while_it_was_held() -> None:
    back = restored("good", fail_streak=1)

    assert (back.suspicion, back.ok_streak) == (None, 7)


@pytest.mark.parametrize("pool", ["good", "bad"])
def test_what_came_back_and_fails_again_is_failing_since_then_with_all_its_passes(pool: str) -> None:
    """In good it is at a quick retest or held by a guard, in bad a suspect."""
    again = Suspicion("good", NOW - 200, 3, NOW - 100)

    back = restored(pool, suspicion=again, fail_streak=1, interval_s=0.0)

    assert back.suspicion == Suspicion("good", THEN, 7 + 3, NOW - 100)
    assert back.is_guarded


def test_a_suspect_s_passes_before_its_failure_are_counted_once() -> None:
    back = restored("bad", suspicion=BEFORE, flaps=(), fail_streak=1, interval_s=0.0, due_at=NOW)

    assert back.suspicion == BEFORE
    assert (back.due_at, back.interval_s) == (NOW, 300.0)


def test_a_node_that_flapped_twice_is_as_it_was_before_the_first_time_and_that_is_told_once() -> None:
    again = Flap(Suspicion("good", NOW - 200, 1, NOW - 100), NOW - 90, 1.4, NOW - 290)
    member = make_member("n1", "bad", flaps=(FLOP, again), fail_streak=2, probed_at=NOW - 90)

    changes = changed(member)

    assert [(each.since_at, each.penalty) for each in changes.members] == [(THEN, 0.5)]
    assert [event.data["since_at"] for event in changes.events] == [THEN]


def test_nobody_is_put_back_into_a_pool_that_is_configured_no_more() -> None:
    gone = replace(FLOP, before=replace(BEFORE, pool="gone"))
    member = make_member("n1", "bad", flaps=(gone,), fail_streak=2, probed_at=NOW - 90)

    assert not changed(member)


def test_who_was_told_of_a_suspect_hears_of_it_and_who_was_told_of_a_move_of_that() -> None:
    fields: dict[str, Any] = {"probed_at": NOW - 90, "fail_streak": 1}
    suspect = make_member("n1", "bad", suspicion=BEFORE, **fields)
    moved = make_member("n1", "bad", flaps=(FLOP,), **fields)
    both = replace(suspect, suspicion=replace(BEFORE, failed_at=NOW - 100), flaps=(FLOP,))
    returned = make_member("n1", "good", flaps=(FLOP,), **fields)

    told = [[event.kind for event in changed(each).events] for each in (suspect, moved, both, returned)]

    assert told == [["guarded"], ["transition"], ["transition"], []]


def test_a_suspect_that_flapped_too_long_ago_to_matter_is_told_of_as_a_suspect() -> None:
    flap = replace(FLOP, at=NOW - 601)
    suspect = make_member("n1", "bad", flaps=(flap,), suspicion=BEFORE, fail_streak=1, probed_at=NOW - 90)

    assert [event.kind for event in changed(suspect).events] == ["guarded"]
