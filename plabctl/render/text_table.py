"""Listings for people, written to a stream: a table with its footer under it, or labelled lines about one thing.

I/O: asks for the terminal's width and writes to the stream it is given. Without rich, which takes longer to import
than all the rest of `status` takes for 1,000 nodes; it is needed for progress bars (see `progress`).
Text never passes as markup or escape codes, so that what a node said cannot mean anything here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TextIO

from plabctl.render.listing import Cell, Listing
from plabctl.render.styles import CODES
from plabctl.render.table_layout import Line, draw_listing

_ASCII = str.maketrans("✓✗»‖·…│→█░", "+x>#-~|>#.")
_LINES_PER_PIECE = 256
_WIDTH = 80


def show_table(listing: Listing, out: TextIO, *, color: bool, wide: bool = False) -> None:
    """Write the listing as a table, with its warnings above and its footer under it."""
    stream = out if is_utf8(out) else AsciiStream(out)
    room = None if wide or not out.isatty() else find_width(out)
    piece: list[str] = []
    for line in _draw_all(listing, room, wide=wide):
        piece.append(style_text(line, color=color))
        if len(piece) == _LINES_PER_PIECE:
            stream.write("".join(piece))
            piece.clear()
    stream.write("".join(piece))


def show_lines(lines: Sequence[tuple[str, Cell]], out: TextIO, *, color: bool) -> None:
    """Write the lines, each with its label; long ones are left to the terminal to wrap."""
    stream = out if is_utf8(out) else AsciiStream(out)
    width = max((len(label) for label, _ in lines), default=0) + 2
    for label, cell in lines:
        stream.write(style_text([(f"{label:<{width}}", "faint"), cell], color=color))


def _draw_all(listing: Listing, room: int | None, *, wide: bool) -> Iterator[Line]:
    for warning in listing.warnings:
        for line in wrap_text(f"! {warning}", room):
            yield [(line, "bad")]
    if listing.warnings:
        yield []
    has_rows = False
    for row in draw_listing(listing, room, wide=wide):
        has_rows = True
        yield row
    if listing.footer:
        if has_rows:
            yield []
        for line in listing.footer.splitlines():
            # A command stays on one line, so that it can be copied.
            for part in wrap_text(line, room) if " · " in line else [line]:
                yield [(part, "faint")]


def wrap_text(text: str, room: int | None) -> list[str]:
    """Return the text in lines of at most `room` columns, if its words are no longer; None: no limit."""
    if room is None or len(text) <= room:
        return [text]
    import textwrap  # costs more than all the rest where nothing is too long

    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def style_text(line: Line, *, color: bool) -> str:
    """Return the line as a terminal gets it, with its end."""
    if not color:
        return "".join([text for text, _ in line]) + "\n"
    return "".join([f"\x1b[{CODES[style]}m{text}\x1b[0m" if style else text for text, style in line]) + "\n"


def is_utf8(out: TextIO) -> bool:
    """Return whether the stream can say everything."""
    return (getattr(out, "encoding", None) or "").lower().replace("-", "") == "utf8"


def find_width(out: TextIO) -> int:
    """Return the columns of the terminal that `out` is, COLUMNS before what the terminal says."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(out.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH


class AsciiStream:
    """A stream that takes what its encoding cannot say as the nearest ASCII, and never fails on it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.encoding = "ascii"

    def write(self, text: str) -> int:
        """Write `text` in ASCII."""
        return self._out.write(text.translate(_ASCII).encode("ascii", "backslashreplace").decode())

    def flush(self) -> None:
        """Flush the stream."""
        self._out.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._out.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._out.fileno()
