"""A live view on a terminal: a title, the status as a table, and the latest news under it.

I/O: draws on the stream it is given, with rich, and is gone when it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from plabctl.render.listing import Cell, Listing
from plabctl.render.rich_table import STYLES, build_rich_table, make_console

_NEWS_KEPT = 100
_BESIDE_TABLE = 5
"""Title, footer and the blank lines between them."""
_SEPARATOR = " · "


class LiveBoard:
    """The view; it is drawn between entering and leaving it."""

    def __init__(self, out: TextIO, *, color: bool) -> None:
        self._console = make_console(out, color=color)
        # The terminal's other screen: what Ctrl-C echoes or a change of its size leaves behind there is drawn over.
        self._live = Live(console=self._console, auto_refresh=False, screen=True)
        self._feed: deque[Text] = deque(maxlen=_NEWS_KEPT)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def draw(self, title: str, listing: Listing, news: Iterable[Sequence[Cell]]) -> None:
        """Show `listing` as it is now; `news` comes under the older ones, as many as there is room for."""
        self._feed.extend(join_cells(cells) for cells in news)
        sheet = build_rich_table(listing)
        table_height = len(self._console.render_lines(sheet, pad=False))
        room = max(0, self._console.height - table_height - _BESIDE_TABLE)
        parts: list[RenderableType] = [
            _cut(Text(title, STYLES["title"])),
            Text(),
            sheet,
            Text(),
            _cut(Text(_shorten(listing.footer, self._console.width), STYLES["faint"])),
            Text(),
            *(list(self._feed)[-room:] if room else []),
        ]
        self._live.update(Group(*parts), refresh=True)


def join_cells(cells: Sequence[Cell]) -> Text:
    """Return the cells as one line; it is cut where the terminal ends."""
    return _cut(Text("  ").join(Text(cell.text, STYLES[cell.style]) for cell in cells))


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _shorten(footer: str, width: int) -> str:
    """Leave the last parts out for which there is no room."""
    parts = footer.split(_SEPARATOR)
    while len(parts) > 1 and cell_len(_SEPARATOR.join(parts)) > width:
        parts.pop()
    return _SEPARATOR.join(parts)


def write_lines(lines: Iterable[Sequence[Cell]], out: TextIO, *, color: bool) -> None:
    """Write lines of styled cells as they are, without cutting or joining anything."""
    console = make_console(out, color=color)
    for cells in lines:
        text = Text().join(Text(cell.text, STYLES[cell.style]) for cell in cells)
        console.print(text, soft_wrap=True)
