"""Asks a server for its host keys.

A server shows one key in each key exchange, so each kind takes a connection. Which kinds it has, it says in the first
one, so that there are no more connections than keys. Some servers turn those away who do not log in
(PerSourcePenalties, `noauth`), so that is tried in each connection, until it is refused: what is signed is bound to the
connection and opens no other. What a server has shown before it turns us away is kept.

I/O. Loads paramiko. For `plabctl trust`, which shows them to a person and then calls
`plabctl.probes.host_keys.trust_keys`.
Tests: `tests/probes/test_host_keys.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import paramiko

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
from plabctl.probes.target import Target, Targets
from plabctl.probes.tunnel import Wire

_NOT_FETCHED = "its host key cannot be fetched"
_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""The signatures of each kind, in the order in which they are asked for."""
_RSA = "ssh-rsa"


class HostKeyScan(NamedTuple):
    """The host keys that a server has shown."""

    keys: list[HostKey]
    unseen: tuple[str, ...] = ()
    """Kinds of keys that it has, too, and did not show."""
    fault: str = ""
    """Why it did not."""


LogIn = Callable[[NodeTransport, Wire], bool]
"""Logs in over a connection whose keys are exchanged, and returns whether the server took it."""
Dial = Callable[[Target, float, Cancellation], Wire]
"""Connects to a target by an instant of the monotonic clock: `Ssh.dial`, where there are jump hosts on the way."""


def scan_node(node: Node, ssh: SshSettings, clock: Clock | None = None) -> tuple[str, HostKeyScan]:
    """Return the name of `node` in known_hosts and the keys it offers, within the configured connect time-out.

    Raise PlabctlError if it cannot be reached or offers none.
    """
    try:
        target = Targets(ssh).find(node)
    except ProbeError as probe_error:
        raise PlabctlError(f"{_NOT_FETCHED}: {probe_error.reason}") from None
    return target.label, scan_target(target, ssh.connect_timeout_s, clock)


def scan_server(host: str, port: int, timeout_s: float, clock: Clock | None = None) -> HostKeyScan:
    """Return the host keys that the server offers, as `scan_target` does."""
    return scan_target(Target("", host, port, "", ""), timeout_s, clock)


def scan_target(
    target: Target,
    timeout_s: float,
    clock: Clock | None = None,
    dial: Dial | None = None,
    log_in: LogIn | None = None,
) -> HostKeyScan:
    """Return the host keys that the server offers, one connection for each of them, all within `timeout_s`.

    With `log_in` that is tried in each connection, once its key was seen.
    Raise PlabctlError if it cannot be reached, speaks no SSH, or shows none.
    """
    clock = clock or SystemClock()
    end = clock.monotonic() + timeout_s
    found: list[HostKey] = []
    offered: frozenset[str] | None = None
    for number, names in enumerate(_KINDS):
        if offered is not None and offered.isdisjoint(names):
            continue
        try:
            key, offered, is_taken = _fetch_key(target, names, end, clock, dial, log_in)
        except ProbeError as probe_error:
            # A server that speaks no SSH is quoted with what it says instead.
            fault = clean_line(probe_error.reason, MAX_REASON)
            if not found:
                raise PlabctlError(f"{_NOT_FETCHED}: {fault}") from None
            return HostKeyScan(found, _list_kinds(offered or frozenset(), number), fault)
        found += [key] if key else []
        log_in = log_in if is_taken else None
    if not found:
        raise PlabctlError(f"{_NOT_FETCHED}: the server offers none of a kind that plabctl uses")
    return HostKeyScan(found)


def _list_kinds(offered: frozenset[str], first: int) -> tuple[str, ...]:
    """Return the kinds of keys behind the signatures that are offered, from the kind of that number on."""
    rest = [name for names in _KINDS[first:] for name in names if name in offered]
    return tuple(dict.fromkeys(_RSA if name.startswith("rsa-") else name for name in rest))


class _ScanTransport(NodeTransport):
    """Keeps which host keys the server has."""

    offered: frozenset[str] = frozenset()

    def _parse_kex_init(self, message: paramiko.Message) -> None:
        try:
            super()._parse_kex_init(message)
        finally:
            message.rewind()
            self.offered = frozenset(self._really_parse_kex_init(message)["server_key_algo_list"])  # type: ignore[attr-defined]  # not in paramiko's published types


def _fetch_key(
    target: Target, names: tuple[str, ...], end: float, clock: Clock, dial: Dial | None, log_in: LogIn | None
) -> tuple[HostKey | None, frozenset[str], bool]:
    """Return the first key with one of these signatures, if there is one, and the signatures that the server offers.

    The last value is whether it is worth while to log in the next time.
    """
    cancellation = Cancellation()
    sock: Wire = (
        dial(target, end, cancellation) if dial else connect(target.host, target.port, end, clock, cancellation)
    )
    transport = None
    try:
        transport = _ScanTransport(sock)  # type: ignore[arg-type]  # a tunnel is used like a socket
        transport.get_security_options().key_types = names
        done = threading.Event()
        transport.start_client(event=done)
        if not done.wait(max(end - clock.monotonic(), 0)):
            raise ProbeError(Cause.PROTOCOL, "no SSH key exchange in time")
        if transport.is_active():
            key = HostKey.from_paramiko(transport.get_remote_server_key())
            return key, transport.offered, log_in is not None and log_in(transport, sock)
        error = transport.get_exception()
        if isinstance(error, NoCommonAlgorithm) and error.purpose == HOST_KEY:
            return None, transport.offered, True
        if not transport.has_banner and transport.greeting:
            raise ProbeError(Cause.PROTOCOL, f"the server turns us away: {transport.greeting}")
        raise ProbeError(
            Cause.PROTOCOL, f"no SSH session: {format_exception(error) if error else 'the connection was closed'}"
        )
    finally:
        close_transport(transport, sock)
