"""Ask a server for its host keys.

A server shows one key in each key exchange, so each kind takes a connection. Which kinds it has, it says in the first
one, so that there are no more connections than keys. Some servers turn those away who do not log in
(PerSourcePenalties, `noauth`), so that is tried in each connection, until it is refused: what is signed is bound to the
connection and opens no other. What a server has shown before it turns us away is kept. Where an authority is known
for the server, the first connection asks for its certificate, which makes the others superfluous if it is good.

I/O. Loads paramiko. For `plabctl trust`, which shows them to a person and then calls
`plabctl.probes.host_keys.trust_keys`.
Tests: `tests/probes/test_host_keys.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import paramiko

from plabctl.clock import Clock, SystemClock
from plabctl.core.model import Cause
from plabctl.errors import PlabctlError
from plabctl.probes.algorithms import HOST_KEY, NoCommonAlgorithm, find_kind
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.clean import MAX_REASON, clean_line
from plabctl.probes.connect import connect
from plabctl.probes.host_certificates import BadCertificate, HostCertificate
from plabctl.probes.host_key_policy import HostKeyPolicy
from plabctl.probes.host_keys import KnownHosts
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.ssh_transport import NodeTransport, close_transport
from plabctl.probes.target import Target
from plabctl.probes.tunnel import Wire

_NOT_FETCHED = "its host key cannot be fetched"
_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""The signatures of each kind, in the order in which they are asked for."""
_ALL = tuple(name for names in _KINDS for name in names)


class HostKeyScan(NamedTuple):
    """The host keys that a server has shown."""

    keys: list[HostKey]
    unseen: tuple[str, ...] = ()
    """Kinds of keys that it has, too, and did not show."""
    fault: str = ""
    """Why it did not."""
    authority: HostKey | None = None
    """Whose certificate the server is accepted by; then no more keys were asked for."""
    remark: str = ""
    """Why its certificate is not good, with the certificate as subject."""


LogIn = Callable[[NodeTransport, Wire], bool]
"""Logs in over a connection whose keys are exchanged, and returns whether the server took it."""
Dial = Callable[[Target, float, Cancellation], Wire]
"""Connects to a target by an instant of the monotonic clock: `Ssh.dial`, where there are jump hosts on the way."""


class _Shown(NamedTuple):
    """What a server shows in one key exchange: a key if it has one, and the signatures that it offers."""

    key: HostKey | None
    offered: frozenset[str]
    certificate: HostCertificate | None = None
    is_taken: bool = True
    """Whether it is worth while to log in the next time."""


def scan_target(
    target: Target,
    timeout_s: float,
    clock: Clock | None = None,
    dial: Dial | None = None,
    log_in: LogIn | None = None,
    known: KnownHosts | None = None,
) -> HostKeyScan:
    """Return the host keys that the server offers, one connection for each of them, all within `timeout_s`.

    With `log_in` that is tried in each connection, once its key was seen. Where an authority for the server is `known`,
    its certificate is asked for first. Raise PlabctlError if it cannot be reached, speaks no SSH, or shows no key, or
    one that is revoked.
    """
    clock = clock or SystemClock()
    end = clock.monotonic() + timeout_s
    policy = known and HostKeyPolicy(target, known, clock)

    def fetch(names: tuple[str, ...], *, certified: bool = False) -> _Shown:
        nonlocal log_in
        shown = _fetch(target, names, end, clock, dial, log_in, certified=certified)
        log_in = log_in if shown.is_taken else None
        if shown.key and policy and (fault := policy.find_revocation(shown.key, shown.certificate)):
            raise PlabctlError(fault)
        return shown

    first, remark = None, ""
    if policy and policy.wants_certificate:
        try:
            first = fetch(_ALL, certified=True)
        except ProbeError as probe_error:
            raise _build_error(probe_error) from None
        if first.key and first.certificate:
            remark = policy.find_certificate_fault(first.certificate)
            if not remark:
                return HostKeyScan([first.key], authority=first.certificate.authority)
    return _scan_kinds(fetch, first)._replace(remark=remark)


