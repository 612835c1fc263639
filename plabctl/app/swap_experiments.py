"""Experiments, for people and for programs: swap in, swap out, wait for it, look at it.

I/O: the lock of the state, for milliseconds. What an order means is decided in `plabctl.core.experiments`. Waiting runs
a tick of its own that takes this experiment only, inside the window that all ticks share.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from plabctl.app.context import App
from plabctl.app.goals import WaitForGone, WaitForUp
from plabctl.app.record_events import try_record_events
from plabctl.app.run_goal import run_goal
from plabctl.core.experiments import membership, swaps
from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.core.node_orders import Order
from plabctl.core.state import Changes, State
from plabctl.errors import UsageFault
from plabctl.inventories.reading import quote_text
from plabctl.views.experiments import ExperimentOverview, find_overview


@dataclass(frozen=True, slots=True)
class SwapResult:
    """What an order made: the experiment as it is now (None: it is gone), and what may be left on the nodes."""

    overview: ExperimentOverview | None
    leftovers: tuple[Vnode, ...] = ()
    warning: str = ""
    before: Experiment | None = None
    """The experiment as it was before; None if there was none."""


@dataclass(frozen=True, slots=True)
class WaitResult:
    """How it ended: exit code 0 if all is as it was wanted, 1 if not, 128 + signal if stopped."""

    overview: ExperimentOverview | None
    exit_code: int
    warning: str = ""
    """What else went wrong: a hook could not be told of it."""


OnProgress = Callable[[ExperimentOverview], None]
"""Is told how the experiment stands, about once a second."""


def parse_experiment(
    name: str,
    *,
    nodes: Sequence[str],
    count: int | None,
    spread: str,
    at_most: bool,
    all_nodes: bool,
    match: Sequence[str],
    recipe: str,
    hook: str,
) -> Experiment:
    """Return the experiment that these words wish for; raise UsageFault when they are invalid.

    `match` are LABEL=VALUE, `hook` is a command line that is taken apart as a shell would, and run without one.
    """
    _check_options(
        {"--nodes": bool(nodes), "--count": count is not None, "--all-nodes": all_nodes},
        (
            ("--spread", bool(spread), "--count"),
            ("--at-most", at_most, "--count"),
            ("--match", bool(match), "--all-nodes"),
        ),
    )
    return Experiment(
        name,
        recipe,
        actor="",
        since_at=0.0,
        nodes=tuple(nodes),
        count=count or 0,
        spread=spread,
        at_most=at_most,
        is_everywhere=all_nodes,
        match=_parse_labels(match),
        hook=_parse_hook(hook),
    )


def _check_options(wishes: Mapping[str, bool], more: Iterable[tuple[str, bool, str]]) -> None:
    """Raise UsageFault unless one of `wishes` is given, and with `more`, of which each needs one of them, that."""
    if sum(wishes.values()) != 1:
        given = " and ".join(option for option, is_given in wishes.items() if is_given)
        what = f"{given} exclude each other" if given else "the nodes are not specified"
        raise UsageFault(what, hint="give one of --nodes NODES, --count K and --all-nodes")
    for option, is_given, needed in more:
        if is_given and not wishes[needed]:
            raise UsageFault(f"{option} is only valid with {needed}", hint=f"leave it out, or give {needed}")


def _parse_labels(words: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for word in words:
        label, equals, value = word.partition("=")
        if not (label and equals) or label in labels:
            why = "is given twice" if label in labels else "is not LABEL=VALUE"
            raise UsageFault(f"--match {quote_text(word)} {why}", hint="write it like --match site=north")
        labels[label] = value
    if not all(map(str.isprintable, labels.values())):
        raise UsageFault("the value of --match must be printable", hint="write it like --match site=north")
    return labels


def _parse_hook(command: str) -> tuple[str, ...]:
    if not command.isprintable():
        raise UsageFault(f"the hook {quote_text(command)} must be one line of printable characters")
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageFault(
            f"the hook {quote_text(command)} is not a command line: {error}", hint="check the quotes"
        ) from error


def swap_in(app: App, wanted: Experiment, order: Order) -> SwapResult:
    """Begin the experiment; the ticks set its vnodes up. Raises UsageFault, NoSuchNode or Refused."""
    return _commit(app, wanted.name, order, lambda state: (swaps.swap_in(state, app.settings, wanted, order), ()))


def swap_out(app: App, name: str, order: Order, *, force: bool = False) -> SwapResult:
    """End the experiment: the ticks tear every vnode down, and it is forgotten when that is done.

    With `force` it is forgotten now, and what may be left on the nodes is returned. Raises NoSuchExperiment, Refused.
    """
    if force:
        return _commit(app, name, order, lambda state: swaps.forget(state, name, order))
    return _commit(app, name, order, lambda state: (swaps.swap_out(state, name, order), ()))


def wait_for_up(
    app: App, name: str, timeout_s: float | None = None, on_progress: OnProgress | None = None
) -> WaitResult:
    """Set the vnodes up here and now; exit code 0 when all are up.

    It goes on, trying again by back-off, until all are up or `timeout_s` is over; without one until each was tried.
    """
    goal = WaitForUp(name, _compute_deadline(app, timeout_s), _build_progress(name, on_progress))
    stop, warning = run_goal(app, goal)
    overview = find_overview(app.store.snapshot(), name)
    is_ready = overview is not None and overview.experiment.ready_at is not None and not overview.not_up
    return WaitResult(overview, stop.exit_code or int(not is_ready), warning)


def wait_for_gone(
    app: App, name: str, timeout_s: float | None = None, on_progress: OnProgress | None = None
) -> WaitResult:
    """Tear the vnodes of an experiment that was swapped out down here and now; exit code 0 when it is gone.

    It goes on until all are gone or `timeout_s` is over; without one until each was tried. What is left then is in the
    picture, and the ticks go on trying.
    """
    goal = WaitForGone(name, _compute_deadline(app, timeout_s), _build_progress(name, on_progress))
    stop, warning = run_goal(app, goal)
    overview = find_overview(app.store.snapshot(), name)
    return WaitResult(overview, stop.exit_code or int(overview is not None), warning)


def _commit(
    app: App, name: str, order: Order, decide: Callable[[State], tuple[Changes, Sequence[Vnode]]]
) -> SwapResult:
    with app.store.session() as state:
        was = state.experiments.get(name)
        changes, left = decide(state)
        state.apply(changes)
        state.apply(membership.reconcile(state, app.settings, order.now, random.Random()))
        overview = find_overview(state, name)
        outbox = tuple(state.outbox)
    return SwapResult(overview, tuple(left), warning=try_record_events(app, outbox), before=was)


def _compute_deadline(app: App, timeout_s: float | None) -> float | None:
    return None if timeout_s is None else app.clock.uptime() + timeout_s


def _build_progress(name: str, on_progress: OnProgress | None) -> Callable[[State], None]:
    def tell(state: State) -> None:
        if on_progress and (overview := find_overview(state, name)):
            on_progress(overview)

    return tell
