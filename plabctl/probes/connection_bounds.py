"""What one connection may cost this process: bytes, messages, key exchanges, processor time.

Loads paramiko, for the exception that ends a connection. A node that goes beyond a bound is cut off, and that is a
failure of the node (`protocol`). One that stays within its bounds but costs more than a usual login shares a single
lane with all others of its kind, so that any number of them leaves the rest of the process to the other nodes.
`plabctl.probes.bounded_packets` counts; `plabctl.probes.ssh_transport` tells what was counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import paramiko

LOGIN_BYTES = 512 * 1024
"""Before the end of the login. An honest sshd sends 3 KiB and its banner."""
ASIDES, ASIDES_PER_S = 500, 5
"""Messages other than output, in the login and in each stage: so many at once, and so many more each second."""
SENT_PER_GRANT = 1024
"""Bytes of what a stage sends for which the node may grant room once beside that. An sshd whose shell reads slowly
grants it for each page of 4 KiB that the shell takes."""
REKEYS, REKEY_EVERY_S = 5, 60.0
"""Key exchanges after the first one: so many at once, and one more after each so many seconds."""
CPU_S = 3.0
"""Seconds of processor time that the login may cost, and each stage: a hundred times what an honest one does."""

RELAY_CPU_S = 60.0
"""The same for a jump host, since the last tunnel was opened: it carries what many nodes send."""

LIGHT_READS = 100
"""Reads, in the login and in each stage, up to which a connection need not take the lane: some 40 messages, where an
honest login takes 12 and a stage 5. Reads and not seconds, so that a slow machine does not change who is honest."""
LIGHT_CPU_S = 0.1
"""Seconds of processor time, in the login and in each stage, up to which it need not either."""
_LANE_S = 5.0
"""Seconds after which a connection goes on without the lane, so that no fault of ours can stop it for good."""
_REST_RATIO, _REST_MAX_S = 4.0, 0.1
"""How long the lane rests after each turn while others wait for it, as a multiple of the turn, and at the longest. A
thread that works without a pause costs each step of all other threads five milliseconds."""

_KEXINIT = 20
_GRANT = 93
"""Channel window adjust (RFC 4254, 5.2)."""
_OUTPUT = frozenset({94, 95})
"""Channel data and extended data (RFC 4254, 5.2)."""


class CostlyLane:
    """The lane that expensive connections share: one at a time, and a fifth of a processor for all."""

    def __init__(self) -> None:
        self._place = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    @property
    def is_taken(self) -> bool:
        """Return whether some connection is in it."""
        return self._place.locked()

    def enter(self) -> bool:
        """Wait for the place; return False when that takes too long."""
        if self._place.acquire(blocking=False):
            return True
        with self._counting:
            self._waiting += 1
        try:
            return self._place.acquire(timeout=_LANE_S)
        finally:
            with self._counting:
                self._waiting -= 1

    def leave(self, turn_s: float) -> None:
        """Give the place back, after a pause if others wait for it: the turn took `turn_s` of processor time."""
        if self._waiting and turn_s > 0:
            time.sleep(min(_REST_RATIO * turn_s, _REST_MAX_S))
        self._place.release()


_lane = CostlyLane()


class BoundExceeded(paramiko.SSHException):
    """The node exceeded a bound; the text says which, with the node as its subject."""


class _Phase:
    """The counters of the login, or of one stage. Changed by the transport's thread alone."""

    __slots__ = ("asides", "bytes", "cpu_from", "grants_left", "limit", "name", "reads", "since")

    def __init__(self, name: str, limit: int, since: float, sent: int = 0) -> None:
        self.name = name
        self.limit = limit
        self.grants_left = sent // SENT_PER_GRANT
        self.since = since
        self.bytes = self.asides = self.reads = 0
        self.cpu_from: float | None = None


class Meter:
    """Counts what one connection costs. `read`, `message` and `step_out` belong to the transport's thread.

    `broken` says in words which bound the node broke; empty as long as it has broken none.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        self.broken = ""
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._began = clock()
        self._phase = _Phase("before the end of the login", LOGIN_BYTES, self._began)
        self._exchanges = 0
        self._is_relay = False
        self._lane_holder = 0
        self._turn_from = 0.0

    def begin_stage(self, limit: int, sent: int = 0) -> None:
        """Restart the counters for a stage that sends `sent` bytes and in which the node may send `limit`.

        Callable from any thread.
        """
        self._phase = _Phase("in one stage", limit, self._clock(), sent)

    def begin_relay(self) -> None:
        """From now on count only messages that bring no data, anew: data is counted where it goes to."""
        self._is_relay = True
        self._phase = _Phase("since the last tunnel was opened", 0, self._clock())

    def read(self, count: int) -> None:
        """Count `count` bytes that have come in, and wait for the lane if it is needed; raise Overrun."""
        if self._is_relay:
            self._check_relay()
            return
        phase, cpu = self._phase, self._cpu_clock()
        if phase.cpu_from is None:
            phase.cpu_from = cpu
        phase.bytes += count
        phase.reads += 1
        if phase.bytes > phase.limit:
            self.cut(f"sent more than {_format_bytes(phase.limit)} {phase.name}")
        if cpu - phase.cpu_from > CPU_S:
            self.cut(f"cost more than {CPU_S:g} s of processor time {phase.name}")
        if phase.reads > LIGHT_READS or cpu - phase.cpu_from > LIGHT_CPU_S or self._exchanges > 1:
            self._step_in()

    def _check_relay(self) -> None:
        phase, cpu = self._phase, self._cpu_clock()
        if phase.cpu_from is None:
            phase.cpu_from = cpu
        if cpu - phase.cpu_from > RELAY_CPU_S:
            self.cut(f"cost more than {RELAY_CPU_S:g} s of processor time {phase.name}")

    def message(self, kind: int) -> None:
        """Count a message of this type; raise Overrun."""
        if kind in _OUTPUT:
            return
        phase = self._phase
        if kind == _GRANT and phase.grants_left:
            phase.grants_left -= 1
            return
        phase.asides += 1
        if phase.asides > ASIDES and phase.asides > ASIDES + ASIDES_PER_S * (self._clock() - phase.since):
            self.cut(f"sent {phase.asides} messages that bring no output {phase.name}")
        if kind == _KEXINIT:
            self._exchanges += 1
            rekeys = self._exchanges - 1
            if rekeys > REKEYS + (self._clock() - self._began) / REKEY_EVERY_S:
                self.cut(f"asked for new keys {rekeys} times")

    def cut(self, why: str) -> None:
        """Raise Overrun, and remember why."""
        self.broken = self.broken or why
        raise BoundExceeded(why)

    def step_out(self) -> None:
        """Leave the lane to others, before a wait that costs nothing."""
        if self._lane_holder == threading.get_ident():
            self._lane_holder = 0
            _lane.leave(self._cpu_clock() - self._turn_from)

    def _step_in(self) -> None:
        if not self._lane_holder and _lane.enter():
            self._lane_holder = threading.get_ident()
            self._turn_from = self._cpu_clock()


def _format_bytes(count: int) -> str:
    mebibytes, rest = divmod(count, 1 << 20)
    return f"{count // 1024} KiB" if rest else f"{mebibytes} MiB"
