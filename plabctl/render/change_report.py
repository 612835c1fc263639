"""What an order changed, in words, and the command lines that undo it.

Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from plabctl.counts import format_count
from plabctl.views.changes import ChangeResult

_NAMES_SHOWN = 20


def format_changes(done: ChangeResult) -> Iterator[str]:
    """Yield one line for each node that changed."""
    for change in done.changes:
        yield f"{change.node}: {change.before} -> {change.after}" if change.before else f"{change.node}: {change.after}"


def fold_changes(done: ChangeResult) -> Iterator[str]:
    """Yield one line for each change, with the nodes that it is common to, folded and counted."""
    from plabctl.nodesets import fold_nodeset

    groups: dict[str, list[str]] = {}
    for change in done.changes:
        groups.setdefault(f"{change.before} -> {change.after}" if change.before else change.after, []).append(
            change.node
        )
    for what, names in groups.items():
        yield f"{format_count(len(names), 'node')} ({fold_nodeset(names)}): {what}"


def build_undo_command(words: Sequence[str], names: Sequence[str], rest: Sequence[str] = ()) -> str:
    """Return the command line `plabctl WORDS NAMES REST`; many names are folded into one set of nodes."""
    if len(names) > _NAMES_SHOWN:
        from plabctl.nodesets import fold_nodeset

        names = [fold_nodeset(names)]
    return shlex.join(["plabctl", *words, *names, *rest])
