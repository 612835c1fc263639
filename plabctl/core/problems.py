"""The values in which the persistent faults of plabctl are told.

Pure. Go on with `plabctl.core.find_problems`, which lists what is wrong.
Tests: `tests/core/test_find_problems.py`.
"""

from __future__ import annotations

from enum import StrEnum

from plabctl.values import dataclass


class ProblemKind(StrEnum):
    """What is wrong."""

    LOCK = "lock"
    SLOTS = "slots"
    TICKS = "ticks"
    CLAIMS = "claims"
    UNTESTED = "untested"
    PLUGINS = "plugins"
    LOCAL = "local"
    CLOCK = "clock"
    NO_TICK = "no-tick"
    FAILING = "failing"
    CONFIG = "config"
    STATE = "state"
    INVENTORY = "inventory"
    OCCUPANCY = "occupancy"
    SINK = "sink"
    LOAD = "load"
    DISK = "disk"
    UNKNOWN = "unknown"
    JUMP = "jump"
    EXECUTOR = "executor"
    STATUS_FILE = "status-file"
    PAGE = "page"
    CERTIFICATE = "certificate"
    NO_NODES = "no-nodes"
    UNUSABLE = "unusable"
    STUCK = "stuck"
    LIVENESS = "liveness"
    MONITOR = "monitor"


class Severity(StrEnum):
    """How grave a problem is."""

    CRITICAL = "critical"
    """plabctl does not do its work."""
    WARNING = "warning"
    """A part of it is not done, or it will soon not be."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps plabctl from its work: what it is and what to do about it, in words."""

    kind: ProblemKind
    reason: str
    remedy: str
    pid: int | None = None
    since_at: float | None = None
    slot_count: int | None = None
    severity: Severity = Severity.CRITICAL
    subject: str | None = None
    """What it is about, where several things may have such a problem at once: a source, a sink, a pool, a lock."""
    monitor: str | None = None
    """Which of several monitors has it."""

    @property
    def is_critical(self) -> bool:
        """Whether plabctl does not do its work."""
        return self.severity is Severity.CRITICAL

    @property
    def words(self) -> str:
        """What it is, after the monitor that has it where there are several."""
        return f"{self.monitor}: {self.reason}" if self.monitor else self.reason


@dataclass(frozen=True, slots=True)
class TickFailure:
    """The error with which ticks end since the last one that succeeded."""

    kind: ProblemKind
    reason: str
    remedy: str
    since_at: float
    last_at: float
    count: int
