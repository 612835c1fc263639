"""Which nodes were seen lately, set against a look at all of them."""

from math import inf

import hypothesis.strategies as st
from hypothesis import given, settings

from plabctl.core.liveness import Liveness
from plabctl.core.model import Member
from plabctl.store import codec
from plabctl.store.recent_index import RecentIndex
from plabctl.store.tables import NODES, empty_tables
from tests.builders import make_member, make_node

instants = st.integers(0, 2).map(float)
members = st.builds(
    make_member,
    node=st.sampled_from(["a", "b", "c"]),
    probed_at=st.none() | instants,
    liveness=st.none() | st.builds(Liveness, answered_at=st.none() | instants),
)
steps = st.lists(st.tuples(st.lists(members, max_size=3), st.sets(st.just("a")), instants), min_size=2, max_size=8)


def find_seen_at(member: Member) -> float:
    answered_at = member.liveness.answered_at if member.liveness else None
    return max((at for at in (member.probed_at, answered_at) if at is not None), default=-inf)


@settings(max_examples=60)
@given(steps)
def test_after_any_changes_it_is_what_a_look_at_all_nodes_finds(
    steps: list[tuple[list[Member], set[str], float]],
) -> None:
    tables = empty_tables()
    nodes, kept = tables[NODES], RecentIndex(tables)
    for changed, removed, since_at in steps:
        for member in changed:
            nodes[member.node] = codec.encode_node(make_node(member.node), codec.encode_member(member))
            kept.note(NODES, [member.node])
        for name in removed & nodes.keys():
            del nodes[name]
            kept.note(NODES, [name])

        known = [(codec.decode_node(name, doc), codec.decode_member(name, doc)) for name, doc in nodes.items()]
        known.sort(key=lambda each: (find_seen_at(each[1]), each[0].name))
        assert kept.list_recent(since_at) == [each for each in known if find_seen_at(each[1]) >= since_at]
