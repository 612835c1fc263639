import pytest

from plabctl.core.model import Hold, Member
from plabctl.core.suspicion import Suspicion
from plabctl.core.usable import explain_unusable, is_usable
from tests.builders import NOW, make_member

HELD = Hold("ada", "repair", NOW - 9)
MOVED = Hold("ada", "I have seen it", NOW - 9, NOW + 9, is_move=True)


@pytest.mark.parametrize(
    ("member", "why_not"),
    [
        (make_member(), None),
        (make_member(ok_streak=3), None),
        (make_member(absent_since_at=NOW), "absent: no longer listed by its inventory"),
        (make_member(hold=HELD), "held by ada"),
        (make_member(hold=Hold("ada", "over", NOW - 9, NOW)), None),
        (make_member(pool="bad"), "in bad"),
        (make_member(pool="bad", hold=MOVED), "moved to bad by ada"),
        (
            make_member(pool="bad", suspicion=Suspicion("good", NOW, 1, NOW)),
            "suspect: it failed once and is tested again",
        ),
        (make_member(fail_streak=1), "its last test failed"),
        (make_member(fail_streak=1, suspicion=Suspicion("good", NOW, 1, NOW)), "its last test failed"),
        (make_member(fail_streak=9, hold=MOVED), None),
        (make_member(fail_streak=9, hold=MOVED, absent_since_at=NOW), "absent: no longer listed by its inventory"),
    ],
)
def test_a_node_is_usable_or_it_is_said_why_not(member: Member, why_not: str | None) -> None:
    assert explain_unusable(member, NOW, is_in_good=member.pool == "good") == why_not
    assert is_usable(member, NOW, {"good"}) is (why_not is None)
