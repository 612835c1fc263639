"""What a person may order about experiments: swap in, swap out, forget.

Pure. Each function returns the changes, or raises an error and changes nothing. Who becomes a member is decided by
`plabctl.core.experiments.membership`, called right after.
"""

from __future__ import annotations

from plabctl.core import events
from plabctl.core.due_rows import PLACEMENT
from plabctl.core.experiments.membership import mark_leaving
from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.core.model import Event
from plabctl.core.names import is_label_name, is_pool_name
from plabctl.core.node_orders import Order
from plabctl.core.selection import build_unknown_node_error, find_names, suggest_name
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.core.usable import is_usable
from plabctl.counts import format_count
from plabctl.errors import NoSuchExperiment, Refused, UsageFault
from plabctl.values import replace

MAX_NAME = 63
"""Of an experiment; what is longer is not repeated as a whole."""
_FEW = 10


def swap_in(state: State, settings: Settings, wanted: Experiment, order: Order) -> Changes:
    """Begin the experiment `wanted`: its recipe may be empty for the configured one; actor and instant are the order's.

    Raises UsageFault for what is invalid, NoSuchNode for an unknown node, Refused for what cannot be had now.
    """
    _refuse_name(state, settings, wanted.name)
    kinds = (bool(wanted.nodes), wanted.count != 0, wanted.is_everywhere)
    if sum(kinds) != 1:
        raise UsageFault("an experiment needs nodes, a count, or all nodes: exactly one of them")
    if wanted.count < 0:
        raise UsageFault(f"a count of {wanted.count} nodes is invalid", hint="at least 1")
    if (wanted.spread and not is_label_name(wanted.spread)) or not all(map(is_label_name, wanted.match)):
        raise UsageFault("a label is a word of letters, digits, _, - and .")
    recipe = wanted.recipe or settings.experiment.recipe
    _refuse_recipe(settings, recipe)
    nodes = find_names(wanted.nodes, state)
    _refuse_nodes(state, settings, nodes, order.now)
    if wanted.count:
        _refuse_count(state, settings, wanted, order.now)
    begun = replace(
        wanted, recipe=recipe, nodes=nodes, actor=order.actor, since_at=order.now, ready_at=None, leaving_at=None
    )
    scope = {"nodes": list(nodes), "count": begun.count or None, "all_nodes": begun.is_everywhere or None}
    event = _build_event("experiment-in", begun.name, order, recipe=recipe, **scope)
    return Changes(experiments=(begun,), events=(event,))


def swap_out(state: State, name: str, order: Order) -> Changes:
    """End the experiment: every vnode is torn down, and only then it is forgotten. Raises NoSuchExperiment, Refused."""
    experiment = find_experiment(state, name)
    if experiment.leaving_at is not None:
        count = len(_list_vnodes(state, name))
        raise Refused(
            f"experiment {name!r} is being swapped out already: {format_count(count, 'vnode')} left",
            hint=f"see: plabctl experiment show {name}",
        )
    vnodes = tuple(mark_leaving(vnode, order.now) for vnode in _list_vnodes(state, name))
    event = _build_event("experiment-leaving", name, order)
    return Changes(experiments=(replace(experiment, leaving_at=order.now),), vnodes=vnodes, events=(event,))


def forget(state: State, name: str, order: Order) -> tuple[Changes, tuple[Vnode, ...]]:
    """Forget the experiment without tearing anything down; return also the members whose vnodes may be left.

    A probe that is running ends by itself and is recorded as late. Raises NoSuchExperiment.
    """
    experiment = find_experiment(state, name)
    vnodes = _list_vnodes(state, name)
    leftovers = tuple(vnode for vnode in vnodes if vnode.vnode)
    left = [f"{vnode.vnode} on {vnode.node}" for vnode in leftovers]
    event = _build_event("experiment-gone", name, order, left=left, hook=list(experiment.hook))
    changes = Changes(
        forgotten=(name,),
        gone=tuple(vnode.key for vnode in vnodes),
        released=tuple(vnode.key for vnode in vnodes if vnode.key in state.claims),
        events=(event,),
    )
    return changes, leftovers


