"""The nodes there are, with their variables: what `node list` shows.

Pure.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from plabctl.render.listing import Cell, Column, Listing
from plabctl.render.times import format_iso
from plabctl.views.known_nodes import KnownNode, list_known_nodes
from plabctl.views.list_head import build_list_head
from plabctl.views.node import ViewContext

FIELDS = ("name", "pool", "site", "source", "added_at", "variables", "busy_by", "busy_since_at")
"""The columns of `node list -o tsv`: new ones are only ever added at the end."""


def build_listing(context: ViewContext, names: Iterable[str]) -> Listing:
    """Return these nodes as a listing."""
    return Listing(
        plural="nodes",
        rows=list_known_nodes(context, names),
        fields=FIELDS,
        columns=(
            Column("NODE", lambda node: Cell(node.name), is_name=True),
            Column("POOL", lambda node: Cell(node.pool), rank=1),
            Column("VARIABLES", _build_variables_cell, rank=2, flexible=True),
            Column("BUSY", _build_busy_cell, rank=4),
            Column("SOURCE", lambda node: Cell(node.source), rank=3),
            Column("ADDED", lambda node: Cell(format_iso(node.added_at)), wide=True),
        ),
        head=build_list_head(context),
    )


def _build_busy_cell(node: KnownNode) -> Cell:
    return Cell("" if node.busy_since_at is None else node.busy_by or "yes")


def _build_variables_cell(node: KnownNode) -> Cell:
    return Cell(" ".join(f"{key}={value}" for key, value in (node.variables or {}).items()))
