"""What runs the probes of a tick: what every executor can do, and what a kind of executor has to say of itself.

Pure. A kind is one module beside this one with one instance of an `ExecutorKind`; `plabctl.kinds` lists it by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.keys.formatting import quote
from plabctl.core.keys.table import Kind
from plabctl.core.model import Cause, Node, Outcome, Report
from plabctl.core.settings import ExecutorSettings


class Prober(Protocol):
    """What carries an assignment out on this machine."""

    def probe(self, assignment: Assignment) -> Report:
        """Return what came of it, by its deadline; never raises."""
        ...

    def interrupt(self) -> None:
        """Make all probes return soon; does not block."""
        ...


class PackingProber(Prober, Protocol):
    """One that can also make an assignment ready for a prober elsewhere."""

    def pack(self, assignment: Assignment) -> Assignment | str:
        """Return it with the files of this machine that it takes, or why they cannot be read."""
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


class RemoteExecutor(Executor, Protocol):
    """One whose assignments are carried out elsewhere, and outlive the process that handed them in."""

    def adopt(self, assignment: Assignment, started_at: float, remaining_s: float) -> None:
        """Wait for what comes of an assignment that another process handed in, for `remaining_s` at most."""
        ...

    def acknowledge(self) -> None:
        """Note that the reports handed out so far are recorded, and need be kept no longer."""
        ...

    def detach(self) -> frozenset[str]:
        """Leave what runs elsewhere to whoever adopts it; return the tokens of what runs here."""
        ...

    def close(self) -> None:
        """Give the connection back, after all that is to be said over it; takes a second at most."""
        ...


class Remark(NamedTuple):
    """A line for `plabctl doctor`: what was found, and what to do about it if that is anything."""

    text: str
    advice: str = ""
    is_grave: bool = False
    """Nothing can be tested."""


class ExecutorKind(Kind, ABC):
    """One kind of executor. Its `help` says how it runs the tests: `side by side, from this machine`."""

    is_elsewhere: bool = False
    """Whether it makes a `RemoteExecutor`: claims made through it are void by their deadline alone."""
    has_vantages: bool = False
    """Whether it may test a node from one place or from another, and heeds `Assignment.away_from`."""

    def check(self, given: Mapping[str, Any], defaults: Any) -> Iterator[tuple[str, str]]:
        """Yield that a second opinion cannot be had where all tests are made from one place."""
        yield from super().check(given, defaults)
        if given.get("second_opinion") and not self.has_vantages:
            what = f"the kind {quote(self.name)} tests from one place only, allowed: false"
            yield "second_opinion", what

    @abstractmethod
    def build(self, own: ExecutorSettings, prober: PackingProber, clock: Clock, state_dir: str) -> Executor:
        """Return an executor with these settings; `prober` is what probes from this machine.

        Raise ConfigError when something that the settings name will not do.
        """

    def diagnose(self, own: ExecutorSettings, clock: Clock, nodes: Iterable[Node]) -> Iterator[Remark]:
        """Yield what was found out about what it needs beyond this machine, to test these nodes; may take seconds."""
        yield from ()


def report_expired(job: Assignment, clock: Clock) -> Report | None:
    """Return the report of an assignment that must not begin any more, None for one that may."""
    if job.begin_by_uptime_s is None or clock.uptime() <= job.begin_by_uptime_s:
        return None
    reason = "it did not start in time: this machine was asleep, stopped or overloaded"
    return build_substitute(job, clock.now(), 0.0, Cause.LOCAL, reason, begun=False)


def build_substitute(
    job: Assignment, started_at: float, seconds: float, cause: Cause, reason: str, *, begun: bool = True
) -> Report:
    """Return a report in place of one that did not come; `begun` says whether the vnode may be there."""
    left = job.list_at_stake(begun=begun)
    return Report(
        node=job.node.name,
        token=job.token,
        outcome=Outcome.UNKNOWN,
        cause=cause,
        reason=reason,
        started_at=started_at,
        seconds=round(seconds, 3),
        left=left,
        experiment=job.experiment,
        goal=job.goal,
        stray=job.build_stray(started_at) if job.vnode in left else None,
    )
