"""Who uses the product in the weave: ticks, and people who give orders, each a process of its own.

What is right to refuse is refused, and what fails ends the process with its exit code: nobody asks more of a command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from plabctl.app import change_nodes as order_desk
from plabctl.app.context import App
from plabctl.app.goals import RetestGoal, TickGoal, WaitForGone, WaitForUp
from plabctl.app.invocation import is_clock_settling, is_idle
from plabctl.app.record_events import record_events
from plabctl.app.tick import run_tick
from plabctl.core.experiments import membership
from plabctl.core.experiments import swaps as experiment_orders
from plabctl.core.experiments.model import Experiment
from plabctl.core.model import Node
from plabctl.core.node_orders import Order
from plabctl.errors import PlabctlError

if TYPE_CHECKING:
    from tests.torture.interleaving.episode import Episode


class Asked:
    """Whether a process was told to stop."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


def tick(app: App, stop: Asked) -> None:
    """Be what cron starts."""
    if not is_clock_settling(app) and not is_idle(app):
        run_tick(app, stop)  # type: ignore[arg-type]  # a Stop by all it is asked


def wait_for_goal(app: App, stop: Asked, what: TickGoal, on_begun: Callable[[], None] = lambda: None) -> None:
    """Wait for something here and now."""
    run_tick(app, stop, tick_goal=what, on_begun=on_begun)  # type: ignore[arg-type]  # as above


class Person:
    """Gives one order, chosen by the dice, and remembers what was acknowledged."""

    def __init__(self, episode: Episode, app: App, stop: Asked) -> None:
        self._episode = episode
        self._app = app
        self._stop = stop
        self._dice = episode.scheduler.dice

    def act(self) -> None:
        """Give any order."""
        chosen = self._dice.choice(ORDERS)
        chosen(self)

    def _order(self) -> Order:
        return Order("ada", "because", self._app.clock.now(), Random(self._dice.getrandbits(64)))

    def _names(self) -> list[str]:
        names = sorted(self._app.store.snapshot().names())
        return self._dice.sample(names, min(len(names), self._dice.choice([1, 1, 2]))) if names else []

    def _until(self) -> float | None:
        for_s: float | None = self._dice.choice([None, 60.0, 400.0])
        return None if for_s is None else self._app.clock.now() + for_s

    def move(self) -> None:
        if names := self._names():
            order_desk.move(self._app, names, self._dice.choice(["good", "bad"]), self._order(), self._until())

    def retest(self) -> None:
        if names := self._names():
            order = replace(self._order(), takes_busy=self._dice.random() < 0.3)
            if self._dice.random() < 0.5:
                wait_for_goal(self._app, self._stop, RetestGoal(names, order), lambda: self._episode.owe_tests(names))
                return
            order_desk.retest(self._app, names, order)
            self._episode.owe_tests(names)

    def hold(self) -> None:
        if names := self._names():
            order_desk.hold(self._app, names, self._order(), self._until())

    def release(self) -> None:
        if names := self._names():
            order_desk.release(self._app, names, self._order())

    def add(self) -> None:
        there = set(self._app.store.snapshot().names())
        if missing := sorted(set(self._episode.names) - there):
            name = self._dice.choice(missing)
            order_desk.add_nodes(self._app, [make_node(name)], self._order(), replacing=False)

    def remove(self) -> None:
        if names := self._names():
            order_desk.remove_nodes(self._app, names[:1], self._order())

    def swap_in(self) -> None:
        name = self._dice.choice(["red", "blue"])
        names = sorted(self._app.store.snapshot().names())
        if not names:
            return
        nodes = tuple(self._dice.sample(names, min(2, len(names))))
        kinds: list[dict[str, Any]] = [{"nodes": nodes}, {"count": 2, "at_most": True}, {"is_everywhere": True}]
        fields = self._dice.choice(kinds)
        wanted = replace(Experiment(name, "process", "", 0.0), **fields)
        self._change(lambda state, order: experiment_orders.swap_in(state, self._app.settings, wanted, order))
        if self._dice.random() < 0.3:
            wait_for_goal(self._app, self._stop, WaitForUp(name, self._app.clock.uptime() + 200.0, lambda _: None))

    def swap_out(self) -> None:
        name = self._dice.choice(["red", "blue"])
        if self._dice.random() < 0.2:
            self._change(lambda state, order: experiment_orders.forget(state, name, order)[0])
            return
        self._change(lambda state, order: experiment_orders.swap_out(state, name, order))
        if self._dice.random() < 0.3:
            wait_for_goal(self._app, self._stop, WaitForGone(name, self._app.clock.uptime() + 200.0, lambda _: None))

    def _change(self, decide: Callable[[Any, Order], Any]) -> None:
        order = self._order()
        with self._app.store.session() as state:
            state.apply(decide(state, order))
            state.apply(membership.reconcile(state, self._app.settings, order.now, order.rng))
            outbox = tuple(state.outbox)
        record_events(self._app, outbox)


ORDERS: list[Callable[[Person], None]] = [
    Person.move,
    Person.move,
    Person.retest,
    Person.retest,
    Person.hold,
    Person.release,
    Person.release,
    Person.add,
    Person.add,
    Person.remove,
    Person.swap_in,
    Person.swap_in,
    Person.swap_out,
]


def tolerant(body: Callable[[], object]) -> Callable[[], None]:
    """Return `body` such that an error of ours ends it quietly, as it ends a command."""

    def run() -> None:
        try:
            body()
        except PlabctlError:
            return

    return run


def make_node(name: str) -> Node:
    """Return a node in one of two racks."""
    return Node(name, {"site": f"rack{int(name[1:]) % 2}"})


def add_all(app: App, names: list[str], dice: Random) -> None:
    """Add the nodes that are not there."""
    known = set(app.store.snapshot().names())
    missing = [make_node(name) for name in names if name not in known]
    if missing:
        order_desk.add_nodes(app, missing, Order("ada", "", app.clock.now(), dice), replacing=False)


def release_all(app: App, dice: Random) -> None:
    """Take all pins out."""
    order = Order("ada", "", app.clock.now(), dice)
    held = [member.node for member in app.store.snapshot().members() if member.is_held(order.now)]
    if held:
        order_desk.release(app, held, order)
