"""One connection to a jump host, shared by the probes of nodes behind it.

I/O. Loads paramiko. It is logged in to in a thread of its own, so that no probe's end is the end of what others wait
for, and it ends when it was idle for a while. `plabctl.probes.jump_hosts` has all of them.
Tests: `tests/probes/test_jump_hosts.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.cancellation import Cancellation, hang_up
from plabctl.probes.jump_refusal import build_jump_error, build_silence, is_shortage, judge_refusal
from plabctl.probes.jump_transport import JumpTransport
from plabctl.probes.probe_error import ProbeError, build_local_error, format_exception, format_wait
from plabctl.probes.target import Target
from plabctl.probes.tunnel import Tunnel, Wire, find_way_fault
from plabctl.probes.watchdog import Alarm, Watchdog

MAX_TUNNELS = 64
"""Through one connection; for more a second one is made. OpenSSH has no limit here: MaxSessions is about shells."""
PING_S = 0.5
"""How long the jump host has to show that it is there, when a node behind it keeps silent."""
IDLE_S = 10.0
"""After so long without a tunnel the connection ends."""
_STUCK_S = 1.0
"""A packet that the jump host does not take for so long shows that it hangs."""

LogIn = Callable[[float, Cancellation], tuple[Wire, JumpTransport]]
"""Returns a connection that is logged in, by an instant of the monotonic clock; raises ProbeError."""


class LinkEnded(Exception):
    """The connection to the jump host has ended before the tunnel was open."""


class LinkFull(Exception):
    """The jump host opens no more tunnels over this connection."""


class JumpLink:
    """A connection to the jump host `hop`. `count` is how many tunnels it has, or will have; its owner changes it."""

    def __init__(self, hop: Target, clock: Clock, watchdog: Watchdog) -> None:
        self.hop = hop
        self.clock = clock
        self.count = 0
        self.limit = MAX_TUNNELS
        self.fault: ProbeError | None = None
        self._watchdog = watchdog
        self._cancellation = Cancellation()
        self._is_ready = threading.Event()
        self._waiting: list[threading.Event] = []
        self._sock: Wire | None = None
        self._transport: JumpTransport | None = None
        self._idle: Alarm | None = None
        self._loss: ProbeError | None = None
        """What was found wrong with it since it was logged in."""

    @property
    def is_usable(self) -> bool:
        """Return whether it is logged in, or may soon be."""
        return self.fault is None and (self._transport is None or self._transport.is_active())

    def start(self, log_in: LogIn, end: float, on_end: Callable[[], None]) -> None:
        """Log in, in another thread; `on_end` is called when that is done, well or not."""

        def work() -> None:
            try:
                self._sock, self._transport = log_in(end, self._cancellation)
                self._transport.begin_tunnels()
                if self._cancellation.is_requested:
                    hang_up(self._sock)
            except ProbeError as probe_error:
                self.fault = build_jump_error(self.hop, probe_error)
            except Exception as error:  # noqa: BLE001 - others wait for this thread
                self.fault = build_local_error(error)
            on_end()
            self._is_ready.set()
            for waiter in list(self._waiting):
                waiter.set()

        try:
            threading.Thread(target=work, name=f"jump {self.hop.label}", daemon=True).start()
        except RuntimeError as error:
            self.fault = build_local_error(error)
            self._is_ready.set()

    def open(
        self, host: str, port: int, end: float, cancellation: Cancellation, on_close: Callable[[], None]
    ) -> Tunnel:
        """Return a tunnel to a port of `host`, by `end`; raise ProbeError, LinkEnded or LinkFull."""
        start = self.clock.monotonic()
        self.await_login(end, cancellation)
        waited_s = self.clock.monotonic() - start
        is_short = waited_s > (end - start) / 2
        transport = self._transport
        if transport is None or not transport.is_active():
            raise LinkEnded
        with self.guard_sending():
            opening = transport.request_tunnel(host, port)
        try:
            with cancellation.on_cancel(opening.answered.set):
                opening.answered.wait(max(end - self.clock.monotonic() - PING_S, 0))
            cancellation.check()
        except ProbeError:
            transport.abandon(opening)
            raise
        if opening.refusal:
            if is_shortage(opening.refusal) and self.count > 1:
                raise LinkFull
            raise judge_refusal(self.hop, host, port, *opening.refusal)
        if opening.is_open:
            return Tunnel(self, opening.channel, on_close, self._build_haste(waited_s) if is_short else None)
        transport.abandon(opening)
        if not transport.is_active():
            raise LinkEnded
        if fault := self.find_fault():
            raise fault
        raise (
            self._build_haste(waited_s)
            if is_short
            else build_silence(self.hop, host, port, self.clock.monotonic() - start)
        )

    def _build_haste(self, waited_s: float) -> ProbeError:
        why = f"it let us in after {waited_s:.3g} s, which left the node less than that to answer"
        return build_jump_error(self.hop, ProbeError(Cause.JUMP, why))

    def await_login(self, end: float, cancellation: Cancellation) -> None:
        """Wait until it is logged in, by `end`; raise ProbeError if that cannot be."""
        waiter = threading.Event()
        self._waiting.append(waiter)
        if not self._is_ready.is_set():
            start = self.clock.monotonic()
            with cancellation.on_cancel(waiter.set):
                waiter.wait(max(end - start, 0))
            cancellation.check()
            if not self._is_ready.is_set():
                waited_s = self.clock.monotonic() - start
                why = f"it did not let us in within {format_wait(waited_s)}"
                raise build_jump_error(self.hop, ProbeError(Cause.JUMP, why))
        self._waiting.remove(waiter)
        if self.fault is not None:
            raise ProbeError(self.fault.cause, self.fault.reason)

    def find_fault(self) -> ProbeError | None:
        """Return what is wrong with this jump host or one before it, if anything is; a host that hangs is given up."""
        transport = self._transport
        if transport is None:
            return self.fault
        with self.guard_sending():
            is_alive = transport.ping(PING_S)
        if is_alive:
            return None
        if self._loss is None:
            self._loss = find_way_fault(self._sock) or self._build_loss(transport)
            self.hang_up()
        return ProbeError(self._loss.cause, self._loss.reason)

    def _build_loss(self, transport: JumpTransport) -> ProbeError:
        if transport.is_active():
            why = "it does not answer any more"
        else:
            error = transport.saved_exception
            why = f"the connection was lost{f': {format_exception(error)}' if error else ''}"
        return build_jump_error(self.hop, ProbeError(Cause.JUMP, why))

    def hang_up(self) -> None:
        """End it without blocking: from a signal handler, or by the watchdog."""
        self._cancellation.request()
        if self._sock is not None:
            hang_up(self._sock)

    @contextmanager
    def guard_sending(self) -> Iterator[None]:
        """Send something in the body; where the jump host does not take it, the connection is ended."""
        alarm = self._watchdog.arm(self.clock.monotonic() + _STUCK_S, self.hang_up)
        try:
            yield
        finally:
            alarm.disarm()

    def watch(self, is_stuck: Callable[[], bool]) -> None:
        """End the connection if `is_stuck` is still true in a second."""
        self._watchdog.arm(self.clock.monotonic() + _STUCK_S, lambda: self.hang_up() if is_stuck() else None)

    def begin_idling(self) -> None:
        """End it when it was idle for long enough."""
        if self._idle:
            self._idle.disarm()
        self._idle = self._watchdog.arm(self.clock.monotonic() + IDLE_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        """End it unless it has a tunnel again."""
        if not self.count:
            self.hang_up()
