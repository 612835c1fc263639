"""What lists and pages say of the vantages from which a node is tested, and of ways that are lost."""

from typing import Any

import pytest

from plabctl.core.liveness_record import LostWay
from plabctl.core.model import Member, Outcome, Verdict
from plabctl.core.state import Changes
from plabctl.core.vantage import VANTAGES_NOTE, Tally
from plabctl.render.login_lines import explain_ways, format_way_lines
from plabctl.render.status_columns import build_columns
from plabctl.render.status_table import format_guard_lines
from plabctl.values import replace
from plabctl.views.node import NodeView, ViewContext, list_node_views, view_node
from plabctl.views.node_record import NodeRecord
from plabctl.views.status import GuardView, ScopeView
from plabctl.views.status_groups import group_nodes
from tests.builders import NOW, make_member, make_settings, make_state

LOST = LostWay("north", NOW - 600, NOW - 300, NOW + 300, "south", is_told=True)
PASSED = Verdict(Outcome.PASS, None, "", NOW - 60, 1.0)


def member(name: str, vantage: str = "", *ways: LostWay, **fields: Any) -> Member:
    return make_member(name, vantage=vantage, lost_ways=ways, **{"last": PASSED, **fields})


MEMBERS = (
    member("n1", "north"),
    member("n2", "south", LOST),
    member("n3", "south", replace(LOST, is_told=False)),
    member("n4", last=None),
    member("n5"),
)


@pytest.fixture
def context() -> ViewContext:
    state = make_state(*MEMBERS)
    state.apply(Changes(notes=VANTAGES_NOTE.write({"north": Tally(1), "south": Tally()})))
    return ViewContext(make_settings(), state, NOW)


def views(context: ViewContext) -> list[NodeView]:
    return list(list_node_views(context, [each.node for each in MEMBERS]))


def test_a_list_says_from_where_each_node_was_tested_and_from_where_it_is_not_reached(context: ViewContext) -> None:
    assert [(view.vantage, view.lost_from) for view in views(context)] == [
        ("north", None),
        ("south", "north"),
        ("south", None),
        (None, None),
        ("monitor", None),
    ]


def test_a_page_says_the_same(context: ViewContext) -> None:
    node = context.state.node("n2")
    assert node

    view = view_node(node, MEMBERS[1], None, context.settings, NOW)

    assert (view.vantage, view.lost_from) == ("south", "north")


def test_where_all_tests_are_made_from_here_nothing_is_said_of_it() -> None:
    context = ViewContext(make_settings(), make_state(*MEMBERS), NOW)

    assert {(view.vantage, view.lost_from) for view in views(context)} == {(None, None)}


def test_groups_by_vantage_tell_nodes_that_are_not_reached_from_everywhere(context: ViewContext) -> None:
    groups = group_nodes(context, [each.node for each in MEMBERS], "vantage")

    assert {group.value: [*group.names] for group in groups} == {
        "north": ["n1"],
        "south, not from north": ["n2"],
        "south": ["n3"],
        "monitor": ["n5"],
        None: ["n4"],
    }


def test_the_table_remarks_that_a_way_is_lost(context: ViewContext) -> None:
    (remark,) = (column for column in build_columns(context.settings, NOW, {}) if column.title == "REMARK")

    assert [remark.cell(view).text for view in views(context)][:2] == ["", "not reached from north"]


def test_a_guarded_vantage_is_told_first() -> None:
    view = GuardView("on", [ScopeView("vantage north", NOW - 300, "all 3 nodes of site lab are lost")])

    assert format_guard_lines(view, NOW) == [
        "guard came on for vantage north 5m ago, nodes are tested from elsewhere: all 3 nodes of site lab are lost"
    ]


def test_the_pages_of_a_node_say_since_when_and_what_follows(context: ViewContext) -> None:
    node = context.state.node("n2")
    assert node
    subject = NodeRecord(node, MEMBERS[1], None)

    (label, cell), *more = explain_ways(subject, context)

    assert [(label, cell)] == [*format_way_lines(subject, context)]
    assert label == "way lost"
    assert cell.text.startswith("not reached from north since ")
    assert cell.text.endswith(", but from south")
    assert next(line.text for _, line in more).startswith("tested from elsewhere; a login from north follows")
