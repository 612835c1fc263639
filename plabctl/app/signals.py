"""Stop on SIGTERM and SIGINT.

I/O. The handler only records the signal; the main loop sees that, closes connections and commits.
Tests: `tests/app/test_tick.py`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_CODES = frozenset({128 + signal.SIGINT, 128 + signal.SIGTERM})
"""The exit codes of a process that was asked to stop."""


class Stop:
    """Whether this process was asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """The exit code of custom: 128 + signal; 0 when nobody asked."""
        return 0 if self.signal is None else 128 + self.signal

    @contextmanager
    def listen(self, *more: int) -> Iterator[None]:
        """Take note of SIGTERM and SIGINT, and of `more` signals unless they are ignored, while the block runs."""
        heard = [number for number in more if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT, *heard)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
