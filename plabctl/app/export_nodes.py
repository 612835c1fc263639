"""Collect what other tools want to know about nodes, and write the program that Ansible calls for it.

I/O: reads the state without a lock; where ssh_config is in use, asks `ssh -G` for each node. Only `write_wrapper`
writes. `plabctl.render` has a module for each tool.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from plabctl.app import queries
from plabctl.app.context import open_app
from plabctl.core.names import is_alias
from plabctl.core.settings import HostKeys, SshSettings
from plabctl.counts import format_count
from plabctl.errors import NoSuchNode, PlabctlError, Refused
from plabctl.views.exports import Export, ExportedNode, SshAccess, SshServer
from plabctl.views.node import NodeView, ViewContext, list_node_views

if TYPE_CHECKING:
    from plabctl.core.model import Node
    from plabctl.probes.target import Target, Targets

_PROGRAM = 0o755


class Way(Enum):
    """What an export says of the way to a node."""

    UNTOLD = "nothing"
    VARIABLES = "the node's variables, from which it follows"
    WHERE_KNOWN = "address, port, user, keys and jump hosts where they are known"
    ALWAYS = "the same, and a node without them is not in it"


class Wanted(NamedTuple):
    """Which nodes an export has, and what it says of the way to them."""

    words: tuple[str, ...]
    """What selects them; with none, all that are not absent."""
    way: Way = Way.UNTOLD
    logs_in_as_self: bool = False
    """Without user, keys and known hosts: it is for people who log in as themselves."""


class Collected(NamedTuple):
    """What is exported, and the pools there are."""

    export: Export
    pools: Collection[str]
    notes: Sequence[str] = ()
    """What is wrong with the sources that it comes from."""
    is_partial: bool = False
    """Whether one of them could not be read."""


def collect(context: ViewContext, wanted: Wanted) -> Collected:
    """Return the nodes that are wanted; raise NoSuchNode or NoSuchPool."""
    export = export_nodes(context, queries.list_chosen(context, wanted.words), wanted)
    return Collected(export, context.settings.pools)


def export_nodes(context: ViewContext, names: Iterable[str], wanted: Wanted) -> Export:
    """Return those of the nodes of these names that are wanted; they have no way where `context` does not know it."""
    names, odd = _part_odd(names) if not knows_way(context) else (names, [])
    found = _list_nodes(context, names, wanted)
    if wanted.way in {Way.UNTOLD, Way.VARIABLES} or not knows_way(context):
        remarks = [f"{format_count(len(odd), 'node')} left out: nothing may be called {odd[0]!r}"] if odd else []
        return Export([ExportedNode(view, node.variables) for view, node in found], remarks)
    from plabctl.probes.probe_error import ProbeError
    from plabctl.probes.target import Targets

    ssh, is_own = context.settings.ssh, wanted.logs_in_as_self
    targets, access = Targets(ssh), SshAccess(is_personal=True) if is_own else _find_access(ssh)
    nodes = []
    remarks = list(_list_ssh_remarks(ssh, logs_in_as_self=is_own))
    for view, node in found:
        try:
            server, jumps = _find_way(targets, node, ssh, logs_in_as_self=is_own)
        except ProbeError as error:
            remarks.append(f"{view.name}: plabctl knows no way to it: {error.reason}")
            nodes.append(ExportedNode(view, node.variables))
            continue
        nodes.append(ExportedNode(view, node.variables, server, jumps, access))
    return Export(nodes, remarks)


def knows_way(context: ViewContext) -> bool:
    """Return whether it is known how nodes are reached: that stands in the configuration, and in no status."""
    return bool(context.settings.path)


def _part_odd(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names that nodes may have, and others, which a status may have: tools take them for who knows what."""
    parts: tuple[list[str], list[str]] = [], []
    for name in names:
        parts[not is_alias(name)].append(name)
    return parts


def _list_nodes(context: ViewContext, names: Iterable[str], wanted: Wanted) -> Iterator[tuple[NodeView, Node]]:
    for view in list_node_views(context, names):
        node = context.state.node(view.name)
        if node is not None and (wanted.words or view.absent_since_at is None):
            yield view, node


def _find_way(
    targets: Targets, node: Node, ssh: SshSettings, *, logs_in_as_self: bool
) -> tuple[SshServer, tuple[SshServer, ...]]:
    target = targets.find(node)
    key = "" if logs_in_as_self else ssh.key
    found = [_read_target(each, key) for each in (target, *target.jumps)]
    if logs_in_as_self:
        found = [SshServer(each.host, each.port, alias=each.alias) for each in found]
    return found[0], tuple(found[1:])


def _read_target(target: Target, key: str) -> SshServer:
    from plabctl.probes.target import build_label

    keys = target.keys or ((key,) if key else ())
    alias = "" if target.label == build_label(target.host, target.port) else target.label
    return SshServer(target.host, target.port, target.user, keys, target.rules.certificates, alias)


def _find_access(ssh: SshSettings) -> SshAccess:
    checking = "yes" if ssh.host_keys is HostKeys.REJECT else "accept-new"
    return SshAccess(ssh.known_hosts, checking, has_only_these_keys=not ssh.agent)


def _list_ssh_remarks(ssh: SshSettings, *, logs_in_as_self: bool) -> Iterator[str]:
    if ssh.host_ca and not logs_in_as_self:
        yield (
            "ssh does not read the files of [ssh] host_ca: for each key in them, write a line "
            f"'@cert-authority * KEY' into {ssh.known_hosts}"
        )


def pick_host(export: Export, name: str) -> Export:
    """Return the export of that one node, in whatever case it is called; raise NoSuchNode if it is not there."""
    found = [node for node in export.nodes if node.view.name.lower() == name.lower()]
    if not found:
        raise NoSuchNode(f"no node is named {name!r}", hint="the names that there are: the same without --host")
    return Export(found, export.remarks)


def build_call(config: str | None, arguments: Sequence[str], sources: Sequence[str] = ()) -> list[str]:
    """Return the command that calls `plabctl export` with these arguments from anywhere.

    It reads this installation, or the status that `sources` tell.
    """
    from plabctl.app.crontab import build_job, find_program
    from plabctl.app.sources import make_absolute

    kind, *more = arguments
    if sources:
        # Ansible and ClusterShell take nothing from a program that fails: one source would hide all others.
        given = [part for source in sources for part in ("--from", make_absolute(source))]
        return [*find_program(sys.argv[0]), "export", kind, *given, "--ignore-failed-read", *more]
    job = build_job(open_app(config).settings, os.environ)
    variables = [f"{name}={value}" for name, value in job.variables]
    return [*(["env", *variables] if variables else []), *job.program, "export", kind, "--config", job.config, *more]


def write_wrapper(path: str, config: str | None, arguments: Sequence[str], sources: Sequence[str] = ()) -> None:
    """Write a program for `ansible -i` that prints this export; raise Refused when there is such a file already."""
    from plabctl.files.atomic import remove, write_new

    call = shlex.join(build_call(config, arguments, sources))
    text = f'#!/bin/sh\n# Written by: plabctl export ansible --wrapper\nexec {call} "$@"\n'
    try:
        write_new(path, text.encode(), public=True)
        os.chmod(path, _PROGRAM)
    except FileExistsError:
        raise Refused(f"{path} exists already", hint="remove it first, or name another file") from None
    except OSError as error:
        remove(path)  # half of it would be run
        raise PlabctlError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
