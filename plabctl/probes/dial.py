"""From a name to a connected socket, within one budget.

I/O. The resolver cannot be given a deadline, so it runs in a thread of its own, which is left behind when it is late.
Go on with `plabctl.probes.ssh`, which speaks SSH over the socket.
"""

from __future__ import annotations

import socket
import threading

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.cut import Cut, hang_up
from plabctl.probes.trouble import Trouble, of_resolver, of_socket

_MAX_ADDRESSES = 4

_Address = tuple[socket.AddressFamily, tuple[str, int]]


class PromptSocket(socket.socket):
    """A socket that acknowledges what it has read at once.

    sshd answers in small pieces and, by Nagle's algorithm, sends the second only when the first is acknowledged, which
    the kernel puts off for 40 ms when it sees nothing to send along. TCP_NODELAY helps against this only on our side.
    """

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read as usual, then let the acknowledgement go."""
        data = super().recv(size, flags)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def dial(host: str, port: int, end: float, clock: Clock, cut: Cut) -> socket.socket:
    """Return a socket connected to `host`, by `end` on the monotonic clock; raise Trouble if that cannot be."""
    addresses = _resolve(host, port, end, clock, cut)[:_MAX_ADDRESSES]
    trouble = Trouble(Cause.DNS, f"no address for '{host}'")
    for index, (family, address) in enumerate(addresses):
        # An address that swallows packets must leave time for the next one.
        share = (end - clock.monotonic()) / (len(addresses) - index)
        try:
            return _connect(family, address, share, cut)
        except Trouble as this:
            trouble = this
    raise trouble


def _connect(family: socket.AddressFamily, address: tuple[str, int], seconds: float, cut: Cut) -> socket.socket:
    place = f"{address[0]} port {address[1]}"
    try:
        sock = PromptSocket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise of_socket(place, error) from None
    try:
        sock.settimeout(max(seconds, 0.001))
        with cut.ends(lambda: hang_up(sock)):
            sock.connect(address)
    except BaseException as error:
        sock.close()
        cut.check()
        if isinstance(error, TimeoutError) and error.errno is None:
            raise Trouble(Cause.CONNECT, f"no answer from {place} within {max(seconds, 0):.3g} s") from None
        if isinstance(error, OSError):
            raise of_socket(place, error) from None
        raise
    return sock


def _resolve(host: str, port: int, end: float, clock: Clock, cut: Cut) -> list[_Address]:
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # no address literal: the resolver has to be asked
    answer: list[list[_Address] | Trouble] = []
    done = threading.Event()

    def ask() -> None:
        try:
            answer.append(_look_up(host, port, 0))
        except OSError as error:
            answer.append(of_resolver(host, error))
        except UnicodeError:
            answer.append(Trouble(Cause.DNS, f"'{host}' cannot be a host name"))
        finally:
            done.set()

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    with cut.ends(done.set):
        done.wait(max(end - clock.monotonic(), 0))
    cut.check()
    if not answer:
        raise Trouble(Cause.LOCAL, f"the resolver gave no answer for '{host}' in time")
    if isinstance(answer[0], Trouble):
        raise answer[0]
    return answer[0]


def _look_up(host: str, port: int, flags: int) -> list[_Address]:
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, flags)
    return [(family, address) for family, _type, _protocol, _name, address in found]  # type: ignore[misc]  # IPv6 addresses are longer tuples, which connect() takes as well
