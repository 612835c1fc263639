"""Nodes as blocks for an ssh_config, to be read by `Include`.

Pure. A jump host has a block under a name of its own, so that nothing changes for who logs in there by its usual one.
Tests: `tests/render/test_ssh_exports.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.render.ssh_options import format_path, format_word, list_options
from plabctl.views.exports import Export, SshAccess, SshServer
from plabctl.views.node_groups import replace_odd

_HEAD = "# Written by: plabctl export ssh-config\n"
_JUMP = "plabctl-jump-"
_ODD = r"[^A-Za-z0-9_.-]"
_Hop = tuple[SshServer, SshAccess]


def format_ssh_config(export: Export) -> Iterator[str]:
    """Yield the text, a block at a time."""
    yield _HEAD
    taken = {node.view.name.lower() for node in export.nodes}
    jumps = _name_jumps(((hop, node.access) for node in export.nodes for hop in node.jumps), taken)
    for (hop, access), name in jumps.items():
        # Else a ProxyJump of a later block, `Host *`, would hold, which may lead to this host again and so on for ever.
        yield _format_block(name, hop, access, "none")
    for node in export.nodes:
        if node.server is not None:
            name = node.view.name
            # OpenSSH, other than plabctl, takes PC1 and pc1 for two.
            patterns = name if name == name.lower() else f"{name} {name.lower()}"
            direct = "" if node.access.is_personal else "none"
            way = ",".join(jumps[hop, node.access] for hop in node.jumps) or direct
            yield _format_block(patterns, node.server, node.access, way)


def _name_jumps(hops: Iterable[_Hop], taken: set[str]) -> dict[_Hop, str]:
    """Return a name for each jump host, none of those in `taken`, which are in lower case; add them there."""
    names: dict[_Hop, str] = {}
    for hop in hops:
        if hop not in names:
            first = name = _JUMP + replace_odd(hop[0].host, _ODD)
            number = 1
            while name.lower() in taken:
                number += 1
                name = f"{first}-{number}"
            taken.add(name.lower())
            names[hop] = name
    return names


def _format_block(patterns: str, server: SshServer, access: SshAccess, way: str) -> str:
    lines = [("HostName", format_path(server.host) or server.host), ("Port", str(server.port))]
    if server.user and (user := format_word(server.user)):
        lines.append(("User", user))
    lines += list_options(server, access)
    if way:
        lines.append(("ProxyJump", way))
    return f"\nHost {patterns}\n" + "".join(f"    {keyword} {value}\n" for keyword, value in lines)
