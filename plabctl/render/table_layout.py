"""How a table for people is laid out: which columns, how wide, what is cut; as pieces of text with styles.

Pure. `table` writes the pieces to a stream, `sheet` hands them to rich. Each column is measured once, because there may
be very many rows.
Tests: `tests/render/test_text_table.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from plabctl.render.column_widths import GAP, ColumnWidth, fit_columns
from plabctl.render.listing import Cell, Column, Listing

Line = list[tuple[str, str]]
"""Pieces of text, each with the name of its style; what is between them is blank."""

_NARROW = dict.fromkeys(map(ord, "✓✗»‖·…│→"), "x")
"""Our own signs, each as wide as a letter."""


def draw_listing(listing: Listing, room: int | None, *, wide: bool = False) -> Iterator[Line]:
    """Return the lines of the table, no wider than `room` if that can be without cutting a name; None: no limit."""
    columns = [column for column in listing.columns if wide or not column.wide]
    rows = [[column.cell(row) for column in columns] for row in listing.rows]
    return draw_rows(columns, rows, room, titles=listing.titles)


def draw_rows(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int | None, *, titles: bool
) -> Iterator[Line]:
    """Return the lines of a table of `rows`, under the titles of `columns` if wanted."""
    if not rows:
        return
    lengths = [[measure(row[place].text) for row in rows] for place in range(len(columns))]
    wants = [
        # A column with nothing in it asks for nothing, and its title goes with it.
        ColumnWidth(
            max(longest, len(column.title) * titles) if (longest := max(own, default=0)) else 0,
            column.rank,
            column.flexible,
        )
        for column, own in zip(columns, lengths, strict=True)
    ]
    widths = list(fit_columns(wants, room).items())
    if titles:
        yield _draw_line(
            [Cell(column.title, "title") for column in columns], [len(column.title) for column in columns], widths
        )
    for number, row in enumerate(rows):
        yield _draw_line(row, [own[number] for own in lengths], widths)


def _draw_line(row: Sequence[Cell], lengths: Sequence[int], widths: Iterable[tuple[int, int]]) -> Line:
    line: Line = []
    blanks = 0
    for place, width in widths:
        (text, style), size = row[place], lengths[place]
        if size > width:
            text, size = f"{_cut(text, width - 1)}…", width
        if text:
            if blanks:
                line.append((" " * blanks, ""))
            line.append((text, style))
            blanks = 0
        blanks += width - size + GAP
    return line


def measure(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii() or text.translate(_NARROW).isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, size: int) -> str:
    if text.isascii():
        return text[:size].rstrip()
    from rich.cells import set_cell_size

    return set_cell_size(text, size).rstrip()
