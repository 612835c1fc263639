"""The nodes there are, with their variables: what `node list` shows.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.core.model import Node
from plabctl.report.instants import iso
from plabctl.report.listing import Cell, Column, Listing, Row, plain
from plabctl.report.status import Situation

FIELDS = ("name", "pool", "site", "source", "added_at", "variables")
"""The columns of `node list -o tsv`: new ones are only ever added at the end."""


def listing(situation: Situation, names: Iterable[str]) -> Listing:
    """Return these nodes as a listing."""
    return Listing(
        plural="nodes",
        rows=_rows(situation, names),
        fields=FIELDS,
        columns=(
            Column("NODE", plain("name")),
            Column("POOL", plain("pool"), rank=1),
            Column("VARIABLES", _variables, rank=2, flexible=True),
            Column("SOURCE", plain("source"), rank=3),
            Column("ADDED", plain("added_at"), wide=True),
        ),
        head={"generated_at": iso(situation.now), "rev": situation.state.rev},
    )


def _rows(situation: Situation, names: Iterable[str]) -> Iterator[Row]:
    for name in names:
        node, member = situation.state.node(name), situation.state.member(name)
        if node is not None and member is not None:
            yield _row(node, member.pool)


def _row(node: Node, pool: str) -> Row:
    row: dict[str, object] = {"name": node.name, "pool": pool, "source": node.source, "added_at": iso(node.added_at)}
    if node.variables:
        row["variables"] = dict(sorted(node.variables.items()))
    if node.site is not None:
        row["site"] = node.site
    return row


def _variables(row: Row) -> Cell:
    variables = row.get("variables")
    return Cell(" ".join(f"{key}={value}" for key, value in variables.items()) if isinstance(variables, dict) else "")
