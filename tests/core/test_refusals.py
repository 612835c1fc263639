"""An sshd that turns us away counts for nothing for an hour, and then as a failure."""

from random import Random

from plabctl.core.model import Cause, Member
from plabctl.core.pools.base import build_pools
from plabctl.core.refusals import LONGEST_S
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from tests.builders import NOW, make_claim, make_member, make_report, make_settings, make_state
from tests.memory_state import MemoryState

SETTINGS = make_settings()


def probed(state: MemoryState, what: str, at: float) -> Member:
    """The node after a probe that passed, failed, was turned away or could not be made."""
    outcome = "unknown" if what == "turned away" else what
    fields = {"cause": Cause.PROTOCOL, "reason": "Exceeded MaxStartups"} if what == "turned away" else {}
    state.apply(Changes(claims=(make_claim("n1"),)))
    report = make_report("n1", outcome, **fields)
    state.apply(settle(state, [report], build_pools(SETTINGS), at, Random(1)))
    member = state.member("n1")
    assert member is not None
    return member


def test_being_turned_away_moves_nobody_and_counts_for_nothing_for_an_hour() -> None:
    state = make_state(make_member(ok_streak=5))
    for minute in range(0, 60, 5):
        member = probed(state, "turned away", NOW + 60 * minute)

        assert (member.pool, member.ok_streak, member.fail_streak) == ("good", 5, 0)
        assert member.due_at == NOW + 60 * minute + 300


def test_a_node_that_lets_nobody_in_for_an_hour_leaves_like_any_that_fails() -> None:
    state = make_state(make_member(ok_streak=5))
    probed(state, "turned away", NOW)
    probed(state, "unknown", NOW + 1800)

    suspect = probed(state, "turned away", NOW + LONGEST_S)
    assert suspect.is_suspect
    moved = probed(state, "turned away", NOW + LONGEST_S + 5)
    assert (moved.pool, moved.penalty) == ("bad", 1.0)
    assert moved.last
    assert moved.last.reason == "for an hour and more, Exceeded MaxStartups"


def test_one_verdict_in_between_starts_the_hour_anew() -> None:
    for verdict in ("pass", "fail"):
        state = make_state(make_member("n1", "bad", fail_streak=1))
        probed(state, "turned away", NOW)
        probed(state, verdict, NOW + 1800)

        assert probed(state, "turned away", NOW + LONGEST_S + 1).refused_since_at == NOW + LONGEST_S + 1


def test_only_an_sshd_that_turns_us_away_is_doubted() -> None:
    state = make_state(make_member(ok_streak=5))
    state.apply(Changes(claims=(make_claim("n1"),)))
    garbage = make_report("n1", "fail", cause=Cause.PROTOCOL, reason="no SSH banner")
    state.apply(settle(state, [garbage], build_pools(SETTINGS), NOW, Random(1)))

    member = state.member("n1")
    assert member
    assert member.is_suspect, "what fails fails at once"
    assert member.refused_since_at is None


def test_what_is_wrong_with_this_machine_never_becomes_a_failure() -> None:
    state = make_state(make_member(ok_streak=5))
    for hour in range(3):
        member = probed(state, "unknown", NOW + hour * LONGEST_S)

        assert (member.pool, member.fail_streak, member.refused_since_at) == ("good", 0, None)
