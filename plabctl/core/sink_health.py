"""How each sink is doing: what waits for it, since when it fails and why, when it is tried again.

Pure. Whoever wants to know whether events are told reads `SINKS_NOTE` in the notes of the state. A sink that has no
event waiting has no entry. The events themselves wait in the history: see `plabctl.history.sink_queues`.
Tests: `tests/app/test_sink_runs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.notes import Document, NoteKind, NoteReader
from plabctl.typed import Protocol
from plabctl.values import dataclass, replace

GIVE_UP_AFTER_S = 86_400.0
"""The age at which an event is dropped if its sink keeps failing."""
MAX_WAITING = 10_000
"""The most events that wait for one sink; beyond that the oldest are dropped."""
_RETRY_S = 60.0
_MAX_RETRY_S = 3600.0


@dataclass(frozen=True, slots=True)
class SinkHealth:
    """One sink for which events wait."""

    name: str
    """What people call it: `hook 'notify.sh'`."""
    newest: int = 0
    """The place in the history of the newest event that is known to wait."""
    waiting_count: int = 0
    failing_since_at: float | None = None
    """When it failed for the first time since it last took an event; None when it did not fail."""
    failure_count: int = 0
    """How often it was tried and failed since then."""
    last_error: str = ""
    next_at: float = 0.0
    """When it is tried again."""
    dropped_count: int = 0
    """How many events it will never be told of, since it began to fail."""
    is_unheard: bool = False
    """Whether it failed behind the back of a tick that had ended, so that the next one is to say so."""

    @property
    def is_synced(self) -> bool:
        """Whether no event ever waited for it: each tick brings it in line."""
        return not (self.newest or self.waiting_count)


Sinks = Mapping[str, SinkHealth]
"""By the key of the queue, which says nothing to people."""


def _decode(reader: NoteReader) -> Sinks:
    return {
        key: SinkHealth(
            row.read_text("name", "a sink"),
            row.read_count("newest"),
            row.read_count("waiting_count"),
            row.read_number("failing_since_at", None),
            row.read_count("failure_count"),
            row.read_text("last_error", ""),
            row.read_number("next_at", 0.0),
            row.read_count("dropped_count"),
            row.read_flag("is_unheard"),
        )
        for key, row in reader.read_objects("sinks").items()
    }


def _encode(sinks: Sinks) -> Document:
    if not sinks:
        return {}
    # `due_at` makes every tick look: a sink that fails is told of by each of them, and by none that it is well again.
    return {"due_at": 0.0, "sinks": {key: _encode_one(health) for key, health in sinks.items()}}


def _encode_one(health: SinkHealth) -> Document:
    row = {name: getattr(health, name) for name in SinkHealth.__slots__}
    return {name: value for name, value in row.items() if value not in (None, 0, "") or name == "name"}


SINKS_NOTE: NoteKind[Sinks] = NoteKind("sinks", _decode, _encode)

RECEIPTS_NOTE = NoteKind(
    "hooks",
    decode=lambda reader: [(str(sink), str(id_)) for sink, id_ in reader.read_rows("receipts", str, str)],
    encode=lambda receipts: {"receipts": [list(receipt) for receipt in receipts]},
)
"""Which sink was told already of which event in the outbox: written by version 0.1, and only read."""

SYNC_REMARKS_NOTE: NoteKind[Mapping[str, str]] = NoteKind(
    "sync-remarks",
    decode=lambda reader: {key: row.read_text("text", "") for key, row in reader.read_objects("remarks").items()},
    encode=lambda remarks: {"remarks": {key: {"text": text} for key, text in remarks.items()}},
)
"""Which names do not match those of another system, as it was told last, by the key of the sink."""


def _encode_memories(memories: Mapping[str, Document]) -> Document:
    dates = [due_at for each in memories.values() if isinstance(due_at := each.get("due_at"), int | float)]
    return {"sinks": dict(memories), **({"due_at": min(dates)} if dates else {})} if memories else {}


SINK_MEMORY_NOTE: NoteKind[Mapping[str, Document]] = NoteKind(
    "sink-memory", lambda reader: reader.read_documents("sinks"), _encode_memories
)
"""What sinks that are brought in line are to know the next time, by key. At the earliest `due_at` a tick looks."""


class RetriedSink(Protocol):
    """Something that failed."""

    @property
    def next_at(self) -> float:
        """When it is tried again."""


def note_failure(health: SinkHealth, error: str, now: float, *, waiting_count: int, dropped_count: int) -> SinkHealth:
    """Return the entry of a sink that was tried and failed just now."""
    count = health.failure_count + 1
    return replace(
        health,
        waiting_count=waiting_count,
        dropped_count=health.dropped_count + dropped_count,
        failing_since_at=now if health.failing_since_at is None else health.failing_since_at,
        failure_count=count,
        last_error=error,
        next_at=now + compute_retry_wait(count),
    )


def compute_retry_wait(failure_count: int) -> float:
    """Return how many seconds a sink is left alone after so many failures: none, a minute, two, ... at most an hour.

    The next tick is the first to try again.
    """
    return 0.0 if failure_count < 2 else min(_MAX_RETRY_S, _RETRY_S * 2 ** min(failure_count - 2, 10))


def is_due(health: RetriedSink | None, now: float) -> bool:
    """Return whether the sink may be tried; a time further ahead than any wait is of a clock that was set back."""
    return health is None or not now < health.next_at <= now + _MAX_RETRY_S


def list_failing(sinks: Sinks, *, but: str = "\0") -> list[SinkHealth]:
    """Return the sinks that failed the last time they were told of anything, by name.

    Those whose key begins with `but` are left out.
    """
    failing = (each for key, each in sinks.items() if each.failing_since_at is not None and not key.startswith(but))
    return sorted(failing, key=lambda each: each.name)


def note_waiting(health: SinkHealth | None, name: str, newest: int, count: int) -> SinkHealth:
    """Return the entry of a sink for which so many events wait, the newest of them at that place in the history."""
    health = health or SinkHealth(name)
    return replace(health, name=name, newest=max(newest, health.newest), waiting_count=count)


def note_success(health: SinkHealth, seq: int, count: int) -> SinkHealth | None:
    """Return the entry of a sink that took what it was told, up to the place `seq`; None when nothing waits for it.

    `count` events waited when it was told; others may have noted newer ones since.
    """
    if health.newest <= seq:
        return None
    return SinkHealth(health.name, health.newest, count or health.waiting_count)
