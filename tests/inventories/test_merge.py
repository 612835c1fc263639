import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.model import Node
from plabctl.inventories.merge import merge

SOURCE = "file:/nodes"


def nodes(*names: str, source: str = SOURCE, **variables: str) -> list[Node]:
    return [Node(name, variables, source, added_at=5.0) for name in names]


def test_new_nodes_join_vanished_ones_leave_and_the_rest_stays() -> None:
    difference = merge(nodes("a", "b", "c"), nodes("b", "c", "d"), SOURCE)

    assert [node.name for node in difference.joins] == ["d"]
    assert difference.leaves == ("a",)
    assert difference.changed == ()
    assert difference.refusal == ""


def test_a_node_with_new_variables_changes_and_keeps_all_else() -> None:
    difference = merge(nodes("a", "b", site="x"), [*nodes("a", site="y"), *nodes("b", site="x")], SOURCE)

    assert difference.changed == (Node("a", {"site": "y"}, SOURCE, 5.0),)
    assert not difference.joins + difference.changed[1:]
    assert difference.leaves == ()


def test_the_same_list_again_changes_nothing() -> None:
    assert not merge(nodes("a", "b"), nodes("b", "a"), SOURCE)


def test_nodes_of_others_neither_change_nor_leave_nor_join_again() -> None:
    current = [*nodes("a"), *nodes("b", source="operator"), *nodes("c", source="command:x")]

    assert not merge(current, nodes("a", "b", site="new")[1:] + nodes("a", "c"), SOURCE)


@pytest.mark.parametrize(
    ("had", "lists", "believed"), [(10, 5, True), (10, 4, False), (1, 0, False), (0, 0, True), (3, 1, False)]
)
def test_a_source_that_suddenly_lists_less_than_half_is_not_believed(had: int, lists: int, believed: bool) -> None:
    names = [f"n{number}" for number in range(had)]

    difference = merge(nodes(*names), nodes(*names[:lists]), SOURCE)

    assert (difference.refusal == "") is believed
    assert len(difference.leaves) == (had - lists if believed else 0)
    if not believed:
        assert not difference
        assert f"and had {had}" in difference.refusal


def test_nodes_that_others_own_do_not_make_a_list_look_longer() -> None:
    current = [*nodes("a", "b", "c", "d"), *nodes("w", "x", "y", "z", source="operator")]

    assert merge(current, nodes("a", "w", "x", "y", "z"), SOURCE).refusal


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_after_a_merge_the_source_has_exactly_what_it_lists_but_for_what_others_own(
    had: set[int], lists: set[int], others: set[int]
) -> None:
    current = [*nodes(*(f"n{n}" for n in had - others)), *nodes(*(f"n{n}" for n in others), source="operator")]

    difference = merge(current, nodes(*(f"n{n}" for n in lists)), SOURCE)

    own = {node.name for node in current if node.source == SOURCE}
    after = (own | {node.name for node in difference.joins}) - set(difference.leaves)
    assert after == (own if difference.refusal else {f"n{n}" for n in lists - others})
    assert not set(difference.leaves) & {f"n{n}" for n in others}
