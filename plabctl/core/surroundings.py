"""What problems are found in: the locks and ticks that were seen, the disk, the load, and what all nodes come to.

Pure. `plabctl.store.lock_report` sees locks and ticks; go on with `plabctl.core.find_problems`, which judges.
Tests: `tests/core/test_find_problems.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.problems import Problem, TickFailure


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


def parse_trace(words: list[str], boot: str, *, is_running: bool) -> TickTrace | None:
    """Return what the mark of a tick says; None when it ended, or when the machine was booted since."""
    match words:
        case ["runs", of_boot, began_at, died_count, first_died_at] if of_boot == boot:
            try:
                return TickTrace(is_running, float(began_at), int(died_count), float(first_died_at) or None)
            except ValueError:
                return None
    return None


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
    next_due_at: float | None
    """When the next of those that are not absent, and not being tested, is due."""
    stuck: int = 0
    """How many of them do not return before a person releases them."""
