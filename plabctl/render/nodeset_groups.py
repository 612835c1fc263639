"""Nodes as groups for ClusterShell: a file for its `groups.d`, what its queries ask for, and the section that asks.

Pure. ClusterShell puts names of groups and nodes into a command for the shell, so they have none of its characters.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

from plabctl.core.names import fold_name
from plabctl.core.selection import suggest_name
from plabctl.errors import NoSuchNode
from plabctl.nodesets import fold_nodeset
from plabctl.render.data_formats import dumps
from plabctl.values import dataclass
from plabctl.views.exports import Export
from plabctl.views.node_groups import STATE, Facet, group_nodes, list_unknown_labels, name_groups, replace_odd

SOURCE = "plab"
"""What ClusterShell calls the source of these groups: `@plab:usable`."""
ALL = "all"
_ODD = r"[^A-Za-z0-9_.-]"
_CACHE_S = 60


@dataclass(frozen=True, slots=True)
class NodesetGroups:
    """The nodes of each group by its name, `all` first, and remarks on these names."""

    nodes: Mapping[str, Sequence[str]]
    remarks: Sequence[str]


def build_groups(export: Export, pools: Collection[str], labels: Sequence[str]) -> NodesetGroups:
    """Return the groups; where a pool is called like a state, it is the pool, as in NODES."""
    found = group_nodes((node.view for node in export.nodes), pools, labels)
    groups = {facet: nodes for facet, nodes in found.items() if not (facet.kind == STATE and facet.value in pools)}
    names, remarks = name_groups(groups, _name_group, {ALL})
    everyone = [node.view.name for node in export.nodes]
    named = {names[facet]: nodes for facet, nodes in groups.items()}
    return NodesetGroups({ALL: everyone, **named}, [*remarks, *list_unknown_labels(groups, labels)])


def _name_group(facet: Facet) -> str:
    value = replace_odd(facet.value, _ODD)
    return f"{replace_odd(facet.kind, _ODD)}={value}" if facet.is_label else value


def format_group(groups: NodesetGroups, name: str) -> str:
    """Return the nodes of a group, folded into one line; raise NoSuchNode when there is no such group."""
    if name not in groups.nodes:
        raise NoSuchNode(f"no group is called {name!r}", hint=suggest_name(name, groups.nodes, "see --list"))
    nodes = groups.nodes[name]
    return f"{fold_nodeset(nodes)}\n" if nodes else ""


def list_groups_of(groups: NodesetGroups, node: str) -> list[str]:
    """Return the names of the groups that a node is in, in whatever case it is called."""
    folded = fold_name(node)
    return [
        name for name, nodes in groups.nodes.items() if name != ALL and any(fold_name(each) == folded for each in nodes)
    ]


def format_file(groups: NodesetGroups) -> str:
    """Return a file for `groups.d`, which is YAML; so is a text as JSON has it."""
    # Many groups have the same nodes, such as bad and unusable.
    folded = {nodes: fold_nodeset(nodes) for nodes in set(map(tuple, groups.nodes.values()))}
    lines = [f"  {dumps(name)}: {dumps(folded[tuple(nodes)])}\n" for name, nodes in groups.nodes.items()]
    return f"# Written by: plabctl export nodeset\n{SOURCE}:\n" + "".join(lines)


def format_section(call: Sequence[str]) -> str:
    """Return the section for `groups.conf.d` that makes ClusterShell run the command `call` with one more option."""
    # A $ begins what ClusterShell replaces.
    start = shlex.join(call).replace("$", "$$")
    lines = [
        f"[{SOURCE}]",
        f"map: {start} --group $GROUP",
        f"all: {start} --all",
        f"list: {start} --list",
        f"reverse: {start} --groups-of $NODE",
        f"cache_time: {_CACHE_S}",
    ]
    return "".join(f"{line}\n" for line in lines)
