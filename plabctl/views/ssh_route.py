"""How a node is reached over SSH, and where each part of that comes from: what `test --explain-ssh` says.

Pure.
Tests: `tests/app/test_explain_ssh.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from plabctl.values import dataclass


class RouteText(NamedTuple):
    """A text, and its origin: a variable, `ssh_config`, a key of `[ssh]` or `default`."""

    value: str
    origin: str


class RouteNumber(NamedTuple):
    """A number, and its origin."""

    value: int
    origin: str


class RouteList(NamedTuple):
    """Texts in order, and their origin."""

    value: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class SshRoute:
    """How one node is reached."""

    node: str
    address: RouteText
    port: RouteNumber
    user: RouteText
    jump: RouteList
    """The jump hosts, each as `user@host:port`."""
    key: RouteList
    """The key files that are offered, in order."""
    certificate: RouteList
    """What there is to say of the certificates of these keys."""
    agent: RouteText
    """The socket of the agent that is asked for keys as well, or `none`."""
    known_hosts: RouteText
    known_as: RouteText
    """Its name in known_hosts."""
    host_key: RouteList
    """The keys and authorities of which one must answer; the origin says who decides."""
