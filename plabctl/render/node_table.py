"""The nodes there are, with their variables: what `node list` shows.

Pure.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.core.model import Node
from plabctl.render.listing import Cell, Column, Listing, Row, make_plain_cell
from plabctl.render.times import format_iso
from plabctl.views.node import ViewContext

FIELDS = ("name", "pool", "site", "source", "added_at", "variables")
"""The columns of `node list -o tsv`: new ones are only ever added at the end."""


def build_listing(context: ViewContext, names: Iterable[str]) -> Listing:
    """Return these nodes as a listing."""
    return Listing(
        plural="nodes",
        rows=_build_rows(context, names),
        fields=FIELDS,
        columns=(
            Column("NODE", make_plain_cell("name")),
            Column("POOL", make_plain_cell("pool"), rank=1),
            Column("VARIABLES", _build_variables_cell, rank=2, flexible=True),
            Column("SOURCE", make_plain_cell("source"), rank=3),
            Column("ADDED", make_plain_cell("added_at"), wide=True),
        ),
        head={"generated_at": format_iso(context.now), "rev": context.state.rev},
    )


def _build_rows(context: ViewContext, names: Iterable[str]) -> Iterator[Row]:
    for name in names:
        node, member = context.state.node(name), context.state.member(name)
        if node is not None and member is not None:
            yield _build_row(node, member.pool)


def _build_row(node: Node, pool: str) -> Row:
    row: dict[str, object] = {
        "name": node.name,
        "pool": pool,
        "source": node.source,
        "added_at": format_iso(node.added_at),
    }
    if node.variables:
        row["variables"] = dict(sorted(node.variables.items()))
    if node.site is not None:
        row["site"] = node.site
    return row


def _build_variables_cell(row: Row) -> Cell:
    variables = row.get("variables")
    return Cell(" ".join(f"{key}={value}" for key, value in variables.items()) if isinstance(variables, dict) else "")
