"""Decide what a fresh look at an inventory changes: who joins, who leaves, whose variables are new.

Pure. A source that suddenly lists far fewer nodes changes nothing: it is more likely broken than right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from plabctl.core.model import Node

SHRINKS_BY = 2
"""A source that lists fewer than one in this many of the nodes it had is not believed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an inventory changes. With a `refusal`, which says why, nothing."""

    joins: tuple[Node, ...] = ()
    changed: tuple[Node, ...] = ()
    """Nodes that are there already, with their new variables."""
    leaves: tuple[str, ...] = ()
    refusal: str = ""

    def __bool__(self) -> bool:
        """Return whether anything changes."""
        return bool(self.joins or self.changed or self.leaves)


def merge(current: Iterable[Node], fetched: Sequence[Node], source: str) -> Difference:
    """Return what it takes to make the nodes of `source` among `current` those that it lists now, `fetched`.

    Nodes of another source, or of a person, are theirs: they neither change nor leave, even when `source` lists them.
    """
    known = {node.name: node for node in current}
    own = {name: node for name, node in known.items() if node.source == source}
    listed = {node.name: node for node in fetched if node.name in own or node.name not in known}
    if len(listed) * SHRINKS_BY < len(own):
        what = f"lists {len(listed)} nodes" if listed else "lists no node"
        return Difference(refusal=f"{source} {what} and had {len(own)}, so it is not believed and nothing is changed")
    return Difference(
        joins=tuple(replace(node, source=source) for name, node in listed.items() if name not in own),
        changed=tuple(
            replace(own[name], variables=node.variables)
            for name, node in listed.items()
            if name in own and dict(own[name].variables) != dict(node.variables)
        ),
        leaves=tuple(name for name in own if name not in listed),
    )
