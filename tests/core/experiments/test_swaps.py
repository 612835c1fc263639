"""What is refused, and how clearly."""

from dataclasses import replace
from typing import Any

import pytest

from plabctl.core import node_orders
from plabctl.core.experiments import swaps
from plabctl.core.experiments.model import Experiment
from plabctl.errors import NoSuchExperiment, NoSuchNode, PlabctlError, Refused, UsageFault
from tests.builders import make_recipe, make_settings
from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted

RECIPES = {
    "process": make_recipe(),
    "fleeting": make_recipe("fleeting", teardown=None),
    "idle": make_recipe("idle", setup=None, up=None),
    "quiet": make_recipe("quiet", setup=None),
    "blind": make_recipe("blind", up=None),
}


@pytest.fixture
def bed() -> VirtualTestbed:
    bed = VirtualTestbed("n1", "n2", "held", settings=make_settings(recipes=RECIPES))
    bed.apply(node_orders.hold(bed.state, bed.settings, ["held"], bed.order(), None))
    bed.swap_in(wanted("there", nodes=("n1",)))
    bed.work()
    bed.swap_in(wanted("leaving", nodes=("n1",)))
    bed.start()
    bed.swap_out("leaving")
    return bed


@pytest.mark.parametrize(
    ("experiment", "error", "said"),
    [
        (wanted("there", nodes=("n2",)), Refused, "experiment 'there' exists already"),
        (wanted("leaving", nodes=("n2",)), Refused, "experiment 'leaving' is still being swapped out"),
        (wanted("good", nodes=("n2",)), Refused, "'good' is the name of a pool"),
        (wanted("No Name", nodes=("n2",)), UsageFault, "'No Name' is not a valid name for an experiment"),
        (wanted(nodes=("n2", "nx")), NoSuchNode, "no node is named 'nx'"),
        (wanted(nodes=("n2", "held")), Refused, "'held' is held by ada"),
        (wanted(nodes=("n2",), recipe="fleeting"), Refused, "recipe 'fleeting' has no teardown"),
        (wanted(nodes=("n2",), recipe="idle"), Refused, "recipe 'idle' has no setup"),
        (wanted(nodes=("n2",), recipe="nope"), Refused, "no recipe is named 'nope'"),
        (wanted(), UsageFault, "exactly one"),
        (wanted(count=0, is_everywhere=True, nodes=("n1",)), UsageFault, "exactly one"),
        (wanted(count=-1), UsageFault, "a count of -1 nodes"),
        (wanted(count=3), Refused, "3 usable nodes are wanted and there are 2"),
        (wanted(count=1, spread="a b"), UsageFault, "a label is"),
        (wanted(is_everywhere=True, match={"": "x"}), UsageFault, "a label is"),
    ],
)
def test_what_cannot_be_swapped_in_is_refused_and_nothing_changes(
    bed: VirtualTestbed, experiment: Experiment, error: type[PlabctlError], said: str
) -> None:
    rev = bed.state.rev
    with pytest.raises(error, match=said):
        bed.swap_in(experiment)

    assert bed.state.rev == rev


def test_at_most_is_offered_when_there_are_too_few_and_refused_when_there_is_none(bed: VirtualTestbed) -> None:
    with pytest.raises(Refused) as caught:
        bed.swap_in(wanted(count=3))
    assert "--at-most" in caught.value.hint
    for name in ("n1", "n2"):
        bed.put(name, "bad")

    with pytest.raises(Refused, match="there is none"):
        bed.swap_in(wanted(count=3, at_most=True))


def test_only_what_is_there_can_be_swapped_out_and_only_once(bed: VirtualTestbed) -> None:
    with pytest.raises(NoSuchExperiment, match="no experiment is named 'nx'") as caught:
        bed.swap_out("nx")
    assert "leaving, there" in caught.value.hint
    with pytest.raises(Refused, match="being swapped out already: 1 vnode left"):
        bed.swap_out("leaving")


