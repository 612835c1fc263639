"""A node that says that it is not ready counts for nothing for a while, and then as one that fails."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.model import Cause, Member, Outcome
from plabctl.core.pools.base import build_pools
from plabctl.core.readiness import is_not_ready, weigh_readiness
from plabctl.core.settings import SshSettings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.values import replace
from tests.builders import NOW, make_claim, make_member, make_report, make_settings, make_state
from tests.memory_state import MemoryState

LIMIT_S = SshSettings().not_ready_for_s
SETTINGS = make_settings()
SAID = "the node says that it is not ready: System is booting up"
OURS = {"local": Cause.LOCAL, "interrupted": Cause.INTERRUPTED, "turned away": Cause.PROTOCOL}
"""Answers that say nothing of the node, all unknown."""
OTHERS = {"pass": None, "no opinion": Cause.NO_OPINION, "refused": Cause.CONNECT}
"""Answers of another kind."""
ANSWERS = ("not ready", *OURS, *OTHERS)


def probed(state: MemoryState, what: str, at: float, limit_s: float = LIMIT_S) -> Member:
    """The node after a probe that ended so."""
    cause = {"not ready": Cause.NOT_READY, **OURS, **OTHERS}[what]
    outcome = {"pass": "pass", "refused": "fail"}.get(what, "unknown")
    state.apply(Changes(claims=(make_claim("n1"),)))
    report = make_report("n1", outcome, cause=cause, reason=SAID if what == "not ready" else "")
    settings = replace(SETTINGS, ssh=replace(SETTINGS.ssh, not_ready_for_s=limit_s))
    state.apply(settle(state, [report], build_pools(settings), at, Random(1)))
    member = state.member("n1")
    assert member is not None
    return member


@pytest.mark.parametrize(
    "text",
    [
        "System is booting up. Unprivileged users are not permitted to log in yet. Please come back later.",
        "System is going down. Unprivileged users are not permitted to log in anymore.",
        "The system is going down for reboot at Sat 2026-11-28 15:00:00 UTC!",
        "NO LOGINS: System going down at 15:00",
        "Logins are temporarily disabled.",
        "Down for\n maintenance",
        "Rebooting, back at noon",
    ],
)
def test_it_is_not_ready_in_the_words_of_systems_and_people(text: str) -> None:
    assert is_not_ready(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Access denied by pam_slurm_adopt: you have no active jobs on this node",
        "Your account has expired; please contact your system administrator.",
        "Your password has expired. You must change your password now and log in again!",
        "This account is currently not available.",
        'Please login as the user "ubuntu" rather than the user "root".',
        "You are not allowed to log in: you are not permitted to use this cluster",
        "Too many authentication failures",
    ],
)
def test_what_turns_one_user_away_is_something_else(text: str) -> None:
    assert not is_not_ready(text)


def test_it_counts_for_nothing_until_the_time_is_over_and_then_moves_like_any_failure() -> None:
    state = make_state(make_member(ok_streak=5))
    for minute in (0, 5, 29):
        member = probed(state, "not ready", NOW + 60 * minute)
        assert (member.pool, member.ok_streak, member.fail_streak) == ("good", 5, 0)
        assert member.not_ready_since_at == NOW
        assert member.last
        assert member.last.reason == f"{SAID}; counts as a failure after 30m of that"

    suspect = probed(state, "not ready", NOW + LIMIT_S)
    moved = probed(state, "not ready", NOW + LIMIT_S + 5)

    assert suspect.is_suspect
    assert (moved.pool, moved.penalty, moved.fail_streak) == ("bad", 1.0, 2)
    assert moved.last
    assert moved.last.reason == f"for 30m and more, {SAID}"


def test_a_sentence_is_not_ended_twice() -> None:
    report = make_report("n1", "unknown", cause=Cause.NOT_READY, reason="it says: Come back later.")

    _, found = weigh_readiness(make_member(), report, LIMIT_S, NOW)
    assert found.reason == "it says: Come back later; counts as a failure after 30m of that"


def test_in_bad_it_keeps_its_streaks_until_the_time_is_over() -> None:
    state = make_state(make_member("n1", "bad", ok_streak=2, penalty=5.0, penalty_at=NOW))

    assert probed(state, "not ready", NOW).ok_streak == 2
    assert probed(state, "pass", NOW + 60).not_ready_since_at is None
    probed(state, "not ready", NOW + 120)
    assert probed(state, "not ready", NOW + 120 + LIMIT_S).fail_streak == 1


def test_without_a_while_it_is_a_failure_at_once() -> None:
    member = probed(make_state(make_member(ok_streak=5)), "not ready", NOW, limit_s=0.0)

    assert member.is_suspect
    assert member.last
    assert member.last.reason == SAID


@given(
    answers=st.lists(st.tuples(st.sampled_from(ANSWERS), st.floats(0, 1200)), max_size=25),
    limit_s=st.sampled_from([0.0, 1.0, 600.0, 1800.0]),
)
def test_any_answers_lead_to_a_failure_no_earlier_and_no_later_than_is_said(
    answers: list[tuple[str, float]], limit_s: float
) -> None:
    member, now, began = make_member(), NOW, None
    for what, later_s in answers:
        now += later_s
        cause = {"not ready": Cause.NOT_READY, **OURS, **OTHERS}[what]
        outcome = {"pass": "pass", "refused": "fail"}.get(what, "unknown")
        raw = make_report("n1", outcome, cause=cause, reason=SAID)
        member, found = weigh_readiness(member, raw, limit_s, now)
        if what == "not ready":
            began = now if began is None else began
            is_failure = now - began >= limit_s
            assert found.outcome is (Outcome.FAIL if is_failure else Outcome.UNKNOWN)
        else:
            assert found == raw
            began = None if what in OTHERS else began
        assert member.not_ready_since_at == began


def test_a_long_message_leaves_room_for_what_is_said_of_it() -> None:
    report = make_report("n1", "unknown", cause=Cause.NOT_READY, reason="x" * 500)

    for at in (NOW, NOW + LIMIT_S):
        _, found = weigh_readiness(make_member(not_ready_since_at=NOW), report, LIMIT_S, at)
        assert len(found.reason) <= 500
        assert "30m" in found.reason
