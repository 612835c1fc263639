from plabctl.views.node import view_node
from tests.builders import NOW, make_member, make_node, make_settings


def test_a_node_in_a_pool_that_is_no_longer_configured_is_not_usable() -> None:
    view = view_node(make_node("n1"), make_member("n1", "spare"), None, make_settings(), NOW)

    assert (view.is_usable, view.why_not, view.passes_needed) == (False, "in spare", None)


def test_a_node_in_good_of_which_there_is_nothing_else_to_say_is_usable() -> None:
    view = view_node(make_node("n1"), make_member("n1"), None, make_settings(), NOW)

    assert (view.is_usable, view.why_not) == (True, None)
