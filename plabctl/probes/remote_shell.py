"""Stages over one SSH connection, none of which can keep us waiting.

All of them go to one `sh` on the node, which costs it much less than a session for each. A stage that is cut off takes
that `sh` with it, and the next stage gets a new one.

I/O. Loads paramiko. Every wait here has a time-out of its own, and the watchdog shuts the whole connection down a
moment after a deadline that one of them misses (a send into a stopped connection has none).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import count

import paramiko

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.cancellation import Cancellation, hang_up
from plabctl.probes.capture import compute_flood
from plabctl.probes.frame import StageFrame
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.script import PROLOGUE, SHELL, wrap_stage
from plabctl.probes.shell import StageFault, StageResult
from plabctl.probes.ssh_transport import NodeTransport, close_transport, send_disconnect
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
_SENT_PER_PRINTED = 2
"""Bytes of a stage's packets to each byte of output for which it is cut off."""

_EXIT_LATE = frozenset({124, 137, 143})
_EXIT_NOT_STARTED = frozenset({1, 2, 125, 126, 127})
_EXIT_BY_SIGNAL = range(129, 160)
"""What a shell makes of a command that a signal ended: 128 and the signal's number."""


class _Late(Exception):
    """The deadline of the stage has passed."""


class RemoteShell:
    """Runs stages on a node, over a connection that is logged in."""

    def __init__(
        self,
        transport: NodeTransport,
        sock: socket.socket,
        cancellation: Cancellation,
        watchdog: Watchdog,
        clock: Clock,
        output_limit: int,
    ) -> None:
        self._transport = transport
        self._sock = sock
        self._cancellation = cancellation
        self._watchdog = watchdog
        self._clock = clock
        self._output_limit = output_limit
        self._has_timeout = True
        self._channel: paramiko.Channel | None = None
        self._numbers = count(1)

    def run(self, text: str, variables: Mapping[str, str], timeout_s: float) -> StageResult:
        """Run shell code with `variables` exported, for at most `timeout_s`; raise ProbeError when told to stop."""
        end = self._clock.monotonic() + timeout_s
        ran = self._run(text, variables, timeout_s, end)
        if ran.fault is StageFault.NOT_RUN and ran.exit_code in _EXIT_NOT_STARTED and self._has_timeout:
            self._has_timeout = False  # no `timeout -k` on this node: a watchdog in plain sh does it
            ran = self._run(text, variables, max(end - self._clock.monotonic(), 0), end)
        return ran

    def is_alive(self) -> bool:
        """Return whether the node still answers on this connection, at once: the deadline has passed already."""
        if not self._transport.is_active():
            return False
        alarm = self._watchdog.arm(self._clock.monotonic() + _ANSWER_S + _HARD_S, partial(hang_up, self._sock))
        try:
            with self._cancellation.on_cancel(partial(hang_up, self._sock)):
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
            send_disconnect(self._transport)
            alarm.disarm()
        close_transport(self._transport, self._sock)

    def _run(self, text: str, variables: Mapping[str, str], timeout_s: float, end: float) -> StageResult:
        number = next(self._numbers)
        stage = wrap_stage(text, variables, timeout_s, number, has_timeout=self._has_timeout)
        frame = StageFrame(self._output_limit, number)
        self._transport.begin_stage(_SENT_PER_PRINTED * compute_flood(self._output_limit))
        alarm = self._watchdog.arm(end + _HARD_S, partial(hang_up, self._sock))
        try:
            with self._cancellation.on_cancel(partial(hang_up, self._sock)):
                channel = self._send(stage, end)
                self._read(channel, frame, end)
                return self._judge(channel, frame, end)
        except _Late:
            return _build_result(frame, StageFault.LATE)
        except Exception as error:  # noqa: BLE001 - with what the node has sent, the library raises anything
            return self._judge_error(error, frame, is_late=alarm.fired)
        finally:
            if frame.exit_code is None:
                self._abandon_shell()
            alarm.disarm()

    def _judge_error(self, error: Exception, frame: StageFrame, *, is_late: bool) -> StageResult:
        """Return how a stage went that `error` ended; raise it when the connection is not the reason."""
        self._cancellation.check()
        if self._transport.offence:
            return _build_result(frame, StageFault.OVERRUN, said=self._transport.offence)
        if not isinstance(error, paramiko.SSHException | EOFError | OSError):
            raise error
        if is_late:
            return _build_result(frame, StageFault.LATE)
        return _build_result(frame, StageFault.LOST, said=format_exception(error))

    def _compute_remaining(self, end: float) -> float:
        left = end - self._clock.monotonic()
        if left <= 0:
            raise _Late
        return left

    def _send(self, stage: bytes, end: float) -> paramiko.Channel:
        """Send a stage to the node's `sh`, which is started if none is there; return the channel to it."""
        if self._channel is not None and (self._channel.closed or self._channel.exit_status_ready()):
            self._abandon_shell()
        if self._channel is None:
            self._channel = self._open(end)
            self._ask_for_shell(self._channel)
            stage = PROLOGUE + stage
        self._channel.settimeout(self._compute_remaining(end))
        try:
            self._channel.sendall(stage)
        except TimeoutError:
            raise _Late from None
        except OSError:
            # It wants no more of this when it runs something else than `sh`: then the reader sees what it says.
            if not self._channel.closed:
                raise
        return self._channel

    def _abandon_shell(self) -> None:
        """Abandon the node's `sh`, and with it what it runs."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with suppress(paramiko.SSHException, EOFError, OSError):
                channel.close()

    def _open(self, end: float) -> paramiko.Channel:
        try:
            channel = self._transport.open_session(timeout=self._compute_remaining(end))
        except paramiko.ChannelException as error:
            raise ProbeError(Cause.PROTOCOL, f"the node opens no session: {error.text}") from None
        except paramiko.SSHException as error:
            if str(error).startswith("Timeout"):
                raise _Late from None
            raise
        channel.set_combine_stderr(True)
        return channel

    def _ask_for_shell(self, channel: paramiko.Channel) -> None:
        """Ask for the command, without waiting for the answer to the request.

        paramiko's own `exec_command` waits for that answer, for ever if need be. A refusal closes the channel, which
        the reader sees; so the wait is not needed, and it would cost a round trip.
        """
        request = paramiko.Message()
        request.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)  # we want an answer
        request.add_string(SHELL)
        self._transport._send_user_message(request)  # no public call sends without waiting

    def _read(self, channel: paramiko.Channel, frame: StageFrame, end: float) -> None:
        """Read until the stage has ended, or prints so much that it has to be cut off."""
        while frame.exit_code is None and not frame.is_flood:
            channel.settimeout(min(self._compute_remaining(end), _LOOK_S))
            try:
                data = channel.recv(_READ_BYTES)
            except TimeoutError:
                if channel.status_event.is_set():
                    return  # `sh` has ended; what keeps the channel open is a child it left behind
                continue
            if not data:
                return
            frame.add(data)

    def _judge(self, channel: paramiko.Channel, frame: StageFrame, end: float) -> StageResult:
        if frame.is_flood:
            return _build_result(frame, StageFault.FLOOD)
        code = frame.exit_code
        if code is None:
            code = self._read_exit_status(channel, end)
        if not frame.has_begun:
            return _build_result(frame, StageFault.NOT_RUN, code)
        if code in _EXIT_LATE and self._clock.monotonic() >= end - _DYING_S:
            return _build_result(frame, StageFault.LATE)  # ended over there, a moment before it would have been here
        if code < 0 or code in _EXIT_BY_SIGNAL:
            return _build_result(frame, StageFault.ENDED)
        return _build_result(frame, exit_code=code)

    def _read_exit_status(self, channel: paramiko.Channel, end: float) -> int:
        """Return the exit code of a `sh` that has ended; a negative one if it has none."""
        if not channel.status_event.wait(self._compute_remaining(end)):
            raise _Late
        if channel.exit_status < 0:
            # A transport that ends closes its channels first and says that it is dead a moment later.
            self._transport.join(_DYING_S)
            if not self._transport.is_active():
                raise self._transport.saved_exception or EOFError()
        return int(channel.exit_status)


def _build_result(
    frame: StageFrame, fault: StageFault | None = None, exit_code: int | None = None, said: str = ""
) -> StageResult:
    output = frame.finish()
    return StageResult(exit_code, output.text(), output.truncated, fault, said)
