"""From a name to a connected socket, within one budget.

I/O. The resolver cannot be given a deadline, so it runs in a thread of its own, which is left behind when it is late.
Go on with `plabctl.probes.ssh`, which speaks SSH over the socket.
"""

from __future__ import annotations

import socket
import threading

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.cancellation import Cancellation, hang_up
from plabctl.probes.probe_error import ProbeError, build_resolver_error, build_socket_error

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


def connect(host: str, port: int, end: float, clock: Clock, cancellation: Cancellation) -> socket.socket:
    """Return a socket connected to `host`, by `end` on the monotonic clock; raise ProbeError if that cannot be."""
    addresses = _resolve(host, port, end, clock, cancellation)[:_MAX_ADDRESSES]
    probe_error = ProbeError(Cause.DNS, f"no address for '{host}'")
    for index, (family, address) in enumerate(addresses):
        # An address that swallows packets must leave time for the next one.
        share = (end - clock.monotonic()) / (len(addresses) - index)
        try:
            return _connect_to(family, address, share, cancellation)
        except ProbeError as this:
            probe_error = this
    raise probe_error


def _connect_to(
    family: socket.AddressFamily, address: tuple[str, int], seconds: float, cancellation: Cancellation
) -> socket.socket:
    place = f"{address[0]} port {address[1]}"
    try:
        sock = PromptSocket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise build_socket_error(place, error) from None
    try:
        sock.settimeout(max(seconds, 0.001))
        with cancellation.on_cancel(lambda: hang_up(sock)):
            sock.connect(address)
    except BaseException as error:
        sock.close()
        cancellation.check()
        if isinstance(error, TimeoutError) and error.errno is None:
            raise ProbeError(Cause.CONNECT, f"no answer from {place} within {max(seconds, 0):.3g} s") from None
        if isinstance(error, OSError):
            raise build_socket_error(place, error) from None
        raise
    return sock


def _resolve(host: str, port: int, end: float, clock: Clock, cancellation: Cancellation) -> list[_Address]:
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # no address literal: the resolver has to be asked
    answer: list[list[_Address] | ProbeError] = []
    done = threading.Event()

    def ask() -> None:
        try:
            answer.append(_look_up(host, port, 0))
        except OSError as error:
            answer.append(build_resolver_error(host, error))
        except UnicodeError:
            answer.append(ProbeError(Cause.DNS, f"'{host}' cannot be a host name"))
        finally:
            done.set()

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    with cancellation.on_cancel(done.set):
        done.wait(max(end - clock.monotonic(), 0))
    cancellation.check()
    if not answer:
        raise ProbeError(Cause.LOCAL, f"the resolver gave no answer for '{host}' in time")
    if isinstance(answer[0], ProbeError):
        raise answer[0]
    return answer[0]


def _look_up(host: str, port: int, flags: int) -> list[_Address]:
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, flags)
    return [(family, address) for family, _type, _protocol, _name, address in found]  # type: ignore[misc]  # IPv6 addresses are longer tuples, which connect() takes as well
