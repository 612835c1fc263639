"""From a target to a connection on which stages can run: host key checked, logged in, within one budget.

I/O. Loads fabric and paramiko. What runs over the connection stands in `plabctl.probes.remote_shell`.
Tests: `tests/probes/test_prober.py`.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial
from typing import Any

import paramiko

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.core.readiness import is_not_ready
from plabctl.core.settings import HostKeys, SshSettings
from plabctl.probes.address_race import PromptSocket, has_route
from plabctl.probes.cancellation import Cancellation, hang_up
from plabctl.probes.clean import MAX_REASON, clean_line
from plabctl.probes.connect import connect
from plabctl.probes.host_certificates import BadCertificate
from plabctl.probes.host_key_policy import HostKeyPolicy
from plabctl.probes.host_keys import KnownHosts
from plabctl.probes.identities import Identities, Offer
from plabctl.probes.jump_hosts import JumpHosts
from plabctl.probes.jump_transport import JumpTransport
from plabctl.probes.login import Login
from plabctl.probes.login_limiter import LoginCounter, LoginLimiter
from plabctl.probes.probe_error import (
    ProbeError,
    build_local_error,
    build_not_ready_error,
    build_socket_error,
    format_exception,
)
from plabctl.probes.remote_shell import RemoteShell
from plabctl.probes.shell import Shell
from plabctl.probes.ssh_transport import NodeConnection, NodeTransport, build_shared_config, close_transport
from plabctl.probes.target import Target
from plabctl.probes.tunnel import ShellBehindJump, Tunnel, Wire, find_way_fault
from plabctl.probes.watchdog import Watchdog

_LONGER = 3600.0
"""For the library's own time-outs, which ours make superfluous."""

_LOW, _HIGH = 0.2, 1.0
"""Seconds to wait before the first retry after a connection that was closed before the banner; later ones double."""
_SILENT_TRIES, _TRIES = 2, 5
"""How often to try an sshd that closes without a word, and one that has reason to think of a crowd."""
_BUSY = ("Exceeded MaxStartups", "Not allowed at this time")
"""What OpenSSH says, where it says anything, when it turns a connection away: for a crowd, or as a penalty."""


class _NoBanner(Exception):
    """The peer closed the connection before its banner; the argument is what it said instead, mostly nothing."""


