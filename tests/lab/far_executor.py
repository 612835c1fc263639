"""An executor whose tests are made elsewhere and outlive their tick, in this process: for tests of ticks.

I/O. Who is elsewhere is a `Farm`, of which a test says when what is begun there ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Outcome, Report
from plabctl.core.settings import ExecutorSettings
from plabctl.executors.base import Executor, ExecutorKind, Prober

KIND = "far"
"""What the configuration calls it, where `register` was called."""


class Farm:
    """What runs elsewhere, by token; the reports that no tick has acknowledged stay here, as with a scheduler."""

    def __init__(self, most: int) -> None:
        """At most `most` may run at once: more fail the test."""
        self.most = most
        self.running: dict[str, Assignment] = {}
        self.reports: dict[str, Report] = {}
        self.nodes: list[str] = []
        """Where tests were begun, in order."""

    def begin(self, assignment: Assignment) -> None:
        """Begin a test."""
        assert len(self.running) < self.most, "more are outstanding than the window allows"
        self.running[assignment.token] = assignment
        self.nodes.append(assignment.node.name)

    def finish(self, clock: Clock) -> None:
        """Let all tests pass that run."""
        for token, job in self.running.items():
            self.reports[token] = Report(job.node.name, token, Outcome.PASS, None, "", clock.now(), 0.1, goal=job.goal)
        self.running.clear()


class FarExecutor:
    """The connection of one process to the farm; see `plabctl.executors.base.RemoteExecutor`."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._awaited: set[str] = set()
        self._told: set[str] = set()

    @property
    def running(self) -> int:
        """Return how many tests are awaited."""
        return len(self._awaited)

    def start(self, assignment: Assignment) -> None:
        """Begin a test."""
        self._awaited.add(assignment.token)
        self._farm.begin(assignment)

    def adopt(self, assignment: Assignment, started_at: float, remaining_s: float) -> None:
        """Wait for a test that another process has begun."""
        self._awaited.add(assignment.token)

    def wait(self, timeout_s: float | None = None) -> list[Report]:
        """Return the reports that were not handed out to this process, also those that nobody waits for."""
        found = [report for token, report in self._farm.reports.items() if token not in self._told]
        if not found:
            time.sleep(timeout_s or 0.0)
        self._told |= {report.token for report in found}
        self._awaited -= self._told
        return found

    def acknowledge(self) -> None:
        """Let the farm forget what was handed out."""
        for token in self._told:
            self._farm.reports.pop(token, None)

    def interrupt(self) -> None:
        """Do nothing: all of it goes on."""

    def detach(self) -> frozenset[str]:
        """Leave all of it to others."""
        self._awaited.clear()
        return frozenset()

    def close(self) -> None:
        """Do nothing."""


class FarKind(ExecutorKind):
    """The kind; all executors have the same farm."""

    name = KIND
    help = "elsewhere"
    is_elsewhere = True

    def __init__(self) -> None:
        self.farm = Farm(0)

    def build(self, own: ExecutorSettings, prober: Prober, clock: Clock, state_dir: str) -> Executor:
        """Return a connection to the farm."""
        return FarExecutor(self.farm)


FAR = FarKind()


def register(set_item: Callable[..., None], most: int) -> Farm:
    """Make the kind known, with an empty farm, and return that; `set_item` is that of the monkeypatch of a test."""
    from plabctl.kinds import POINTS

    set_item(POINTS["executor"].builtin, KIND, f"{__name__}:FAR")
    FAR.farm = Farm(most)
    return FAR.farm
