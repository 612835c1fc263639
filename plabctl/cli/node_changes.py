"""What `move`, `retest`, `hold` and `release` share: choose nodes, ask when there are many, say what changed.

I/O: standard output, and a question on a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from plabctl.app import change_nodes as use
from plabctl.app.context import App
from plabctl.cli import output
from plabctl.cli.options import Function, confirm
from plabctl.core.selection import Selection, find_names, read_plain_names
from plabctl.errors import Refused
from plabctl.render.change_report import count_nodes, fold_changes, format_changes, list_undo_lines
from plabctl.views.changes import ChangeResult

_FEW = 20
"""More lines than this are too many for a terminal."""


def choose_nodes(
    app: App, nodes: tuple[str, ...], verb: str, rest: str = "", *, yes: bool, quiet: bool = False
) -> tuple[str, ...]:
    """Return the nodes that are meant; several are named, folded and counted, before anything is done to them.

    What is done is `verb`, the nodes, and `rest`. Where one word stood for several nodes, that is a question to the
    person. Whether nodes that are named one by one exist is checked under the lock, by whatever is done to them.
    """
    plain = read_plain_names(nodes)
    selection = Selection(plain) if plain else use.choose_nodes(app, nodes)
    names = selection.names
    is_asked = selection.is_broad and not yes
    if is_asked or (len(names) > 1 and not quiet):
        what = f"{verb} {count_nodes(names)}{rest and f' {rest}'}"
        if is_asked:
            confirm(f"{what}?", yes=False)
        else:
            output.write_note(what)
    return names


def busy_option(function: Function) -> Function:
    """Add `--busy`."""
    return click.option("--busy", is_flag=True, help="Test nodes that somebody uses, too.")(function)


def accept_busy(app: App, names: Sequence[str], *, takes_busy: bool) -> bool:
    """Return whether nodes that somebody uses are to be tested as well: a person is asked, if any of these is busy.

    Raise Refused for a no, and where nobody can be asked.
    """
    if takes_busy or not app.settings.occupancies:
        return takes_busy
    state = app.store.snapshot()
    try:
        use.refuse_busy(app, state, find_names(names, state))
    except Refused as refusal:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        confirm(f"{refusal}; test all the same?", yes=False)
        return True
    return False


def print_changes(done: ChangeResult, *, quiet: bool) -> None:
    """Print what changed to standard output, and how to undo it to standard error; on a terminal many are folded."""
    if not quiet:
        is_folded = len(done.changes) > _FEW and sys.stdout.isatty()
        output.write(f"{line}\n" for line in (fold_changes(done) if is_folded else format_changes(done)))
        output.flush()
        for undo in list_undo_lines(done):
            output.write_note(f"undo: {undo}")
    if done.warning:
        output.write_note(f"plabctl: {done.warning}")
