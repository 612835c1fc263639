"""The nodes there are, with their variables and the source that lists them.

Pure.
Tests: `tests/cli/test_reading_commands.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one.
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from plabctl.views.node import ViewContext


class KnownNode(NamedTuple):
    """One node."""

    name: str
    pool: str
    site: str | None
    source: str
    added_at: float
    variables: Mapping[str, str] | None
    """By name; None when it has none."""
    busy_by: str | None
    """Who uses it, in words; None also where nobody says."""
    busy_since_at: float | None
    """Since when somebody uses it."""


def list_known_nodes(context: ViewContext, names: Iterable[str]) -> Iterator[KnownNode]:
    """Yield these nodes, those that are gone left out."""
    busy = context.busy
    for name in names:
        node, member = context.state.node(name), context.state.member(name)
        if node is not None and member is not None:
            variables = dict(sorted(node.variables.items())) or None
            use = busy.get(name)
            by, since_at = (use.by or None, use.since_at) if use else (None, None)
            yield KnownNode(node.name, member.pool, node.site, node.source, node.added_at, variables, by, since_at)
