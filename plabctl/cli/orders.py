"""What `move`, `retest`, `hold` and `release` share: choose nodes, ask when there are many, say what changed.

I/O: standard output, and a question on a terminal.
"""

from __future__ import annotations

from plabctl.app import orders as use
from plabctl.app.context import App
from plabctl.cli import output
from plabctl.cli.options import confirm
from plabctl.report.changes import Done, lines


def choose(app: App, nodes: tuple[str, ...], what: str, *, yes: bool) -> tuple[str, ...]:
    """Return the nodes that are meant; ask before `what` is done to several that a glob or a pool stood for."""
    selection = use.choose(app, nodes)
    if selection.is_broad:
        confirm(f"{what} {len(selection.names)} nodes?", yes=yes)
    return selection.names


def report(done: Done, *, quiet: bool) -> None:
    """Say what changed on standard output, and how to undo it on standard error."""
    if not quiet:
        output.write(f"{line}\n" for line in lines(done))
        output.flush()
        for undo in done.undo:
            output.note(f"undo: {undo}")
    if done.warning:
        output.note(f"plabctl: {done.warning}")
