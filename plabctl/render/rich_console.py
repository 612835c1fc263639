"""The console that rich writes progress bars and the demo to.

I/O: it writes to the stream it is given. Text never passes as markup, so that what a node said cannot mean anything
here. Tables are written by `text_table`, and `live_screen` draws those that are kept up to date.
Tests: `tests/cli/test_experiment.py`.
"""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.style import Style

from plabctl.render.styles import CODES
from plabctl.render.text_table import AsciiStream, is_utf8

_OF_CODES = {
    "1": Style(bold=True),
    "2": Style(dim=True),
    "7": Style(reverse=True),
    "31": Style(color="red"),
    "32": Style(color="green"),
    "33": Style(color="yellow"),
    "35": Style(color="magenta"),
    "36": Style(color="cyan"),
}
STYLES = {"": Style.null(), **{name: _OF_CODES[code] for name, code in CODES.items()}}


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
