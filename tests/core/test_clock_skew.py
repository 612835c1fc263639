"""When a clock is believed; and when it is set back, nothing lies ahead that cannot, and nobody waits too long."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.clock_skew import (
    NEVER_BEFORE,
    SETTLES_S,
    SLACK_S,
    explain_distrust,
    is_set_back,
    rebase_instants,
)
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.liveness_record import LostWay
from plabctl.core.model import Hold, Leftover, Member, Node, Outcome, Verdict
from plabctl.core.state import Changes
from plabctl.core.suspicion import Flap, Suspicion
from plabctl.core.uptime import UptimeStats
from plabctl.store import codec
from tests.builders import NOW, make_claim, make_member, make_state
from tests.memory_state import MemoryState

DAY_S = 86400.0
BEFORE = NOW - DAY_S
MEMBERS = (make_member("n1"), make_member("n2"))


def test_a_clock_may_lie_a_second_behind_without_having_been_set_back() -> None:
    assert not is_set_back(NOW - SLACK_S, NOW)
    assert is_set_back(NOW - SLACK_S - 0.001, NOW)


@pytest.mark.parametrize(("uptime_s", "is_believed"), [(SETTLES_S - 0.001, False), (SETTLES_S, True)])
def test_ten_minutes_after_a_boot_a_clock_that_lies_behind_is_believed(uptime_s: float, *, is_believed: bool) -> None:
    assert bool(explain_distrust(NOW - 3600, NOW, uptime_s)) is not is_believed


@pytest.mark.parametrize("uptime_s", [0.0, SETTLES_S - 0.001])
def test_a_clock_that_lies_behind_a_change_of_the_same_boot_was_corrected(uptime_s: float) -> None:
    assert not explain_distrust(NOW - 3600, NOW, uptime_s, is_same_boot=True)
    assert explain_distrust(NEVER_BEFORE - 1, NOW, uptime_s, is_same_boot=True), "but not to where it cannot be"


@pytest.mark.parametrize(("now", "is_believed"), [(NEVER_BEFORE - 0.001, False), (NEVER_BEFORE, True)])
def test_a_clock_is_believed_from_the_year_on_in_which_it_can_have_been_set(now: float, *, is_believed: bool) -> None:
    assert bool(explain_distrust(now, 0.0, 1e6)) is not is_believed


def after(state: MemoryState, now: float = BEFORE) -> MemoryState:
    state.apply(rebase_instants(state, now))
    return state


def test_a_lost_way_is_looked_at_again_soon_however_far_ahead_that_was() -> None:
    way = LostWay("north", NOW, NOW, NOW + DAY_S, "south", is_told=True)

    (kept,) = member_of(after(make_state(make_member(lost_ways=(way,))))).lost_ways

    assert kept == LostWay("north", BEFORE, BEFORE, BEFORE, "south", is_told=True)


def member_of(state: MemoryState, name: str = "n1") -> Member:
    member = state.member(name)
    assert member is not None
    return member


def instants(doc: object, path: str = "") -> dict[str, float]:
    """Every instant in a document, by where it stands."""
    if isinstance(doc, list):
        parts = {f"{path}.{index}": part for index, part in enumerate(doc)}
    elif isinstance(doc, dict):
        parts = {f"{path}.{key}": part for key, part in doc.items()}
    else:
        return {path: doc} if path.endswith((".at", "_at", "_since")) and isinstance(doc, float) else {}
    return {where: at for name, part in parts.items() for where, at in instants(part, name).items()}


def full(**fields: object) -> Member:
    suspicion = Suspicion("good", NOW - 10, 3, NOW)
    spells = UptimeStats(NOW, 1.0, 1.0, 1.0, 1.0)
    member = make_member(
        since_at=NOW,
        due_at=NOW + 300,
        interval_s=300.0,
        probed_at=NOW,
        last=Verdict(Outcome.PASS, None, "", NOW, 1.0),
        requested_at=NOW,
        penalty_at=NOW,
        suspicion=suspicion,
        hold=Hold("ada", "disk", NOW, NOW + 60),
        leftovers=(Leftover("v", "process", NOW),),
        uptime=spells,
        flaps=(Flap(suspicion, NOW, 0.0, NOW, spells),),
        refused_since_at=NOW,
        not_ready_since_at=NOW,
        absent_since_at=NOW,
    )
    return replace(member, **fields)  # type: ignore[arg-type]  # any field of it


def test_no_instant_lies_ahead_but_the_end_of_a_wait_and_of_a_hold() -> None:
    member = member_of(after(make_state(full())))

    ahead = {where for where, at in instants(codec.encode_member(member)).items() if at > BEFORE}
    assert ahead == {".hold.until_at"}
    assert member.due_at == BEFORE
    waiting = member_of(after(make_state(full(requested_at=None))))
    assert waiting.due_at == BEFORE + 300
    assert member.hold == Hold("ada", "disk", BEFORE, BEFORE + 60)


def test_what_was_written_down_by_the_right_clock_stays() -> None:
    past = full(
        since_at=BEFORE - 9,
        due_at=BEFORE + 7,
        hold=Hold("ada", "disk", BEFORE - 1, BEFORE + 99),
        **dict.fromkeys(("last", "suspicion", "uptime")),
        **dict.fromkeys(
            ("probed_at", "penalty_at", "refused_since_at", "not_ready_since_at", "absent_since_at"), BEFORE - 8
        ),
        requested_at=None,
        leftovers=(),
        flaps=(),
    )

    assert not rebase_instants(make_state(past), BEFORE)


def test_a_retest_that_was_asked_for_during_a_probe_still_comes_after_it() -> None:
    state = after(make_state(full(), claims=[make_claim(started_at=NOW - 1, deadline_at=NOW + 599)]))

    requested_at, claim = member_of(state).requested_at, state.claims["n1"]
    assert requested_at is not None
    assert claim.started_at < requested_at
    assert claim.deadline_at == BEFORE + 600


def test_experiments_and_notes_know_no_later_time_either() -> None:
    state = make_state(make_member())
    vnode = Vnode("exp", "n1", VnodeState.UP, NOW, NOW + 60, interval_s=60.0, probed_at=NOW, up_at=NOW)
    notes: dict[str, dict[str, object]] = {
        "use": {"at": NOW, "slot_s": {"good": 1.0}},
        "guard": {"scopes": {"pool good": {"since_at": NOW}}},
    }
    experiment = Experiment("exp", "process", "ada", NOW, ready_at=NOW)
    state.apply(Changes(experiments=(experiment,), vnodes=(vnode,), notes={**notes}))

    after(state)

    assert state.vnode("exp/n1") == replace(vnode, since_at=BEFORE, due_at=BEFORE + 60, probed_at=BEFORE, up_at=BEFORE)
    assert state.experiments["exp"] == replace(experiment, since_at=BEFORE, ready_at=BEFORE)
    assert state.notes["use"] == {"at": BEFORE, "slot_s": {"good": 1.0}}
    assert state.notes["guard"] == {"scopes": {"pool good": {"since_at": BEFORE}}}


def test_a_node_that_was_added_by_the_wrong_clock_was_added_now() -> None:
    state = MemoryState(Changes(nodes=(Node("n1", added_at=NOW), Node("n2", added_at=BEFORE - 1)), members=MEMBERS))

    after(state)

    assert {node.name: node.added_at for node in state.nodes()} == {"n1": BEFORE, "n2": BEFORE - 1}


def test_what_happened_this_very_moment_stays() -> None:
    just_now = full(
        **dict.fromkeys(
            (
                "since_at",
                "due_at",
                "probed_at",
                "penalty_at",
                "refused_since_at",
                "not_ready_since_at",
                "absent_since_at",
            ),
            BEFORE,
        ),
        hold=Hold("ada", "disk", BEFORE, BEFORE + 60),
        leftovers=(Leftover("v", "process", BEFORE),),
        **dict.fromkeys(("last", "suspicion", "uptime", "requested_at")),
        flaps=(),
    )
    claim = make_claim(started_at=BEFORE, deadline_at=BEFORE + 600)

    assert not rebase_instants(make_state(just_now, claims=[claim]), NOW - DAY_S)


def test_of_several_remains_only_those_of_later_are_touched() -> None:
    old, new = Leftover("v1", "process", BEFORE - 5), Leftover("v2", "process", NOW)

    member = member_of(after(make_state(full(leftovers=(old, new)))))

    assert member.leftovers == (old, replace(new, since_at=BEFORE))


def test_what_is_set_anew_is_a_whole_number_of_milliseconds() -> None:
    odd = 60.00049
    claim = make_claim(started_at=NOW, deadline_at=NOW + odd)
    member = full(due_at=NOW + 300, interval_s=odd, requested_at=None, hold=Hold("ada", "", NOW, NOW + odd))

    state = after(make_state(member, claims=[claim]))

    found = member_of(state)
    assert found.hold is not None
    assert [found.due_at, found.hold.until_at, state.claims["n1"].deadline_at] == [BEFORE + 60.0] * 3


def test_a_note_keeps_its_words_and_numbers_and_lists_whatever_they_are_called() -> None:
    notes: dict[str, dict[str, object]] = {
        "guard": {"scopes": {"at": {"since_at": NOW - 2 * DAY_S, "why": "30 of 40"}}, "bytes": NOW + 5},
        "told": {"at": None, "errors": ["no route", {"told_at": NOW, "at": "noon"}]},
    }
    state = make_state(make_member())
    state.apply(Changes(notes={**notes}))

    after(state)

    assert state.notes["guard"] == notes["guard"]
    assert state.notes["told"] == {"at": None, "errors": ["no route", {"told_at": BEFORE, "at": "noon"}]}


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.floats(0, 3600))
def test_nobody_waits_longer_than_was_meant(now: float, due_at: float, interval_s: float) -> None:
    state = after(make_state(full(due_at=due_at, interval_s=interval_s)), now)

    assert member_of(state).due_at <= now + interval_s + 0.001
    assert not rebase_instants(state, now)


@pytest.mark.parametrize(
    ("now", "uptime_s", "is_believed"),
    [
        (NOW, 5.0, True),
        (NOW + DAY_S, 5.0, True),
        (NOW - 0.5, 5.0, True),
        (NOW - 3600, 5.0, False),
        (NOW - 3600, 601.0, True),
        (60.0, 5.0, False),
        (60.0, 1e6, False),
    ],
)
def test_a_clock_that_was_never_set_is_not_believed_nor_one_that_lies_behind_just_after_a_boot(
    now: float, uptime_s: float, is_believed: bool
) -> None:
    assert bool(explain_distrust(now, NOW, uptime_s)) is not is_believed
