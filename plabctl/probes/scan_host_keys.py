"""Asks a server for its host keys, without logging in.

I/O. Loads paramiko. For `plabctl trust`, which shows them to a person and then calls
`plabctl.probes.host_keys.trust_keys`.
Tests: `tests/probes/test_host_keys.py`.
"""

from __future__ import annotations

import threading

from plabctl.clock import Clock, SystemClock
from plabctl.core.model import Cause, Node
from plabctl.core.settings import SshSettings
from plabctl.errors import PlabctlError
from plabctl.probes.algorithms import HOST_KEY, NoCommonAlgorithm
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.clean import MAX_REASON, clean_line
from plabctl.probes.connect import connect
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.ssh_transport import NodeTransport, close_transport
from plabctl.probes.target import Targets

# A server shows one key in each key exchange: the first of these kinds that it has.
_NOT_FETCHED = "its host key cannot be fetched"
_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)


def scan_node(node: Node, ssh: SshSettings, clock: Clock | None = None) -> tuple[str, list[HostKey]]:
    """Return the name of `node` in known_hosts and the keys it offers, within the configured connect time-out.

    Raise PlabctlError if it cannot be reached or offers none.
    """
    try:
        target = Targets(ssh).find(node)
    except ProbeError as probe_error:
        raise PlabctlError(f"{_NOT_FETCHED}: {probe_error.reason}") from None
    return target.label, scan_server(target.host, target.port, ssh.connect_timeout_s, clock)


def scan_server(host: str, port: int, timeout_s: float, clock: Clock | None = None) -> list[HostKey]:
    """Return the host keys that the server offers, one connection for each kind, all within `timeout_s`.

    Raise PlabctlError if it cannot be reached, speaks no SSH or offers none.
    """
    clock = clock or SystemClock()
    end = clock.monotonic() + timeout_s
    try:
        found = [key for kinds in _KINDS if (key := _fetch_key(host, port, kinds, end, clock))]
    except ProbeError as probe_error:
        # A server that speaks no SSH is quoted with what it says instead.
        raise PlabctlError(f"{_NOT_FETCHED}: {clean_line(probe_error.reason, MAX_REASON)}") from None
    if not found:
        raise PlabctlError(f"{_NOT_FETCHED}: the server offers none of a kind that plabctl uses")
    return found


def _fetch_key(host: str, port: int, kinds: tuple[str, ...], end: float, clock: Clock) -> HostKey | None:
    sock = connect(host, port, end, clock, Cancellation())
    transport = None
    try:
        transport = NodeTransport(sock)
        transport.get_security_options().key_types = kinds
        done = threading.Event()
        transport.start_client(event=done)
        if not done.wait(max(end - clock.monotonic(), 0)):
            raise ProbeError(Cause.PROTOCOL, "no SSH key exchange in time")
        if transport.is_active():
            return HostKey.from_paramiko(transport.get_remote_server_key())
        error = transport.get_exception()
        if isinstance(error, NoCommonAlgorithm) and error.purpose == HOST_KEY:
            return None
        raise ProbeError(
            Cause.PROTOCOL, f"no SSH session: {format_exception(error) if error else 'the connection was closed'}"
        )
    finally:
        close_transport(transport, sock)
