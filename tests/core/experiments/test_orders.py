"""What is refused, and how clearly."""

from dataclasses import replace

import pytest

from plabctl.core import orders as node_orders
from plabctl.core.experiments import orders
from plabctl.core.experiments.model import Experiment
from plabctl.errors import NoSuchExperiment, NoSuchNode, PlabctlError, Refused, UsageFault
from tests.builders import make_recipe, make_settings
from tests.core.experiments.world import Testbed, wanted

RECIPES = {
    "process": make_recipe(),
    "fleeting": make_recipe("fleeting", teardown=None),
    "idle": make_recipe("idle", setup=None, up=None),
}


@pytest.fixture
def bed() -> Testbed:
    bed = Testbed("n1", "n2", "held", settings=make_settings(recipes=RECIPES))
    bed.apply(node_orders.hold(bed.state, ["held"], bed.order(), None))
    bed.swap_in(wanted("there", nodes=("n1",)))
    bed.work()
    bed.swap_in(wanted("leaving", nodes=("n1",)))
    bed.start()
    bed.swap_out("leaving")
    return bed


@pytest.mark.parametrize(
    ("experiment", "error", "said"),
    [
        (wanted("there", nodes=("n2",)), Refused, "experiment 'there' is there already"),
        (wanted("leaving", nodes=("n2",)), Refused, "experiment 'leaving' is still being swapped out"),
        (wanted("good", nodes=("n2",)), Refused, "'good' is the name of a pool"),
        (wanted("No Name", nodes=("n2",)), UsageFault, "'No Name' is no name for an experiment"),
        (wanted(nodes=("n2", "nx")), NoSuchNode, "no node is named 'nx'"),
        (wanted(nodes=("n2", "held")), Refused, "'held' is held by ada"),
        (wanted(nodes=("n2",), recipe="fleeting"), Refused, "recipe 'fleeting' has no teardown"),
        (wanted(nodes=("n2",), recipe="idle"), Refused, "recipe 'idle' has no setup"),
        (wanted(nodes=("n2",), recipe="nope"), Refused, "no recipe is named 'nope'"),
        (wanted(), UsageFault, "exactly one"),
        (wanted(count=0, is_everywhere=True, nodes=("n1",)), UsageFault, "exactly one"),
        (wanted(count=-1), UsageFault, "a count of -1 nodes"),
        (wanted(count=3), Refused, "3 good nodes are wanted and there are 2"),
        (wanted(count=1, spread="a b"), UsageFault, "a label is"),
        (wanted(is_everywhere=True, match={"": "x"}), UsageFault, "a label is"),
    ],
)
def test_what_cannot_be_swapped_in_is_refused_and_nothing_changes(
    bed: Testbed, experiment: Experiment, error: type[PlabctlError], said: str
) -> None:
    rev = bed.state.rev
    with pytest.raises(error, match=said):
        bed.swap_in(experiment)

    assert bed.state.rev == rev


def test_at_most_is_offered_when_there_are_too_few_and_refused_when_there_is_none(bed: Testbed) -> None:
    with pytest.raises(Refused) as caught:
        bed.swap_in(wanted(count=3))
    assert "--at-most" in caught.value.hint
    for name in ("n1", "n2"):
        bed.put(name, "bad")

    with pytest.raises(Refused, match="there is none"):
        bed.swap_in(wanted(count=3, at_most=True))


def test_only_what_is_there_can_be_swapped_out_and_only_once(bed: Testbed) -> None:
    with pytest.raises(NoSuchExperiment, match="no experiment is named 'nx'") as caught:
        bed.swap_out("nx")
    assert "leaving, there" in caught.value.hint
    with pytest.raises(Refused, match="being swapped out already: 1 vnode left"):
        bed.swap_out("leaving")


def test_nodes_named_twice_are_wanted_once(bed: Testbed) -> None:
    bed.swap_in(wanted(nodes=("n1", "n2", "n1")))

    assert bed.picture().experiment.nodes == ("n1", "n2")
    assert bed.picture().experiment.recipe == "process"


def test_what_is_forgotten_says_what_may_be_left(bed: Testbed) -> None:
    bed.start()
    changes, left = orders.forget(bed.state, "there", bed.order())
    bed.apply(changes)

    assert [vnode.node for vnode in left] == ["n1"]
    assert bed.events[-1].data["left"] == [f"{left[0].vnode} on n1"]
    assert set(bed.state.experiments) == {"leaving"}
    assert replace(left[0], vnode="").key not in bed.state.claims
    with pytest.raises(NoSuchExperiment):
        orders.forget(bed.state, "there", bed.order())
