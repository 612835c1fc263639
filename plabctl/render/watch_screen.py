"""The status on a terminal, kept up to date until somebody presses `q`; keys scroll and search.

I/O: the terminal. It takes no lock and disturbs no tick. `WatchView` is pure: what is shown, and what a key changes.
Tests: `tests/cli/test_watch.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from plabctl.render.listing import Listing
from plabctl.render.live_screen import ESCAPE, LiveScreen, name_key, open_keys
from plabctl.render.table_layout import Line, draw_listing
from plabctl.render.text_table import wrap_text
from plabctl.values import replace

REFRESH_S = 1.0
_STEP_S = 0.2
_LEAVE = frozenset({"q", "Q", "\x03", "\x04", ESCAPE, ""})
_ERASE = frozenset({"\x7f", "\b"})
_ENTER = frozenset({"\r", "\n"})
_HELP = "arrows, PgUp, PgDn scroll, / searches, n next, q quits"


class WatchView:
    """What part of the table is seen, and what is searched for."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._widths: dict[str, int] = {}
        self._head_height = 0
        self._rows: Sequence[Line] = ()
        self._room = 1
        self._top = 0
        self._typed: str | None = None
        self._wanted = ""
        self._found: int | None = None

    def compose(self, listing: Listing, width: int, height: int) -> list[Line]:
        """Return the lines for a terminal of that size: totals and titles, rows as far as there is room, a last line.

        What is wider or higher than it was stays so, so that nothing jumps to and fro.
        """
        if self._size != (width, height):
            self._size, self._widths, self._head_height = (width, height), {}, 0
        rows = list(listing.rows)
        title, *drawn = list(draw_listing(replace(listing, rows=rows), width, widths=self._widths)) or [[]]
        self._rows, remarks = drawn[: len(rows)], drawn[len(rows) :]
        head: list[Line] = [[(line, "bad")] for each in listing.warnings for line in wrap_text(f"! {each}", width)]
        head += [[(line, "title")] for each in listing.footer.splitlines() for line in wrap_text(each, width)]
        head = [*head, *remarks][: max(0, height - 5)]
        self._head_height = max(self._head_height, len(head))
        head += [*[[] for _ in range(self._head_height - len(head) + 1)], title]
        self._room = max(1, height - len(head) - 1)
        self._scroll_to(self._top)
        shown = list(self._rows[self._top : self._top + self._room])
        if self._found is not None and 0 <= self._found - self._top < len(shown):
            shown[self._found - self._top] = [("".join(text for text, _ in self._rows[self._found]), "found")]
        blank: list[Line] = [[]] * (self._room - len(shown))
        return [*head, *shown, *blank, [(self._format_last_line(), "faint")]]

    def press(self, key: str) -> bool:
        """Do what the key means; return whether to go on."""
        if self._typed is not None:
            self._type(key)
            return True
        if key in _LEAVE:
            return False
        if key == "/":
            self._typed = ""
        elif key in {"n", "N"}:
            self._search(1 if key == "n" else -1)
        else:
            self._move(name_key(key))
        return True

    def _move(self, way: str) -> None:
        tops = {
            "up": self._top - 1,
            "down": self._top + 1,
            "page-up": self._top - self._room,
            "page-down": self._top + self._room,
            "home": 0,
            "end": len(self._rows),
        }
        self._scroll_to(tops.get(way, self._top))

    def _type(self, key: str) -> None:
        typed = self._typed or ""
        if key in _ENTER:
            self._typed, self._wanted = None, typed or self._wanted
            self._search(1)
        elif key == ESCAPE or (key in _ERASE and not typed):
            self._typed = None
        elif key in _ERASE:
            self._typed = typed[:-1]
        elif key.isprintable():
            self._typed = typed + key

    def _search(self, step: int) -> None:
        """Go to the next row, or the one before, that has the wanted text in it, from the one found last."""
        texts = ["".join(text for text, _ in row).casefold() for row in self._rows]
        hits = [place for place, text in enumerate(texts) if self._wanted and self._wanted.casefold() in text]
        start = self._found if self._found is not None else self._top - 1 if step > 0 else self._top
        ahead = [place for place in hits if (place - start) * step > 0] or hits
        self._found = (ahead[0] if step > 0 else ahead[-1]) if ahead else None
        if self._found is not None and not 0 <= self._found - self._top < self._room:
            self._scroll_to(self._found - self._room // 2)

    def _scroll_to(self, top: int) -> None:
        self._top = max(0, min(top, len(self._rows) - self._room))

    def _format_last_line(self) -> str:
        if self._typed is not None:
            return f"/{self._typed}"
        missed = f"{self._wanted!r} is not there; " if self._wanted and self._found is None else ""
        if len(self._rows) <= self._room:
            return f"{missed}/ searches, q quits"
        last = min(self._top + self._room, len(self._rows))
        return f"{missed}rows {self._top + 1}-{last} of {len(self._rows)}; {_HELP}"


def watch_frame(frame: Callable[[], Listing], *, color: bool, has_changed: Callable[[], bool]) -> None:
    """Show `frame` on the other screen, anew on a change and every second; return when `q` is hit."""
    view = WatchView()
    with open_keys(sys.stdin.fileno()) as keys, LiveScreen(sys.stdout, color=color) as screen:
        while True:
            listing = frame()
            waited_s = 0.0
            screen.draw(view.compose(listing, *screen.size))
            while waited_s < REFRESH_S and not has_changed():
                key = keys.read(_STEP_S)
                if key is None:
                    waited_s += _STEP_S
                    continue
                if not view.press(key):
                    return
                screen.draw(view.compose(listing, *screen.size))
