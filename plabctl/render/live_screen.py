"""The terminal's other screen, on which something is drawn again and again, and the keys that are pressed meanwhile.

I/O: the terminal; it is as before when the blocks end. `status --watch` draws on it.
Tests: `tests/cli/test_watch.py`.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

from plabctl.render.table_layout import Line, cut_line
from plabctl.render.text_table import AsciiStream, is_utf8, style_text

_OPEN, _CLOSE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_TO_TOP, _END_OF_LINE, _END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O.)")
_NAMES = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "k": "up", "j": "down",
    "\x1b[5~": "page-up", "\x1b[6~": "page-down", "b": "page-up", " ": "page-down",
    "\x1b[H": "home", "\x1b[F": "end", "\x1bOH": "home", "\x1bOF": "end", "\x1b[1~": "home", "\x1b[4~": "end",
    "g": "home", "G": "end",
}  # fmt: skip
"""What keys mean, where they are no letters of a word that is typed."""
ESCAPE = "\x1b"
_REST_S = 0.05
"""By then the rest of a key that sends several bytes has come."""


class LiveScreen:
    """The other screen; it is shown between entering and leaving it."""

    def __init__(self, out: TextIO, *, color: bool) -> None:
        self._out = out if is_utf8(out) else AsciiStream(out)
        self._color = color

    def __enter__(self) -> Self:
        self._send(_OPEN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send(_CLOSE)

    @property
    def size(self) -> tuple[int, int]:
        """The columns and lines there are now."""
        return shutil.get_terminal_size()

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines from the top, as much of them as there is room for."""
        width, height = self.size
        shown = [style_text(cut_line(line, width), color=self._color)[:-1] for line in lines[:height]]
        self._send(_TO_TOP + f"{_END_OF_LINE}\n".join(shown) + (_END_OF_LINE if shown else "") + _END_OF_SCREEN)

    def _send(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class Keys:
    """Reads keys from a descriptor; None reads none."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._left = ""

    def read(self, seconds: float) -> str | None:
        """Wait so long for a key; return its text, empty when no more can come, or None when there is none yet."""
        if not self._left and not self._fill(seconds):
            return None
        if not self._left:
            return ""
        if self._left == ESCAPE:
            self._fill(_REST_S)
        found = _SEQUENCE.match(self._left)
        key = found[0] if found else self._left[0]
        self._left = self._left[len(key) :]
        return key

    def _fill(self, seconds: float) -> bool:
        ready, _, _ = select.select([] if self._descriptor is None else [self._descriptor], [], [], seconds)
        if ready:
            self._left += os.read(ready[0], 1024).decode("utf-8", "ignore")
        return bool(ready)


def name_key(key: str) -> str:
    """Return what a key means for moving about, such as `down` for an arrow and for `j`; itself if nothing."""
    return _NAMES.get(key, key)


@contextmanager
def open_keys(descriptor: int) -> Iterator[Keys]:
    """Let keys come one by one, unseen; restore the terminal afterwards. Elsewhere none come."""
    if not os.isatty(descriptor):
        yield Keys(None)
        return
    before = termios.tcgetattr(descriptor)
    try:
        # Not raw: Ctrl-C must still come as a signal, which leaves by the same way.
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        # What was typed and not read must not end up on the shell's line.
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
