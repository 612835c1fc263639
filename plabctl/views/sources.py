"""The sources of nodes: when each was read, how many nodes it lists, what is wrong with it, which nodes are absent.

Pure. `plabctl.app.sync_inventories` reads the sources.
Tests: `tests/cli/test_inventory.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from plabctl.core.due_rows import PLACEMENT
from plabctl.core.inventory_changes import make_source_note
from plabctl.core.names import OPERATOR
from plabctl.core.settings import InventorySettings, Settings
from plabctl.core.state import State

NOT_CONFIGURED = "no longer configured: its nodes stay until another source lists them, or until they are removed"


class AbsentNode(NamedTuple):
    """A node that its source does not list any more, and when it may leave."""

    name: str
    since_at: float
    until_at: float


class SourceView(NamedTuple):
    """One source of nodes. None is unknown, or does not apply."""

    name: str
    kind: str | None
    """None for a source that is no longer configured."""
    read_at: float | None
    """When it was last read; `every_s` later it is read again."""
    every_s: float | None
    nodes_count: int
    absent: tuple[AbsentNode, ...]
    fault: str
    fault_since_at: float | None


def list_source_views(state: State, settings: Settings, read_at: Mapping[str, float | None]) -> list[SourceView]:
    """Return the sources that are configured, and after them those that nodes still come from.

    `read_at` has the instant at which each was last read.
    """
    nodes: dict[str, list[str]] = {}
    for node in state.nodes():
        nodes.setdefault(node.source, []).append(node.name)
    absent = {
        placement.node: placement.absent_since_at
        for placement in state.select(PLACEMENT)
        if placement.absent_since_at is not None
    }
    views = []
    for source in settings.inventories:
        own = [name for alias in (source.name, *source.aliases) for name in nodes.pop(alias, ())]
        views.append(_view_source(state, source, own, absent, read_at.get(source.name)))
    nodes.pop(OPERATOR, None)
    return [*views, *(SourceView(name, None, None, None, len(nodes[name]), (), NOT_CONFIGURED, None) for name in nodes)]


def _view_source(
    state: State, source: InventorySettings, own: list[str], absent: Mapping[str, float], read_at: float | None
) -> SourceView:
    note = make_source_note(source.name).read(state.notes)
    return SourceView(
        source.name,
        source.kind,
        read_at,
        source.every_s,
        len(own),
        tuple(AbsentNode(name, absent[name], absent[name] + source.grace_s) for name in sorted(own) if name in absent),
        note.fault,
        note.fault_since_at,
    )
