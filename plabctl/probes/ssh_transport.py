"""The SSH library, set up for many connections at once.

Importing this loads fabric and paramiko (0.15 s), so it is imported only when something is to be probed. All that
depends on the inside of these libraries is here, in `bounded_transport`, `bounded_packets`, `key_exchange` and
`remote_shell`; `tests/probes/test_ssh_libraries.py` tests that it is still there.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache

import fabric
import paramiko

from plabctl.probes.address_race import PromptSocket
from plabctl.probes.algorithms import (
    HOST_KEY,
    LIBSSH_CURVE,
    RFC_CURVE,
    NoCommonAlgorithm,
    drop_sha1,
    order_host_keys,
    select_ciphers,
    select_exchanges,
    select_macs,
)
from plabctl.probes.bounded_transport import BoundedTransport
from plabctl.probes.cancellation import Endpoint, hang_up

# The same few names are ordered for each connection.
_select_exchanges, _select_ciphers, _select_macs = cache(select_exchanges), cache(select_ciphers), cache(select_macs)
_order_host_keys = cache(order_host_keys)

_JOIN_S = 1.0
_BY_APPLICATION = 11  # RFC 4253, 11.1

# A failing node is a report, not a message on the terminal.
_log = logging.getLogger("paramiko")
_log.addHandler(logging.NullHandler())
_log.setLevel(logging.CRITICAL + 1)
_log.propagate = False


class NodeTransport(BoundedTransport):
    """A transport that sends at once and does not wake up ten times a second to find nothing."""

    _active_check_timeout = 1.0
    _kex_info = BoundedTransport._kex_info | {RFC_CURVE: BoundedTransport._kex_info[LIBSSH_CURVE]}

    def __init__(
        self,
        sock: socket.socket,
        disabled_algorithms: dict[str, list[str]] | None = None,
        *,
        known_kinds: Collection[str] = (),
        wants_certificate: bool = False,
        **_gssapi: object,
    ) -> None:
        # paramiko 4 says something of GSSAPI too, which is off and which paramiko 5 has no more.
        # Nagle's algorithm against delayed acknowledgements costs 50 ms for each login.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._opening_s: float | None = None
        self._known_kinds = frozenset(known_kinds)
        self._wants_certificate = wants_certificate
        super().__init__(sock, disabled_algorithms)
        if isinstance(sock, PromptSocket):
            sock.wait_in_kernel(self._active_check_timeout)
        options = self.get_security_options()
        options.kex = _select_exchanges(tuple(options.kex))
        options.ciphers = _select_ciphers(tuple(options.ciphers))
        options.digests = _select_macs(tuple(options.digests))

    # These are read at each negotiation. What is left out of the options once, the client of paramiko 4 puts back.

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The signatures of host keys that are accepted, those of the keys that are known first."""
        return _order_host_keys(tuple(super().preferred_keys), self._known_kinds, certified=self._wants_certificate)

    @property
    def preferred_pubkeys(self) -> tuple[str, ...]:
        """The signatures that may be made with our own key."""
        return drop_sha1(super().preferred_pubkeys)

    def _filter_algorithm(self, kind: str) -> tuple[str, ...]:
        """Return the names to negotiate. paramiko compares each with those that are disabled, here mostly none."""
        if self.disabled_algorithms:
            return tuple(super()._filter_algorithm(kind))  # type: ignore[misc]  # not in paramiko's published types
        return tuple(getattr(self, f"_preferred_{kind}"))

    def _parse_kex_init(self, message: paramiko.Message) -> None:
        try:
            super()._parse_kex_init(message)  # type: ignore[misc]  # not in paramiko's published types
        except paramiko.ssh_exception.IncompatiblePeer as error:
            message.rewind()
            raise self._find_mismatch(self._really_parse_kex_init(message)) or error from None  # type: ignore[attr-defined]

    def _find_mismatch(self, offer: Mapping[str, list[str]]) -> NoCommonAlgorithm | None:
        for purpose, ours, *keys in (
            ("key exchange", self.preferred_kex, "kex_algo_list"),
            (HOST_KEY, self.preferred_keys, "server_key_algo_list"),
            ("cipher", self.preferred_ciphers, "client_encrypt_algo_list", "server_encrypt_algo_list"),
            ("MAC", self.preferred_macs, "client_mac_algo_list", "server_mac_algo_list"),
        ):
            for key in keys:
                if not set(ours) & set(offer[key]):
                    return NoCommonAlgorithm(purpose, offer[key], ours)
        return None

    # paramiko waits for the other side by looking ten times a second; with a thousand logins under way that is most of
    # the work. Here the waits end when there is something to see. All of them end when the socket is shut down.

    def start_client(self, event: threading.Event | None = None, timeout: float | None = None) -> None:
        """Negotiate a session; without `event`, until that is done or the connection is gone."""
        done = event or threading.Event()
        super().start_client(event=done)
        if event is None:
            done.wait(timeout)
            if not self.is_active() or not done.is_set():
                raise self.get_exception() or paramiko.SSHException("Negotiation failed.")

    def open_session(
        self, window_size: int | None = None, max_packet_size: int | None = None, timeout: float | None = None
    ) -> paramiko.Channel:
        """Open a channel within `timeout` seconds."""
        self._opening_s = timeout
        try:
            # The wait is below; the library's own would begin when that is over, and last as long again.
            return super().open_session(window_size, max_packet_size, None if timeout is None else 0.0)
        finally:
            self._opening_s = None

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]  # not in paramiko's published types
        if self._opening_s is not None and threading.current_thread() is not self:
            # The request for a channel has just gone out. Its event is the last one registered, unless the answer is
            # here already. Only the probe's thread opens channels; our own thread may be answering something meanwhile.
            for event in list(self.channel_events.values())[-1:]:
                event.wait(self._opening_s)

    @property
    def greeting(self) -> str:
        """The banner of the other side, or why there is none."""
        return str(getattr(self.packetizer, "said", ""))

    @property
    def has_banner(self) -> bool:
        """Return whether the other side has said that it speaks SSH."""
        return bool(self.remote_version)


