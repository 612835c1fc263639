"""What was told to one receiver of notices, and how the delivery goes, as it is kept in a file.

Pure. `plabctl.sinks.notice_files` reads and writes the file. As with notes, what makes no sense in it is left out.
Tests: `tests/sinks/test_apprise.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from plabctl.core.notes import NoteReader
from plabctl.core.notices import Alarm, Memory, Told
from plabctl.core.sink_health import compute_retry_wait

_NOTHING: Memory = {}


class Failure(NamedTuple):
    """That the last attempt, or several, to deliver a notice failed: how often, why, and when it is tried again."""

    failure_count: int
    error: str
    next_at: float


class Attempt(NamedTuple):
    """A delivery that was begun: when, and what was told once it has succeeded."""

    at: float
    memory: Memory


class Record(NamedTuple):
    """One receiver."""

    memory: Memory = _NOTHING
    attempt: Attempt | None = None
    failure: Failure | None = None
    sent_at: float = 0.0
    """When the last delivery that succeeded was begun."""

    def begin(self, memory: Memory, now: float) -> Record:
        """Return the record with a delivery that begins at `now`."""
        return self._replace(attempt=Attempt(now, memory))

    def succeed(self) -> Record:
        """Return the record after the delivery."""
        return Record(self.attempt.memory, sent_at=self.attempt.at) if self.attempt else self

    def fail(self, error: str, now: float) -> Record:
        """Return the record after a delivery that failed: nothing more was told."""
        count = 1 + (self.failure.failure_count if self.failure else 0)
        return self._replace(attempt=None, failure=Failure(count, error, now + compute_retry_wait(count)))

    def settle(self, memory: Memory) -> Record:
        """Return the record when there is nothing to tell, and so nothing that has failed."""
        return self._replace(memory=memory, attempt=None, failure=None)

    def find_pause_end(self, now: float, apart_s: float) -> float:
        """Return when the next notice may follow the last one, at most `apart_s` ahead; `now` or earlier for at once.

        A delivery that was begun later than now was so before the clock was set back.
        """
        return self.sent_at + apart_s if self.sent_at <= now else now


def encode_record(record: Record) -> dict[str, object]:
    """Return the record as a JSON object."""
    document: dict[str, object] = {"told": _encode_memory(record.memory), "sent_at": record.sent_at}
    if record.attempt:
        document["attempt"] = {"at": record.attempt.at, "told": _encode_memory(record.attempt.memory)}
    if record.failure:
        document["failure"] = record.failure._asdict()
    return document


def decode_record(document: object) -> Record:
    """Return the record that a JSON object is; an empty one for anything else."""
    parts = NoteReader({"parts": document}).read_objects("parts")
    attempt, failure = parts.get("attempt"), parts.get("failure")
    return Record(
        _decode_memory(NoteReader(document)),
        Attempt(attempt.read_number("at", 0.0), _decode_memory(attempt)) if attempt else None,
        _decode_failure(failure) if failure else None,
        NoteReader(document).read_number("sent_at", 0.0),
    )


def _decode_failure(reader: NoteReader) -> Failure:
    return Failure(
        reader.read_count("failure_count"), reader.read_text("error", ""), reader.read_number("next_at", 0.0)
    )


def _encode_memory(memory: Memory) -> dict[str, object]:
    return {
        key: {**_leave_out_empty(told.alarm), "at": told.at, "reminder_count": told.reminder_count}
        for key, told in memory.items()
    }


def _leave_out_empty(alarm: Alarm) -> dict[str, object]:
    return {name: value for name, value in alarm._asdict().items() if value != ""}


def _decode_memory(reader: NoteReader) -> Memory:
    return {
        key: Told(
            Alarm(
                row.read_text("topic", ""),
                row.read_text("what", ""),
                row.read_number("since_at", 0.0),
                row.read_text("node", ""),
                row.read_text("site", ""),
                row.read_text("detail", ""),
            ),
            row.read_number("at", 0.0),
            row.read_count("reminder_count"),
        )
        for key, row in reader.read_objects("told").items()
    }
