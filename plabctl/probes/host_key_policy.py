"""Whether the host key that a server shows is accepted, and in words why not.

I/O only when a key is learnt. Loads paramiko. What is known stands in `plabctl.probes.host_keys`.
Tests: `tests/probes/test_prober.py`.
"""

from __future__ import annotations

import paramiko

from plabctl.core.model import Cause
from plabctl.probes.host_keys import KnownHosts
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.target import Target


class HostKeyPolicy(paramiko.MissingHostKeyPolicy):
    """Decides on the host key of one server; `trusting` remembers the first one that an unknown server shows.

    paramiko asks this about every key, because we tell paramiko itself of none.
    """

    def __init__(self, target: Target, known: KnownHosts, *, trusting: bool) -> None:
        self._target = target
        self._known = known
        self._trusting = trusting
        self._keys = known.find(target.label)

    @property
    def known_kinds(self) -> frozenset[str]:
        """The kinds of key known for the server, such as `ssh-ed25519`."""
        return frozenset(key.kind for key in self._keys)

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Return if the key is accepted; raise ProbeError to refuse it."""
        label, offered = self._target.label, HostKey.from_paramiko(key)
        if self._known.is_revoked(label, offered):
            reason = f"the host key {offered.kind} {offered.fingerprint} is revoked in known_hosts"
            raise ProbeError(Cause.HOST_KEY, f"{reason}; the node needs a new one")
        if offered in self._keys or (not self._keys and self._trusting and self._known.learn(label, offered)):
            return
        raise ProbeError(Cause.HOST_KEY, self._explain(offered))

    def _explain(self, offered: HostKey) -> str:
        node = self._target.node
        if not self._keys:
            key = f"{offered.kind} {offered.fingerprint}"
            return f"unknown host key {key}; compare it, then run 'plabctl trust {node}'"
        expected = next((key for key in self._keys if key.kind == offered.kind), self._keys[0])
        return (
            f"the host key has changed: it offers {offered.fingerprint}, known is {expected.fingerprint}; "
            f"if that is right, run 'plabctl trust {node} --changed'"
        )
