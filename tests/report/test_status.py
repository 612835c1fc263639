"""The totals of the status."""

from plabctl.report.status import Situation, totals
from tests.builders import NOW, make_claim, make_member, make_settings, make_state


def test_the_window_in_use_is_counted_in_slots_and_not_in_claims_kept_in_hand() -> None:
    members = [make_member(name) for name in ("n1", "n2", "n3", "n4")]
    claims = [make_claim("n1", slot=0), make_claim("n2", slot=1), make_claim("n3", slot=1)]
    over = make_claim("n4", slot=2, deadline_at=NOW - 1)

    assert totals(Situation(make_settings(), make_state(*members, claims=[*claims, over]), NOW)).testing == 2
