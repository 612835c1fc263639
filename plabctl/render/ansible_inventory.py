"""Nodes as an inventory of Ansible: what a program prints that Ansible calls with `--list` or `--host NAME`.

Pure. Texts that come from outside are marked, so that Ansible never takes them for templates.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from functools import lru_cache

from plabctl.render.data_formats import dumps
from plabctl.render.ssh_options import build_proxy_command, list_options
from plabctl.views.exports import Export, ExportedNode, SshAccess, SshServer
from plabctl.views.node_groups import (
    MONITOR,
    POOL,
    SITE,
    STATE,
    Facet,
    group_nodes,
    list_unknown_labels,
    name_groups,
    replace_odd,
)

ALL = "plab"
"""The group of all nodes; the names of the others begin with it."""
_RESERVED = ("all", "ungrouped")
"""The groups that every inventory has."""
_TAKEN = "not in the inventory: Ansible would take it for the group of that name"
_ODD = r"[^A-Za-z0-9_]"
_TEMPLATES = ("{{", "{%", "{#")
_PLAIN_PATH = r"[A-Za-z0-9_./@+,=~ -]+"
"""A path that Ansible can hand to ssh: it writes it between quotes, and does nothing about what ssh replaces in it."""


def format_list(export: Export, pools: Collection[str], labels: Sequence[str]) -> tuple[str, list[str]]:
    """Return what `--list` prints, and remarks on names of groups."""
    groups = group_nodes((node.view for node in export.nodes), pools, labels)
    names, remarks = name_groups(groups, _name_group, {ALL})
    # Ansible would give the variables of such a node to all nodes of the group, and log in there in their place.
    taken = {ALL, *_RESERVED, *names.values()}
    nodes = [node for node in export.nodes if node.view.name not in taken]
    remarks += [f"{node.view.name}: {_TAKEN}" for node in export.nodes if node.view.name in taken]
    listing: dict[str, object] = {
        names[facet]: {"hosts": [name for name in found if name not in taken]} for facet, found in groups.items()
    }
    listing[ALL] = {"children": [names[facet] for facet in groups if facet.kind == POOL and not facet.is_label]}
    listing["_meta"] = {"hostvars": {node.view.name: _build_variables(node) for node in nodes}}
    return dumps(listing) + "\n", [*remarks, *list_unknown_labels(groups, labels)]


def format_host(export: Export) -> str:
    """Return what `--host` prints for the one node of the export."""
    return dumps(_build_variables(export.nodes[0])) + "\n"


def _name_group(facet: Facet) -> str:
    value = replace_odd(facet.value, _ODD)
    if facet.is_label:
        is_ours = facet.kind in {SITE, MONITOR}
        return f"plab_{facet.kind}_{value}" if is_ours else f"plab_label_{replace_odd(facet.kind, _ODD)}_{value}"
    return f"plab_{value}" if facet.kind == STATE else f"plab_pool_{value}"


def _build_variables(node: ExportedNode) -> dict[str, object]:
    view, server = node.view, node.server
    found: dict[str, object] = {"plab_pool": view.pool, "plab_usable": view.is_usable}
    if view.why_not is not None:
        found["plab_why_not"] = _mark(view.why_not)
    if view.site is not None:
        found["plab_site"] = _mark(view.site)
    if view.monitor is not None:
        found["plab_monitor"] = _mark(view.monitor)
    if view.labels:
        found["plab_labels"] = {key: _mark(value) for key, value in view.labels.items()}
    if server is None:
        return found
    found |= {"ansible_host": server.host, "ansible_port": server.port}
    if server.user:
        found["ansible_user"] = _mark(server.user)
    if server.keys and re.fullmatch(_PLAIN_PATH, server.keys[0]):
        found["ansible_ssh_private_key_file"] = server.keys[0]
        server = server._replace(keys=server.keys[1:])
    # What differs between nodes has been said, so that it is the same for most, and made once.
    if text := _format_arguments(server._replace(host="", port=0, user=""), node.jumps, node.access):
        found["ansible_ssh_common_args"] = text
    return found


@lru_cache(maxsize=256)
def _format_arguments(server: SshServer, jumps: tuple[SshServer, ...], access: SshAccess) -> object:
    words = [f"{keyword}={value}" for keyword, value in list_options(server, access)]
    if command := build_proxy_command(jumps, access):
        words.append(f"ProxyCommand={command}")
    return _mark(shlex.join(part for word in words for part in ("-o", word)))


def _mark(text: str) -> object:
    """Return the text, in the form by which Ansible knows that it is no template where it looks like one."""
    return {"__ansible_unsafe": text} if any(sign in text for sign in _TEMPLATES) else text
