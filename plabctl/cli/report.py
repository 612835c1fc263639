"""`plabctl report`: write the page for a browser."""

from __future__ import annotations

import os
from contextlib import suppress

import click

from plabctl.app.context import open_app
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command, source_option
from plabctl.errors import PlabctlError, UsageFault

_EXAMPLE = """\
plabctl report -O page
plabctl report -O page --open
plabctl report -O all --from lyon=plabctl.toml --from nancy=page
"""
_WAIT_S = 30.0


@make_command("report", example=_EXAMPLE)
@click.option(
    "-O",
    "--output-dir",
    "directory",
    metavar="DIR",
    help="An empty directory, one that is not there yet, or an earlier page (default: `[report] dir`).",
)
@click.option("--open", "opens", is_flag=True, help="Show it in a browser.")
@click.option(
    "--stats",
    "has_stats",
    is_flag=True,
    help="Also write stats.json, which `stats --from` reads; with `[report] dir` ticks write it once an hour.",
)
@source_option
@config_option
def command(
    directory: str | None, *, opens: bool, has_stats: bool, sources: tuple[str, ...], config: str | None
) -> int:
    """Write a page with all nodes for a browser, and print where it is.

    DIR gets `index.html`, a page for each node, `status.json`, badges and a feed. Nothing on it comes from elsewhere:
    any web server can serve it, and a browser can open it as it is. With `[report] dir` ticks keep it up to date.

    With --from, it is one page over several monitors: `index.html`, `status.json` and badges. A monitor whose status is
    old or cannot be read is told at its top; the exit code is 1 when one cannot be read, and 74 when none can.
    """
    from plabctl.app.due_page import record_page
    from plabctl.app.page_stats import write_stats
    from plabctl.app.write_page import write_page

    if directory is not None and not (directory.strip() and directory.isprintable()):
        raise UsageFault(f"-O names no directory: {directory!r}")
    if sources:
        return _report_several(sources, directory, opens=opens, has_stats=has_stats)
    app = open_app(config)
    place = directory or app.settings.report.dir
    if not place:
        raise UsageFault("no directory is named", hint="give one with -O DIR, or set `[report] dir`")
    written = write_page(app, os.path.abspath(place), wait_s=_WAIT_S, then=write_stats if has_stats else None)
    with suppress(PlabctlError, OSError):  # whoever may not write there is no tick
        record_page(app, os.path.abspath(place), written.rev, written.seconds)
    output.write_line(written.path)
    if opens:
        open_in_browser(written.path)
    return 0


def _report_several(sources: tuple[str, ...], directory: str | None, *, opens: bool, has_stats: bool) -> int:
    from plabctl.app.several_page import write_several_page

    if directory is None:
        raise UsageFault("no directory is named", hint="give one with -O DIR")
    written = write_several_page(sources, os.path.abspath(directory), wait_s=_WAIT_S, has_stats=has_stats)
    output.write_line(written.path)
    for note in written.notes:
        output.write_note(f"plabctl: {note}")
    if opens:
        open_in_browser(written.path)
    return int(written.is_partial)


def open_in_browser(path: str) -> None:
    """Show the file at `path` in a browser, or say that there is none."""
    import webbrowser
    from pathlib import Path

    if not webbrowser.open(Path(path).as_uri()):
        output.write_note("no browser was found to open it")
