"""What the views say of liveness checks."""

from plabctl.core.liveness import Liveness, call_check
from plabctl.core.settings import LivenessSettings, Settings
from plabctl.values import replace
from plabctl.views.logins import LoginView, view_login
from plabctl.views.node import ViewContext, list_node_views
from tests.builders import NOW, make_member, make_settings, make_state

KNOWN = Liveness(NOW + 40, 200.0, NOW - 160, 1)


def checking() -> Settings:
    base = make_settings()
    return replace(base, pools={name: replace(pool, liveness=LivenessSettings(8)) for name, pool in base.pools.items()})


def test_a_list_says_when_each_node_last_answered() -> None:
    state = make_state(make_member("n1", liveness=KNOWN), make_member("n2"), make_member("n3", liveness=Liveness()))

    views = list_node_views(ViewContext(checking(), state, NOW), ["n1", "n2", "n3"])

    assert [view.answered_at for view in views] == [NOW - 160, None, None]


def test_where_no_pool_makes_checks_nothing_is_said_of_them() -> None:
    state = make_state(make_member("n1", liveness=KNOWN))

    (view,) = list_node_views(ViewContext(make_settings(), state, NOW), ["n1"])

    assert view.answered_at is None
    assert view_login(make_member(liveness=KNOWN), make_settings()) is None


def test_one_node_says_when_it_is_asked_next() -> None:
    assert view_login(make_member(liveness=KNOWN), checking()) == LoginView(NOW - 160, NOW + 40, 200.0, 1, None)


def test_a_called_check_says_why_also_where_no_pool_makes_checks() -> None:
    member = call_check(make_member(), NOW, "released")

    assert view_login(member, make_settings()) == LoginView(None, NOW, 0.0, 0, "released")


def test_absent_nodes_are_not_asked() -> None:
    view = view_login(make_member(liveness=KNOWN, absent_since_at=NOW), checking())

    assert view is not None
    assert view.due_at is None
