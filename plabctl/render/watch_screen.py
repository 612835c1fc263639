"""The status on a terminal, kept up to date until somebody presses `q`.

I/O: the terminal. It takes no lock and disturbs no tick.
Tests: `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment

from plabctl.render.listing import Listing
from plabctl.render.rich_table import STYLES, RichTable, make_console

REFRESH_S = 1.0
_LEAVE = frozenset({"q", "Q", "\x03", "\x04", "\x1b", ""})


class WatchFrame:
    """One picture: the totals, then as much of the table as there is room for."""

    def __init__(self, listing: Listing) -> None:
        self._warnings = listing.warnings
        self._footer = listing.footer
        self._sheet = RichTable(listing)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, cut to the size of the terminal."""
        warnings = [(f"! {warning}", "bad") for warning in self._warnings]
        head = [*warnings, *((line, "title") for line in self._footer.splitlines()), ("", "")]
        for line, style in head:
            yield from _cut(Segment(line, STYLES[style]), options.max_width)
        drawn = list(Segment.split_and_crop_lines(console.render(self._sheet, options), options.max_width, pad=False))
        # One line tells how to leave, and the last one stays empty: a full one would scroll.
        shown = drawn[: max(1, options.size.height - len(head) - 2)]
        for row in shown:
            yield from row
        more = f"… and {len(drawn) - len(shown)} more; " if len(drawn) > len(shown) else ""
        yield Segment(f"{more}q leaves"[: options.max_width], STYLES["faint"])


def _cut(segment: Segment, width: int) -> Iterator[Segment]:
    for line in Segment.split_and_crop_lines([segment], width, pad=False, include_new_lines=False):
        yield from line
    yield Segment.line()


def watch_frame(frame: Callable[[], Listing], *, color: bool, has_changed: Callable[[], bool]) -> None:
    """Show `frame` on the alternate screen, anew on a change and every second; return when `q` is hit."""
    console = make_console(sys.stdout, color=color)
    with (
        _read_keys() as pressed,
        Live(
            WatchFrame(frame()),
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        ) as live,
    ):
        while not pressed(REFRESH_S, has_changed):
            live.update(WatchFrame(frame()), refresh=True)


@contextmanager
def _read_keys() -> Iterator[Callable[[float, Callable[[], bool]], bool]]:
    """Give a function that waits and says whether to leave; restore the terminal afterwards."""
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        yield lambda seconds, has_changed: _wait(None, seconds, has_changed)
        return
    before = termios.tcgetattr(descriptor)
    try:
        # Not raw: Ctrl-C must still come as a signal, which leaves by the same way.
        tty.setcbreak(descriptor)
        yield lambda seconds, has_changed: _wait(descriptor, seconds, has_changed)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wait(descriptor: int | None, seconds: float, has_changed: Callable[[], bool], step_s: float = 0.2) -> bool:
    for _ in range(max(1, round(seconds / step_s))):
        ready, _, _ = select.select([descriptor] if descriptor is not None else [], [], [], step_s)
        if ready:
            return os.read(descriptor or 0, 1).decode("ascii", "replace") in _LEAVE
        if has_changed():
            return False
    return False
