"""Which ticks run, which began and did not end, and how long the last one took.

There is a lock file for each that runs, with what it says of itself, and one more file for the last one that ended.

I/O. The kernel gives the lock of a dead tick back, and what it wrote stays: so its successor knows that it died. Only
ticks with something to do are entered; an idle one is over before it could be killed. Go on with `plabctl.core.stuck`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from plabctl.core.surroundings import parse_trace
from plabctl.errors import StoreError
from plabctl.files.locks import read_mark, write_mark
from plabctl.files.private import as_store_error, open_for_reading, open_private
from plabctl.store.head import TICKS_NAME
from plabctl.store.slots import Slots

MAX_TICKS = 64
"""More may run at once; the others are not entered."""
TOOK_NAME = "tick_took"
_RUNS = "runs"


@contextmanager
def enter_tick(
    state_dir: os.PathLike[str] | str, boot: str, now: float, owners: Collection[int] = ()
) -> Iterator[None]:
    """Enter a tick of this boot that begins at `now` for the time of the block, however the block ends.

    `owners` are as for `Store`. A tick that cannot be entered, on a full disk for instance, runs nevertheless.
    """
    places, begin = Slots(state_dir, MAX_TICKS, owners, name=TICKS_NAME), time.monotonic()
    try:
        with suppress(StoreError):
            for place in places.take(1):
                _begin(places, place, boot, now)
        yield
    finally:
        with suppress(StoreError):
            _end(places, boot)
        places.close()
        with suppress(StoreError):
            _note_seconds(f"{os.fspath(state_dir)}/{TOOK_NAME}", time.monotonic() - begin)


def _begin(places: Slots, place: int, boot: str, now: float) -> None:
    dead = parse_trace(places.read_mark(place), boot, is_running=False)
    count, first = 0, 0.0
    if dead:
        count, first = dead.died_count + 1, dead.first_died_at or dead.began_at
    places.mark(place, f"{_RUNS} {boot} {now:.3f} {count} {first:.3f}")


def _end(places: Slots, boot: str) -> None:
    """Leave, and forget the dead ones: what counts is how many died since the last one that ended."""
    for place in places.held:
        places.mark(place, "")
    known = places.list_slots()
    if any(parse_trace(places.read_mark(place), boot, is_running=False) for place in known):
        for place in places.take(len(known)):
            places.mark(place, "")


def _note_seconds(path: str, seconds: float) -> None:
    with as_store_error("write", path):
        fd = open_private(path, os.O_WRONLY | os.O_CREAT)
        try:
            write_mark(fd, f"{seconds:.3f}")
        finally:
            os.close(fd)


def read_last_seconds(state_dir: os.PathLike[str] | str) -> float | None:
    """Return how long the last tick took that had something to do and ended; None when that is not known.

    Raise StoreError.
    """
    opened = open_for_reading(f"{os.fspath(state_dir)}/{TOOK_NAME}")
    if opened is None:
        return None
    with opened as file:
        words = read_mark(file.fileno())
    try:
        seconds = float(words[0])
    except (ValueError, IndexError):
        return None
    return seconds if 0.0 <= seconds < float("inf") else None