def _list_vnodes(state: State, name: str) -> list[Vnode]:
    return [vnode for vnode in state.vnodes() if vnode.experiment == name]


def _build_event(kind: str, name: str, order: Order, **data: object) -> Event:
    data["reason"] = order.reason
    return events.build_experiment_event(kind, name, None, order.now, order.rng, data, order.actor)


def find_experiment(state: State, name: str) -> Experiment:
    """Return the experiment of that name; raise NoSuchExperiment."""
    experiment = state.experiments.get(name)
    if experiment is None:
        if not state.experiments:
            raise NoSuchExperiment(f"no experiment is named {_quote(name)}", hint="there are no experiments")
        known = ", ".join(sorted(state.experiments))
        all_of_them = f"experiments: {known}" if len(state.experiments) <= _FEW else "see: plabctl experiment list"
        hint = suggest_name(name, state.experiments, all_of_them)
        raise NoSuchExperiment(f"no experiment is named {_quote(name)}", hint=hint)
    return experiment


def _refuse_name(state: State, settings: Settings, name: str) -> None:
    if not is_pool_name(name):
        allowed = f"lower-case letters, digits, - and _, beginning with a letter, at most {MAX_NAME}"
        raise UsageFault(f"{_quote(name)} is not a valid name for an experiment", hint=allowed)
    if name in settings.pools:
        raise Refused(f"{name!r} is the name of a pool", hint="choose another name")
    known = state.experiments.get(name)
    if known and known.leaving_at is not None:
        raise Refused(f"experiment {name!r} is still being swapped out", hint=f"see: plabctl experiment show {name}")
    if known:
        raise Refused(f"experiment {name!r} exists already", hint=f"end it first: plabctl experiment swapout {name}")


def _refuse_recipe(settings: Settings, name: str) -> None:
    recipe = settings.recipes.get(name)
    if recipe is None:
        raise Refused(f"no recipe is named {_quote(name)}", hint=f"the recipes are: {', '.join(settings.recipes)}")
    if recipe.teardown is None or (recipe.setup is None and recipe.up is None):
        missing = "teardown" if recipe.teardown is None else "setup"
        raise Refused(f"recipe {name!r} has no {missing}, so it cannot be used for an experiment", hint="name another")


def _refuse_nodes(state: State, settings: Settings, names: tuple[str, ...], now: float) -> None:
    for name in names:
        member = state.member(name)
        if member is None:
            raise build_unknown_node_error(name, state)
        is_offered = is_usable(member, now, settings.good_pools)  # also by a person's move for a time
        if member.hold and member.is_held(now) and not is_offered:
            raise Refused(f"{name!r} is held by {member.hold.actor}", hint=f"plabctl release {name}, or leave it out")


def _refuse_count(state: State, settings: Settings, wanted: Experiment, now: float) -> None:
    good = settings.good_pools
    usable = [each.node for each in state.select(PLACEMENT) if is_usable(each, now, good)]
    free, besides = len(usable), ""
    if settings.occupancies:
        from plabctl.core.occupancy import find_busy  # few have such a source

        busy = find_busy(state.notes, settings.occupancies, now)
        free -= sum(name in busy for name in usable)
        besides = f", and {len(usable) - free} busy" if free < len(usable) else ""
    if free >= wanted.count or (free and wanted.at_most):
        return
    hint = "with --at-most it takes those, and more as they come" if free else "see: plabctl status"
    raise Refused(
        f"{wanted.count} usable nodes are wanted and there {_format_are(free)}{besides}", hint=f"{hint}; none was taken"
    )


def _quote(name: str) -> str:
    return repr(name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}...")


def _format_are(count: int) -> str:
    return {0: "is none", 1: "is 1"}.get(count, f"are {count}")
