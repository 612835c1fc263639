"""Whether the host key that a server shows is accepted, and in words why not.

I/O only when a key is learnt. Loads paramiko. What is known stands in `plabctl.probes.host_keys`. As for OpenSSH's
`ssh`, the key in a certificate that is not good counts as if it had been shown alone, unless it or its authority is
revoked, and what is known for a name without a port holds for every port for which nothing is known.
Tests: `tests/probes/test_prober.py`, `tests/probes/test_host_certificates.py`.
"""

from __future__ import annotations

import paramiko

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.bounded_transport import BoundedTransport
from plabctl.probes.host_certificates import HostCertificate, find_fault
from plabctl.probes.host_keys import KnownHosts
from plabctl.probes.known_hosts_lines import HostKey, strip_port
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.target import Target


class HostKeyPolicy(paramiko.MissingHostKeyPolicy):
    """Decides on the host key of one server; `trusting` remembers the first one that an unknown server shows.

    paramiko asks this about every key, because we tell paramiko itself of none.
    """

    def __init__(self, target: Target, known: KnownHosts, clock: Clock, *, trusting: bool = False) -> None:
        self._node = target.node or "NODE"  # any that is reached by way of this jump host
        self._label = target.label
        self._name = strip_port(target.label).lower()
        self._known = known
        self._clock = clock
        of_port = known.find(target.label)
        self._is_known, self._is_learning = bool(of_port), trusting and not of_port
        self._keys = of_port or known.find(self._name)
        self._authorities = known.find_authorities(self._label) | known.find_authorities(self._name)

    @property
    def known_kinds(self) -> frozenset[str]:
        """The kinds of key known for the server, such as `ssh-ed25519`."""
        return frozenset(key.kind for key in self._keys)

    @property
    def wants_certificate(self) -> bool:
        """Return whether a certificate may decide: an authority is known for the server, or one may be revoked."""
        return bool(self._authorities) or self._known.has_revoked(self._label)

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Return if the key that the client got is accepted; raise ProbeError to refuse it."""
        transport = client.get_transport()
        assert isinstance(transport, BoundedTransport)
        fault = self.find_fault(HostKey.from_paramiko(key), transport.host_certificate)
        if fault:
            raise ProbeError(Cause.HOST_KEY, fault)

    def find_fault(self, key: HostKey, certificate: HostCertificate | None) -> str:
        """Return why the key and the certificate that it came with, if any, are refused; or ""."""
        if revocation := self.find_revocation(key, certificate):
            return revocation
        fault = self.find_certificate_fault(certificate) if certificate else ""
        if (certificate and not fault) or key in self._keys:
            return ""
        if self._is_learning and self._known.learn(self._label, key):
            return ""
        return f"the host certificate {fault}; {self._explain(key)}" if fault else self._explain(key)

    def find_revocation(self, key: HostKey, certificate: HostCertificate | None) -> str:
        """Return which of the two, the authority or the key itself, is revoked; or ""."""
        if certificate and self._known.is_revoked(self._label, certificate.authority):
            authority = _describe(certificate.authority)
            return f"the host certificate is signed by {authority}, which is revoked in known_hosts"
        if self._known.is_revoked(self._label, key):
            return f"the host key {_describe(key)} is revoked in known_hosts; the node needs a new one"
        return ""

    def find_certificate_fault(self, certificate: HostCertificate) -> str:
        """Return why a certificate does not vouch for the server, with the certificate as subject; or ""."""
        if certificate.authority not in self._authorities:
            return f"is signed by an authority that is not known, {_describe(certificate.authority)}"
        return find_fault(certificate, self._name, self._clock.now())

    def _explain(self, key: HostKey) -> str:
        if not self._is_known:
            return f"unknown host key {_describe(key)}; compare it, then run 'plabctl trust {self._node}'"
        expected = next((known for known in self._keys if known.kind == key.kind), self._keys[0])
        return (
            f"the host key has changed: it offers {key.fingerprint}, known is {expected.fingerprint}; "
            f"if that is right, run 'plabctl trust {self._node} --changed'"
        )


def _describe(key: HostKey) -> str:
    return f"{key.kind} {key.fingerprint}"
