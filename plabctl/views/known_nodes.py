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


def list_known_nodes(context: ViewContext, names: Iterable[str]) -> Iterator[KnownNode]:
    """Yield these nodes, those that are gone left out."""
    for name in names:
        node, member = context.state.node(name), context.state.member(name)
        if node is not None and member is not None:
            variables = dict(sorted(node.variables.items())) or None
            yield KnownNode(node.name, member.pool, node.site, node.source, node.added_at, variables)
