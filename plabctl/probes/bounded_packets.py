"""Packets as they come in from a node: counted, and none of them bigger inside than outside.

I/O on the connection it is given. Loads paramiko, whose parser believes every length and number that a packet states:
a packet of 30 bytes can cost it a minute or a megabyte. What is counted is judged by
`plabctl.probes.connection_bounds`.
Tests: `tests/probes/test_connection_bounds.py`.
"""

from __future__ import annotations

import socket

import paramiko
from paramiko.packet import Packetizer

from plabctl.probes.connection_bounds import BoundExceeded, Meter

LONGEST_PACKET = 256 * 1024
"""Bytes: OpenSSH takes and sends no longer ones, and we ask for packets of 32 KiB."""

_LONGEST_NUMBER = 16384 // 8 + 1
"""Bytes of a number in a key, signature or key exchange: OpenSSH and OpenSSL take no longer ones."""
_FIXED = 16
"""Bytes of the longest field that has no length in front; paramiko reads zeros where a packet lacks them."""

_READ_BYTES = 4096
"""Bytes to ask the system for at least: a packet comes in whole, and often with the next one, where paramiko reads its
head, its rest and its authentication code one by one."""


class BoundedMessage(paramiko.Message):
    """A message whose strings end where it ends, and whose numbers are no longer than any in use."""

    def get_bytes(self, n: int) -> bytes:
        """Return the next `n` bytes; raise Overrun if there are not so many.

        paramiko makes up to a megabyte of zeros for what is missing.
        """
        data = self.packet.read(n)
        if len(data) < n:
            if n <= _FIXED:
                return data + bytes(n - len(data))
            raise BoundExceeded(f"announced a string of {n} bytes in a message that has {len(data)}")
        return data

    def get_mpint(self) -> int:
        """Return the next number; paramiko takes time by the square of its length."""
        data = self.get_binary()
        if len(data) > _LONGEST_NUMBER:
            raise BoundExceeded(f"sent a number of {8 * len(data)} bits")
        return int.from_bytes(data, "big", signed=True)


class MeteredSocket:
    """The part of a socket that paramiko's packetizer uses; it reads ahead, and counts what is read."""

    def __init__(self, sock: socket.socket, meter: Meter) -> None:
        self._recv = sock.recv
        self._meter = meter
        self._ahead = b""
        self.send = sock.send
        self.close = sock.close

    def recv(self, size: int) -> bytes:
        """Read as usual, and ahead of what is wanted. Waiting for data happens outside the lane."""
        data, count = self._ahead, 0
        if not data:
            self._meter.step_out()
            data = self._recv(max(size, _READ_BYTES))
            count = len(data)
        self._meter.read(count)
        self._ahead = data[size:]
        return data[:size]


class NodePacketizer(Packetizer):
    """A packetizer without the timer thread that paramiko starts for each handshake: our own deadline covers it.

    It limits the memory and work that the other side can cause.
    """

    said = ""
    """The last line, but for empty ones, that the other side sent in place of its banner, or before it."""
    _line_bytes = 0

    def __init__(self, sock: socket.socket) -> None:
        self.meter = Meter()
        super().__init__(MeteredSocket(sock, self.meter))  # type: ignore[arg-type]  # it needs no more of a socket

    def readline(self, timeout: float) -> str:
        """Read one line of the greeting, and remember it."""
        self._line_bytes = 0
        line = super().readline(timeout)
        self.said = line if line.strip() else self.said
        return line

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read the `n` bytes of a packet, or its rest; raise SSHException for more than any packet has."""
        if n > LONGEST_PACKET:
            raise paramiko.SSHException(f"a packet of {n} bytes is announced")
        return bytes(super().read_all(n, check_rekey))

    def read_message(self) -> tuple[int, paramiko.Message]:
        """Read a packet; raise Overrun when that is one too many."""
        kind, message = super().read_message()
        self.meter.message(kind)
        message.__class__ = BoundedMessage
        return kind, message

    def send_message(self, data: paramiko.Message) -> None:
        """Send a packet. That may wait for the node, or for another thread that waits for it."""
        self.meter.step_out()
        super().send_message(data)

    def _read_timeout(self, timeout: float) -> bytes:
        data = bytes(super()._read_timeout(timeout))  # type: ignore[misc]  # not in paramiko's published types
        self._line_bytes += len(data)
        if self._line_bytes > LONGEST_PACKET:
            self.said = "a line without end"
            raise paramiko.SSHException(self.said)
        return data

    def start_handshake(self, timeout: float) -> None:
        """Start no timer."""