class Ssh:
    """What all connections of this process share: key, known hosts, configuration and the login limiter."""

    def __init__(self, settings: SshSettings, clock: Clock, watchdog: Watchdog, owners: Collection[int] = ()) -> None:
        self._settings = settings
        self._clock = clock
        self.watchdog = watchdog
        self._config = build_shared_config()
        self._login_limiter = LoginLimiter(clock, watchdog)
        self._login_counter = LoginCounter()
        self.identities = Identities(settings, clock)
        self.known = KnownHosts(settings.known_hosts, owners, settings.host_ca)
        self.jump_hosts = JumpHosts(self._log_in_at_jump_host, clock, watchdog, settings.connect_timeout_s)

    def connect(
        self, target: Target, latest: float, cancellation: Cancellation, timeout_s: float | None = None
    ) -> tuple[Shell, str]:
        """Return a shell on `target`, and the address to try first next time; raise ProbeError if that cannot be.

        A busy gate may take a quarter of the time until `latest` (on the monotonic clock); then `timeout_s`, or else
        the configured time-out, runs over everything from the look-up of the name to the end of the login.
        """
        offer = self.identities.find(target.keys, target.rules)
        self.known.load()
        with self._login_limiter.admit((latest - self._clock.monotonic()) / 4, cancellation):
            end = min(latest, self._clock.monotonic() + (timeout_s or self._settings.connect_timeout_s))
            sock, connection = self._log_in(target, offer, end, cancellation)
        shell = RemoteShell(connection.transport, sock, cancellation, self.watchdog, self._clock, self._settings)
        if isinstance(sock, Tunnel):
            return ShellBehindJump(shell, sock), ""
        return shell, getattr(sock, "address", "")

    def dial(self, target: Target, end: float, cancellation: Cancellation) -> Wire:
        """Return a connection to the target's port, over its jump hosts; raise ProbeError if that cannot be."""
        if target.jumps:
            return self.jump_hosts.open(target.jumps, target.host, target.port, end, cancellation)
        return connect(target.host, target.port, end, self._clock, cancellation, target.address)

    def _log_in_at_jump_host(self, hop: Target, end: float, cancellation: Cancellation) -> tuple[Wire, JumpTransport]:
        offer = self.identities.find(hop.keys, hop.rules)
        sock, connection = self._log_in(hop, offer, end, cancellation, JumpTransport)
        return sock, connection.transport

    def _log_in(
        self,
        target: Target,
        offer: Offer,
        end: float,
        cancellation: Cancellation,
        make_transport: type[NodeTransport] = NodeTransport,
    ) -> tuple[Wire, NodeConnection]:
        """Log in, once more a few times when the sshd closes the connection before its banner.

        An sshd with too many logins under way drops some by chance. If it says so, or says nothing while others of our
        own logins to it are under way, that is no evidence about the node. Else it is: nobody gets in there.
        """
        said, crowd, tries, limit = "", 1, 0, _SILENT_TRIES
        with self._login_counter.join((target.host, target.port)) as count:
            while True:
                try:
                    return self._try_log_in(target, offer, end, cancellation, make_transport)
                except _NoBanner as dropped:
                    said, crowd, tries = str(dropped) or said, max(crowd, count()), tries + 1
                except ProbeError:
                    if not tries or self._clock.monotonic() < end:
                        raise
                    break  # the time that was left for this try was no time
                limit = _TRIES if crowd > 1 or said.startswith(_BUSY) else limit
                pause = random.uniform(_LOW, _HIGH) * 2 ** (tries - 1)
                if tries >= limit or self._clock.monotonic() + pause >= end:
                    break
                cancellation.sleep(pause)
        raise _build_refusal(said, crowd, tries)

    def _try_log_in(
        self,
        target: Target,
        offer: Offer,
        end: float,
        cancellation: Cancellation,
        make_transport: type[NodeTransport],
    ) -> tuple[Wire, NodeConnection]:
        sock = self.dial(target, end, cancellation)
        connection = alarm = None
        login = Login(target.user, offer, self._clock)
        try:
            alarm = self.watchdog.arm(end, partial(hang_up, sock))
            connection = self._open_connection(target, login, sock, make_transport)
            with cancellation.on_cancel(partial(hang_up, sock)):
                connection.open()
        except BaseException as error:
            transport = connection.client.get_transport() if connection else None
            late = alarm is not None and alarm.fired
            probe_error = self._explain(error, target, transport, late=late)
            if not cancellation.is_requested:
                probe_error = find_way_fault(sock, is_late=late) or probe_error
            close_transport(transport, sock)
            cancellation.check()
            if isinstance(error, Exception):
                raise probe_error from None
            raise
        finally:
            if alarm is not None:
                alarm.disarm()
        return sock, connection

    def _open_connection(
        self, target: Target, login: Login, sock: Wire, make_transport: type[NodeTransport]
    ) -> NodeConnection:
        trusting = self._settings.host_keys is HostKeys.FIRST_USE
        policy = HostKeyPolicy(target, self.known, self._clock, trusting=trusting)
        options: dict[str, Any] = {
            "sock": sock,
            "auth_strategy": login,
            "transport_factory": partial(
                make_transport, known_kinds=policy.known_kinds, wants_certificate=policy.wants_certificate
            ),
            "banner_timeout": _LONGER,
            "auth_timeout": _LONGER,
            "channel_timeout": _LONGER,
        }
        connection = NodeConnection(
            target.host, user=target.user, port=target.port, config=self._config, connect_kwargs=options
        )
        connection.client.set_missing_host_key_policy(policy)
        return connection

    def _explain(
        self, error: BaseException, target: Target, transport: NodeTransport | None, *, late: bool
    ) -> Exception:
        if isinstance(error, ProbeError):
            return error
        if isinstance(error, BadCertificate):
            return ProbeError(Cause.HOST_KEY, f"the host certificate is refused: {error}")
        if transport is not None and transport.offence:
            return ProbeError(Cause.PROTOCOL, f"cut off: the node {transport.offence}")
        if transport is None or isinstance(error, MemoryError | RuntimeError):
            return build_local_error(error)
        if late:
            return _build_timeout(transport)
        return _explain_failure(error, target, transport)


def _build_refusal(said: str, crowd: int, tries: int) -> ProbeError:
    count = f"{tries} times" if tries > 1 else "once"
    if said.startswith(_BUSY):
        return ProbeError(Cause.PROTOCOL, f"sshd turned the login away {count}: {said}", is_inconclusive=True)
    why = f"connection closed before the SSH banner, {count}"
    if crowd > 1:
        why += f" while {crowd} of our logins to that server were under way (its MaxStartups?)"
    return ProbeError(Cause.PROTOCOL, f"{why}{': ' * bool(said)}{said}", is_inconclusive=crowd > 1)


def _build_timeout(transport: NodeTransport) -> ProbeError:
    if not transport.has_banner:
        return ProbeError(Cause.PROTOCOL, "no SSH banner in time")
    what = "authentication" if transport.initial_kex_done else "the key exchange"
    return ProbeError(Cause.DEADLINE, f"{what} did not end in time")


def _explain_closing(transport: NodeTransport) -> ProbeError:
    """Return the error for a connection that the node has closed, in the node's own words where it has any."""
    said = clean_line(transport.login_message or transport.farewell, MAX_REASON).strip()
    if is_not_ready(said):
        return build_not_ready_error(said)
    what = "authentication" if transport.initial_kex_done else "the key exchange"
    return ProbeError(Cause.PROTOCOL, f"the connection was closed during {what}{': ' * bool(said)}{said}")


def _explain_failure(error: BaseException, target: Target, transport: NodeTransport) -> Exception:
    """Return the error to raise for a handshake that failed before its time-out."""
    inner = transport.saved_exception if isinstance(error, paramiko.SSHException) else error
    if isinstance(error, EOFError | ConnectionError) or "banner" in str(error) or "saw EOF" in str(error):
        if not transport.has_banner:
            return _NoBanner(transport.greeting)
        return _explain_closing(transport)
    if isinstance(error, paramiko.SSHException):
        return ProbeError(Cause.PROTOCOL, f"no SSH session: {format_exception(inner or error)}")
    if isinstance(error, OSError):
        is_routed = not isinstance(transport.sock, PromptSocket) or has_route(transport.sock.peer)
        return build_socket_error(f"{target.host} port {target.port}", error, has_route=is_routed)
    return build_local_error(error)
