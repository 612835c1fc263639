"""What was moved a moment before its guard came on is taken back, and nothing of it stays."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.guard import rollback
from plabctl.core.model import Hold, Member
from plabctl.core.pools.good import GoodOptions
from plabctl.core.settings import GuardSettings, GuardThen, Settings
from plabctl.core.state import Changes
from plabctl.core.uptime import UptimeStats
from tests.builders import NOW, judged, make_member, make_order, make_settings
from tests.core.guard.test_evaluate import SETTINGS, alerts, all_names, member, pools, stepped, world
from tests.memory_state import MemoryState

ADAPTIVE = UptimeStats(NOW - 9e4, 5e5, 2.0, 4e3, 2.0)


def moves(state: MemoryState, name: str) -> list[str]:
    kinds = {"transition", "suspect", "refuted", "guarded"}
    return [f"{event.kind} {event.data['to']}" for event in state.outbox if event.node == name and event.kind in kinds]


def confirmed_before_the_guard(count: int = 5, *, good: int = 100) -> tuple[MemoryState, dict[str, Member]]:
    """A world in which `count` nodes failed twice, too few for a guard; and the members as they were before."""
    state = world(good)
    record = [
        replace(found, penalty=0.7, penalty_at=NOW - 900.0, uptime=ADAPTIVE)
        for found in state.members()
        if found.node in all_names(state)[:count]
    ]
    state.apply(Changes(members=tuple(record)))
    before = {name: member(state, name) for name in all_names(state)}
    stepped(state, dict.fromkeys(all_names(state)[count:50], "pass"), NOW - 60)
    for second in range(2):
        stepped(state, dict.fromkeys(all_names(state)[:count], "fail"), NOW + second)
    assert pools(state) == {"good": good - count, "bad": count}
    return state, before


def same_record(now: Member, then: Member) -> bool:
    """Return whether nothing is left of failures: all but the tests that were passed, and when the next one is."""
    kept = ("pool", "since_at", "penalty", "penalty_at", "uptime", "suspicion", "fail_streak", "flaps")
    return all(getattr(now, name) == getattr(then, name) for name in kept)


def test_a_move_confirmed_before_the_guard_came_on_is_taken_back_as_if_it_had_never_been() -> None:
    state, before = confirmed_before_the_guard()
    names = all_names(state)

    stepped(state, dict.fromkeys(names[50:70], "fail"), NOW + 60)

    assert pools(state) == {"good": 100}
    assert alerts(state) == [("guard-on", "pool good")]
    taken = member(state, names[0])
    assert taken.is_guarded
    assert (taken.since_at, taken.penalty, taken.uptime) == (before[names[0]].since_at, 0.7, ADAPTIVE)
    assert taken.due_at == NOW + 60 + 300
    stepped(state, dict.fromkeys(names, "pass"), NOW + 400)
    for name, then in before.items():
        now = member(state, name)
        assert same_record(now, then), name
        assert now.ok_streak == then.ok_streak + 1 + (name in names[5:50])


def test_what_is_taken_back_is_told_as_a_move_of_the_machine() -> None:
    state, _ = confirmed_before_the_guard()
    stepped(state, dict.fromkeys(all_names(state)[50:70], "fail"), NOW + 60)

    assert moves(state, "n000") == ["suspect bad", "transition bad", "transition good"]
    told = [event for event in state.outbox if event.node == "n000"][-1]
    assert (told.actor, told.data["cause"], told.data["from"]) == ("plabctl", "guard", "bad")
    assert "25 of 70 good nodes tested within 10m failed" in str(told.data["reason"])


def test_what_was_confirmed_longer_ago_than_the_guard_looks_back_stays_moved() -> None:
    state, _ = confirmed_before_the_guard(3)
    names = all_names(state)

    stepped(state, dict.fromkeys(names[60:72], "fail"), NOW + 1 + 601)

    assert alerts(state)
    assert pools(state) == {"good": 97, "bad": 3}


def test_a_node_that_a_person_moved_since_is_theirs() -> None:
    state, _ = confirmed_before_the_guard()
    for name, pool in (("n000", "good"), ("n001", "bad")):
        if pool == "bad":
            state.apply(orders_move(state, name, "good"))
        state.apply(orders_move(state, name, pool))
    ordered = {name: member(state, name) for name in ("n000", "n001")}

    stepped(state, dict.fromkeys(all_names(state)[50:70], "fail"), NOW + 60)

    assert {name: member(state, name) for name in ordered} == ordered
    assert member(state, "n002").pool == "good"


def orders_move(state: MemoryState, name: str, pool: str) -> Changes:
    from plabctl.core import node_orders

    return node_orders.move(state, SETTINGS, [name], pool, make_order(now=NOW + 30), None)


def test_a_node_that_is_held_in_bad_is_not_taken_back() -> None:
    state, _ = confirmed_before_the_guard()
    pinned = replace(member(state, "n000"), hold=Hold("ada", "being repaired", NOW + 30))
    state.apply(Changes(members=(pinned,)))

    stepped(state, dict.fromkeys(all_names(state)[50:70], "fail"), NOW + 60)

    assert member(state, "n000") == pinned


def test_the_guard_of_one_site_takes_back_the_moves_of_that_site_only() -> None:
    state = world(100, sites=5)
    site = [name for name in all_names(state) if name in {f"n{number:03}" for number in range(0, 100, 5)}]
    others = [name for name in all_names(state) if name not in site]
    stepped(state, dict.fromkeys([*site[10:], *others[1:]], "pass"), NOW)
    for second in range(2):
        stepped(state, dict.fromkeys([*site[:2], others[0]], "fail"), NOW + second)
    assert pools(state) == {"good": 97, "bad": 3}

    stepped(state, dict.fromkeys(site[2:10], "fail"), NOW + 30)

    assert alerts(state) == [("guard-on", "site s0")]
    assert [found.node for found in state.members() if found.pool == "bad"] == [others[0]]


def test_a_node_that_came_back_meanwhile_gets_its_record_back() -> None:
    state, before = confirmed_before_the_guard()
    stepped(state, {"n000": "pass"}, NOW + 20)
    stepped(state, {"n000": "pass"}, NOW + 30)
    assert member(state, "n000").pool == "good"
    assert member(state, "n000").since_at > NOW

    stepped(state, dict.fromkeys(all_names(state)[50:70], "fail"), NOW + 60)

    assert same_record(member(state, "n000"), before["n000"])
    assert member(state, "n000").ok_streak == before["n000"].ok_streak + 2


def test_a_move_that_the_guard_let_go_after_its_longest_time_is_not_taken_back() -> None:
    state = world(30)
    for minute in range(0, 65, 5):
        stepped(state, dict.fromkeys(all_names(state), "fail"), NOW + 60 * minute)
    assert pools(state) == {"bad": 30}

    stepped(state, {}, NOW + 3660, cut_off=True)

    assert pools(state) == {"bad": 30}


@pytest.mark.parametrize("confirm", [0, 1])
def test_a_pool_without_suspects_is_taken_back_too(confirm: int) -> None:
    own = make_settings(confirm=confirm)
    own = replace(
        own, pools={**own.pools, "good": replace(own.pools["good"], options=GoodOptions(confirm, suspects=False))}
    )
    state = world(100)
    stepped(state, dict.fromkeys(all_names(state)[10:50], "pass"), NOW - 60, own)
    before = member(state, "n000")
    for second in range(1 + confirm):
        stepped(state, {"n000": "fail"}, NOW + second, own)
    assert pools(state) == {"good": 99, "bad": 1}

    stepped(state, dict.fromkeys(all_names(state)[50:70], "fail"), NOW + 60, own)
    stepped(state, dict.fromkeys(all_names(state), "pass"), NOW + 90, own)

    assert same_record(member(state, "n000"), before)
    assert member(state, "n000").ok_streak == before.ok_streak + 1


def test_what_can_matter_no_more_is_forgotten_at_the_next_test() -> None:
    moved = judged(judged(make_member(ok_streak=5), "fail").member, "fail", at=NOW + 1).member
    assert moved.flaps

    assert judged(moved, "fail", at=NOW + 590).member.flaps
    assert not judged(moved, "fail", at=NOW + 602).member.flaps
    assert not judged(moved, "pass", at=NOW + 602).member.flaps
    assert not judged(moved, "unknown", at=NOW + 602).member.flaps


def test_taking_back_twice_changes_nothing_the_second_time() -> None:
    state, _ = confirmed_before_the_guard()
    guard = stepped(state, dict.fromkeys(all_names(state)[50:70], "fail"), NOW + 60)

    assert not rollback.roll_back(state, SETTINGS, guard, NOW + 60)


COUNT = 14
NAMES = [f"n{number:03}" for number in range(COUNT)]


@st.composite
def orders_of_reports(draw: st.DrawFn) -> tuple[dict[str, str], list[str], list[int]]:
    """Which nodes fail (more than a fifth), and in what order, how often and in what batches they are reported on."""
    failing = draw(st.sets(st.sampled_from(NAMES), min_size=3, max_size=COUNT))
    outcomes = {name: "fail" if name in failing else "pass" for name in NAMES}
    times = {name: draw(st.integers(1, 3)) for name in NAMES}
    order = draw(st.permutations([name for name in NAMES for _ in range(times[name])]))
    cuts = draw(st.lists(st.integers(1, 5), min_size=len(order), max_size=len(order)))
    return outcomes, list(order), cuts


@settings(deadline=None, max_examples=200)
@given(orders_of_reports())
def test_the_order_of_reports_does_not_matter_for_what_is_left(
    found: tuple[dict[str, str], list[str], list[int]],
) -> None:
    outcomes, order, cuts = found
    straight, mixed = world(COUNT), world(COUNT)
    for name in sorted(order):
        stepped(straight, {name: outcomes[name]}, NOW)
    while order:
        batch = dict.fromkeys(order[: cuts.pop()])  # a node is reported on once in a batch
        for name in batch:
            order.remove(name)
        stepped(mixed, {name: outcomes[name] for name in batch}, NOW)

    assert pools(mixed) == pools(straight) == {"good": COUNT}
    for name in NAMES:
        one, other = member(straight, name), member(mixed, name)
        when: dict[str, Any] = {
            "due_at": 0.0,
            "interval_s": 0.0,
            "asked_early": "",
        }
        assert replace(one, **when) == replace(other, **when)


STEPS = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["pass", "fail", "unknown"])), max_size=12
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(STEPS, st.integers(0, 1))
def test_whatever_went_before_a_guard_within_its_time_leaves_no_trace(
    rounds: list[dict[str, str]], confirm: int
) -> None:
    own = make_settings(confirm=confirm)
    state = world(COUNT)
    before = {name: member(state, name) for name in NAMES}
    now = NOW
    for outcomes in rounds:
        now += 45.0
        stepped(state, outcomes, now, own)

    stepped(state, dict.fromkeys(NAMES, "fail"), now + 1, own)
    assert pools(state) == {"good": COUNT}
    stepped(state, dict.fromkeys(NAMES, "pass"), now + 2, own)

    for name, then in before.items():
        assert same_record(member(state, name), then)


def test_left_in_good_is_left_in_good() -> None:
    own: Settings = make_settings(guard=GuardSettings(then=GuardThen.LEAVE))
    state = world(30)
    stepped(state, {"n000": "fail"}, NOW, own)
    stepped(state, {"n000": "fail"}, NOW + 1, own)
    for minute in range(1, 125, 5):
        stepped(state, dict.fromkeys(all_names(state), "fail"), NOW + 60 * minute, own)

    assert pools(state) == {"good": 30}
