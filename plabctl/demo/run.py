"""The demo from its beginning to its end: nodes up, ticks as cron would start them, and everything looked at meanwhile.

I/O. It reads what any command would read, the state and the history, and knows nothing that plabctl does not. What a
person sees is up to the `Screen`. Go on with `roles`, `testbed`, `ticker`, `node_checks`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from plabctl.app.context import App
from plabctl.app.signals import Stop
from plabctl.core.model import Event
from plabctl.core.settings import Settings
from plabctl.demo.demo_view import DemoView, build_demo_view, list_tests
from plabctl.demo.node_checks import NodeChecker
from plabctl.demo.roles import LEAST, REPAIRED, build_roles
from plabctl.demo.sentences import REPAIR, Narrator, Sentence
from plabctl.demo.testbed import Testbed
from plabctl.demo.ticker import Ticker
from plabctl.errors import Refused, StoreError
from plabctl.history.database import History

REFRESH_S = 0.25
WINDOW = 6
TICK_EVERY_S = 2.0
TIMEOUT = "4s"
REPAIR_AT_RATIO = 0.4
ACTOR = "demo"


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What is asked for: how many nodes, for how long, and the empty directory to put them into."""

    directory: Path
    nodes: int = 12
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How it ended: the last view, all that happened, and what the ticks did."""

    settings: Settings
    view: DemoView
    events: tuple[Event, ...]
    tick_count: int
    most_ticks_at_once: int
    output: str
    """What the ticks printed, which is nothing when all went well."""


class Screen(Protocol):
    """Where the demo is shown."""

    def show(self, view: DemoView, news: Sequence[Sentence]) -> None:
        """Show how things stand, and what has happened since the last time."""
        ...


@dataclass(slots=True)
class _Observer:
    """Reads the state, the history and the results of the checks, and makes views of them."""

    app: App
    history: History
    checker: NodeChecker
    narrator: Narrator = field(default_factory=Narrator)
    events: list[Event] = field(default_factory=list)
    _place: int = 0

    def show(self, screen: Screen, left_s: float, more: Sequence[Event] = ()) -> DemoView:
        """Show how things stand now; `more` happened beside what the history has."""
        fresh = [*self._read_new(), *more]
        self.events.extend(fresh)
        app = self.app
        view = build_demo_view(
            app.settings, app.store.snapshot(), app.clock.now(), self.checker.read(), list_tests(self.events), left_s
        )
        screen.show(view, list(self.narrator.tell(fresh, view)))
        return view

    def _read_new(self) -> list[Event]:
        try:
            records = self.history.read(after=self._place)
        except StoreError:  # a tick is writing: there is another look in a moment
            return []
        self._place = max(self._place, records.place)
        return [record.event for record in records]


def run_demo(plan: DemoPlan, screen: Screen, stop: Stop) -> DemoResult:
    """Run the demo for `plan.seconds`, or until `stop`; leave nothing running, and its directory as it is then.

    Raise Refused when the nodes cannot be put up.
    """
    roles = build_roles(max(plan.nodes, LEAST))
    with contextlib.ExitStack() as stack:
        try:
            testbed = stack.enter_context(Testbed(plan.directory, roles, window=WINDOW, patience=TIMEOUT))
        except OSError as error:
            raise Refused(
                f"the demo cannot be put up: '{error.filename or plan.directory}': {error.strerror}",
                hint="name another directory with --dir",
            ) from error
        app = testbed.add_nodes()
        history = stack.enter_context(History(app.state_dir))
        nodes = list(app.store.snapshot().nodes())
        with NodeChecker(nodes, app.settings.ssh, app.clock) as checker:
            observer = _Observer(app, history, checker)
            with Ticker(testbed.config_path, app.state_dir, TICK_EVERY_S) as ticker:
                play(plan, testbed, ticker, observer, screen, stop)
        view = observer.show(screen, 0.0)
        return DemoResult(
            app.settings,
            view,
            tuple(observer.events),
            ticker.started_count,
            ticker.most_at_once,
            ticker.read_output(),
        )


def play(plan: DemoPlan, testbed: Testbed, ticker: Ticker, observer: _Observer, screen: Screen, stop: Stop) -> None:
    """Let ticks come and go, and show what they do."""
    began = time.monotonic()
    repair_s = plan.seconds * REPAIR_AT_RATIO
    is_repaired = REPAIRED not in {role.name for role in testbed.roles}
    while (elapsed := time.monotonic() - began) < plan.seconds and not stop:
        ticker.poll()
        more: list[Event] = []
        if not is_repaired and elapsed >= repair_s:
            testbed.repair()
            is_repaired = True
            more = [_build_repair_event(observer.app.clock.now())]
        observer.show(screen, plan.seconds - elapsed, more)
        time.sleep(REFRESH_S)


def _build_repair_event(now: float) -> Event:
    return Event("", now, REPAIR, REPAIRED, ACTOR, {"reason": "somebody loads the kernel module that it lacked"})
