"""Labelled lines on a terminal: what `show` says about one thing.

I/O: writes to the stream it is given.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from plabctl.render.listing import Cell
from plabctl.render.rich_table import STYLES, make_console


class _Lines:
    def __init__(self, lines: Sequence[tuple[str, Cell]]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max((len(label) for label, _ in self._lines), default=0) + 2
        for label, cell in self._lines:
            yield Segment(f"{label:<{width}}", STYLES["faint"])
            yield Segment(cell.text, STYLES[cell.style])
            yield Segment.line()


def show_lines(lines: Sequence[tuple[str, Cell]], out: TextIO, *, color: bool) -> None:
    """Write the lines, each with its label; long ones are left to the terminal to wrap."""
    make_console(out, color=color).print(_Lines(lines), crop=False, end="")
