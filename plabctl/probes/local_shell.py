"""Stages that run here, on the monitor, as a process group of their own.

I/O. For `transport = "local"`: monitoring plug-ins and whatever else looks at a node from outside.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.capture import Capture
from plabctl.probes.orphaned_stage import sign_stage
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.script import encode
from plabctl.probes.shell import StageFault, StageResult
from plabctl.probes.watchdog import Watchdog
from plabctl.process import open_input

_TERM_S = 0.3
"""Seconds between TERM and KILL."""

_QUIET_S = 0.2
"""Seconds that the output of a process that has ended is still waited for; a child of it may keep it open for ever."""

_READ_BYTES = 65536

_TEXT = "PLABCTL_STAGE"
_RUN = f'plabctl_stage=${_TEXT}; unset {_TEXT}; eval "$plabctl_stage"'
"""What stands in the command line, for everybody on this machine to read; what a recipe fills in may be a secret."""
_MAX_VARIABLE = 96 * 1024
"""Bytes of code that go into one variable: Linux takes 128 KiB. What is longer comes by standard input."""
_RUN_LONG = 'plabctl_stage=$(cat); exec </dev/null; eval "$plabctl_stage"'


class LocalShell:
    """Runs stages as commands of this machine, in `folder`; empty: where this process is."""

    def __init__(
        self, cancellation: Cancellation, watchdog: Watchdog, clock: Clock, output_limit: int, folder: str = ""
    ) -> None:
        self._cancellation = cancellation
        self._watchdog = watchdog
        self._clock = clock
        self._output_limit = output_limit
        self._folder = folder

    def run(self, text: str, variables: Mapping[str, str], timeout_s: float) -> StageResult:
        """Run shell code with `variables` exported, for at most `timeout_s`; raise Trouble when told to stop."""
        end = self._clock.monotonic() + timeout_s
        capture = Capture(self._output_limit)
        process = self._start(text, variables)
        stop = partial(_signal, process, signal.SIGTERM)
        kill = partial(_signal, process, signal.SIGKILL)
        alarms = [self._watchdog.arm(end, stop), self._watchdog.arm(end + _TERM_S, kill)]
        try:
            with self._cancellation.on_cancel(kill):
                fault = self._read(process, capture)
        finally:
            if process.poll() is None:
                kill()
            process.wait()
            for alarm in alarms:
                alarm.disarm()
            if process.stdout:
                process.stdout.close()
        self._cancellation.check()
        if alarms[0].fired and process.returncode < 0:
            fault = StageFault.LATE
        elif fault is None and process.returncode < 0:
            fault = StageFault.ENDED
        code = None if fault else process.returncode
        return StageResult(code, capture.text(), capture.truncated, fault)

    def is_alive(self) -> bool:
        """Say that this machine can run something more."""
        return True

    def close(self) -> None:
        """Hold nothing."""

    def _start(self, text: str, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        code = encode(text)
        is_long = len(code) > _MAX_VARIABLE
        own = {} if is_long else {_TEXT: text}
        source = subprocess.DEVNULL
        try:
            source = open_input(code) if is_long else source
            return subprocess.Popen(
                ["/bin/sh", "-c", sign_stage(_RUN_LONG if is_long else _RUN, variables.get("PLABCTL_VNODE", ""))],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **variables, **own},
                cwd=self._folder or None,
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            raise ProbeError(Cause.LOCAL, f"the command could not be started here: {format_exception(error)}") from None
        finally:
            if source >= 0:
                os.close(source)

    def _read(self, process: subprocess.Popen[bytes], capture: Capture) -> StageFault | None:
        """Read until the process has ended and its output with it, or nearly so."""
        if process.stdout is None:
            return None
        output = process.stdout.fileno()
        os.set_blocking(output, False)
        ended = os.pidfd_open(process.pid)
        try:
            poll = select.poll()  # not select(): descriptors may be above 1,023
            poll.register(output, select.POLLIN)
            poll.register(ended, select.POLLIN)
            while not capture.is_flood:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if output in ready:
                    data = _read_available(output)
                    if data == b"":
                        poll.unregister(output)
                    capture.add(data or b"")
                if ended in ready:
                    self._read_rest(output, capture)
                    return None
        finally:
            os.close(ended)
        return StageFault.FLOOD

    def _read_rest(self, output: int, capture: Capture) -> None:
        poll = select.poll()
        poll.register(output, select.POLLIN)
        end = self._clock.monotonic() + _QUIET_S
        while not capture.is_flood and (left := end - self._clock.monotonic()) > 0:
            if not poll.poll(left * 1000) or not (data := _read_available(output)):
                return
            capture.add(data)


def _read_available(descriptor: int) -> bytes | None:
    """Return what can be read now, nothing at the end, None if there is nothing yet."""
    try:
        return os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        return None


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the whole group. It is ours as long as the process was not waited for, whatever its number."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
