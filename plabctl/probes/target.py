"""Where a node is reached, from its variables, on request the user's ssh_config, and the configuration, in that order.

I/O only when `use_ssh_config` is on: then `plabctl.probes.ssh_config` is asked.
Tests: `tests/probes/test_ssh_config.py`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar

from plabctl.core.model import Cause, Node
from plabctl.core.names import split_hop, split_jump
from plabctl.core.settings import SshSettings
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.ssh_config import NOTHING_SAID, HostSettings, SshConfig, expand_tokens

_MAX_PORT = 65535
SSH_PORT = 22
_MAX_HOPS = 8
SSH_CONFIG, DEFAULT = "ssh_config", "default"
_T = TypeVar("_T")


class KeyRules(NamedTuple):
    """What ssh_config says of certificates and agents."""

    certificates: tuple[str, ...] = ()
    """Files, besides those beside the keys."""
    agent: str = ""
    """The socket of the agent, or `none`; empty: the configured one. One is asked only with `[ssh] agent`."""
    only_these: bool = False
    """Whether an agent signs for no other keys than those that are named."""


NO_RULES = KeyRules()


@dataclass(frozen=True, slots=True)
class Target:
    """An SSH server to log in at; `label` is its name in known_hosts. `node` is empty for a jump host."""

    node: str
    host: str
    port: int
    user: str
    label: str
    keys: tuple[str, ...] = ()
    """Key files of this node's own, in the order in which to offer them; empty: the configured one."""
    rules: KeyRules = NO_RULES
    address: str = ""
    """Of several addresses of the host the one to try first; empty: the resolver's first."""
    jumps: tuple[Target, ...] = ()
    """The jump hosts on the way, the first one first. Each is a target without jump hosts."""


class Origins(NamedTuple):
    """Where the parts of a target come from: a variable, ssh_config, a key of `[ssh]`, or nobody said it."""

    host: str
    port: str
    user: str
    label: str
    keys: str
    jumps: str


def build_label(host: str, port: int) -> str:
    """Return the name under which known_hosts keeps the keys of this server: in lower case, as OpenSSH writes it."""
    host = host.lower()
    return host if port == SSH_PORT else f"[{host}]:{port}"