def _scan_kinds(fetch: Callable[[tuple[str, ...]], _Shown], first: _Shown | None) -> HostKeyScan:
    """Return the keys of each kind; what the server has shown before, `first`, is not asked for again."""
    found = [first.key] if first and first.key else []
    for number, names in enumerate(_KINDS):
        is_seen = not {key.kind for key in found}.isdisjoint(map(find_kind, names))
        if is_seen or (first and first.offered.isdisjoint(names)):
            continue
        try:
            shown = fetch(names)
        except ProbeError as probe_error:
            if not found:
                raise _build_error(probe_error) from None
            unseen = _list_kinds(first.offered if first else frozenset(), number, found)
            return HostKeyScan(found, unseen, _quote(probe_error))
        first = first or shown
        found += [shown.key] if shown.key else []
    if not found:
        raise PlabctlError(f"{_NOT_FETCHED}: the server offers none of a kind that plabctl uses")
    return HostKeyScan(found)


def _build_error(error: ProbeError) -> PlabctlError:
    return PlabctlError(f"{_NOT_FETCHED}: {_quote(error)}")


def _quote(error: ProbeError) -> str:
    return clean_line(error.reason, MAX_REASON)  # a server that speaks no SSH is quoted in it


def _list_kinds(offered: frozenset[str], start: int, found: Sequence[HostKey]) -> tuple[str, ...]:
    """Return the kinds of keys behind the signatures that are offered, from that of this number on, but those found."""
    rest = [find_kind(name) for names in _KINDS[start:] for name in names if name in offered]
    seen = {key.kind for key in found}
    return tuple(kind for kind in dict.fromkeys(rest) if kind not in seen)


class _ScanTransport(NodeTransport):
    """Keeps which host keys the server has."""

    offered: frozenset[str] = frozenset()

    def _parse_kex_init(self, message: paramiko.Message) -> None:
        try:
            super()._parse_kex_init(message)
        finally:
            message.rewind()
            self.offered = frozenset(self._really_parse_kex_init(message)["server_key_algo_list"])  # type: ignore[attr-defined]  # not in paramiko's published types


def _fetch(
    target: Target,
    names: tuple[str, ...],
    end: float,
    clock: Clock,
    dial: Dial | None,
    log_in: LogIn | None,
    *,
    certified: bool,
) -> _Shown:
    """Return the first key with one of these signatures, with its certificate if `certified` and it has one."""
    cancellation = Cancellation()
    sock: Wire = (
        dial(target, end, cancellation) if dial else connect(target.host, target.port, end, clock, cancellation)
    )
    transport = None
    try:
        transport = _ScanTransport(sock, wants_certificate=certified)  # type: ignore[arg-type]  # a tunnel is used like a socket
        transport.get_security_options().key_types = names
        done = threading.Event()
        transport.start_client(event=done)
        if not done.wait(max(end - clock.monotonic(), 0)):
            raise ProbeError(Cause.PROTOCOL, "no SSH key exchange in time")
        if transport.is_active():
            key = HostKey.from_paramiko(transport.get_remote_server_key())
            is_taken = log_in is not None and log_in(transport, sock)
            return _Shown(key, transport.offered, transport.host_certificate, is_taken)
        error = transport.get_exception()
        if isinstance(error, NoCommonAlgorithm) and error.purpose == HOST_KEY:
            return _Shown(None, transport.offered)
        if isinstance(error, BadCertificate):
            raise ProbeError(Cause.HOST_KEY, f"the host certificate is refused: {error}")
        if not transport.has_banner and transport.greeting:
            raise ProbeError(Cause.PROTOCOL, f"the server turns us away: {transport.greeting}")
        raise ProbeError(
            Cause.PROTOCOL, f"no SSH session: {format_exception(error) if error else 'the connection was closed'}"
        )
    finally:
        close_transport(transport, sock)
