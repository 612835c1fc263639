"""The sources of nodes: when each was read, how many nodes it lists, what is wrong with it, which nodes are absent.

Pure. `plabctl.app.sync_inventories` reads the sources.
Tests: `tests/cli/test_inventory.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from plabctl.core.due_rows import PLACEMENT
from plabctl.core.names import OPERATOR, sort_names
from plabctl.core.settings import InventorySettings, Settings
from plabctl.core.source_note import make_source_note
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
    """When it was last read; `every_seconds` later it is read again."""
    every_seconds: float | None
    nodes_count: int
    absent_count: int
    absent: tuple[AbsentNode, ...]
    fault: str | None
    fault_since_at: float | None
    remark: str | None
    """Which of its rows are rightly no nodes."""


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
    left = (
        SourceView(name, None, None, None, len(own), 0, (), NOT_CONFIGURED, None, None) for name, own in nodes.items()
    )
    return [*views, *left]


def _view_source(
    state: State, source: InventorySettings, own: list[str], absent: Mapping[str, float], read_at: float | None
) -> SourceView:
    note = make_source_note(source.name).read(state.notes)
    missing = tuple(
        AbsentNode(name, absent[name], absent[name] + source.grace_s) for name in sort_names(own) if name in absent
    )
    return SourceView(
        name=source.name,
        kind=source.kind,
        read_at=read_at,
        every_seconds=source.every_s,
        nodes_count=len(own),
        absent_count=len(missing),
        absent=missing,
        fault=note.fault or None,
        fault_since_at=note.fault_since_at,
        remark=note.remark or None,
    )
