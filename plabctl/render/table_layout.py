"""How a table for people is laid out: which columns, how wide, what is cut; as pieces of text with styles.

Pure. `text_table` writes the pieces to a stream, `watch_screen` draws them again and again. rich's own tables
cannot drop columns by rank, lay out every cell by itself, and take longer to import than `status` takes for 1,000
nodes. Each column is measured once, because there may be very many rows.
Tests: `tests/render/test_text_table.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from plabctl.render.listing import Cell, Column, Listing
from plabctl.values import dataclass

Line = list[tuple[str, str]]
"""Pieces of text, each with the name of its style; what is between them is blank."""

GAP = 2
"""Blanks between two columns."""
LEAST_FLEXIBLE = 24
"""A flexible column that would get less room than this goes instead."""

_COMMA = re.compile(r",(?![^\[]*\])")
"""Between two names, not between two numbers in brackets."""
_SHORTENED = ""
"""Stands among the widths of columns when names have lost their common end."""
_NARROW = dict.fromkeys(map(ord, "✓✗»‖·…│→█░"), "x")
"""Our own signs, each as wide as a letter."""


@dataclass(frozen=True, slots=True)
class ColumnWidth:
    """What a column asks for: its natural width, and how dear it is (see `listing.Column`)."""

    width: int
    rank: int = 0
    flexible: bool = False

    @property
    def least(self) -> int:
        """The narrowest it may become."""
        return min(self.width, LEAST_FLEXIBLE) if self.flexible else self.width


def fit_columns(wants: Sequence[ColumnWidth], room: int | None) -> dict[int, int]:
    """Return the widths of the columns that stay, by their place; `room` None means that there is no limit.

    Columns leave by rank, the highest first; those of rank 0 stay at their natural width even when that is too wide,
    because a name that is cut is no name. A flexible column gets what the others leave.
    """
    kept = [place for place, want in enumerate(wants) if want.width]
    if room is None:
        return {place: wants[place].width for place in kept}
    while _sum_widths([wants[place].least for place in kept]) > room:
        dearest = max(kept, key=lambda place: (wants[place].rank, place), default=None)
        if dearest is None or wants[dearest].rank == 0:
            break
        kept.remove(dearest)
    spare = max(0, room - _sum_widths([wants[place].least for place in kept]))
    widths = {}
    for place in kept:
        want = wants[place]
        given = min(want.width - want.least, spare)
        spare -= given
        widths[place] = want.least + given
    return widths


def _sum_widths(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def draw_listing(
    listing: Listing, room: int | None, *, wide: bool = False, widths: dict[str, int] | None = None
) -> Iterator[Line]:
    """Return the lines of the table, no wider than `room` if that can be without cutting a name; None: no limit.

    `widths` are those that columns had before, by title, and must keep at least; they are updated.
    """
    columns = [column for column in listing.columns if wide or not column.wide]
    rows = [[column.cell(row) for column in columns] for row in listing.rows]
    return draw_rows(columns, rows, room, titles=listing.titles, before=widths)


def draw_rows(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    room: int | None,
    *,
    titles: bool,
    before: dict[str, int] | None = None,
) -> Iterator[Line]:
    """Return the lines of a table of `rows`, under the titles of `columns` if wanted; see `draw_listing`."""
    if not rows:
        return
    lengths = [[measure(row[place].text) for row in rows] for place in range(len(columns))]
    wants = _list_wants(columns, lengths, titles=titles)
    ends: list[str] = []
    is_too_wide = room is not None and _sum_widths([want.width for want in wants if want.width]) > room
    if is_too_wide or (before is not None and _SHORTENED in before):
        rows, ends = _shorten_names(columns, rows, lengths)
        wants = _list_wants(columns, lengths, titles=titles)
    if before is not None:
        wants = _keep_widths(columns, wants, before, is_shortened=bool(ends))
    widths = list(fit_columns(wants, room).items())
    if titles:
        yield _draw_line(
            [Cell(column.title, "title") for column in columns], [len(column.title) for column in columns], widths
        )
    for number, row in enumerate(rows):
        yield _draw_line(row, [own[number] for own in lengths], widths)
    for end in ends:
        yield [(f"names are shown without {end}", "faint")]


def _list_wants(columns: Sequence[Column], lengths: Sequence[Sequence[int]], *, titles: bool) -> list[ColumnWidth]:
    return [
        # A column with nothing in it asks for nothing, and its title goes with it.
        ColumnWidth(
            max(longest, len(column.title) * titles) if (longest := max(own, default=0)) else 0,
            column.rank,
            column.flexible,
        )
        for column, own in zip(columns, lengths, strict=True)
    ]


def _keep_widths(
    columns: Sequence[Column], wants: Sequence[ColumnWidth], before: dict[str, int], *, is_shortened: bool
) -> list[ColumnWidth]:
    """Return the widths wanted, none less than in `before`, which is updated."""
    if is_shortened and _SHORTENED not in before:
        # From now on: names that grow longer again would move all columns.
        before.clear()
        before[_SHORTENED] = 0
    kept = []
    for column, want in zip(columns, wants, strict=True):
        before[column.title] = max(want.width, before.get(column.title, 0))
        kept.append(ColumnWidth(before[column.title], want.rank, want.flexible))
    return kept


def _shorten_names(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], lengths: Sequence[list[int]]
) -> tuple[Sequence[Sequence[Cell]], list[str]]:
    """Return the rows without what their names have in common at the end, and what that is; mend `lengths`."""
    ends = []
    for place, column in enumerate(columns):
        end = find_common_end(name for row in rows for name in _split_names(row[place].text)) if column.is_name else ""
        if end:
            ends.append(end)
            rows = [[*row[:place], _cut_end(row[place], end), *row[place + 1 :]] for row in rows]
            lengths[place][:] = [measure(row[place].text) for row in rows]
    return rows, ends


def _cut_end(cell: Cell, end: str) -> Cell:
    return Cell(",".join(name.removesuffix(end) for name in _split_names(cell.text)), cell.style)


def _split_names(text: str) -> list[str]:
    """Return the names or folded names in a cell, such as `pc[1,3].lab,x7.lab`."""
    return _COMMA.split(text) if "," in text else [text]


def find_common_end(names: Iterable[str]) -> str:
    """Return the domain that these host names end with, with its dot; empty when there is none.

    Names without a domain and addresses need not have it, as long as most do and no name is shown that another one has.
    """
    known = dict.fromkeys(name for name in names if name)
    qualified = [name for name in known if "." in name and not name.rpartition(".")[2].isdigit()]
    if len(qualified) * 2 <= len(known):
        return ""
    common: list[str] = []
    # The last label first, and without the first one, which is what is left of a name.
    for labels in zip(*(name.split(".")[:0:-1] for name in qualified), strict=False):
        if len(set(labels)) > 1:
            break
        common.insert(0, labels[0])
    end = f".{'.'.join(common)}" if common else ""
    return "" if any(name.removesuffix(end) in known for name in qualified) else end


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


def cut_line(line: Line, width: int) -> Line:
    """Return as much of the line as fits into `width` columns."""
    found: Line = []
    for text, style in line:
        size = measure(text)
        found.append((text if size <= width else _cut(text, max(0, width)), style))
        width -= size
    return found


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
