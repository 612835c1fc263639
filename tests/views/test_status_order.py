"""People see first what needs them; programs and people sort by any field."""

import pytest

from plabctl.core.model import Cause
from plabctl.core.names import sort_names
from plabctl.errors import UsageFault
from plabctl.views.node import list_node_views
from plabctl.views.status_order import filter_cause, sort_by_need, sort_names_by
from tests.builders import NOW
from tests.render.examples import FAILED, PASSED, make_context, make_every_kind, make_pair

KINDS = make_every_kind()
NAMES = sort_names(KINDS.state.names())


def test_bad_comes_before_good_and_what_somebody_knows_of_in_between() -> None:
    context = make_context(
        make_pair("n1", last=PASSED),
        make_pair("n2", last=FAILED, fail_streak=1),
        make_pair("n3", "bad", last=PASSED, ok_streak=1),
        *((node, member) for node, member in zip(KINDS.state.nodes(), KINDS.state.members(), strict=True)),
        make_pair("n10", "bad", last=FAILED, fail_streak=2),
        make_pair("n9", "bad", last=FAILED, fail_streak=2),
        make_pair("n4", last=PASSED, absent_since_at=NOW - 5.0),
    )
    wanted = ["bad", "n9", "n10", "n3", "new", "suspect", "n2", "held", "n4", "asked", "busy", "good", "labelled", "n1"]

    order = sort_by_need(list_node_views(context, sort_names(context.state.names())))

    assert [view.name.removesuffix(".example.org") for view in order] == [*wanted, "over"]


def test_a_cause_chooses_the_nodes_whose_last_test_ended_so() -> None:
    assert list(filter_cause(KINDS, NAMES, Cause.CONNECT)) == ["bad.example.org", "suspect.example.org"]
    assert not list(filter_cause(KINDS, NAMES, Cause.AUTH))


@pytest.mark.parametrize("field", ["fail_streak", "due", "cause", "last.reason", "last_reason", "site", "rack", "held"])
def test_every_field_and_label_sorts_all_nodes(field: str) -> None:
    assert sorted(sort_names_by(KINDS, NAMES, field)) == sorted(NAMES)


def test_the_highest_come_first_after_a_minus_and_unknown_ones_always_last() -> None:
    context = make_context(
        make_pair("n1", variables={"rack": "2"}), make_pair("n2"), make_pair("n3", variables={"rack": "10"})
    )

    assert sort_names_by(context, ["n1", "n2", "n3"], "rack") == ["n1", "n3", "n2"]
    assert sort_names_by(context, ["n1", "n2", "n3"], "-rack") == ["n3", "n1", "n2"]
    assert sort_names_by(context, ["n3", "n2", "n1"], "name") == ["n1", "n2", "n3"]


def test_what_is_no_field_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageFault, match="raeson") as refused:
        sort_names_by(KINDS, NAMES, "raeson")

    assert "last.reason" in str(refused.value.hint)


def test_every_field_that_a_refusal_offers_is_one() -> None:
    with pytest.raises(UsageFault) as refused:
        sort_names_by(KINDS, NAMES, "nothing-like-it")
    offered = str(refused.value.hint).removeprefix("there are: ").split(", ")

    assert {"name", "last.reason", "rack"} <= set(offered)
    for field in offered:
        assert sorted(sort_names_by(KINDS, NAMES, field)) == sorted(NAMES), field
