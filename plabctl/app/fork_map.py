"""Do a piece of work on each of several things in as many processes as there are processors, and collect what it gives.

I/O: forks. A process that is killed, for want of memory perhaps, takes nothing with it but what it had not given yet.
Tests: `tests/app/test_fork_map.py`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_MOST_PROCESSES = 8


def map_in_processes(work: Callable[[T], R], items: Sequence[T], seconds: float | None = None) -> dict[int, R]:
    """Return what `work` gives for each item, by the item's place.

    Items are missing whose process failed, or did not get to them in so many seconds. What `work` gives must be such
    that it can be pickled. With one item or one processor, or in a process with threads, which would be cut short in a
    child, all is done here, and what `work` raises is raised.
    """
    count = min(len(items), len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    if count <= 1 or threading.active_count() > 1:
        return {number: work(item) for number, item in enumerate(items)}
    found: dict[int, R] = {}
    children: list[tuple[Connection, int]] = []
    try:
        children.extend(_fork(work, items, range(first, len(items), count)) for first in range(count))
        _collect([end for end, _ in children], found, None if seconds is None else time.monotonic() + seconds)
    finally:
        for end, pid in children:
            end.close()
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)  # one that has ended is still there, until it is waited for
            os.waitpid(pid, 0)
    return found


def _fork(work: Callable[[T], R], items: Sequence[T], places: Sequence[int]) -> tuple[Connection, int]:
    """Return the end of a pipe from which come the results at these places, and the process that writes them."""
    reading, writing = Pipe(duplex=False)
    pid = os.fork()
    if pid:
        writing.close()
        return reading, pid
    code = 1
    try:
        reading.close()
        for place in places:
            writing.send((place, work(items[place])))
        code = 0
    finally:
        os._exit(code)


def _collect(ends: list[Connection], found: dict[int, R], until: float | None) -> None:
    while ends and (ready := set(wait(ends, None if until is None else max(0.0, until - time.monotonic())))):
        for end in [each for each in ends if each in ready]:
            try:
                place, result = end.recv()
            except (EOFError, OSError):
                ends.remove(end)
            else:
                found[place] = result