# The default for the user of a connection, which we always name. Where our account has no name, asking for it raises
# OSError from Python 3.13 on, and fabric expects KeyError.
fabric.config.get_local_user = lambda: None


class NodeConnection(fabric.Connection):  # type: ignore[misc]  # fabric carries no types
    """A connection that can share its configuration with others."""

    def __setattr__(self, name: str, value: object) -> None:
        """Keep what is assigned for this connection alone, such as `inline_ssh_env`.

        fabric puts what is no attribute yet into the configuration, which then rebuilds itself and is empty for a
        moment, while other threads read it. To find that out it lists all attributes, for each assignment.
        """
        object.__setattr__(self, name, value)


class _NoSshConfig(paramiko.SSHConfig):
    """An ssh_config that says nothing; one of paramiko's asks for the name of our account, which may have none."""

    def lookup(self, hostname: str) -> dict[str, str]:  # type: ignore[override]  # a dictionary with methods that nobody calls
        """Return nothing, whatever the host."""
        del hostname
        return {}


def build_shared_config() -> fabric.Config:
    """Return a configuration for all connections that has read no file: neither fabric's nor ssh_config."""
    config = fabric.Config(ssh_config=_NoSshConfig(), lazy=True, overrides={"load_ssh_configs": False})
    # What it takes itself to be where it lacks these, after it has listed all names for the text of an exception: six
    # times for each connection.
    config._set(_root=config, _keypath=())
    return config


def send_disconnect(transport: paramiko.Transport) -> None:
    """Tell the node that this is the end, as the protocol wants it; may block while the node takes nothing.

    A server that only sees the connection close goes through the exit of every library it has loaded: a tenth of what
    a login costs it.
    """
    if isinstance(transport.sock, PromptSocket):
        transport.sock.keep_farewell()
    message = paramiko.Message()
    message.add_byte(paramiko.common.cMSG_DISCONNECT)
    message.add_int(_BY_APPLICATION)
    message.add_string("done")
    message.add_string("")  # the language of that
    with suppress(paramiko.SSHException, EOFError, OSError):  # it was closed from over there
        transport._send_message(message)  # type: ignore[attr-defined]  # no public call sends it


def close_transport(transport: paramiko.Transport | None, sock: Endpoint) -> None:
    """End a connection so that neither its descriptor nor its thread stays.

    The transport's thread sits in `recv` for up to a second; shutting the socket down wakes it, and only when it has
    ended is the descriptor closed, so that it never reads from a stranger's connection.
    """
    hang_up(sock)
    if transport is not None:
        if transport.is_alive():
            transport.join(_JOIN_S)
        transport.close()
    with suppress(OSError):
        sock.close()
