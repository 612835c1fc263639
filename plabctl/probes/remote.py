"""Stages over one SSH connection: a channel for each, none of which can keep us waiting.

I/O. Loads paramiko. Every wait here has a time-out of its own, and the watchdog shuts the whole connection down a
moment after a deadline that one of them misses (a send into a stopped connection has none).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import paramiko

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.capture import Capture
from plabctl.probes.cut import Cut, hang_up
from plabctl.probes.script import MARK, Sending, wrap
from plabctl.probes.shell import Fault, Ran
from plabctl.probes.transport import farewell, shut
from plabctl.probes.trouble import Trouble, words
from plabctl.probes.watchdog import Watchdog

_HARD_S = 0.4
"""Seconds after a stage's deadline at which the connection goes if the stage has not let go."""

_ANSWER_S = 0.5
"""Seconds that a node has to show that it is still there, so that its vnode can be torn down now and not next time."""

_LOOK_S = 2.0
"""How often a silent stage is asked whether it has ended: a child left in the background keeps its output open."""

_DYING_S = 0.2
_FAREWELL_S = 0.2
_READ_BYTES = 32768

_EXIT_LATE = frozenset({124, 137, 143})
_EXIT_NOT_STARTED = frozenset({1, 2, 125, 126, 127})


class _Late(Exception):
    """The deadline of the stage has passed."""


class RemoteShell:
    """Runs stages on a node, over a connection that is logged in."""

    def __init__(
        self,
        transport: paramiko.Transport,
        sock: socket.socket,
        cut: Cut,
        watchdog: Watchdog,
        clock: Clock,
        output_limit: int,
    ) -> None:
        self._transport = transport
        self._sock = sock
        self._cut = cut
        self._watchdog = watchdog
        self._clock = clock
        self._output_limit = output_limit
        self._has_timeout = True

    def run(self, text: str, variables: Mapping[str, str], timeout_s: float) -> Ran:
        """Run shell code with `variables` exported, for at most `timeout_s`; raise Trouble when told to stop."""
        end = self._clock.monotonic() + timeout_s
        ran = self._run(wrap(text, variables, timeout_s, has_timeout=self._has_timeout), end)
        if ran.fault is Fault.NOT_RUN and ran.exit_code in _EXIT_NOT_STARTED and self._has_timeout:
            self._has_timeout = False  # no `timeout -k` on this node: a watchdog in plain sh does it
            left = max(end - self._clock.monotonic(), 0)
            ran = self._run(wrap(text, variables, left, has_timeout=False), end)
        return ran

    def is_alive(self) -> bool:
        """Say whether the node still answers on this connection, at once: the deadline has passed already."""
        if not self._transport.is_active():
            return False
        alarm = self._watchdog.arm(self._clock.monotonic() + _ANSWER_S + _HARD_S, partial(hang_up, self._sock))
        try:
            with self._cut.ends(partial(hang_up, self._sock)):
                self._transport.open_session(timeout=_ANSWER_S).close()
        except paramiko.ChannelException:
            return True  # refused, but by somebody who is there
        except (paramiko.SSHException, EOFError, OSError):
            return False
        finally:
            alarm.disarm()
        return True

    def close(self) -> None:
        """End the connection, leaving neither its descriptor nor its thread."""
        if self._transport.is_active():
            alarm = self._watchdog.arm(self._clock.monotonic() + _FAREWELL_S, partial(hang_up, self._sock))
            farewell(self._transport)
            alarm.disarm()
        shut(self._transport, self._sock)

    def _run(self, sending: Sending, end: float) -> Ran:
        capture = Capture(self._output_limit)
        channel: paramiko.Channel | None = None
        alarm = self._watchdog.arm(end + _HARD_S, partial(hang_up, self._sock))
        try:
            with self._cut.ends(partial(hang_up, self._sock)):
                channel = self._open(end)
                self._send(channel, sending, end)
                ended = self._read(channel, capture, end)
                return self._judged(channel, capture, end, flood=not ended)
        except _Late:
            return self._faulty(Fault.LATE, capture)
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._cut.check()
            if alarm.fired:
                return self._faulty(Fault.LATE, capture)
            return self._faulty(Fault.LOST, capture, words(error))
        finally:
            if channel is not None:
                with suppress(paramiko.SSHException, EOFError, OSError):
                    channel.close()
            alarm.disarm()

    def _left(self, end: float) -> float:
        left = end - self._clock.monotonic()
        if left <= 0:
            raise _Late
        return left

    def _open(self, end: float) -> paramiko.Channel:
        try:
            channel = self._transport.open_session(timeout=self._left(end))
        except paramiko.ChannelException as error:
            raise Trouble(Cause.PROTOCOL, f"the node opens no session: {error.text}") from None
        except paramiko.SSHException as error:
            if str(error).startswith("Timeout"):
                raise _Late from None
            raise
        channel.set_combine_stderr(True)
        return channel

    def _send(self, channel: paramiko.Channel, sending: Sending, end: float) -> None:
        """Ask for the command and close its input, without waiting for the answer to the request.

        paramiko's own `exec_command` waits for that answer, for ever if need be. A refusal closes the channel, which
        the reader sees; so the wait is not needed, and it would cost a round trip.
        """
        request = paramiko.Message()
        request.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)  # we want an answer
        request.add_string(sending.command)
        self._transport._send_user_message(request)  # type: ignore[attr-defined]  # noqa: SLF001 - no public call sends without waiting
        if sending.stdin:
            channel.settimeout(self._left(end))
            try:
                channel.sendall(sending.stdin)
            except TimeoutError:
                raise _Late from None
        channel.shutdown_write()

    def _read(self, channel: paramiko.Channel, capture: Capture, end: float) -> bool:
        """Read until the stage has ended; False if it prints so much that it has to be cut off."""
        while not capture.is_flood:
            channel.settimeout(min(self._left(end), _LOOK_S))
            try:
                data = channel.recv(_READ_BYTES)
            except TimeoutError:
                if channel.status_event.is_set():
                    return True  # it has ended; what keeps the channel open is a child it left behind
                continue
            if not data:
                return True
            capture.add(data)
        return False

    def _judged(self, channel: paramiko.Channel, capture: Capture, end: float, *, flood: bool) -> Ran:
        if flood:
            return self._faulty(Fault.FLOOD, capture)
        if not channel.status_event.wait(self._left(end)):
            raise _Late
        code = channel.exit_status
        if code < 0:
            # A transport that ends closes its channels first and says that it is dead a moment later.
            self._transport.join(_DYING_S)
            if not self._transport.is_active():
                raise self._transport.saved_exception or EOFError()
        if not capture.skip_to(MARK):
            return self._faulty(Fault.NOT_RUN, capture, exit_code=code)
        if code < 0:
            return self._faulty(Fault.ENDED, capture)
        if code in _EXIT_LATE and self._clock.monotonic() >= end - _DYING_S:
            return self._faulty(Fault.LATE, capture)  # ended over there, a moment before it would have been here
        return Ran(code, capture.text(), capture.truncated)

    def _faulty(self, fault: Fault, capture: Capture, said: str = "", exit_code: int | None = None) -> Ran:
        capture.skip_to(MARK)
        return Ran(exit_code, capture.text(), capture.truncated, fault, said)
