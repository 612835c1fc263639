"""Listings for people: tables on a terminal, drawn by rich.

I/O: writes to the stream it is given. rich's own table lays every cell out by itself, which costs more for 1,000 nodes
than all the rest of `status`; this one measures the columns once and hands rich ready pieces of text with styles.
Text never passes as markup, so that what a node said cannot mean anything here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from plabctl.report.fit import GAP, Want, fit
from plabctl.report.listing import Cell, Column, Listing

STYLES = {
    "": Style.null(),
    "title": Style(bold=True),
    "faint": Style(dim=True),
    "good": Style(color="green"),
    "bad": Style(color="red"),
    "suspect": Style(color="yellow"),
    "testing": Style(color="cyan"),
    "held": Style(color="magenta"),
}
_ASCII = str.maketrans({"✓": "+", "✗": "x", "»": ">", "‖": "#", "·": "-", "…": "~", "│": "|", "→": ">"})


class Sheet:
    """A table that rich can draw: on its own, or inside a live view."""

    def __init__(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, wide: bool = False, titles: bool = True
    ) -> None:
        self._columns = columns
        self._rows = list(rows)
        self._wide = wide
        self._titles = titles

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the segments of all lines, no wider than the console if that can be without cutting a name."""
        room = None if self._wide or not console.is_terminal else options.max_width
        return _draw(self._columns, self._rows, room, titles=self._titles)


def _draw(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int | None, *, titles: bool
) -> Iterator[Segment]:
    if not rows:
        return
    lengths = [[_length(row[place].text) for row in rows] for place in range(len(columns))]
    wants = [
        # A column with nothing in it asks for nothing, and its title goes with it.
        Want(
            max(longest, len(column.title) * titles) if (longest := max(own, default=0)) else 0,
            column.rank,
            column.flexible,
        )
        for column, own in zip(columns, lengths, strict=True)
    ]
    widths = list(fit(wants, room).items())
    first = [[Cell(column.title, "title") for column in columns]] if titles else []
    newline = Segment.line()
    for number, row in enumerate([*first, *rows], start=-len(first)):
        blanks = 0
        for place, width in widths:
            text, style = row[place]
            length = len(text) if number < 0 else lengths[place][number]
            if length > width:
                text, length = set_cell_size(text, width - 1).rstrip() + "…", width
            if text:
                if blanks:
                    yield Segment(" " * blanks)
                yield Segment(text, STYLES[style])
                blanks = 0
            blanks += width - length + GAP
        yield newline


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


class _Plain:
    """A stream that takes what its encoding cannot say as the nearest ASCII, and never fails on it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.encoding = "ascii"

    def write(self, text: str) -> int:
        return self._out.write(text.translate(_ASCII).encode("ascii", "backslashreplace").decode())

    def flush(self) -> None:
        self._out.flush()

    def isatty(self) -> bool:
        return self._out.isatty()

    def fileno(self) -> int:
        return self._out.fileno()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `plabctl.cli.faults`, where rich would end the process by itself."""
        raise BrokenPipeError


def make_console(out: TextIO, *, color: bool) -> Console:
    """Return a console on `out`. Whether there is colour is our own decision, not rich's (see `colour`)."""
    utf8 = (getattr(out, "encoding", None) or "").lower().replace("-", "") == "utf8"
    return _Console(
        file=out if utf8 else _Plain(out),  # type: ignore[arg-type]  # has all of a stream that rich uses
        force_terminal=out.isatty(),
        color_system="standard" if color else None,
        no_color=not color,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )


def show(listing: Listing, out: TextIO, *, color: bool, wide: bool = False) -> None:
    """Write the listing as a table, with its footer under it."""
    console = make_console(out, color=color)
    console.print(sheet_of(listing, wide=wide), crop=False, end="")
    if listing.footer:
        console.print(_Footer(listing.footer), crop=False, end="")


def sheet_of(listing: Listing, *, wide: bool = False) -> Sheet:
    """Return the listing's rows as a table."""
    columns = [column for column in listing.columns if wide or not column.wide]
    return Sheet(
        columns, ([column.cell(row) for column in columns] for row in listing.rows), wide=wide, titles=listing.titles
    )


class _Footer:
    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from (Segment.line(), Segment(self._text, STYLES["faint"]), Segment.line())
