"""The status in groups, as a table and for programs: a line for each reason, site or label, its nodes folded.

Pure. `plabctl.views.status_groups` makes the groups.
Tests: `tests/views/test_status_groups.py`, `tests/render/test_screens.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plabctl.core.settings import Settings
from plabctl.nodesets import fold_nodeset
from plabctl.render.encode import encode_view
from plabctl.render.listing import Cell, Column, Listing, Row, build_group_column
from plabctl.render.status_table import format_footer, list_warnings
from plabctl.render.times import format_age, format_iso
from plabctl.views.node import ViewContext
from plabctl.views.status import StatusView, build_status_view
from plabctl.views.status_groups import REASON, NodeGroup, group_nodes

FIELDS = ("value", "count", "usable_count", "since_at", "nodes", "unusable", "monitors")
"""The columns of `status --by -o tsv`: new ones are only ever added at the end; nodes are folded."""


def build_listing(context: ViewContext, names: Iterable[str], by: str) -> Listing:
    """Return these nodes in groups; raise UsageFault when there is nothing to group by of that name."""
    groups = group_nodes(context, names, by)
    return build_group_listing(groups, by, build_status_view(context, ()), context.settings)


def build_group_listing(groups: Sequence[NodeGroup], by: str, status: StatusView, settings: Settings) -> Listing:
    """Return the groups, which are part of that status."""
    head = status.head
    return Listing(
        plural="groups",
        rows=groups,
        encode=lambda group: _build_row(group, by),
        fields=FIELDS,
        columns=_build_columns(settings, head.generated_at, by, groups),
        head={
            "by": by,
            "generated_at": format_iso(head.generated_at),
            "rev": head.rev,
            **({} if head.sources is None else {"sources": list(map(encode_view, head.sources))}),
        },
        warnings=list_warnings(status),
        footer=format_footer(status),
        key="value",
    )


def _build_row(group: NodeGroup, by: str) -> Row:
    row: dict[str, object] = {
        "by": by,
        "count": group.count,
        "usable_count": group.usable_count,
        "pools": dict(group.pools),
        "since_at": format_iso(group.since_at),
        "nodes": fold_nodeset(group.names),
        "unusable": fold_nodeset(group.unusable),
        "names": list(group.names),
    }
    if group.monitors is not None:
        row["monitors"] = dict(group.monitors)
    return row if group.value is None else {**row, "value": group.value}


def _build_columns(settings: Settings, now: float, by: str, groups: Sequence[NodeGroup]) -> tuple[Column, ...]:
    def format_nodes(names: Sequence[str], style: str = "") -> Cell:
        return Cell(fold_nodeset(names), style)

    count = Column("COUNT", lambda group: Cell(str(group.count)))
    monitors = Column("MONITORS", lambda group: Cell(" ".join(group.monitors or ())), rank=1, flexible=True)
    if by == REASON:
        return (
            count,
            Column("FOR", lambda group: Cell(format_age(group.since_at, now)), rank=2),
            Column("REASON", lambda group: Cell(group.value), flexible=True),
            monitors,
            Column("NODES", lambda group: format_nodes(group.names), flexible=True, is_name=True),
        )
    pools = [pool for pool in settings.pools if any(pool in group.pools for group in groups)]
    return (
        build_group_column(by, lambda group: group.value),
        count,
        *(_build_pool_column(pool) for pool in pools),
        Column("USABLE", lambda group: Cell(str(group.usable_count))),
        *(() if by == "monitor" else (monitors,)),
        Column("NOT USABLE", lambda group: format_nodes(group.unusable, "bad"), rank=1, flexible=True, is_name=True),
    )


def _build_pool_column(pool: str) -> Column:
    return Column(pool.upper(), lambda group: Cell(str(group.pools.get(pool, 0))), rank=2)
