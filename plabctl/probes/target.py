"""Where a node is reached, from its variables, the configuration and, on request, the user's ssh_config.

I/O only when `use_ssh_config` is on: then `ssh -G` is asked once for each node.
Tests: `tests/probes/test_host_keys.py`.
"""

from __future__ import annotations

import getpass
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from plabctl.core.model import Cause, Node
from plabctl.core.names import split_hop, split_jump
from plabctl.core.settings import SshSettings
from plabctl.probes.probe_error import ProbeError
from plabctl.process import run

_SSH_G_TIMEOUT_S = 10.0
_SSH_G_BYTES = 1024**2
_MAX_PORT = 65535
_SSH_PORT = 22


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
    address: str = ""
    """Of several addresses of the host the one to try first; empty: the resolver's first."""
    jumps: tuple[Target, ...] = ()
    """The jump hosts on the way, the first one first. Each is a target without jump hosts."""


def build_label(host: str, port: int) -> str:
    """Return the name under which known_hosts keeps the keys of this server: in lower case, as OpenSSH writes it."""
    host = host.lower()
    return host if port == _SSH_PORT else f"[{host}]:{port}"


class Targets:
    """Finds the target of each node; may be used from many threads."""

    def __init__(self, ssh: SshSettings) -> None:
        self._ssh = ssh
        self._lock = threading.Lock()
        self._asked: dict[str, dict[str, str]] = {}

    def find(self, node: Node) -> Target:
        """Return where `node` is reached; raise ProbeError if its variables are invalid."""
        seen = self._read_ssh_config(node.name) if self._ssh.use_ssh_config else {}
        if any(seen.get(key, "none") != "none" for key in ("proxycommand", "proxyjump")):
            raise ProbeError(
                Cause.LOCAL, f"ssh_config sends '{node.name}' through a proxy, which plabctl does not support"
            )
        host = node.variables.get("ssh_host") or seen.get("hostname") or node.name
        port = _parse_port(node.variables.get("ssh_port") or seen.get("port") or str(self._ssh.port), node.name)
        user = node.variables.get("ssh_user") or self._ssh.user or seen.get("user") or _find_user_name()
        alias = seen.get("hostkeyalias")
        key = node.variables.get("ssh_key") or ("" if self._ssh.key else seen.get("identityfile", ""))
        label = alias or build_label(host, port)
        return Target(node.name, host, port, user, label, (key,) if key else (), jumps=self._find_jumps(node))

    def _find_jumps(self, node: Node) -> tuple[Target, ...]:
        """Return the jump hosts to `node`: those that its variable names, else the configured ones."""
        jump = node.variables.get("ssh_jump")
        return tuple(map(self._build_hop, self._ssh.jump if jump is None else split_jump(jump)))

    def _build_hop(self, text: str) -> Target:
        """Return the target that a jump host such as `user@host:port` names; raise ProbeError if it names none."""
        hop = split_hop(text)
        if hop is None:
            raise ProbeError(Cause.LOCAL, f"'{text}' names no jump host")
        user, host, port = hop
        return Target("", host, port, user or self._ssh.user or _find_user_name(), build_label(host, port))

    def _read_ssh_config(self, name: str) -> Mapping[str, str]:
        with self._lock:
            known = self._asked.get(name)
        if known is None:
            known = _ask_ssh(name)
            with self._lock:
                self._asked[name] = known
        return known


def _parse_port(text: str, node: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= _MAX_PORT:
        return int(text)
    raise ProbeError(Cause.LOCAL, f"the variable ssh_port of '{node}' is '{text}', which is not a port")


def _find_user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ProbeError(Cause.LOCAL, "no SSH user is configured and this account has no name") from None


def _ask_ssh(name: str) -> dict[str, str]:
    """Return the first value of each keyword that `ssh -G` prints for `name`."""
    done = run(["ssh", "-G", "--", name], timeout_s=_SSH_G_TIMEOUT_S, keep_bytes=_SSH_G_BYTES, flood_bytes=_SSH_G_BYTES)
    if done.fault or done.exit_code:
        reason = done.fault or done.errors.decode(errors="replace").strip() or f"exit code {done.exit_code}"
        raise ProbeError(Cause.LOCAL, f"'ssh -G {name}' failed: {reason}")
    answer: dict[str, str] = {}
    for line in done.output.decode(errors="replace").splitlines():
        keyword, _, value = line.partition(" ")
        if keyword not in answer and value:
            answer[keyword] = value
    return answer