def test_nodes_named_twice_are_wanted_once(bed: VirtualTestbed) -> None:
    bed.swap_in(wanted(nodes=("n1", "n2", "n1")))

    assert bed.picture().experiment.nodes == ("n1", "n2")
    assert bed.picture().experiment.recipe == "process"


def test_what_is_forgotten_says_what_may_be_left(bed: VirtualTestbed) -> None:
    bed.start()
    changes, left = swaps.forget(bed.state, "there", bed.order())
    bed.apply(changes)

    assert [vnode.node for vnode in left] == ["n1"]
    assert bed.events[-1].data["left"] == [f"{left[0].vnode} on n1"]
    assert set(bed.state.experiments) == {"leaving"}
    assert replace(left[0], vnode="").key not in bed.state.claims
    with pytest.raises(NoSuchExperiment):
        swaps.forget(bed.state, "there", bed.order())


@pytest.mark.parametrize("recipe", ["quiet", "blind"])
def test_a_recipe_that_sets_up_or_comes_up_will_do(bed: VirtualTestbed, recipe: str) -> None:
    bed.swap_in(wanted(nodes=("n2",), recipe=recipe))

    assert bed.picture().experiment.recipe == recipe


def test_an_experiment_begins_now_by_whoever_orders_it_whatever_it_was_before(bed: VirtualTestbed) -> None:
    bed.wait(7.0)
    other = wanted(nodes=("n2",), actor="eve", since_at=1.0, ready_at=2.0, leaving_at=3.0)

    (begun,) = swaps.swap_in(bed.state, bed.settings, other, bed.order()).experiments

    assert (begun.actor, begun.since_at, begun.ready_at, begun.leaving_at) == ("ada", bed.now, None, None)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"nodes": ("n2",)}, {"nodes": ["n2"]}),
        ({"count": 2}, {"count": 2}),
        ({"is_everywhere": True}, {"all_nodes": True}),
    ],
)
def test_it_is_told_what_is_wanted_and_nothing_else(
    bed: VirtualTestbed, fields: dict[str, Any], told: dict[str, object]
) -> None:
    changes = swaps.swap_in(bed.state, bed.settings, wanted(**fields), bed.order())

    assert changes.events[0].data == {"experiment": "exp", "recipe": "process", **told}


def test_what_is_left_is_counted_for_this_experiment_alone(bed: VirtualTestbed) -> None:
    bed.swap_in(wanted(nodes=("n1", "n2")))

    with pytest.raises(Refused, match="already: 1 vnode left"):
        bed.swap_out("leaving")


def test_a_node_whose_hold_is_over_is_taken() -> None:
    bed = VirtualTestbed("n1")
    bed.apply(node_orders.hold(bed.state, bed.settings, ["n1"], bed.order(), bed.now + 60))
    bed.wait(60.0)

    bed.swap_in(wanted(nodes=("n1",)))

    assert bed.states() == {"n1": "pending"}


def test_an_unknown_name_is_answered_with_all_names_while_they_are_few() -> None:
    bed = VirtualTestbed("n1")
    hints = []
    for number in range(12):
        with pytest.raises(NoSuchExperiment) as caught:
            bed.swap_out("qqqqqqqq")
        hints.append(caught.value.hint)
        bed.swap_in(wanted(f"e{number}", nodes=("n1",)))

    assert hints[0] == "there are no experiments"
    assert hints[10].startswith("experiments: e0, e1, e2")
    assert hints[11] == "see: plabctl experiment list"


def test_a_name_is_repeated_as_a_whole_while_it_could_be_one() -> None:
    bed = VirtualTestbed("n1")
    for length, shown in ((63, "'" + "x" * 63 + "'"), (64, "'" + "x" * 63 + "...'")):
        with pytest.raises(NoSuchExperiment) as caught:
            bed.swap_out("x" * length)
        assert str(caught.value).endswith(shown)
