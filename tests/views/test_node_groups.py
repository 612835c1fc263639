"""Groups of nodes by state, pool, site and label, and what they are called."""

from collections.abc import Iterable

from plabctl.core.model import Hold
from plabctl.core.suspicion import Suspicion
from plabctl.views.node import list_node_views
from plabctl.views.node_groups import MAX_NAME, Facet, group_nodes, list_unknown_labels, name_groups, replace_odd
from tests.builders import NOW
from tests.render.examples import make_context, make_pair


def name(facet: Facet) -> str:
    return replace_odd(f"{facet.kind}_{facet.value}", r"\W")


def name_labels(*values: str, reserved: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    facets = [Facet("site", value, is_label=True) for value in values]
    names, remarks = name_groups(facets, name, set(reserved))
    return [names[facet] for facet in facets], remarks


def test_a_node_is_in_the_groups_of_its_state_pool_and_labels() -> None:
    context = make_context(
        make_pair("good", variables={"site": "north", "role": "web, db"}),
        make_pair("bad", "bad", {"site": "north", "rack": "7"}, stuck_since_at=NOW),
        make_pair("held", hold=Hold("ann", "disk", NOW)),
        make_pair("gone", absent_since_at=NOW),
        make_pair("suspect", "bad", suspicion=Suspicion("good", NOW, 1, NOW)),
    )

    groups = group_nodes(list_node_views(context, context.state.names()), ["good", "bad"], ["role", "site"])

    assert {f"{facet.kind}={facet.value}": " ".join(nodes) for facet, nodes in groups.items()} == {
        "state=usable": "good",
        "state=unusable": "bad held suspect",
        "state=held": "held",
        "state=suspect": "suspect",
        "state=stuck": "bad",
        "state=busy": "",
        "state=absent": "gone",
        "pool=good": "good held gone",
        "pool=bad": "bad suspect",
        "site=north": "good bad",
        "role=web": "good",
        "role=db": "good",
    }
    assert list_unknown_labels(groups, ["role", "rank"]) == ["no node has a label 'rank'"]


def test_a_name_that_several_would_have_is_of_none_of_them_and_told() -> None:
    (alone,), no_remarks = name_labels("a b")
    (one, two, other), (remark,) = name_labels("a b", "a_b", "c")

    assert (alone, other, no_remarks) == ("site_a_b", "site_c", [])
    assert len({one, two, alone}) == 3
    assert remark == f"several groups would be called site_a_b: {one} for site='a b', {two} for site='a_b'"
    assert name_labels("a_b", "x", "a b")[0] == [two, "site_x", one], "whatever the order and the others"


def test_a_name_that_stands_for_something_else_or_is_long_gets_a_suffix() -> None:
    (reserved,), (remark,) = name_labels("a", reserved=["site_a"])
    (one, two), no_remarks = name_labels("x" * 1000 + "1", "x" * 1000 + "2")

    assert reserved.startswith("site_a_")
    assert remark == f"named {reserved} for site='a'"
    assert one != two
    assert len(one) == len(two) == MAX_NAME + 9
    assert no_remarks == []


def test_a_suffix_makes_no_name_that_another_has() -> None:
    (one, two), _ = name_labels("a b", "a.b")
    names, _ = name_labels("a b", "a.b", one.removeprefix("site_"), two.removeprefix("site_"))

    assert len(set(names)) == 4
