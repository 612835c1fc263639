"""The journal: what each commit changed since the state file was last written, one record after the other.

I/O. A journal belongs to one state file, the base: its name ends with the base's rev, and its first record, which
changes nothing, continues the base's checksum. Each of the others continues that of the one before, so no record of
another journal fits in between. A record is a line of JSON, what was dropped and what was put, and a line like the
first one of a state file, the head of the state from then on: so the end of the file tells how the state is.

Only the last commit can have been cut off, by the death of its process or of the machine, and nobody was told that it
was done: what there is of it is a torn end. Whatever else does not fit is damage. Go on with `plabctl.store.current`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO

from plabctl.contexts import suppress
from plabctl.errors import StateDamaged, StateTooNew, StoreError
from plabctl.files.private import as_store_error, open_for_reading
from plabctl.store.head import (
    CHECKSUM_DIGITS,
    CLOSED,
    JOURNAL_PREFIX,
    JOURNALED_SINCE,
    LONGEST_LINE,
    MAX_STATE_BYTES,
    OPEN,
    STATE_NAME,
    Head,
    HeadLine,
    build_damage_error,
    build_head_line,
    compute_checksum,
    format_proof,
    parse_head_line,
    peek_head,
    read_head,
    refuse_size,
)
from plabctl.typed import NamedTuple
from plabctl.values import replace

_RECORD_LINES = 2
IDLE_SHARE = 0.125
"""Of the state file: a larger journal is folded by a tick that has nothing else to do."""
_LEAST_BYTES, _MOST_BASE_BYTES = 64 * 1024, 64 * 1024**2
"""Nobody notices whether a shorter journal is read; a larger state takes a tick too long."""


class Place(NamedTuple):
    """A place between two records: how many bytes come before it, and the checksum that the next record continues."""

    offset: int
    checksum: int


class Record(NamedTuple):
    """One commit: the head of the state from then on, and what changed, as JSON."""

    head: Head
    body: memoryview


class NewRecord(NamedTuple):
    """A record as it is written, and its checksum."""

    head: Head
    data: bytes
    checksum: int


class Journal(NamedTuple):
    """What a part of a journal says."""

    records: list[Record]
    end: Place
    """Where the next record goes."""
    rest: bytes
    """What follows there: nothing, or what there is of a commit that was cut off."""


def build_loss_error(path: str) -> StateDamaged:
    """Return the error for a journal that has to be there."""
    return build_damage_error(path, "it is gone: the changes since the state file was written stood in it")


def name_journal(rev: int) -> str:
    """Return the name of the journal of the state file with that rev."""
    return f"{JOURNAL_PREFIX}{rev}"


def build_record(head: Head, changed: bytes, after: int) -> NewRecord:
    """Return a record that continues the checksum `after`.

    `changed` is what changed, as JSON; it is empty in the first record of a journal.
    """
    body = changed + b"\n" if changed else b""
    head = replace(head, bytes_=len(body))
    line, checksum = build_head_line(head, body, after=after, end=CLOSED)
    return NewRecord(head, body + line, checksum)


def parse_journal(path: str, data: bytes, rev: int, place: Place) -> Journal:
    """Return the records in `data`, the part of the journal at `path` from `place` on; the state is at `rev` there.

    At the beginning of a journal, its first record is verified and left out. Raises StateDamaged, StateTooNew.
    """
    view, start, checksum = memoryview(data), 0, place.checksum
    if place.offset == 0:
        first = _parse_line(path, data, 0)
        if first is None or first.head.rev != rev or first.checksum != compute_checksum(first.covered, after=checksum):
            raise build_damage_error(path, "it does not belong to the state file beside it")
        start, checksum = first.length, first.checksum
    records = []
    while start < len(data):
        middle = data.find(b"\n", start) + 1
        line = _parse_line(path, data, middle) if middle else None
        if line is None or line.head.rev != rev + 1 or line.head.bytes_ != middle - start:
            break
        body = view[start:middle]
        if line.checksum != compute_checksum(line.covered, body, after=checksum):
            break
        rev, checksum, start = rev + 1, line.checksum, middle + line.length
        records.append(Record(line.head, body))
    return Journal(records, Place(place.offset + start, checksum), bytes(view[start:]))


def refuse_altered_end(path: str, rev: int, rest: bytes, *, is_same_boot: bool) -> None:
    """Raise StateDamaged when `rest`, after the record of `rev`, cannot be what there is of a commit that was cut off.

    A process that dies leaves the beginning of what it wrote. What it wrote to the end can be wrong only after the
    machine went down meanwhile: `is_same_boot` says that it did not.
    """
    count = rest.count(b"\n")
    if count > _RECORD_LINES or (count == _RECORD_LINES and (is_same_boot or not rest.endswith(b"\n"))):
        raise build_damage_error(path, f"what comes after revision {rev} was altered after plabctl wrote it")
    line = _parse_line(path, rest, rest.index(b"\n") + 1) if count == _RECORD_LINES else None
    if line and line.head.rev != rev + 1:
        raise build_damage_error(path, f"revision {line.head.rev} comes after revision {rev}")


def leads_to(file: FileIO, place: Place) -> bool:
    """Return whether the record before `place` is the one that was there when `place` was found."""
    if place.offset == 0:
        return True
    end = format_proof(place.checksum) + CLOSED
    return os.pread(file.fileno(), len(end), place.offset - len(end)) == end


def peek_state(state_dir: str, most: int = 0) -> Head | None:
    """Return the head of the state as the end of its journal says; None when there is no state file.

    A few hundred bytes are read, and the state file when it has no more than `most` bytes, to verify it. Raises
    StateDamaged, StateTooNew, or StoreError.
    """
    path = os.path.join(state_dir, STATE_NAME)
    last = None
    while True:
        line = read_head(path, most) if most else peek_head(path)
        if line is None or line.head.schema_version < JOURNALED_SINCE:
            return line.head if line else None
        journal = os.path.join(state_dir, name_journal(line.head.rev))
        file = open_for_reading(journal)
        if file is None:
            if line.checksum == last:
                raise build_loss_error(journal)
            last = line.checksum  # unless the state file was written anew meanwhile, the journal is lost
            continue
        with as_store_error("read", journal), file:
            return _peek_end(journal, file, line)


def read_most(file: FileIO) -> bytes:
    """Return what a file says, but no more than a state may have; raise OSError."""
    return file.read(min(os.fstat(file.fileno()).st_size, MAX_STATE_BYTES))


def is_worth_folding(state_dir: str) -> bool:
    """Return whether readers are spared much when the journal is folded now, which takes little as the state is small.

    Costs next to nothing. Raises StateDamaged, StateTooNew, or StoreError.
    """
    path = os.path.join(state_dir, STATE_NAME)
    line = peek_head(path)
    if line is None or line.head.bytes_ > _MOST_BASE_BYTES:
        return False
    with as_store_error("read", path), suppress(FileNotFoundError):
        size = os.stat(os.path.join(state_dir, name_journal(line.head.rev))).st_size
        return size > max(_LEAST_BYTES, IDLE_SHARE * line.head.bytes_)
    return False


def list_heads(path: str) -> Iterator[Head]:
    """Yield the head of every line of a file that looks like one, whether or not the rest is sound."""
    file = open_for_reading(path)
    if file is None:
        return
    with as_store_error("read", path), file:
        data = read_most(file)
    start = 0
    while start < len(data):
        for end in (OPEN, CLOSED):
            with suppress(StoreError):
                yield parse_head_line(path, data[start : start + LONGEST_LINE], end).head
        start = data.find(b"\n", start) + 1 or len(data)


def _peek_end(path: str, file: FileIO, base: HeadLine) -> Head:
    """Return the head of the last record that is whole; it is looked for from the end."""
    size = os.fstat(file.fileno()).st_size
    refuse_size(path, size)
    for start in (max(0, size - LONGEST_LINE), 0):
        data = os.pread(file.fileno(), size - start, start)
        end = len(data)
        while end > 0:
            begin = data.rfind(b"\n", 0, end - 1) + 1
            line = _parse_line(path, data, begin)
            if line and _is_sound(file, start + begin, line, base):
                return line.head
            end = begin
    raise build_damage_error(path, "it has no record of any commit")


def _is_sound(file: FileIO, begin: int, line: HeadLine, base: HeadLine) -> bool:
    """Return whether the record whose line is at `begin` is as it was written, if the one before is."""
    start = begin - line.head.bytes_
    if start < 0 or (start == 0) != (line.head.rev == base.head.rev):
        return False
    after, before = base.checksum, CHECKSUM_DIGITS + len(b'"}' + CLOSED)
    if start:
        digits = os.pread(file.fileno(), CHECKSUM_DIGITS, start - before)
        try:
            after = int(digits, 16)
        except ValueError:
            return False
    body = os.pread(file.fileno(), line.head.bytes_, start)
    return line.checksum == compute_checksum(line.covered, body, after=after)


def _parse_line(path: str, data: bytes, start: int) -> HeadLine | None:
    """Return the line of a head that begins at `start`; None when it is none. Raise StateTooNew."""
    try:
        return parse_head_line(path, data[start : start + LONGEST_LINE], CLOSED)
    except StateTooNew:
        raise
    except StateDamaged:
        return None
