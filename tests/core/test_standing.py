import pytest

from plabctl.core.model import Cause, Hold, Member, Outcome, Verdict
from plabctl.core.standing import Standing, list_standings
from tests.builders import NOW, make_member, make_settings, make_state

PASSED = Verdict(Outcome.PASS, None, "", NOW - 1, 1.0)
FAILED = Verdict(Outcome.FAIL, Cause.SETUP, "exit code 2", NOW - 1, 1.0)
UNKNOWN = Verdict(Outcome.UNKNOWN, Cause.LOCAL, "no route from here", NOW - 1, 1.0)
HELD = Hold("ada", "repair", NOW - 9)
FOLLOWED = Hold("slurm:ada", "broken fan", NOW - 9)


def find_standing(member: Member) -> Standing:
    [standing] = list_standings(make_state(member), make_settings(), NOW, "slurm:")
    return standing


@pytest.mark.parametrize(
    ("member", "why_not", "is_decided"),
    [
        (make_member(last=PASSED, ok_streak=1), "", True),
        (make_member(), "", True),
        (make_member(pool="bad"), "in bad", False),
        (make_member(pool="bad", last=UNKNOWN), "in bad", False),
        (make_member(pool="bad", last=UNKNOWN, fail_streak=2), "in bad", True),
        (make_member(pool="bad", last=FAILED, fail_streak=1), "setup: exit code 2", True),
        (make_member(pool="bad", last=PASSED, ok_streak=1), "in bad", True),
        (make_member(last=PASSED, hold=HELD), "held by ada: repair", True),
        (make_member(last=PASSED, hold=FOLLOWED), "", True),
        (make_member(pool="bad", last=FAILED, fail_streak=1, hold=FOLLOWED), "setup: exit code 2", True),
        (make_member(last=PASSED, absent_since_at=NOW), "absent: no longer listed by its inventory", True),
    ],
)
def test_it_says_why_a_node_is_not_usable(member: Member, why_not: str, is_decided: bool) -> None:
    standing = find_standing(member)

    assert (standing.why_not, standing.is_decided) == (why_not, is_decided)
    assert standing.is_followed == (member.hold is FOLLOWED)
