"""From a target to a connection on which stages can run: host key checked, logged in, within one budget.

I/O. Loads fabric and paramiko. What runs over the connection stands in `plabctl.probes.remote`.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Collection
from functools import partial
from typing import Any

import paramiko

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.core.settings import HostKeys, SshSettings
from plabctl.probes.cut import Cut, hang_up
from plabctl.probes.dial import dial
from plabctl.probes.gate import Crowds, Gate
from plabctl.probes.hostkeys import HostKey, KnownHosts
from plabctl.probes.keys import Keys
from plabctl.probes.remote import RemoteShell
from plabctl.probes.target import Target
from plabctl.probes.transport import NodeConnection, NodeTransport, shared_config, shut
from plabctl.probes.trouble import Trouble, of_ours, of_socket, words
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
    """What all connections of this process share: key, known hosts, configuration, and the gate to the handshake."""

    def __init__(self, settings: SshSettings, clock: Clock, watchdog: Watchdog, owners: Collection[int] = ()) -> None:
        self._settings = settings
        self._clock = clock
        self._watchdog = watchdog
        self._config = shared_config()
        self._gate = Gate(clock, watchdog)
        self._crowds = Crowds()
        self.keys = Keys(settings.key)
        self.known = KnownHosts(settings.known_hosts, owners)

    def connect(self, target: Target, latest: float, cut: Cut, timeout_s: float | None = None) -> RemoteShell:
        """Return a shell on `target`; raise Trouble if that cannot be.

        A busy gate may take a quarter of the time until `latest` (on the monotonic clock); then `timeout_s`, or else
        the configured time-out, runs over everything from the look-up of the name to the end of the login.
        """
        key = self.keys.find(target.key)
        self.known.load()
        with self._gate.passed((latest - self._clock.monotonic()) / 4, cut):
            end = min(latest, self._clock.monotonic() + (timeout_s or self._settings.connect_timeout_s))
            sock, connection = self._logged_in(target, key, end, cut)
        return RemoteShell(connection.transport, sock, cut, self._watchdog, self._clock, self._settings.output_limit)

    def _logged_in(
        self, target: Target, key: paramiko.PKey, end: float, cut: Cut
    ) -> tuple[socket.socket, NodeConnection]:
        """Log in, once more a few times when the sshd closes the connection before its banner.

        An sshd with too many logins under way drops some by chance. If it says so, or says nothing while others of our
        own logins to it are under way, that is no evidence about the node. Else it is: nobody gets in there.
        """
        said, crowd, tries, limit = "", 1, 0, _SILENT_TRIES
        with self._crowds.joined((target.host, target.port)) as count:
            while True:
                try:
                    return self._attempt(target, key, end, cut)
                except _NoBanner as dropped:
                    said, crowd, tries = str(dropped) or said, max(crowd, count()), tries + 1
                except Trouble:
                    if not tries or self._clock.monotonic() < end:
                        raise
                    break  # the time that was left for this try was no time
                limit = _TRIES if crowd > 1 or said.startswith(_BUSY) else limit
                pause = random.uniform(_LOW, _HIGH) * 2 ** (tries - 1)  # noqa: S311 - spreads retries, guards nothing
                if tries >= limit or self._clock.monotonic() + pause >= end:
                    break
                cut.sleep(pause)
        raise _turned_away(said, crowd, tries)

    def _attempt(
        self, target: Target, key: paramiko.PKey, end: float, cut: Cut
    ) -> tuple[socket.socket, NodeConnection]:
        sock = dial(target.host, target.port, end, self._clock, cut)
        connection = None
        alarm = None
        try:
            alarm = self._watchdog.arm(end, partial(hang_up, sock))
            connection = self._connection(target, key, sock)
            with cut.ends(partial(hang_up, sock)):
                connection.open()
        except BaseException as error:
            transport = connection.client.get_transport() if connection else None
            late = alarm is not None and alarm.fired
            trouble = self._explained(error, target, transport, late=late)
            shut(transport, sock)
            cut.check()
            if isinstance(error, Exception):
                raise trouble from None
            raise
        finally:
            if alarm is not None:
                alarm.disarm()
        return sock, connection

    def _connection(self, target: Target, key: paramiko.PKey, sock: socket.socket) -> NodeConnection:
        options: dict[str, Any] = {
            "sock": sock,
            "pkey": key,
            "transport_factory": NodeTransport,
            "allow_agent": False,
            "look_for_keys": False,
            "banner_timeout": _LONGER,
            "auth_timeout": _LONGER,
            "channel_timeout": _LONGER,
        }
        connection = NodeConnection(
            target.host, user=target.user, port=target.port, config=self._config, connect_kwargs=options
        )
        known = connection.client.get_host_keys()
        for host_key in self.known.find(target.label):
            known.add(_paramiko_label(target), host_key.kind, host_key.parsed())
        connection.client.set_missing_host_key_policy(self._policy(target))
        return connection

    def _policy(self, target: Target) -> _Policy:
        return _Policy(target, self.known, trusting=self._settings.host_keys is HostKeys.FIRST_USE)

    def _explained(
        self, error: BaseException, target: Target, transport: NodeTransport | None, *, late: bool
    ) -> Exception:
        if isinstance(error, Trouble):
            return error
        if isinstance(error, paramiko.BadHostKeyException):
            return Trouble(
                Cause.HOST_KEY,
                f"the host key has changed: it offers {HostKey.of(error.key).fingerprint}, known is "
                f"{HostKey.of(error.expected_key).fingerprint}; if that is right, run "
                f"'plabctl trust {target.node} --changed'",
            )
        if transport is not None and transport.offence:
            return Trouble(Cause.PROTOCOL, f"cut off: the node {transport.offence}")
        if transport is None or isinstance(error, MemoryError | RuntimeError):
            return of_ours(error)
        if late:
            return _late(transport)
        return _refused(error, target, transport)


def _turned_away(said: str, crowd: int, tries: int) -> Trouble:
    count = f"{tries} times" if tries > 1 else "once"
    if said.startswith(_BUSY):
        return Trouble(Cause.PROTOCOL, f"sshd turned the login away {count}: {said}", is_doubt=True)
    why = f"connection closed before the SSH banner, {count}"
    if crowd > 1:
        why += f" while {crowd} of our logins to that server were under way (its MaxStartups?)"
    return Trouble(Cause.PROTOCOL, f"{why}{': ' * bool(said)}{said}", is_doubt=crowd > 1)


def _late(transport: NodeTransport) -> Trouble:
    if not transport.has_banner:
        return Trouble(Cause.PROTOCOL, "no SSH banner in time")
    what = "authentication" if transport.initial_kex_done else "the key exchange"
    return Trouble(Cause.DEADLINE, f"{what} did not end in time")


def _refused(error: BaseException, target: Target, transport: NodeTransport) -> Exception:
    """Return what it means that the handshake failed before its time was up."""
    inner = transport.saved_exception if isinstance(error, paramiko.SSHException) else error
    if isinstance(error, EOFError | ConnectionError) or "banner" in str(error) or "saw EOF" in str(error):
        if not transport.has_banner:
            return _NoBanner(transport.greeting)
        what = "authentication" if transport.initial_kex_done else "the key exchange"
        return Trouble(Cause.PROTOCOL, f"the connection was closed during {what}")
    if transport.initial_kex_done and isinstance(error, paramiko.SSHException):
        allowed = list(filter(None, getattr(error, "allowed_types", [])))
        more = f"; the node takes {', '.join(allowed)}" if allowed and "publickey" not in allowed else ""
        return Trouble(Cause.AUTH, f"our key is refused for user '{target.user}'{more}")
    if isinstance(error, paramiko.SSHException):
        return Trouble(Cause.PROTOCOL, f"no SSH session: {words(inner or error)}")
    if isinstance(error, OSError):
        return of_socket(f"{target.host} port {target.port}", error)
    return of_ours(error)


def _paramiko_label(target: Target) -> str:
    """Return the name under which paramiko looks the server up; ours may be an alias."""
    return target.host if target.port == paramiko.config.SSH_PORT else f"[{target.host}]:{target.port}"


class _Policy(paramiko.MissingHostKeyPolicy):
    """Refuses a host key that is not known, or remembers it when that was asked for."""

    def __init__(self, target: Target, known: KnownHosts, *, trusting: bool) -> None:
        self._target = target
        self._known = known
        self._trusting = trusting

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002 - paramiko's signature
        """Decide on a server of which no key is known; raise Trouble to refuse it."""
        offered = HostKey.of(key)
        if self._trusting and self._known.learn(self._target.label, offered):
            return
        raise Trouble(
            Cause.HOST_KEY,
            f"unknown host key {offered.kind} {offered.fingerprint}; "
            f"compare it, then run 'plabctl trust {self._target.node}'",
        )
