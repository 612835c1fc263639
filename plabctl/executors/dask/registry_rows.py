"""The tests and workers that the scheduler's registry keeps.

Pure. What becomes of them is decided in `registry`.
Tests: `tests/executors/dask/test_registry.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from plabctl.core.vantage import find_fit
from plabctl.executors.dask.protocol import Message


class Phase(StrEnum):
    """Where a test is."""

    QUEUED = "queued"
    OFFERED = "offered"
    BEGUN = "begun"
    LOST = "lost"
    """Begun, and its worker is not connected any more."""
    AWAITED = "awaited"
    """A monitor asks for it, but this registry has never seen it: a worker may come back with it."""
    REFUSED = "refused"
    DONE = "done"


ENDS = {Phase.BEGUN, Phase.LOST, Phase.AWAITED, Phase.REFUSED}
"""Those in which a test is forgotten some time after its end."""


@dataclass(slots=True)
class Job:
    """One test; `client` is the connection of its monitor, empty while there is none."""

    token: str
    monitor: str
    client: str
    phase: Phase
    begin_by: float = 0.0
    end_by: float = 0.0
    site: str = ""
    away_from: tuple[str, ...] = ()
    document: str = ""
    worker: str = ""
    vantage: str = ""
    since: float = 0.0


@dataclass(slots=True)
class Worker:
    """One worker; `problem` says why it gets no tests."""

    address: str
    name: str
    site: str
    slots: int
    version: str
    problem: str = ""
    tokens: set[str] = field(default_factory=set)

    @property
    def has_room(self) -> bool:
        """Return whether it can take one more test."""
        return not self.problem and len(self.tokens) < self.slots

    def describe(self) -> str:
        """Return what people call it."""
        return f"worker '{self.name}' at site '{self.site}'"

    def to_message(self) -> Message:
        """Return what monitors are told of it."""
        row = {"name": self.name, "site": self.site, "slots": self.slots, "busy": len(self.tokens)}
        return {**row, "version": self.version, "problem": self.problem}


def pick_worker(job: Job, workers: Iterable[Worker]) -> Worker | None:
    """Return the worker with the most room of those that may make a test now; None if there is none."""
    free = (worker for worker in choose_from(job, workers) if worker.has_room)
    return min(free, key=lambda worker: (len(worker.tokens) / worker.slots, worker.name), default=None)


def choose_from(job: Job, workers: Iterable[Worker]) -> Sequence[Worker]:
    """Return the workers that may make a test: elsewhere if it is to be, and at the node's site if any are."""
    usable = [worker for worker in workers if not worker.problem]
    fit = find_fit({worker.site for worker in usable}, job.away_from)
    elsewhere = [worker for worker in usable if worker.site in fit]
    return [worker for worker in elsewhere if worker.site == job.site] or elsewhere
