"""Counts how many of something are under way, and the most there were at once.

Pure but for its lock. Several nodes may share one counter, so that a test can compare their sum with the window.
Tests: `tests/probes/embedded/test_ssh_node.py`.
"""

from __future__ import annotations

import threading
from types import TracebackType


class ActivityCounter:
    """A count of what is going on: `current`, the `peak` so far, and the `total` begun. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.current = 0
        self.peak = 0
        self.total = 0

    def enter(self) -> None:
        """Count one more."""
        with self._lock:
            self.total += 1
            self.current += 1
            self.peak = max(self.peak, self.current)

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self.current -= 1

    def __enter__(self) -> None:
        self.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
