"""The first line of the state file, and the proof that the rest is whole.

I/O. The file is one JSON document. Its first line is the head; the checksum in it covers everything else: the head's
other fields and every byte after the line. A record of the journal ends with such a line, too, so an idle tick learns
what it needs from the last one, without parsing the nodes: see `plabctl.store.journal`. Go on with
`plabctl.store.tables`, where the rest is read.
"""

from __future__ import annotations

import os
import re
import zlib

from plabctl.errors import StateDamaged, StateTooNew
from plabctl.files.private import as_store_error, open_for_reading
from plabctl.values import dataclass

STATE_NAME = "state.json"
PREVIOUS_NAME = "state.json.previous"
JOURNAL_PREFIX = "state.journal."
LOCK_NAME = "state.lock"
SLOTS_NAME = "slots"
TICKS_NAME = "ticks"
SCHEMA_VERSION = 4
JOURNALED_SINCE = 4
"""The first version whose state files have a journal beside them."""
MAX_STATE_BYTES = 512 * 1024 * 1024
"""More than a million nodes; a larger file is none of ours."""

_CHUNK = 256 * 1024
LONGEST_LINE = 1024
_VERSION = rb'\{"plabctl":\{"schema_version":(\d{1,9})[,}]'
OPEN, CLOSED = b",\n", b"}\n"
"""How the line of a head ends: the first one of a state file, and that of a record in a journal."""
_TICK = r"[0-9A-Za-z_-]{0,64}"
_CHECKSUM = b'"checksum":"crc32:'
CHECKSUM_DIGITS = 8
RESTORE_HINT = "run `plabctl doctor --restore` to go back to the latest whole state"


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line says.

    `rev` counts the commits. `wake_at` is the earliest instant at which a tick has anything to do: 0 means at once,
    None never (there are no nodes). `tick` is the id of the newest tick that claimed, empty if there was none.
    `bytes_` is the size of everything after the line.
    """

    schema_version: int
    rev: int
    saved_at: float
    wake_at: float | None
    tick: str
    node_count: int
    bytes_: int


def build_head_line(head: Head, body: bytes | memoryview, *, after: int = 0, end: bytes = OPEN) -> tuple[bytes, int]:
    """Return the line that says `head` of `body`, and its checksum, which continues the checksum `after`."""
    if not re.fullmatch(_TICK, head.tick):
        raise AssertionError(f"the id {head.tick!r} of a tick would break the line")
    covered = _format_covered(head)
    checksum = compute_checksum(covered, body, after=after)
    return covered + format_proof(checksum) + end, checksum


def _format_covered(head: Head) -> bytes:
    wake_at = "null" if head.wake_at is None else repr(float(head.wake_at))
    return (
        f'{{"plabctl":{{"schema_version":{head.schema_version},"rev":{head.rev},"saved_at":{float(head.saved_at)!r},'
        f'"wake_at":{wake_at},"tick":"{head.tick}","nodes":{head.node_count},"bytes":{head.bytes_},'
    ).encode()


def format_proof(checksum: int) -> bytes:
    """Return how the line of a head with that checksum ends, but for what follows its closing brace."""
    return f'"checksum":"crc32:{checksum:08x}"}}'.encode()


def compute_checksum(*parts: bytes | memoryview, after: int = 0) -> int:
    """Return the CRC-32 of `parts`, which continues the checksum `after`.

    Against accidents it is enough, and it need not be loaded first.
    """
    for part in parts:
        after = zlib.crc32(part, after)
    return after


def read_head(path: str, most: int = MAX_STATE_BYTES) -> HeadLine | None:
    """Return the first line of the file, verified against the whole file; None when there is no file.

    It is not verified when more than `most` bytes would have to be read for that. Raises StateDamaged, StateTooNew, or
    StoreError when it cannot be read.
    """
    file = open_for_reading(path)
    if file is None:
        return None
    with as_store_error("read", path), file:
        refuse_size(path, os.fstat(file.fileno()).st_size)
        data = file.read(LONGEST_LINE)
        line = parse_head_line(path, data)
        if line.head.bytes_ > most:
            return line
        checksum = compute_checksum(line.covered)
        size = 0
        chunk = memoryview(bytearray(_CHUNK))
        part = memoryview(data)[line.length :]
        while part:
            checksum = zlib.crc32(part, checksum)
            size += len(part)
            part = chunk[: file.readinto(chunk)]
    _refuse_unless_whole(path, line, size, checksum)
    return line


def peek_head(path: str) -> HeadLine | None:
    """Return the first line of the file, unverified, reading no more than its first line; None when there is no file.

    Raises StateDamaged, StateTooNew, or StoreError when it cannot be read.
    """
    file = open_for_reading(path)
    if file is None:
        return None
    with as_store_error("read", path), file:
        return parse_head_line(path, file.read(LONGEST_LINE))


def verify_head(path: str, data: bytes) -> HeadLine:
    """Return the first line of a whole file's bytes, verified against them; raise StateDamaged or StateTooNew."""
    line = parse_head_line(path, data[:LONGEST_LINE])
    body = memoryview(data)[line.length :]
    _refuse_unless_whole(path, line, len(body), compute_checksum(line.covered, body))
    return line


