"""The status in groups: nodes that fail for the same reason, or that have the same site, label or field.

Pure. `plabctl.render.group_table` shows them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from plabctl.core.model import Outcome
from plabctl.values import dataclass
from plabctl.views.node import NodeView, ViewContext, list_node_views
from plabctl.views.status_order import find_reader, sort_by_need

REASON = "reason"
"""Groups by this list only nodes of which there is something to say."""
_NEW = "never tested"
_RETURNING = "passes again, more passes needed"
_OWN = (
    # What differs between nodes that have the same fault: addresses, host keys, vnodes, learned time-outs.
    (re.compile(r"[^\s,]+ port \d+(?:, [^\s,]+ port \d+)*"), "ADDRESS"),
    (re.compile(r"(?<=no address for )'[^']*'"), "NODE"),
    (re.compile(r"SHA256:[\w+/=]+"), "FINGERPRINT"),
    (re.compile(r"plabctl-[0-9a-f]{16}"), "VNODE"),
    (re.compile(r"\b(?:within|after) [\d.]+(?:e\+\d+)? s\b"), "in time"),
)


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that have a value in common."""

    value: str | None
    """What they have in common; None when they have no such value."""
    count: int
    usable_count: int
    pools: Mapping[str, int]
    since_at: float
    """Since when the first of them is where it is."""
    names: Sequence[str]
    unusable: Sequence[str]
    """The names of those that are not usable."""
    monitors: Mapping[str, int] | None = None
    """How many of them each of several monitors tests."""


def group_nodes(context: ViewContext, names: Iterable[str], by: str) -> list[NodeGroup]:
    """Return these nodes in groups, those with the most nodes that are not usable first, and no value last.

    `by` is `reason`, a column of TSV, or a label. Raise UsageFault for anything else.
    """
    views = list(list_node_views(context, names))
    return sort_groups(group_views(views, by, find_reason if by == REASON else find_reader(by, views)))


def group_views(views: Iterable[NodeView], by: str, read: Callable[[NodeView], Any]) -> list[NodeGroup]:
    """Return the nodes in groups of those of which `read` gives the same."""
    groups: dict[str | None, list[NodeView]] = {}
    for view in views:
        value = read(view)
        if value is not None or by != REASON:
            groups.setdefault(None if value is None else str(value), []).append(view)
    return [_make_group(value, members) for value, members in groups.items()]


def merge_groups(found: Iterable[NodeGroup]) -> list[NodeGroup]:
    """Return groups of several monitors as those of all, in their order."""
    groups: dict[str | None, list[NodeGroup]] = {}
    for group in found:
        groups.setdefault(group.value, []).append(group)
    return sort_groups(_merge(value, parts) for value, parts in groups.items())


def _merge(value: str | None, parts: Sequence[NodeGroup]) -> NodeGroup:
    pools: Counter[str] = Counter()
    monitors: Counter[str] = Counter()
    for part in parts:
        pools.update(part.pools)
        monitors.update(part.monitors or {})
    return NodeGroup(
        value,
        sum(part.count for part in parts),
        sum(part.usable_count for part in parts),
        pools,
        min(part.since_at for part in parts),
        [name for part in parts for name in part.names],
        [name for part in parts for name in part.unusable],
        monitors or None,
    )


def sort_groups(made: Iterable[NodeGroup]) -> list[NodeGroup]:
    """Return the groups with those first that have the most nodes that are not usable, and no value last."""
    return sorted(made, key=lambda group: (group.value is None, group.usable_count - group.count, -group.count))


def _make_group(value: str | None, members: Sequence[NodeView]) -> NodeGroup:
    unusable = [view.name for view in sort_by_need(members) if not view.is_usable]
    return NodeGroup(
        value,
        len(members),
        len(members) - len(unusable),
        Counter(view.pool for view in members),
        min(view.since_at for view in members),
        [view.name for view in members],
        unusable,
        Counter(view.monitor for view in members if view.monitor) or None,
    )


def find_reason(node: NodeView) -> str | None:
    """Return what there is to say of this node, in the same words for all with the same fault; None for nothing."""
    if node.absent_since_at is not None or node.stuck_since_at is not None:
        return node.why_not
    if node.hold is not None:
        return f"held by {node.hold.actor}: {node.hold.reason}"
    if node.last is None:
        return _NEW
    if node.last.outcome is not Outcome.PASS:
        reason = node.last.reason or node.last.cause or "failed"
        return _strip_own(reason, node.name)
    return None if node.is_usable else _RETURNING


def _strip_own(reason: str, name: str) -> str:
    """Return the reason without what is the node's own, so that the same fault of other nodes reads the same."""
    text = reason.replace(name, "NODE")
    for pattern, word in _OWN:
        text = pattern.sub(word, text)
    return text
