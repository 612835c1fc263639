"""The demo from its beginning to its end: nodes up, ticks as cron would start them, and everything looked at meanwhile.

I/O. It reads what any command would read, the state and the history, and knows nothing that plabctl does not. What a
person sees is up to the `Screen`. Go on with `build_roles`, `testbed`, `cron`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from plabctl.app.context import App
from plabctl.app.queries import read_context_of
from plabctl.app.signals import Stop
from plabctl.core.model import Event
from plabctl.demo.roles import LEAST, REPAIRED, build_roles
from plabctl.demo.testbed import Testbed
from plabctl.demo.ticker import Ticker
from plabctl.errors import Refused, StoreError, Untrusted
from plabctl.files import open_trusted
from plabctl.history.database import History
from plabctl.render.status_table import ViewContext

REFRESH_S = 0.25
WINDOW = 6
TICK_EVERY_S = 2.0
TIMEOUT = "4s"
REPAIR_AT_RATIO = 0.4
ACTOR = "demo"


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What is asked for. `directory` None means a fresh one under the directory for temporary files."""

    nodes: int = 12
    seconds: float = 60.0
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class DemoView:
    """What there is to see at one look; `fresh` is what happened since the last."""

    situation: ViewContext
    new_events: tuple[Event, ...]
    left_s: float
    tick_count: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How it ended: the last situation, all that happened, and where it can be looked at."""

    situation: ViewContext
    events: tuple[Event, ...]
    config_path: Path
    tick_count: int
    most_ticks_at_once: int
    most_commands_at_once: int
    output: str
    """What the ticks printed, which is nothing when all went well."""


class Screen(Protocol):
    """Where the demo is shown."""

    def show(self, scene: DemoView) -> None:
        """Show how things stand."""
        ...


@dataclass(slots=True)
class _HistoryReader:
    """Reads what is new in the history."""

    app: App
    history: History
    seen: int = 0
    events: list[Event] = field(default_factory=list)

    def read_new(self) -> tuple[Event, ...]:
        records = self.history.read(after=self.seen)
        self.seen = max(self.seen, records.place)
        found = tuple(record.event for record in records)
        self.events.extend(found)
        return found


def run_demo(plan: DemoPlan, screen: Screen, stop: Stop) -> DemoResult:
    """Run the demo for `plan.seconds`, or until `stop`; leave nothing of it but its directory.

    Raise Refused when that directory holds something or cannot be written.
    """
    roles = build_roles(max(plan.nodes, LEAST))
    with contextlib.ExitStack() as stack:
        try:
            directory = prepare_directory(plan.directory)
            testbed = stack.enter_context(Testbed(directory, roles, window=WINDOW, patience=TIMEOUT))
        except OSError as error:
            where = error.filename or plan.directory or tempfile.gettempdir()
            raise Refused(
                f"the demo cannot be put up: '{where}': {error.strerror}", hint="name another directory with --dir"
            ) from error
        app = testbed.add_nodes()
        follower = _HistoryReader(app, stack.enter_context(History(app.state_dir)))
        with Ticker(testbed.config_path, app.state_dir, TICK_EVERY_S) as cron:
            play(plan, testbed, cron, follower, screen, stop)
        screen.show(DemoView(read_context_of(app), follower.read_new(), 0.0, cron.started_count))
        return DemoResult(
            read_context_of(app),
            tuple(follower.events),
            testbed.config_path,
            cron.started_count,
            cron.most_at_once,
            testbed.commands.peak,
            cron.read_output(),
        )


def prepare_directory(directory: Path | None) -> Path:
    """Return an empty directory that only we can read: this one, or a fresh one."""
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="plabctl-demo-"))
    directory = _own(directory.absolute())
    if any(directory.iterdir()):
        raise Refused(
            f"'{directory}' is not empty", hint="name a directory that does not exist yet, or leave --dir out"
        )
    return directory


def _own(directory: Path) -> Path:
    """Return where `directory` really is, made if it is missing; raise Refused when others could change it.

    What is run stands in it from now on.
    """
    try:
        try:
            opened = open_trusted(str(directory))
        except FileNotFoundError:  # what there is of the way was found to be trusted
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = open_trusted(str(directory))
    except Untrusted as error:
        raise Refused(f"'{directory}' is not used: {error}", hint="name a directory of your own with --dir") from error
    os.close(opened.fd)
    return Path(opened.path)


def play(plan: DemoPlan, testbed: Testbed, cron: Ticker, follower: _HistoryReader, screen: Screen, stop: Stop) -> None:
    """Let ticks come and go, and show what they do."""
    began = time.monotonic()
    repair_s = plan.seconds * REPAIR_AT_RATIO
    is_repaired = REPAIRED not in {role.name for role in testbed.roles}
    while (elapsed := time.monotonic() - began) < plan.seconds and not stop:
        cron.poll()
        fresh: tuple[Event, ...] = ()
        with contextlib.suppress(StoreError):  # a tick is at it: there is another look in a moment
            fresh = follower.read_new()
        if not is_repaired and elapsed >= repair_s:
            testbed.repair()
            is_repaired = True
            fresh = (*fresh, _build_repair_event(follower.app.clock.now()))
        screen.show(DemoView(read_context_of(follower.app), fresh, plan.seconds - elapsed, cron.started_count))
        time.sleep(REFRESH_S)


def _build_repair_event(now: float) -> Event:
    return Event("", now, "repair", REPAIRED, ACTOR, {"reason": "somebody loads the module that it lacked"})
