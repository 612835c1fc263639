"""The sources of nodes as rows and columns, and in words what a reading of one changes.

Pure.
Tests: `tests/cli/test_inventory.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from plabctl.core.inventory_changes import InventoryChanges
from plabctl.core.model import Node
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing
from plabctl.render.times import format_ago, format_clock
from plabctl.views.list_head import ListHead
from plabctl.views.sources import SourceView

FIELDS = (
    "name",
    "kind",
    "read_at",
    "every_seconds",
    "nodes_count",
    "absent_count",
    "fault",
    "fault_since_at",
    "remark",
)
"""The columns of `inventory show -o tsv`: new ones are only ever added at the end."""


def build_listing(sources: Sequence[SourceView], now: float, rev: int) -> Listing:
    """Return the sources as a listing; what is absent until when, and remarks, stand below the table and in JSON."""
    absent = [
        f"{node.name} is absent since {format_clock(node.since_at, now)}, until {format_clock(node.until_at, now)} "
        f"at least ({source.name})"
        for source in sources
        for node in source.absent
    ]
    return Listing(
        plural="sources",
        rows=sources,
        fields=FIELDS,
        columns=(
            Column("SOURCE", lambda source: Cell(source.name)),
            Column("READ", lambda source: Cell(_format_read(source.read_at, now)), rank=1),
            Column("EVERY", _build_every_cell, rank=2),
            Column("NODES", lambda source: Cell(str(source.nodes_count))),
            Column("ABSENT", lambda source: Cell(str(source.absent_count))),
            Column("FAULT", lambda source: Cell(source.fault or "", "bad"), flexible=True),
        ),
        head=ListHead(now, rev),
        footer="\n".join([*absent, *(f"{source.name}: {source.remark}" for source in sources if source.remark)]),
    )


def _format_read(at: float | None, now: float) -> str:
    return "never" if at is None else format_ago(at, now)


def _build_every_cell(source: SourceView) -> Cell:
    return Cell("" if source.every_seconds is None else format_duration(source.every_seconds))


def format_inventory_changes(
    source: str, changes: InventoryChanges, find: Callable[[str], Node | None]
) -> Iterator[str]:
    """Yield one line for each node that a reading of `source` changes; `find` returns a node as it was before."""
    for node in changes.joins:
        yield f"{node.name}: joins ({source})"
    for old, node in changes.renamed:
        yield f"{old}: is {node.name} from now on ({source})"
    for node in changes.changed:
        yield f"{node.name}: {_describe_change(find(node.name), node)} ({source})"
    for name in changes.back:
        yield f"{name}: is back ({source})"
    for name in changes.absent:
        yield f"{name}: is absent, no longer listed ({source})"
    for name in changes.leaves:
        yield f"{name}: leaves ({source})"


def _describe_change(before: Node | None, after: Node) -> str:
    if before is None:
        return "changes"
    said = [] if before.source == after.source else [f"comes from {before.source} until now"]
    for key in sorted({*before.variables, *after.variables}):
        old, new = before.variables.get(key), after.variables.get(key)
        if old != new:
            said.append(f"{key} {old or 'unset'} -> {new or 'unset'}")
    return ", ".join(said)
