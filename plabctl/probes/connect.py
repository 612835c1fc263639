"""From a name to a connected socket, within one budget.

I/O. The resolver cannot be given a deadline, so it runs in a thread of its own, which is left behind when it is late.
Several addresses of a name are raced in `plabctl.probes.address_race`. Go on with `plabctl.probes.ssh`, which speaks
SSH over the socket.
"""

from __future__ import annotations

import socket
import threading

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.address_race import Address, PromptSocket, alternate_families, put_first, race
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.probe_error import ProbeError, build_resolver_error

_MAX_ADDRESSES = 4


def connect(
    host: str, port: int, end: float, clock: Clock, cancellation: Cancellation, first: str = ""
) -> PromptSocket:
    """Return a socket connected to `host`, by `end` on the monotonic clock; raise ProbeError if that cannot be.

    The address `first` is tried before all others, if it is one of those that `host` has.
    """
    addresses = _resolve(host, port, end, clock, cancellation)
    if not addresses:
        raise ProbeError(Cause.DNS, f"no address for '{host}'")
    in_order = alternate_families(addresses)
    sock = race(put_first(in_order, first)[:_MAX_ADDRESSES], end, clock, cancellation)
    if sock.peer != in_order[0]:
        sock.address = sock.peer[1][0]
    return sock


def _resolve(host: str, port: int, end: float, clock: Clock, cancellation: Cancellation) -> list[Address]:
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # no address literal: the resolver has to be asked
    answer: list[list[Address] | ProbeError] = []
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


def _look_up(host: str, port: int, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, flags)
    return [(family, address) for family, _type, _protocol, _name, address in found]  # type: ignore[misc]  # IPv6 addresses are longer tuples, which connect() takes as well
