"""The values in which the persistent faults of plabctl are told, and those that were seen when looking for them.

Pure. Go on with `plabctl.core.find_problems`, which lists what is wrong.
Tests: `tests/core/test_find_problems.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from plabctl.values import dataclass


class LockKind(StrEnum):
    """What a lock is for."""

    STATE = "state"
    SLOT = "slot"
    TURN = "turn"
    """The right to take slots."""
    DELIVERY = "delivery"
    """The right to tell the history and the hooks what happened."""
    HOST_KEYS = "host-keys"
    """The file of known host keys."""


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that some process holds."""

    kind: LockKind
    pid: int | None = None
    """The process, by its number here; None when it cannot be seen from here."""
    process_state: str = ""
    """One letter, see proc(5); empty when unknown."""
    slot: int = 0
    marked_at: float | None = None
    """When the holder last gave a sign of life: of a slot, when the last test in it began."""
    until_uptime_s: float | None = None
    """By when the holder must have done something about it, counted from the boot."""
    foreign_pid: int | None = None
    """The number that the process gives itself, where it cannot be seen from here."""


@dataclass(frozen=True, slots=True)
class TickTrace:
    """What a tick that had something to do left behind: its beginning, and the ticks before it that did not end."""

    is_running: bool
    began_at: float
    died_count: int = 0
    """How many ticks began and did not end, this one left out."""
    first_died_at: float | None = None
    """When the first of those began."""


@dataclass(frozen=True, slots=True)
class LockReport:
    """The locks and the ticks of one state directory, seen at one moment."""

    locks: tuple[HeldLock, ...]
    ticks: tuple[TickTrace, ...]
    uptime_s: float

    @property
    def held_slots(self) -> frozenset[int]:
        """The slots that some process holds."""
        return frozenset(lock.slot for lock in self.locks if lock.kind is LockKind.SLOT)


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
    STATUS_FILE = "status-file"
    CERTIFICATE = "certificate"
    NO_NODES = "no-nodes"
    UNUSABLE = "unusable"
    STUCK = "stuck"


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


@dataclass(frozen=True, slots=True)
class TickFailure:
    """The error with which ticks end since the last one that succeeded."""

    kind: ProblemKind
    reason: str
    remedy: str
    since_at: float
    last_at: float
    count: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was seen beside the state. None is unknown, or does not apply."""

    last_success_at: float | None = None
    """When a tick last ended without an error."""
    failure: TickFailure | None = None
    free_bytes: int | None = None
    """Of the file system of the state; 0 also when no more files can be made."""
    load: float | None = None
    """The load average, if it matters."""
    certificate: Problem | None = None
    """What is wrong with the certificate of the configured key."""


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """What is known of all nodes together."""

    pools: Mapping[str, int]
    unknown: int
    """How many of them have a last test that found nothing out."""
    untested: int
    """How many wait for their first test."""
    is_any_usable: bool
    last_test_at: float
    """When the last test of any of them ended, 0 for never."""
    stuck: int = 0
    """How many of them do not return before a person releases them."""
