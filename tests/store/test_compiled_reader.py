"""A row that is read straight from a document holds what the node and the member hold, for few nodes and for many."""

from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.due_rows import NodeFields
from plabctl.core.model import Member, Node
from plabctl.core.suspicion import Suspicion
from plabctl.store import codec
from plabctl.store.codec import make_row_reader
from plabctl.values import fields
from plabctl.views.node import NODE_FACTS
from tests.builders import make_member, make_node
from tests.store.test_codec import ANY_FIELDS, NODES, through_the_file

POOLS = st.sampled_from(["good", "bad"])
_NAMES = ["variables", "source", "added_at", *(field.name for field in fields(Member))]
ALL_FIELDS: NodeFields[Any] = NodeFields(cast("Any", NamedTuple("Everything", [(name, Any) for name in _NAMES])))
FEW, MANY = 1, 1000


@pytest.mark.parametrize("count", [FEW, MANY])
@given(node=NODES, data=st.data())
def test_a_row_holds_what_the_values_hold(count: int, node: Node, data: st.DataObject) -> None:
    fields = ANY_FIELDS | {"pool": POOLS, "suspicion": st.none() | st.builds(Suspicion, POOLS)}
    member = data.draw(st.builds(Member, node=st.just(node.name), **fields))
    doc = through_the_file(codec.encode_node(node, codec.encode_member(member)))

    assert make_row_reader(NODE_FACTS, count)(node.name, doc) == NODE_FACTS.read(node, member)
    assert make_row_reader(ALL_FIELDS, count)(node.name, doc) == ALL_FIELDS.read(node, member)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_row_of_a_new_member_has_the_defaults(count: int) -> None:
    member = make_member()
    doc = {"member": codec.encode_member(member)}

    assert make_row_reader(NODE_FACTS, count)("n1", doc) == NODE_FACTS.read(make_node("n1"), member)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_field_that_must_be_there_is_missed(count: int) -> None:
    doc = {"member": codec.encode_member(make_member())}
    del doc["member"]["pool"]

    with pytest.raises(KeyError):
        make_row_reader(NODE_FACTS, count)("n1", doc)


def test_two_kinds_of_plain_tuples_are_told_apart() -> None:
    doc = {"member": codec.encode_member(make_member())}
    pools: NodeFields[tuple[str]] = NodeFields(tuple, ("pool",))
    names: NodeFields[tuple[str]] = NodeFields(tuple, ("node",))

    assert [make_row_reader(pools, MANY)("n1", doc), make_row_reader(names, MANY)("n1", doc)] == [("good",), ("n1",)]


def test_a_field_that_no_node_has_is_refused() -> None:
    with pytest.raises(TypeError, match="mood"):
        NodeFields(tuple, ("mood",))
