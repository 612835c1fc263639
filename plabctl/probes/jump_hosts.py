"""The connections to jump hosts that all probes of this process share, and the tunnels through them.

I/O. Loads paramiko. The first probe that needs a way has it opened; others wait for it, each by its own deadline. A
way over several jump hosts uses the connection to the one before the last, and so on. Go on with
`plabctl.probes.jump_link`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from plabctl.clock import Clock
from plabctl.core.jump_fault import build_jump_reason
from plabctl.core.model import Cause
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.jump_link import JumpLink, LinkEnded, LinkFull
from plabctl.probes.jump_transport import JumpTransport
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.target import Target
from plabctl.probes.tunnel import Tunnel, Wire
from plabctl.probes.watchdog import Watchdog

MAX_LOGINS = 4
"""Logins at one jump host under way at once: OpenSSH begins to turn connections away at ten (MaxStartups)."""
REFUSED_S = 30.0
"""How long a failed login stands for those that would follow: a dead jump host costs one deadline, not each node's."""
_TRIES = 3

LogIn = Callable[[Target, float, Cancellation], tuple[Wire, JumpTransport]]
"""Logs in at a jump host, by way of those that stand before it in `Target.jumps`."""
_Way = tuple[Target, ...]


class JumpHosts:
    """Opens tunnels; may be used from many threads."""

    def __init__(self, log_in: LogIn, clock: Clock, watchdog: Watchdog, timeout_s: float) -> None:
        self._log_in = log_in
        self._clock = clock
        self._watchdog = watchdog
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._links: dict[_Way, list[JumpLink]] = {}
        self._refused: dict[_Way, tuple[float, ProbeError]] = {}
        self._all: list[JumpLink] = []
        self._turns: Counter[_Way] = Counter()
        self._turn_ended = threading.Condition(self._lock)

    def open(self, way: _Way, host: str, port: int, end: float, cancellation: Cancellation) -> Tunnel:
        """Return a tunnel to a port of `host` over the jump hosts `way`, by `end` on the monotonic clock.

        Raise ProbeError: for a jump host that is at fault, with `Cause.JUMP`; else with what it says of the node.
        """
        for _ in range(_TRIES):
            link = self._join(way)
            try:
                return link.open(host, port, end, cancellation, partial(self._leave, link))
            except LinkFull:
                link.limit = max(link.count - 1, 1)
                self._leave(link)
            except LinkEnded:
                self._leave(link)
            except BaseException:
                self._leave(link)
                raise
        why = build_jump_reason(way[-1].label, "its connections end at once")
        raise link.find_fault() or ProbeError(Cause.JUMP, why)

    def log_in(self, way: _Way, end: float) -> None:
        """Log in at the jump hosts `way` by `end`, if that was not done yet; raise ProbeError if that cannot be."""
        link = self._join(way)
        try:
            link.await_login(end, Cancellation())
        finally:
            self._leave(link)

    def interrupt(self) -> None:
        """End all connections; does not block, and may come from a signal handler."""
        for link in list(self._all):
            link.hang_up()

    def _join(self, way: _Way) -> JumpLink:
        """Return a connection with room for one tunnel more, which counts from now on."""
        with self._lock:
            links = self._links[way] = [link for link in self._links.get(way, ()) if link.is_usable]
            link = next((each for each in links if each.count < each.limit), None)
            if link is None:
                refused_until, fault = self._refused.get(way, (0.0, None))
                if fault and self._clock.monotonic() < refused_until:
                    raise ProbeError(fault.cause, fault.reason)
                link = JumpLink(way[-1], self._clock, self._watchdog)
                links.append(link)
                self._all = [each for each in self._all if each.is_usable or each.count] + [link]
                end = self._clock.monotonic() + self._timeout_s
                link.start(partial(self._log_in_in_turn, way), end, partial(self._note_end, way, link))
            link.count += 1
            return link

    def _log_in_in_turn(self, way: _Way, end: float, cancellation: Cancellation) -> tuple[Wire, JumpTransport]:
        *before, hop = way
        with self._turn_ended:
            while self._turns[way] >= MAX_LOGINS:
                if not self._turn_ended.wait(max(end - self._clock.monotonic(), 0)):
                    break  # it has no time left, and finds that out itself
            self._turns[way] += 1
        try:
            target = replace(hop, jumps=tuple(before))
            return self._log_in(target, end, cancellation)
        finally:
            with self._turn_ended:
                self._turns[way] -= 1
                self._turn_ended.notify_all()

    def _note_end(self, way: _Way, link: JumpLink) -> None:
        with self._lock:
            if link.fault is not None and link.fault.cause is not Cause.INTERRUPTED:
                self._refused[way] = (self._clock.monotonic() + REFUSED_S, link.fault)
            else:
                self._refused.pop(way, None)

    def _leave(self, link: JumpLink) -> None:
        with self._lock:
            link.count -= 1
            is_idle = not link.count
        if is_idle:
            link.begin_idling()
