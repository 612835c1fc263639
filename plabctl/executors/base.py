"""What runs the probes of a tick: what every executor can do, and what a kind of executor has to say of itself.

Pure. A kind is one module beside this one with one instance of an `ExecutorKind`; `plabctl.kinds` lists it by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.keys.table import NO_KEYS
from plabctl.core.model import Report
from plabctl.core.settings import ExecutorSettings


class Prober(Protocol):
    """What carries an assignment out on this machine."""

    def probe(self, assignment: Assignment) -> Report:
        """Return what came of it, by its deadline; never raises."""
        ...

    def interrupt(self) -> None:
        """Make all probes return soon; does not block."""
        ...


class Executor(Protocol):
    """Runs assignments side by side and hands their reports back.

    One thread owns it: it alone calls `start` and `wait`. `interrupt` may come from a signal handler in that thread.
    """

    @property
    def running(self) -> int:
        """How many assignments were started and not yet reported."""
        ...

    def start(self, assignment: Assignment) -> None:
        """Begin an assignment; its report comes from `wait`, whatever happens."""
        ...

    def wait(self, timeout_s: float | None = None) -> list[Report]:
        """Return the reports that have come in, as soon as there is one; none after `timeout_s` or if nothing runs."""
        ...

    def interrupt(self) -> None:
        """Cut everything that runs; `wait` reports each probe within 1.5 s, as interrupted unless it had ended."""
        ...


class ExecutorKind(ABC):
    """One kind of executor."""

    name = ""
    help = ""
    """How it runs the tests, for the reference: `side by side, from this machine`."""
    keys = NO_KEYS
    """The keys that only this kind has."""
    fault = ""
    """Why it cannot be used: only those of plug-ins ever have one."""

    @abstractmethod
    def build(self, own: ExecutorSettings, prober: Prober, clock: Clock) -> Executor:
        """Return an executor with these settings; `prober` is what probes from this machine."""
