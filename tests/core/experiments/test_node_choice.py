"""Which nodes an experiment of a count takes when it is to be spread."""

from dataclasses import replace

from plabctl.core.experiments.node_choice import choose_best
from plabctl.core.state import Changes
from tests.builders import NOW, make_member, make_node, make_settings
from tests.core.experiments.virtual_testbed import wanted
from tests.memory_state import MemoryState

SPREAD = replace(wanted(), spread="site")


def world(**sites: str) -> MemoryState:
    """Nodes at the first letter of these sites, each steadier than the next."""
    members = [make_member(name, good_ratio=0.9 - number / 10, since_at=NOW) for number, name in enumerate(sites)]
    nodes = [make_node(name, site=site) for name, site in sites.items()]
    return MemoryState(Changes(nodes=tuple(nodes), members=tuple(members)))


def chosen(state: MemoryState, count: int, kept: tuple[str, ...] = ()) -> list[str]:
    free = [name for name in state.names() if name not in kept]
    return choose_best(state, make_settings(), SPREAD, free, kept, count, NOW)


def test_each_goes_where_there_are_the_fewest_and_there_to_the_steadiest() -> None:
    state = world(n1="a", n2="a", n3="a", n4="b", n5="b", n6="c")

    assert chosen(state, 6) == ["n1", "n4", "n6", "n2", "n5", "n3"]


def test_what_it_has_already_counts() -> None:
    state = world(n1="a", n2="a", n3="a", n4="b")

    assert chosen(state, 2, kept=("n1",)) == ["n4", "n2"]


def test_where_there_are_as_many_the_steadier_one_is_taken() -> None:
    state = world(n1="a", n2="b", n3="b", n4="a")

    assert chosen(state, 2, kept=("n1",)) == ["n2", "n3"]


def test_where_there_are_fewer_than_wanted_all_are_taken() -> None:
    assert chosen(world(n1="a", n2="b"), 5) == ["n1", "n2"]
