"""Work for sinks beside the tick: each piece in a thread of its own, and what came of it waits until it is committed.

I/O: threads. `plabctl.app.sink_runs` tells events this way, and `plabctl.app.sink_sync` brings other systems in line.
Tests: `tests/app/test_sink_runs.py`, `tests/app/test_sink_sync.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class SinkThreads(Generic[R]):
    """The work of one process, by the key of the sink; `R` is what comes of a piece of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[str] = set()
        self._ended: list[R] = []
        self._taken: list[R] = []

    @property
    def has_ended(self) -> bool:
        """Return whether there is something to commit."""
        return bool(self._ended)

    @property
    def is_running(self) -> bool:
        """Return whether something runs, or has ended and is not committed."""
        return bool(self._running or self._ended)

    def runs(self, key: str) -> bool:
        """Return whether this sink is being worked for."""
        return key in self._running

    def start(self, key: str, work: Callable[[], R | None], broken: R) -> bool:
        """Begin to do `work`; return whether a thread was to be had.

        If it returns None there is nothing to commit; if it raises anything, which is a bug, `broken` came of it.
        """
        self._running.add(key)
        try:
            threading.Thread(target=self._run, args=(key, work, broken), daemon=True).start()
        except RuntimeError:
            self._running.discard(key)
            return False
        return True

    def run_here(self, key: str, work: Callable[[], R | None], broken: R) -> None:
        """Do `work` in this thread."""
        self._running.add(key)
        self._run(key, work, broken)

    def wait(self, seconds: float, *, for_all: bool = False) -> None:
        """Wait until a piece of work has ended, or all have, but for no longer than that."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running or (self._ended and not for_all), seconds)

    def take(self) -> list[R]:
        """Return what has ended and is not committed."""
        with self._changed:
            self._taken = list(self._ended)
        return self._taken

    def settle(self) -> list[R]:
        """Forget what was taken, as it is committed now, and return it."""
        taken, self._taken = self._taken, []
        with self._changed:  # more may end just now
            self._ended = [each for each in self._ended if not any(each is one for one in taken)]
        return taken

    def _run(self, key: str, work: Callable[[], R | None], broken: R) -> None:
        result: R | None = broken
        try:
            result = work()
        finally:
            with self._changed:
                self._running.discard(key)
                if result is not None:
                    self._ended.append(result)
                self._changed.notify_all()
