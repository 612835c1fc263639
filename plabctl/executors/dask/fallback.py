"""Since when the scheduler has been unreachable, over all ticks: after a while tests are made from this machine.

I/O: a file in the state directory, by whose time of change the next tick knows.
Tests: `tests/executors/dask/test_fallback.py`.
"""

from __future__ import annotations

import os
from contextlib import suppress

from plabctl.files.private import open_private

NAME = "scheduler-lost"


class Fallback:
    """The memory of it. `after_s` is for how long the scheduler must have been unreachable; 0: never."""

    def __init__(self, state_dir: str, after_s: float) -> None:
        self._path = os.path.join(state_dir, NAME)
        self._after_s = after_s

    def note_lost(self, now: float) -> None:
        """Remember that the scheduler is unreachable now, unless that is known."""
        if not self._after_s:
            return
        with suppress(OSError):  # without it tests are merely not made from here
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.utime(descriptor, (now, now))
            os.close(descriptor)

    def note_found(self) -> None:
        """Forget it."""
        with suppress(OSError):
            os.unlink(self._path)

    def is_due(self, now: float) -> bool:
        """Return whether it has been unreachable for long enough."""
        if not self._after_s:
            return False
        try:
            since_at = os.stat(self._path).st_mtime
        except OSError:
            return False
        return now - since_at >= self._after_s
