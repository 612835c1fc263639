"""Which nodes are tested at once when the user, key or port of the configuration changes."""

from dataclasses import replace

import pytest

from plabctl.core.access import ACCESS_NOTE, Access, retest_refused
from plabctl.core.model import Cause, Member, Outcome, Verdict
from plabctl.core.state import Changes
from tests.builders import NOW, make_claim, make_member, make_state

ACCESS = Access("plab", 22, "/etc/key", NOW - 5)
LATER = NOW + 3600


def refused(node: str, cause: Cause = Cause.AUTH, at: float = NOW - 60) -> Member:
    last = Verdict(Outcome.FAIL, cause, "", at, 1.0)
    return make_member(node, "bad", due_at=LATER, last=last)


@pytest.mark.parametrize("cause", [Cause.AUTH, Cause.HOST_KEY, Cause.CONNECT, Cause.DNS, Cause.PROTOCOL, Cause.SUDO])
def test_what_was_refused_before_the_change_is_due_at_once(cause: Cause) -> None:
    changes = retest_refused(make_state(refused("n1", cause)), ACCESS, NOW - 5, NOW)

    assert [(member.node, member.due_at) for member in changes.members] == [("n1", NOW)]
    assert changes.notes == ACCESS_NOTE.write(ACCESS)


def test_nodes_behind_a_jump_host_that_failed_are_due_once_another_way_is_configured() -> None:
    last = Verdict(Outcome.UNKNOWN, Cause.JUMP, "jump host 'gate': connection refused", NOW - 60, 1.0)
    state = make_state(make_member("n1", due_at=LATER, last=last))

    assert [member.due_at for member in retest_refused(state, ACCESS, NOW - 5, NOW).members] == [NOW]


def test_what_failed_for_another_reason_or_later_waits() -> None:
    state = make_state(
        refused("check", Cause.CHECK),
        refused("later", at=NOW - 1),
        make_member("passed", due_at=LATER, last=Verdict(Outcome.PASS, None, "", NOW - 60, 1.0)),
        make_member("new", "bad", due_at=NOW),
        replace(refused("absent"), absent_since_at=NOW - 10),
    )

    assert retest_refused(state, ACCESS, NOW - 5, NOW).members == ()


def test_the_same_access_changes_nothing() -> None:
    state = make_state(refused("n1"))
    state.apply(Changes(notes=ACCESS_NOTE.write(ACCESS)))

    assert not retest_refused(state, ACCESS, NOW - 5, NOW)
    for other in ({"key_changed_at": NOW - 2}, {"jump": "gate"}, {"ssh_config_changed_at": NOW - 2}):
        assert retest_refused(state, ACCESS._replace(**other), NOW - 2, NOW).members


def test_what_is_noted_is_read_again() -> None:
    access = ACCESS._replace(jump="gate other", ssh_config_changed_at=NOW)

    for each in (access, ACCESS, Access()):
        state = make_state()
        state.apply(Changes(notes=ACCESS_NOTE.write(each)))
        assert ACCESS_NOTE.read(state.notes) == each


def test_a_renewed_certificate_is_a_reason_to_test_those_alone_that_it_may_mend() -> None:
    def unknown(node: str, cause: Cause) -> Member:
        return make_member(node, due_at=LATER, last=Verdict(Outcome.UNKNOWN, cause, "", NOW - 60, 1.0))

    state = make_state(
        refused("auth"),
        refused("dead", Cause.CONNECT),
        unknown("expired", Cause.LOCAL),
        unknown("nearly", Cause.AUTH),
        unknown("no opinion", Cause.NO_OPINION),
    )
    state.apply(Changes(notes=ACCESS_NOTE.write(ACCESS)))
    changes = retest_refused(state, ACCESS._replace(certificate_changed_at=NOW - 5), NOW - 5, NOW)

    assert [member.node for member in changes.members] == ["auth", "expired", "nearly"]


def test_a_test_that_was_begun_before_the_change_decides_nothing() -> None:
    old, new = (make_claim(name, started_at=at) for name, at in (("n1", NOW - 10), ("n2", NOW - 1)))
    changes = retest_refused(make_state(refused("n1"), refused("n2"), claims=(old, new)), ACCESS, NOW - 5, NOW)

    assert changes.claims == (replace(old, superseded=True),)
