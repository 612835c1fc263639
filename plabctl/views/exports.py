"""The nodes as other tools want them: where each stands, its variables, and how it is reached over SSH.

Pure. `plabctl.app.export_nodes` fills it; there is a module in `plabctl.render` for each tool.
Tests: `tests/cli/test_export.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from plabctl.values import dataclass
from plabctl.views.node import NodeView


class SshServer(NamedTuple):
    """An SSH server to log in at. An empty user is whoever logs in."""

    host: str
    port: int
    user: str = ""
    keys: tuple[str, ...] = ()
    """Key files, in the order in which to offer them."""
    certificates: tuple[str, ...] = ()
    """Files of certificates that do not stand beside their keys."""
    alias: str = ""
    """Its name in known_hosts, where that is another than its address."""


@dataclass(frozen=True, slots=True)
class SshAccess:
    """What holds for the way to every node of an installation."""

    known_hosts: str = ""
    """The file of known host keys; empty: that of whoever logs in."""
    checking: str = ""
    """`StrictHostKeyChecking` for this file."""
    has_only_these_keys: bool = False
    """Whether no other keys are offered than those that are named."""
    is_personal: bool = False
    """Whether it is for people who log in as themselves: to a node without jump hosts they may have a way of their own.
    """


class ExportedNode(NamedTuple):
    """One node. `server` is None where nobody asked for the way to it, or where there is none."""

    view: NodeView
    variables: Mapping[str, str]
    server: SshServer | None = None
    jumps: tuple[SshServer, ...] = ()
    """The jump hosts on the way, the first one first."""
    access: SshAccess = SshAccess()


@dataclass(frozen=True, slots=True)
class Export:
    """The nodes, sorted, and what a person should know about them, one line each."""

    nodes: Sequence[ExportedNode]
    remarks: Sequence[str] = ()