class Targets:
    """Finds the target of each node; may be used from many threads."""

    def __init__(self, ssh: SshSettings, ssh_config: SshConfig | None = None) -> None:
        self._ssh = ssh
        self._ssh_config = ssh_config or SshConfig()
        self._found_hops: dict[tuple[str, ...], tuple[Target, ...]] = {}

    def interrupt(self) -> None:
        """End what ssh_config is asked by; does not block, may come from a signal handler."""
        self._ssh_config.interrupt()

    def find(self, node: Node) -> Target:
        """Return where `node` is reached; raise ProbeError if its variables or ssh_config are invalid."""
        return self.explain(node)[0]

    def explain(self, node: Node) -> tuple[Target, Origins]:
        """Return where `node` is reached, and where each part of that comes from; raise ProbeError as `find` does."""
        given = node.variables
        if given.get("ssh_port"):
            _check_port(given["ssh_port"], node.name)
        seen = self._ask(node.name, given)
        jump = given.get("ssh_jump")
        hops, origin = _choose(
            (None if jump is None else tuple(split_jump(jump)), "variable ssh_jump"),
            (seen.jumps, SSH_CONFIG),
            (self._ssh.jump or None, "[ssh] jump"),
            ((), DEFAULT),
        )
        if origin == SSH_CONFIG:
            _refuse_proxy_command(node.name, seen)
        target, origins = self._build(node.name, given, seen, self._ssh.port)
        if hops:
            if hops not in self._found_hops:  # most nodes have the same
                self._found_hops[hops] = self._find_hops(hops)
            target = replace(target, jumps=self._found_hops[hops])
        return target, origins._replace(jumps=origin)

    def _ask(self, name: str, given: Mapping[str, str]) -> HostSettings:
        if not self._ssh.use_ssh_config:
            return NOTHING_SAID
        return self._ssh_config.find(name, given.get("ssh_user", ""), given.get("ssh_port", ""))

    def _find_hops(self, hops: Sequence[str], depth: int = 0) -> tuple[Target, ...]:
        """Return the jump hosts that are named such as `user@host:port`; raise ProbeError if one cannot be.

        The way to the first one may lead over others that ssh_config names, as with `ssh -J`.
        """
        found: list[Target] = []
        for text in hops:
            hop = split_hop(text)
            if hop is None or depth > _MAX_HOPS:
                raise ProbeError(
                    Cause.LOCAL, f"'{text}' names no jump host" if hop is None else "jump hosts in a circle"
                )
            user, name, port = hop
            given = {"ssh_user": user, "ssh_port": str(port or "")}
            seen = self._ask(name, given)
            if not found:
                _refuse_proxy_command(name, seen)
                found.extend(self._find_hops(seen.jumps or (), depth + 1))
            found.append(replace(self._build(name, given, seen, SSH_PORT)[0], node=""))
        return tuple(found)

    def _build(self, name: str, given: Mapping[str, str], seen: HostSettings, port: int) -> tuple[Target, Origins]:
        """Return the target without jump hosts, from variables, what ssh_config says, and the configuration."""
        ssh = self._ssh
        host, host_from = _choose(
            (given.get("ssh_host") or None, "variable ssh_host"), (seen.host or None, SSH_CONFIG), (name, DEFAULT)
        )
        port, port_from = _choose(
            (int(given.get("ssh_port") or 0) or None, "variable ssh_port"),
            (seen.port, SSH_CONFIG),
            (port if port != SSH_PORT else None, "[ssh] port"),
            (SSH_PORT, DEFAULT),
        )
        user, user_from = _choose(
            (given.get("ssh_user") or None, "variable ssh_user"),
            (seen.user, SSH_CONFIG),
            (ssh.user or None, "[ssh] user"),
            (None, DEFAULT),
        )
        user = user or _find_user_name()
        if seen.keys is not None and not (seen.keys or given.get("ssh_key")):
            raise ProbeError(Cause.LOCAL, f"ssh_config says 'IdentityFile none' for '{name}': there is no key to offer")
        files, rules = ((), NO_RULES) if seen is NOTHING_SAID else _read_keys(seen, name, host, port, user)
        keys, keys_from = _choose(
            ((given["ssh_key"],) if given.get("ssh_key") else None, "variable ssh_key"),
            (files or None, SSH_CONFIG),
            ((), "[ssh] key" if ssh.key else DEFAULT),
        )
        label = seen.alias or build_label(host, port)
        label_from = SSH_CONFIG if seen.alias else DEFAULT
        return Target(name, host, port, user, label, keys, rules), Origins(
            host_from, port_from, user_from, label_from, keys_from, DEFAULT
        )


def _read_keys(seen: HostSettings, name: str, host: str, port: int, user: str) -> tuple[tuple[str, ...], KeyRules]:
    """Return what ssh_config says of keys; as ssh, pass over files that are not there, as long as one is."""
    fill = partial(expand_tokens, name=name, host=host, port=port, user=user)
    named = tuple(map(fill, seen.keys or ()))
    rules = KeyRules(tuple(map(fill, seen.certificates)), fill(seen.agent), seen.only_these)
    return tuple(filter(os.path.exists, named)) or named, rules


def _choose(*choices: tuple[_T | None, str]) -> tuple[_T, str]:
    """Return the first value that is one, with its origin; the last one whatever it is."""
    return next((each for each in choices[:-1] if each[0] is not None), choices[-1])  # type: ignore[return-value]


def _refuse_proxy_command(name: str, seen: HostSettings) -> None:
    if seen.proxy_command:
        raise ProbeError(
            Cause.LOCAL,
            f"ssh_config sends '{name}' through a ProxyCommand, which plabctl does not run; "
            "name jump hosts by ProxyJump, or by the node's variable ssh_jump",
        )


def _check_port(text: str, node: str) -> None:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MAX_PORT):
        raise ProbeError(Cause.LOCAL, f"the variable ssh_port of '{node}' is '{text}', which is not a port")


def _find_user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ProbeError(Cause.LOCAL, "no SSH user is configured and this account has no name") from None
