"""Stages over one SSH connection, none of which can keep us waiting.

All of them go to one `sh` on the node, which costs it much less than a session for each. A stage that is cut off takes
that `sh` with it, and the next stage gets a new one.

I/O. Loads paramiko. Every wait here has a time-out of its own, and the watchdog shuts the whole connection down a
moment after a deadline that one of them misses (a send into a stopped connection has none).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import count

import paramiko

from plabctl.clock import Clock
from plabctl.core.recipe import Become
from plabctl.core.settings import SshSettings
from plabctl.probes.cancellation import Cancellation, hang_up
from plabctl.probes.capture import compute_flood
from plabctl.probes.frame import StageFrame
from plabctl.probes.probe_error import format_exception
from plabctl.probes.script import choose_shell, wrap_stage
from plabctl.probes.shell import StageFault, StageResult
from plabctl.probes.shell_start import DYING_S, Start, end_unstarted, read_exit_status, send_request
from plabctl.probes.ssh_transport import NodeTransport, close_transport, send_disconnect
from plabctl.probes.stage_result import build_result, judge_exit, judge_start
from plabctl.probes.tunnel import Wire
from plabctl.probes.watchdog import Watchdog

_HARD_S = 0.4
"""Seconds after a stage's deadline at which the connection goes if the stage has not let go."""

_ANSWER_S = 0.5
"""Seconds that a node has to show that it is still there, so that its vnode can be torn down now and not next time."""

_LOOK_S = 2.0
"""How often a silent stage is asked whether it has ended: a child left in the background keeps its output open."""

_ENDING_S = 2.0  # to end a shell that did not start
_SLOW_BYTES_PER_S = 8192
"""A long stage has as much more time to arrive before its shell counts as one that did not start."""

_FAREWELL_S = 0.2
_READ_BYTES = 32768
_SENT_PER_PRINTED = 2
"""Bytes of a stage's packets to each byte of output for which it is cut off."""

_EXIT_NOT_STARTED = frozenset({1, 2, 125, 126, 127})


class _Late(Exception):
    """The deadline of the stage has passed."""


class _NoSession(Exception):
    """The node refuses to open a session; the argument is what it says."""


class RemoteShell:
    """Runs stages on a node, over a connection that is logged in."""

    def __init__(
        self,
        transport: NodeTransport,
        sock: Wire,
        cancellation: Cancellation,
        watchdog: Watchdog,
        clock: Clock,
        settings: SshSettings,
    ) -> None:
        self._transport = transport
        self._sock = sock
        self._cancellation = cancellation
        self._watchdog = watchdog
        self._clock = clock
        self._output_limit = settings.output_limit
        self._start_timeout_s = settings.connect_timeout_s
        self._start_end = math.inf
        """When a shell must have begun its first stage, on the monotonic clock; later ones have no such deadline."""
        self._has_timeout = True
        self._channel: paramiko.Channel | None = None
        self._become = Become.NONE
        self._numbers = count(1)

    def run(
        self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
    ) -> StageResult:
        """Run shell code with `variables` exported, for at most `timeout_s`; raise ProbeError when told to stop."""
        if become is not self._become:
            self._abandon_shell()
            self._become = become
        end = self._clock.monotonic() + timeout_s
        ran = self._run(text, variables, timeout_s, end)
        if ran.fault is StageFault.NOT_RUN and ran.exit_code in _EXIT_NOT_STARTED and self._has_timeout:
            self._has_timeout = False  # no fit `timeout` on this node: a watchdog in plain sh does it
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
        self._transport.begin_stage(_SENT_PER_PRINTED * compute_flood(self._output_limit), len(stage))
        alarm = self._watchdog.arm(end + _HARD_S, partial(hang_up, self._sock))
        try:
            with self._cancellation.on_cancel(partial(hang_up, self._sock)):
                channel = self._send(stage, end)
                self._read(channel, frame, end)
                return self._judge(channel, frame, end)
        except _Late:
            alarm.disarm()
            return self._judge_late(frame, timeout_s - max(end - self._clock.monotonic(), 0))
        except _NoSession as refusal:
            return build_result(frame, StageFault.NO_SESSION, said=str(refusal), never_began=True)
        except Exception as error:  # noqa: BLE001 - with what the node has sent, the library raises anything
            return self._judge_error(error, frame, is_late=alarm.fired)
        finally:
            if frame.has_begun:
                self._start_end = math.inf
            if frame.exit_code is None:
                self._abandon_shell()
            alarm.disarm()

    def _judge_late(self, frame: StageFrame, waited_s: float) -> StageResult:
        """Return how a stage went that is late, after `waited_s`; a shell that has not even started is ended."""
        if frame.has_begun or self._start_end == math.inf:
            return build_result(frame, StageFault.LATE)
        # Without a channel nothing was sent.
        start = Start.KILLED if self._channel is None else self._end_unstarted(self._channel, frame)
        return judge_start(frame, start, self._become, waited_s)

    def _end_unstarted(self, channel: paramiko.Channel, frame: StageFrame) -> Start:
        alarm = self._watchdog.arm(self._clock.monotonic() + _ENDING_S, partial(hang_up, self._sock))
        with self._cancellation.on_cancel(partial(hang_up, self._sock)):
            start = end_unstarted(channel, frame, self.is_alive)
        alarm.disarm()
        return start

    def _judge_error(self, error: Exception, frame: StageFrame, *, is_late: bool) -> StageResult:
        """Return how a stage went that `error` ended; raise it when the connection is not the reason."""
        self._cancellation.check()
        if self._transport.offence:
            return build_result(frame, StageFault.OVERRUN, said=self._transport.offence)
        if not isinstance(error, paramiko.SSHException | EOFError | OSError):
            raise error
        if is_late:
            return build_result(frame, StageFault.LATE)
        return build_result(frame, StageFault.LOST, said=self._transport.farewell or format_exception(error))

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
            self._start_end = self._clock.monotonic() + self._start_timeout_s + len(stage) // _SLOW_BYTES_PER_S
            self._channel = self._open(min(end, self._start_end))
            shell, prologue = choose_shell(self._become)
            send_request(self._channel, "exec", shell, wants_answer=True)
            stage = prologue + stage
        self._channel.settimeout(self._compute_remaining(min(end, self._start_end)))
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
            raise _NoSession(error.text) from None
        except paramiko.SSHException as error:
            if str(error).startswith("Timeout"):
                raise _Late from None
            raise
        channel.set_combine_stderr(True)
        return channel

    def _read(self, channel: paramiko.Channel, frame: StageFrame, end: float) -> None:
        """Read until the stage has ended, or prints so much that it has to be cut off."""
        while frame.exit_code is None and not frame.is_flood:
            left = self._compute_remaining(end if frame.has_begun else min(end, self._start_end))
            channel.settimeout(min(left, _LOOK_S))
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
            return build_result(frame, StageFault.FLOOD)
        code = frame.exit_code
        if code is None:
            code = read_exit_status(
                channel, self._compute_remaining(end if frame.has_begun else min(end, self._start_end))
            )
            if code is None:
                raise _Late
        return judge_exit(frame, code, self._become, is_time_over=self._clock.monotonic() >= end - DYING_S)
