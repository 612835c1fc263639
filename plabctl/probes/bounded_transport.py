"""A transport whose other side can cost us no more than `plabctl.probes.connection_bounds` allows.

Loads paramiko. It counts and refuses in the own thread of the transport; the thread of the probe finds the connection
ended, and asks `offence` why. Go on with `plabctl.probes.ssh_transport`, which makes it quick as well.
Tests: `tests/probes/test_prober.py`.
"""

from __future__ import annotations

import socket
from typing import Any, ClassVar

import paramiko

from plabctl.probes.algorithms import CERTIFICATE, find_kind
from plabctl.probes.bounded_packets import NodePacketizer
from plabctl.probes.connection_bounds import BoundExceeded, Meter
from plabctl.probes.host_certificates import HostCertificate, parse_certificate
from plabctl.probes.key_exchange import bound_exchanges
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import format_exception
from plabctl.probes.signatures import find_signer

WINDOW = 128 * 1024
"""Bytes a node may send ahead of our reading: what an endless printer can make us hold."""

_DATA_HEADER = 8
"""Bytes before the output in a message of channel data; before extended data there are four more."""
_EXTENSIONS = 64
_NO_OFFENCE = (EOFError, OSError, MemoryError, RuntimeError)
"""What ends a connection that proves nothing about what the node has sent."""


def _feed(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Take output; raise Overrun for more than was asked for, which nobody may read for minutes."""
    _check_window(channel, message)
    channel._feed(message)  # type: ignore[attr-defined]  # what paramiko does with it


def _feed_extended(channel: paramiko.Channel, message: paramiko.Message) -> None:
    _check_window(channel, message)
    channel._feed_extended(message)  # type: ignore[attr-defined]


def _check_window(channel: paramiko.Channel, message: paramiko.Message) -> None:
    # The window is reopened by what was read, so a node that respects it is never ahead by more than its size.
    unread = len(channel.in_buffer) + len(channel.in_stderr_buffer)
    if unread + len(message.asbytes()) - _DATA_HEADER > WINDOW:
        raise BoundExceeded("sent more than it was asked for, past the SSH window")


class BoundedTransport(paramiko.Transport):
    """A transport that ends with `offence` set when the node breaks a bound."""

    _kex_info = bound_exchanges(paramiko.Transport._kex_info)  # type: ignore[attr-defined]  # paramiko's way
    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        paramiko.common.MSG_CHANNEL_DATA: _feed,
        paramiko.common.MSG_CHANNEL_EXTENDED_DATA: _feed_extended,
    }

    host_certificate: HostCertificate | None = None
    """What the server showed with its key, signed by the authority that it names; whether it is good is not said."""

    def __init__(self, sock: socket.socket, disabled_algorithms: dict[str, list[str]] | None = None) -> None:
        self._saved: Exception | None = None
        self._ended_by: Exception | None = None
        self.farewell = ""
        """What the server has said when it ended the connection (RFC 4253, 11.1); untrusted text."""
        super().__init__(
            sock,
            default_window_size=WINDOW,
            disabled_algorithms=disabled_algorithms,
            packetizer_class=NodePacketizer,
        )

    def run(self) -> None:
        """Serve the connection until it ends; called by `start_client` in a thread of its own."""
        try:
            super().run()
        finally:
            self._meter.step_out()

    def _log(self, level: int, message: str, *values: object) -> None:
        """Keep no log; each login would make forty entries that nobody reads."""

    def begin_stage(self, limit: int, sent: int) -> None:
        """Let the node send `limit` bytes from now on until this is called again, while it is sent `sent`."""
        self._meter.begin_stage(limit, sent)

    @property
    def login_message(self) -> str:
        """The server's message at login, such as that it is booting (RFC 4252, 5.4); untrusted text."""
        banner: bytes | None = getattr(self.auth_handler, "banner", None)  # get_banner() wants a live connection
        return (banner or b"").decode(errors="replace")

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        """Keep what it says; paramiko writes that into its log."""
        message.get_int()
        self.farewell = message.get_binary().decode(errors="replace")

    @property
    def offence(self) -> str:
        """Why the node was cut off, in words with the node as their subject; usually empty."""
        error = self._ended_by
        if self._meter.broken or isinstance(error, BoundExceeded):
            return self._meter.broken or str(error)
        if isinstance(error, paramiko.SSHException):
            is_refusal = isinstance(error, paramiko.AuthenticationException | paramiko.ChannelException)
            return f"broke the protocol: {format_exception(error)}" if self.initial_kex_done and not is_refusal else ""
        if error is None or isinstance(error, _NO_OFFENCE):
            return ""
        # Our thread only works on what the node has sent, and paramiko's parser raises whatever it stumbles over.
        return f"sent a packet that makes no sense ({type(error).__name__})"

    @property
    def saved_exception(self) -> Exception | None:
        """The last error; paramiko forgets it once it was read."""
        return self._saved

    @saved_exception.setter
    def saved_exception(self, error: Exception | None) -> None:
        self._saved = error
        self._ended_by = error or self._ended_by

    @property
    def _meter(self) -> Meter:
        return self.packetizer.meter  # type: ignore[attr-defined,no-any-return]  # ours, see `__init__`

    def _parse_ext_info(self, message: paramiko.Message) -> None:
        """Read what the server can do. paramiko believes any count of entries, up to four thousand million."""
        count = message.get_int()
        if count > _EXTENSIONS:
            raise BoundExceeded(f"announced {count} extensions of the protocol")
        message.rewind()
        super()._parse_ext_info(message)  # type: ignore[misc]  # not in paramiko's published types

    def _parse_debug(self, message: paramiko.Message) -> None:
        """Ignore it; paramiko looks at each byte of it, for a log that nobody keeps."""

    def _verify_key(self, host_key: bytes, signature: bytes) -> None:
        """Check the signature of the host key, which may be shown within a certificate."""
        algorithm = str(self.host_key_type)
        assert self.H is not None, "there is no signature before the exchange that it signs"
        self.host_certificate = parse_certificate(host_key, algorithm) if algorithm.endswith(CERTIFICATE) else None
        key = self.host_certificate.key if self.host_certificate else HostKey(find_kind(algorithm), host_key)
        signer = find_signer(key, algorithm.removesuffix(CERTIFICATE), signature, self.H)
        if signer is None:
            raise paramiko.SSHException(f"signature verification ({algorithm}) failed")
        self.host_key = signer
