"""What does not fit on the terminal goes through the person's pager, as git does it.

I/O: it starts `$PAGER`, or less; without one that works, everything is written to the terminal itself.
Tests: `tests/cli/test_pager.py`.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self, TextIO

_DEFAULT = "less"
_NONE = frozenset({"", "cat"})
_LESS = "FRX"
"""Leave at once if all fits (F), show colours (R), leave the text on the screen (X)."""
_LESS_WIDE = "FRSX"
"""And scroll long lines sideways instead of wrapping them (S)."""


class PagedStream:
    """A stream for people: as many lines as `out`, a terminal, has go there directly, more go to the pager.

    The last lines are written, and the pager is waited for, when the block ends. With `is_wide`, lines that do not fit
    are not wrapped.
    """

    def __init__(self, out: TextIO, *, is_wide: bool = False) -> None:
        self.encoding = out.encoding
        self._out = out
        self._variables = {"LESS": _LESS_WIDE if is_wide else _LESS, "LV": "-c"}
        self._pieces: list[str] = []
        self._room = (os.get_terminal_size(out.fileno()).lines or sys.maxsize) - 1
        self._pager: subprocess.Popen[bytes] | None = None
        self._is_direct = False
        self._on_interrupt = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pager is None or not self._wait():
            self._write_directly()

    def write(self, text: str) -> int:
        """Write the text, or keep it until it is known where to."""
        self._pieces.append(text)
        self._room -= text.count("\n")
        if self._pager:
            self._send(text)
        elif self._is_direct:
            self._write_directly()
        elif self._room < 0:
            self._start()
        return len(text)

    def flush(self) -> None:
        """Do nothing: what is kept is written at the end."""

    def isatty(self) -> bool:
        """Return whether it is a terminal in the end."""
        return self._out.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the terminal."""
        return self._out.fileno()

    def _start(self) -> None:
        try:
            argv = shlex.split(os.environ.get("PAGER", _DEFAULT))
            self._pager = subprocess.Popen(argv, stdin=subprocess.PIPE, env={**self._variables, **os.environ})
        except (OSError, ValueError, IndexError):
            self._is_direct = True
            self._write_directly()
            return
        self._on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
        self._send("".join(self._pieces))

    def _send(self, text: str) -> None:
        if self._pager and self._pager.stdin:
            try:
                self._pager.stdin.write(text.encode(self.encoding, "backslashreplace"))
            except BrokenPipeError:  # the person has seen enough, or it could not start: its exit code tells
                return

    def _wait(self) -> bool:
        """Wait for the pager; return whether it did what it should."""
        if self._pager is None:
            return False
        try:
            self._pager.communicate()
        finally:
            signal.signal(signal.SIGINT, self._on_interrupt)
        return self._pager.returncode == 0

    def _write_directly(self) -> None:
        self._out.write("".join(self._pieces))
        self._pieces.clear()


def has_pager() -> bool:
    """Return whether the person wants a pager."""
    return os.environ.get("PAGER", _DEFAULT).strip() not in _NONE
