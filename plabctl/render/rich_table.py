"""Tables inside what moves on a terminal, drawn by rich.

I/O: makes the console that rich writes to. rich's own table lays every cell out by itself, which is costly for many
rows; `table_layout` measures the columns once, and rich gets ready pieces of text with styles. Text never passes as
markup, so that what a node said cannot mean anything here. A table that stands still is written by `text_table`.
Tests: `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from plabctl.render.listing import Listing
from plabctl.render.styles import CODES
from plabctl.render.table_layout import draw_listing
from plabctl.render.text_table import AsciiStream, is_utf8

_OF_CODES = {
    "1": Style(bold=True),
    "2": Style(dim=True),
    "31": Style(color="red"),
    "32": Style(color="green"),
    "33": Style(color="yellow"),
    "35": Style(color="magenta"),
    "36": Style(color="cyan"),
}
STYLES = {"": Style.null(), **{name: _OF_CODES[code] for name, code in CODES.items()}}


class RichTable:
    """A table that rich can draw inside a live view. Its rows are read once, when it is made."""

    def __init__(self, listing: Listing, *, wide: bool = False) -> None:
        self._listing = replace(listing, rows=list(listing.rows))
        self._wide = wide

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the segments of all lines, no wider than the console if that can be without cutting a name."""
        room = None if self._wide or not console.is_terminal else options.max_width
        for line in draw_listing(self._listing, room, wide=self._wide):
            for text, style in line:
                yield Segment(text, STYLES[style]) if style else Segment(text)
            yield Segment.line()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `plabctl.cli.error_report`, where rich would end the process by itself."""
        raise BrokenPipeError


def make_console(out: TextIO, *, color: bool) -> Console:
    """Return a console on `out`. Whether there is colour is our own decision, not rich's (see `color`)."""
    return _Console(
        file=out if is_utf8(out) else AsciiStream(out),  # type: ignore[arg-type]  # has all of a stream that rich uses
        force_terminal=out.isatty(),
        color_system="standard" if color else None,
        no_color=not color,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
