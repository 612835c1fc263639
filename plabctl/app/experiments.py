"""Experiments, for people and for programs: swap in, swap out, wait for it, look at it.

I/O: the lock of the state, for milliseconds. What an order means is decided in `plabctl.core.experiments`. Waiting runs
a tick of its own that takes this experiment only, inside the window that all ticks share.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from plabctl.app.context import App
from plabctl.app.errands import Errand, Teardown, Upbringing
from plabctl.app.signals import Stop
from plabctl.core.experiments import orders, roster
from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.core.experiments.picture import Picture, find
from plabctl.core.orders import Order
from plabctl.core.state import Changes, State
from plabctl.errors import HookFault, PlabctlError, UsageFault
from plabctl.inventory.rows import shown


@dataclass(frozen=True, slots=True)
class Ordered:
    """What an order made: the experiment as it is now (None: it is gone), and what may be left on the nodes."""

    picture: Picture | None
    left: tuple[Vnode, ...] = ()
    warning: str = ""
    was: Experiment | None = None
    """The experiment as it was before; None if there was none."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How it ended: exit code 0 if all is as it was wanted, 1 if not, 128 + signal if stopped."""

    picture: Picture | None
    exit_code: int
    warning: str = ""
    """What else went wrong: a hook could not be told of it."""


OnProgress = Callable[[Picture], None]
"""Is told how the experiment stands, about once a second."""


def wish(
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
    """Return the experiment that these words wish for; raise UsageFault when they cannot be meant.

    `match` are LABEL=VALUE, `hook` is a command line that is taken apart as a shell would, and run without one.
    """
    _check(
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
        match=_labels(match),
        hook=_argv(hook),
    )


def _check(wishes: Mapping[str, bool], more: Iterable[tuple[str, bool, str]]) -> None:
    """Raise UsageFault unless one of `wishes` is given, and with `more`, of which each needs one of them, that."""
    if sum(wishes.values()) != 1:
        given = " and ".join(option for option, is_given in wishes.items() if is_given)
        what = f"{given} exclude each other" if given else "it is not said on which nodes"
        raise UsageFault(what, hint="give one of --nodes NODES, --count K and --all-nodes")
    for option, is_given, needed in more:
        if is_given and not wishes[needed]:
            raise UsageFault(f"{option} means something with {needed} only", hint=f"leave it out, or give {needed}")


def _labels(words: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for word in words:
        label, equals, value = word.partition("=")
        if not (label and equals) or label in labels:
            why = "is given twice" if label in labels else "is no LABEL=VALUE"
            raise UsageFault(f"--match {shown(word)} {why}", hint="write it like --match site=north")
        labels[label] = value
    if not all(map(str.isprintable, labels.values())):
        raise UsageFault("--match wants a printable value", hint="write it like --match site=north")
    return labels


def _argv(command: str) -> tuple[str, ...]:
    if not command.isprintable():
        raise UsageFault(f"the hook {shown(command)} must be one line of printable characters")
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageFault(f"the hook {shown(command)} is no command line: {error}", hint="mind the quotes") from error


def swap_in(app: App, wanted: Experiment, order: Order) -> Ordered:
    """Begin the experiment; the ticks set its vnodes up. Raises UsageFault, NoSuchNode or Refused."""
    return _commit(app, wanted.name, order, lambda state: (orders.swap_in(state, app.settings, wanted, order), ()))


def swap_out(app: App, name: str, order: Order, *, force: bool = False) -> Ordered:
    """End the experiment: the ticks tear every vnode down, and it is forgotten when that is done.

    With `force` it is forgotten now, and what may be left on the nodes is returned. Raises NoSuchExperiment, Refused.
    """
    if force:
        return _commit(app, name, order, lambda state: orders.forget(state, name, order))
    return _commit(app, name, order, lambda state: (orders.swap_out(state, name, order), ()))


def wait_for_up(app: App, name: str, timeout_s: float | None = None, on_progress: OnProgress | None = None) -> Waited:
    """Set the vnodes up here and now; exit code 0 when all are up.

    It goes on, trying again by back-off, until all are up or `timeout_s` is over; without one until each was tried.
    """
    stop, warning = _run(app, Upbringing(name, _end(app, timeout_s), _teller(name, on_progress)))
    picture = find(app.store.snapshot(), name)
    is_ready = picture is not None and picture.experiment.ready_at is not None and not picture.not_up
    return Waited(picture, stop.exit_code or int(not is_ready), warning)


def wait_for_gone(app: App, name: str, timeout_s: float | None = None, on_progress: OnProgress | None = None) -> Waited:
    """Tear the vnodes of an experiment that was swapped out down here and now; exit code 0 when it is gone.

    It goes on until all are gone or `timeout_s` is over; without one until each was tried. What is left then is in the
    picture, and the ticks go on trying.
    """
    stop, warning = _run(app, Teardown(name, _end(app, timeout_s), _teller(name, on_progress)))
    picture = find(app.store.snapshot(), name)
    return Waited(picture, stop.exit_code or int(picture is not None), warning)


def _commit(app: App, name: str, order: Order, decide: Callable[[State], tuple[Changes, Sequence[Vnode]]]) -> Ordered:
    with app.store.session() as state:
        was = state.experiments.get(name)
        changes, left = decide(state)
        state.apply(changes)
        state.apply(roster.reconcile(state, app.settings, order.now, random.Random()))  # noqa: S311 - names events
        picture = find(state, name)
    from plabctl.app.deliver import deliver  # noqa: PLC0415 - the history, which deciding does not need

    ordered = Ordered(picture, tuple(left), was=was)
    try:
        deliver(app)
    except (PlabctlError, OSError) as error:
        return replace(ordered, warning=f"the change is made; the next tick will tell the history of it ({error})")
    return ordered


def _run(app: App, errand: Errand) -> tuple[Stop, str]:
    from plabctl.app.tick import run_tick  # noqa: PLC0415 - what only waiting needs

    stop = Stop()
    with stop.listening():
        try:
            run_tick(app, stop, errand=errand)
        except HookFault as error:
            # It comes when all else is done: whether the vnodes are up does not depend on who could be told.
            return stop, str(error)
    return stop, ""


def _end(app: App, timeout_s: float | None) -> float | None:
    return None if timeout_s is None else app.clock.uptime() + timeout_s


def _teller(name: str, on_progress: OnProgress | None) -> Callable[[State], None]:
    def tell(state: State) -> None:
        if on_progress and (picture := find(state, name)):
            on_progress(picture)

    return tell
