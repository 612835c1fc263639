import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.gate import can_test_open, check_nodes, explain_closed
from plabctl.core.model import Cause, Hold, Member, Outcome, Verdict
from plabctl.core.usable import is_usable
from tests.builders import NOW, make_member, make_state

FRESH_S = 900.0
MOVED = Hold("ada", "I have seen it", NOW - 9, NOW + 9, is_move=True)
HELD = Hold("ada", "repair", NOW - 9)


def passed(ago_s: float) -> Verdict:
    return Verdict(Outcome.PASS, None, "", NOW - ago_s, 1.0)


FAILED = Verdict(Outcome.FAIL, Cause.SETUP, "exit code 2", NOW - 1, 1.0)
UNKNOWN = Verdict(Outcome.UNKNOWN, Cause.LOCAL, "no route from here", NOW - 1, 1.0)


@pytest.mark.parametrize(
    ("member", "why_not"),
    [
        (make_member(last=passed(0)), None),
        (make_member(last=passed(FRESH_S)), None),
        (make_member(last=passed(FRESH_S + 1)), "no test passed within 15m"),
        (make_member(last=passed(-60)), "no test passed within 15m"),
        (make_member(), "no test passed within 15m; never tested"),
        (make_member(last=UNKNOWN), "no test passed within 15m: local: no route from here"),
        (make_member(last=FAILED, fail_streak=1), "its last test failed: setup: exit code 2"),
        (make_member(last=FAILED, fail_streak=1, hold=MOVED), None),
        (make_member(last=passed(0), hold=HELD), "held by ada"),
        (make_member(pool="bad", last=FAILED, fail_streak=9), "in bad: setup: exit code 2"),
        (make_member(pool="bad", last=passed(0)), "in bad"),
        (make_member(last=FAILED, absent_since_at=NOW), "absent: no longer listed by its inventory"),
        (None, "no such node any more"),
    ],
)
def test_a_node_is_let_through_or_it_is_said_why_not(member: Member | None, why_not: str | None) -> None:
    assert explain_closed(member, NOW, FRESH_S, {"good"}) == why_not


@pytest.mark.parametrize(
    ("member", "can"),
    [
        (make_member(), True),
        (make_member(pool="bad"), True),
        (make_member(hold=HELD), False),
        (make_member(pool="bad", hold=MOVED), False),
        (make_member(hold=Hold("ada", "over", NOW - 9, NOW)), True),
        (make_member(absent_since_at=NOW), False),
    ],
)
def test_what_no_test_can_make_usable_is_not_tested(member: Member, can: bool) -> None:
    assert can_test_open(member, NOW) is can


@given(
    pool=st.sampled_from(["good", "bad"]),
    fail_streak=st.integers(0, 2),
    hold=st.sampled_from([None, HELD, MOVED]),
    absent=st.sampled_from([None, NOW]),
    last=st.sampled_from([None, FAILED, UNKNOWN]) | st.floats(-100, 2000).map(passed),
)
def test_nobody_passes_who_is_not_usable(
    pool: str, fail_streak: int, hold: Hold | None, absent: float | None, last: Verdict | None
) -> None:
    member = make_member(pool=pool, fail_streak=fail_streak, hold=hold, absent_since_at=absent, last=last)

    if explain_closed(member, NOW, FRESH_S, {"good"}) is None:
        assert is_usable(member, NOW, {"good"})
        assert hold is MOVED or (last is not None and 0 <= NOW - last.at <= FRESH_S)


def test_one_node_that_is_kept_out_closes_the_gate() -> None:
    state = make_state(make_member("pc1", last=passed(60)), make_member("pc2", pool="bad", last=FAILED))

    both = check_nodes(state, ["pc1", "pc2"], NOW, FRESH_S, {"good"}, tested={"pc2"})

    assert [(node.name, node.why_not, node.passed_at, node.is_tested_now) for node in both.nodes] == [
        ("pc1", None, NOW - 60, False),
        ("pc2", "in bad: setup: exit code 2", None, True),
    ]
    assert (both.is_open, both.exit_code) == (False, 1)
    assert check_nodes(state, ["pc1"], NOW, FRESH_S, {"good"}).exit_code == 0
    assert check_nodes(state, ["pc1"], NOW, FRESH_S, {"good"}, signal_code=143).exit_code == 143