class HeadLine:
    """The head with what proves it: the bytes that the checksum covers, the checksum, and the line's length."""

    __slots__ = ("checksum", "covered", "head", "length")

    def __init__(self, head: Head, covered: bytes, checksum: int, length: int) -> None:
        self.head = head
        self.covered = covered
        self.checksum = checksum
        self.length = length


def parse_head_line(path: str, data: bytes, end: bytes = OPEN) -> HeadLine:
    """Return what the line at the beginning of `data` says; raise StateDamaged or StateTooNew.

    One of ours is what would be written of that. A pattern for it is slow to compile.
    """
    if not data:
        raise build_damage_error(path, "it is empty")
    covered, _, proof = data.partition(_CHECKSUM)
    *values, after = (field.rpartition(b":")[2] for field in covered.split(b","))
    if len(values) != len(Head.__slots__) or after:
        raise _build_foreign_error(path, data)
    schema, rev, saved_at, wake_at, tick, nodes, size = values
    try:
        head = Head(
            schema_version=int(schema),
            rev=int(rev),
            saved_at=float(saved_at),
            wake_at=None if wake_at == b"null" else float(wake_at),
            tick=tick[1:-1].decode(),
            node_count=int(nodes),
            bytes_=int(size),
        )
        checksum = int(proof[:CHECKSUM_DIGITS], 16)
    except ValueError as error:
        raise _build_foreign_error(path, data, "its first line holds a number that is none") from error
    line = _format_covered(head) + format_proof(checksum) + end
    if head.schema_version > SCHEMA_VERSION or not data.startswith(line):
        raise _build_foreign_error(path, data)
    return HeadLine(head, covered, checksum, len(line))


def _build_foreign_error(
    path: str, data: bytes, why: str = "its first line is none that plabctl wrote"
) -> StateDamaged | StateTooNew:
    version = re.match(_VERSION, data)
    if version and int(version[1]) > SCHEMA_VERSION:
        return StateTooNew(
            f"'{path}' was written by a newer plabctl: its schema version is {int(version[1])},"
            f" this one knows {SCHEMA_VERSION}",
            hint="use the plabctl that wrote it; nothing was changed",
        )
    return build_damage_error(path, why)


def _refuse_unless_whole(path: str, line: HeadLine, size: int, checksum: int) -> None:
    if size != line.head.bytes_:
        raise build_damage_error(
            path, f"it was written with {line.head.bytes_} bytes after the first line and now has {size}"
        )
    if checksum != line.checksum:
        raise build_damage_error(path, "its checksum does not match: it was altered after plabctl wrote it")


def refuse_size(path: str, size: int) -> None:
    """Raise StateDamaged when a file of `size` bytes is too large to be a state."""
    if size > MAX_STATE_BYTES:
        raise build_damage_error(path, f"it has {size} bytes, and a state has at most {MAX_STATE_BYTES}")


def refuse_lost_state(state_dir: str) -> None:
    """Raise StateDamaged when the state file is missing, and its journal or its previous generation is not.

    A journal without any commit proves nothing: the first commit of all makes it before the state file.
    """
    try:
        found = [
            name
            for name in os.listdir(state_dir)
            if name == PREVIOUS_NAME or (name.startswith(JOURNAL_PREFIX) and has_commit(f"{state_dir}/{name}"))
        ]
    except OSError:  # there is no such directory, or it is told by what reads in it
        return
    path = os.path.join(state_dir, STATE_NAME)
    if found and not os.path.lexists(path):  # or it was made since the caller looked for it
        raise StateDamaged(f"'{path}' is gone, but '{min(found)}' is there", hint=RESTORE_HINT)


def has_commit(path: str) -> bool:
    """Return whether there is more in a journal than its first line, or what there is of that; raise StoreError."""
    file = open_for_reading(path)
    if file is None:
        return False
    with as_store_error("read", path), file:
        data = file.read(LONGEST_LINE + 1)
    return len(data) > (data.find(b"\n") + 1 or LONGEST_LINE)


def build_damage_error(path: str, why: str) -> StateDamaged:
    """Return the error for a state file that cannot be what plabctl wrote."""
    return StateDamaged(f"'{path}' is damaged: {why}", hint=RESTORE_HINT)
