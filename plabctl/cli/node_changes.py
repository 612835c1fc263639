"""What `move`, `retest`, `hold` and `release` share: choose nodes, ask when there are many, say what changed.

I/O: standard output, and a question on a terminal.
"""

from __future__ import annotations

from plabctl.app import change_nodes as use
from plabctl.app.context import App
from plabctl.cli import output
from plabctl.cli.options import confirm
from plabctl.core.selection import read_plain_names
from plabctl.render.change_report import ChangeResult, format_changes


def choose_nodes(app: App, nodes: tuple[str, ...], what: str, *, yes: bool) -> tuple[str, ...]:
    """Return the nodes that are meant; ask before `what` is done to several that a glob or a pool stood for.

    Whether nodes that are named one by one exist is not checked here, but under the lock by whatever is done to them.
    """
    if names := read_plain_names(nodes):
        return names
    selection = use.choose_nodes(app, nodes)
    if selection.is_broad:
        confirm(f"{what} {len(selection.names)} nodes?", yes=yes)
    return selection.names


def print_changes(done: ChangeResult, *, quiet: bool) -> None:
    """Print what changed to standard output, and how to undo it to standard error."""
    if not quiet:
        output.write(f"{line}\n" for line in format_changes(done))
        output.flush()
        for undo in done.undo:
            output.write_note(f"undo: {undo}")
    if done.warning:
        output.write_note(f"plabctl: {done.warning}")
