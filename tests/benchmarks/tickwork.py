"""Ticks without probes, in a process of its own: every test passes the moment it is begun, and the rest is as it is.

I/O. Run as `python -m tests.benchmarks.tickwork MODE CONFIG LIMIT`; it prints what the ticks wrote and took.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from plabctl.app import tick, wiring
from plabctl.app.context import App, open_app
from plabctl.app.signals import Stop
from plabctl.core.assignment import Assignment
from plabctl.core.model import Outcome, Report
from plabctl.core.state import Changes
from plabctl.executors.base import Executor
from plabctl.store import storage

TICK_S, HOUR_S = 60.0, 3600.0


class ShiftedClock:
    """The clock of this machine, and so many seconds more."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        """Return seconds since 1970, to the millisecond."""
        return round(time.time() + self.ahead_s, 3)

    def monotonic(self) -> float:
        """Return seconds that no jump is seen in."""
        return time.monotonic()

    def uptime(self) -> float:
        """Return seconds since the boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.ahead_s


@dataclass(slots=True)
class Passing:
    """An executor whose probes pass at once."""

    clock: ShiftedClock
    stop: Callable[[int], object]
    ended: list[Report] = field(default_factory=list)
    count: int = 0

    @property
    def running(self) -> int:
        """How many have not been reported."""
        return len(self.ended)

    def start(self, assignment: Assignment) -> None:
        """Let it pass."""
        self.count += 1
        now = self.clock.now()
        self.ended.append(Report(assignment.node.name, assignment.token, Outcome.PASS, None, "", now, 1.0))
        self.stop(self.count)

    def wait(self, timeout_s: float | None = None) -> list[Report]:
        """Return all."""
        reports, self.ended = self.ended, []
        return reports

    def interrupt(self) -> None:
        """Do nothing: all have ended."""


@dataclass(slots=True)
class Written:
    """What the store wrote: bytes of records, and of whole states."""

    records: int = 0
    bases: int = 0
    base_count: int = 0

    def watch(self) -> None:
        """Count from now on."""
        append, write = cast("Any", storage).append_record, storage.write_base

        def append_record(*args: Any, **more: Any) -> None:
            self.records += len(args[-1])
            append(*args, **more)

        def write_base(*args: Any, **more: Any) -> Any:
            found = write(*args, **more)
            self.bases += found[0].length + found[0].head.bytes_
            self.base_count += 1
            return found

        cast("Any", storage).append_record, cast("Any", storage).write_base = append_record, write_base


def backlog(app: App, clock: ShiftedClock, limit: int, written: Written) -> dict[str, float]:
    """Run one tick until `limit` tests have ended; more than that must be due."""
    stop = Stop()
    executor = Passing(clock, lambda count: setattr(stop, "signal", 15) if count >= limit else None)
    _use(executor)
    app.store.snapshot()
    written.watch()
    cpu_s = time.process_time()
    tick.run_tick(app, stop)
    return {"reports": executor.count, "cpu_s": time.process_time() - cpu_s}


def steady(app: App, clock: ShiftedClock, limit: int, written: Written) -> dict[str, float]:
    """Run a tick a minute for `limit` minutes; what is due in an hour is spread over it."""
    executor = Passing(clock, bool)
    _use(executor)
    began_s = clock.now()
    with app.store.session() as state:
        members = list(state.members())
        spread = [
            replace(each, ok_streak=99, due_at=began_s + number * HOUR_S / len(members))
            for number, each in enumerate(members)
        ]
        state.apply(Changes(members=tuple(spread)))
    written.watch()
    cpu_s = time.process_time()
    for minute in range(limit):
        clock.ahead_s += max(0.0, began_s + minute * TICK_S - clock.now())
        tick.run_tick(replace(app, store=open_app(app.settings.path, clock).store), Stop())
    return {"reports": executor.count, "cpu_s": time.process_time() - cpu_s}


def _use(executor: Executor) -> None:
    cast("Any", wiring).make_executor = lambda *_, **__: executor


MODES = {"backlog": backlog, "steady": steady}


def main(mode: str, config: str, limit: int) -> None:
    """Print what it took as one JSON object."""
    clock, written = ShiftedClock(), Written()
    found = MODES[mode](open_app(config, clock), clock, limit, written)
    print(json.dumps({**found, "records": written.records, "bases": written.bases, "folds": written.base_count}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
