"""What an order changed, in words, and the command lines that undo it.

Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence

from plabctl.counts import format_count
from plabctl.views.changes import Change, ChangeResult

_NAMES_SHOWN = 20
_MAX_ARGUMENT = 128 * 1024 - 1
"""How many bytes the kernel takes for one argument of a command, by execve(2)."""


def format_changes(done: ChangeResult) -> Iterator[str]:
    """Yield one line for each node that changed."""
    for change in done.changes:
        yield f"{change.node}: {_describe(change)}"


def fold_changes(done: ChangeResult) -> Iterator[str]:
    """Yield one line for each change, with the nodes that it is common to, folded and counted."""
    groups: dict[str, list[str]] = {}
    for change in done.changes:
        groups.setdefault(_describe(change), []).append(change.node)
    for what, names in groups.items():
        yield f"{count_nodes(names)}: {what}"


def count_nodes(names: Collection[str]) -> str:
    """Return how many nodes these are, and which: `3 nodes (pc[1-3])`."""
    from plabctl.nodesets import fold_nodeset

    return f"{format_count(len(names), 'node')} ({fold_nodeset(names)})"


def list_undo_lines(done: ChangeResult) -> list[str]:
    """Return the command lines that undo it, without those of so many nodes that no shell could run them."""
    return [command for command in done.undo if len(command.encode()) <= _MAX_ARGUMENT]


def _describe(change: Change) -> str:
    return f"{change.before} -> {change.after}" if change.before else change.after


def build_undo_command(words: Sequence[str], names: Sequence[str], rest: Sequence[str] = ()) -> str:
    """Return the command line `plabctl WORDS NAMES REST`; many names are folded into one set of nodes."""
    if len(names) > _NAMES_SHOWN:
        from plabctl.nodesets import fold_nodeset

        names = [fold_nodeset(names)]
    return shlex.join(["plabctl", *words, *names, *rest])
