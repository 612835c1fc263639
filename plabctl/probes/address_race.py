"""Connect to the first address of a node that answers: attempts start one after the other and then run side by side.

I/O. By RFC 8305 ("Happy Eyeballs"): an address that swallows packets costs a quarter of a second, not its share of the
budget. Go on with `plabctl.probes.connect`, which asks the resolver before.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress

from plabctl.clock import Clock
from plabctl.core.model import Cause, Outcome
from plabctl.probes.cancellation import Cancellation, hang_up
from plabctl.probes.probe_error import ProbeError, build_socket_error

Address = tuple[socket.AddressFamily, tuple[str, int]]

_HEAD_START_S = 0.25
"""How long an address is tried alone before the next one is tried beside it: the default of RFC 8305, section 5."""
_PENDING = (0, errno.EINPROGRESS)
_END_OF_STREAM = 1
"""TCP counts its end as a byte; no packet of SSH is that short."""


class PromptSocket(socket.socket):
    """A socket that acknowledges what it has read at once.

    sshd answers in small pieces and, by Nagle's algorithm, sends the second only when the first is acknowledged, which
    the kernel puts off for 40 ms when it sees nothing to send along. TCP_NODELAY helps against this only on our side.
    `peer` is the address that it connects to; `address` is that as a text where the node has several and it is not the
    first: the one to try first next time.

    Nothing that it has sent arrives after its end: where something is not acknowledged then, or the process is killed,
    the connection is reset. The kernel would send it again for minutes otherwise, and a set-up that arrives when the
    network is mended makes a vnode of which nobody knows any more.
    """

    def __init__(self, peer: Address) -> None:
        super().__init__(peer[0], socket.SOCK_STREAM)
        self._linger(is_on=True)
        self.peer = peer
        self.address = ""

    def wait_in_kernel(self, seconds: float) -> None:
        """Give up each read and write after `seconds` as from now on, by a time-out of the kernel.

        With one of its own Python asks by poll() first whether it has to wait, and each of the two calls gives up the
        interpreter, which must then be waited for where many threads run.
        """
        limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.setsockopt(socket.SOL_SOCKET, option, limit)
        self.settimeout(None)

    def shutdown(self, how: int, /) -> None:
        """End reads and writes as usual; with an orderly end of the connection where all has arrived."""
        super().shutdown(how)
        self.keep_farewell()

    def keep_farewell(self) -> None:
        """Let what is sent from now on arrive after the end, if all that was sent before has arrived."""
        with suppress(OSError, ValueError):  # it was closed by its owner meanwhile
            if self._count_unacknowledged() <= _END_OF_STREAM:
                self._linger(is_on=False)

    def _linger(self, *, is_on: bool) -> None:
        """With a time of zero this is how a socket is told to reset the connection and forget what was not sent."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", is_on, 0))

    def _count_unacknowledged(self) -> int:
        answer = fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read as usual, then let the acknowledgement go."""
        try:
            data = super().recv(size, flags)
        except BlockingIOError:
            raise TimeoutError from None
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def alternate_families(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses with the families in turn, each in the resolver's order (RFC 8305, section 4)."""
    by_family: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        by_family.setdefault(address[0], []).append(address)
    longest = max(map(len, by_family.values()), default=0)
    return [family[rank] for rank in range(longest) for family in by_family.values() if rank < len(family)]


def put_first(addresses: Sequence[Address], text: str) -> list[Address]:
    """Return the addresses, with the one that is `text` before all others (RFC 8305, section 4)."""
    return sorted(addresses, key=lambda address: address[1][0] != text)


def race(addresses: Sequence[Address], end: float, clock: Clock, cancellation: Cancellation) -> PromptSocket:
    """Return a socket connected to the first of the addresses that answers, by `end` on the monotonic clock.

    Raises ProbeError when none does, with what says most about the node. The socket has a time-out of what is left.
    """
    return _Race(addresses, end, clock, cancellation).run()


class _Race:
    def __init__(self, addresses: Sequence[Address], end: float, clock: Clock, cancellation: Cancellation) -> None:
        self._waiting = list(addresses)
        self._end = end
        self._clock = clock
        self._cancellation = cancellation
        self._started_at = self._next_at = clock.monotonic()
        self._attempts: dict[int, PromptSocket] = {}
        """By descriptor. Only this thread changes it; a cancellation looks at a copy."""
        self._errors: list[ProbeError] = []
        self._poll = select.poll()

    def run(self) -> PromptSocket:
        try:
            with self._cancellation.on_cancel(self._hang_up):
                return self._run()
        finally:
            for sock in self._attempts.values():
                sock.close()

    def _run(self) -> PromptSocket:
        while self._waiting or self._attempts:
            now = self._clock.monotonic()
            if now >= self._end and self._attempts:
                break
            if self._waiting and now >= self._next_at:
                self._start(now)
                self._cancellation.check()  # after the attempt is known to those who cancel
                continue
            until = min(self._end, self._next_at) if self._waiting else self._end
            for descriptor, _ in self._poll.poll(math.ceil((until - now) * 1000)):
                if sock := self._finish(descriptor):
                    return sock
            self._cancellation.check()
        raise self._choose_error()

    def _start(self, now: float) -> None:
        address = self._waiting.pop(0)
        try:
            sock = PromptSocket(address)
        except OSError as error:
            self._errors.append(build_socket_error(_describe(address), error, has_route=False))
            return
        sock.setblocking(False)
        self._attempts[sock.fileno()] = sock
        self._next_at = now + _HEAD_START_S
        code = sock.connect_ex(address[1])
        if code in _PENDING:
            self._poll.register(sock, select.POLLOUT)
        else:
            self._fail(sock.fileno(), code)

    def _finish(self, descriptor: int) -> PromptSocket | None:
        """Return the socket when it is connected; note why not otherwise."""
        self._poll.unregister(descriptor)
        self._cancellation.check()
        sock = self._attempts[descriptor]
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail(descriptor, code)
            return None
        del self._attempts[descriptor]
        sock.settimeout(max(self._end - self._clock.monotonic(), 0.001))
        return sock

    def _fail(self, descriptor: int, code: int) -> None:
        sock = self._attempts.pop(descriptor)
        sock.close()
        error = OSError(code, os.strerror(code))
        self._errors.append(build_socket_error(_describe(sock.peer), error, has_route=has_route(sock.peer)))
        self._next_at = self._clock.monotonic()

    def _hang_up(self) -> None:
        for sock in list(self._attempts.values()):
            hang_up(sock)

    def _choose_error(self) -> ProbeError:
        """Return an answer of the node rather than its silence, and its silence rather than a fault of ours."""
        answers = [error for error in self._errors if error.outcome is Outcome.FAIL]
        silent = [_describe(sock.peer) for sock in self._attempts.values()]
        if silent and not answers:
            waited_s = max(self._end - self._started_at, 0)
            return ProbeError(Cause.CONNECT, f"no answer from {', '.join(silent)} within {waited_s:.3g} s")
        return (answers or self._errors)[0]


def _describe(address: Address) -> str:
    return f"{address[1][0]} port {address[1][1]}"


def has_route(address: Address) -> bool:
    """Return whether the kernel knows a way to the address; connecting a datagram socket sends nothing."""
    try:
        with socket.socket(address[0], socket.SOCK_DGRAM) as sock:
            sock.connect(address[1])
    except OSError:
        return False
    return True
