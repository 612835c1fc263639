"""Stages that run here, on the monitor, as a process group of their own.

I/O. For `transport = "local"`: monitoring plug-ins and whatever else looks at a node from outside.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from functools import partial

from plabctl.clock import Clock
from plabctl.core.model import Cause
from plabctl.core.recipe import Become
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.capture import Capture
from plabctl.probes.orphaned_stage import sign_stage
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.probes.script import encode
from plabctl.probes.shell import StageFault, StageResult
from plabctl.probes.watchdog import Watchdog
from plabctl.process import Command, Ending

_TERM_S = 0.3
"""Seconds between TERM and KILL."""

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

    def run(
        self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
    ) -> StageResult:
        """Run shell code with `variables` exported, for at most `timeout_s`; raise ProbeError when told to stop.

        As the user who runs plabctl: no recipe may say otherwise.
        """
        assert become is Become.NONE
        end = self._clock.monotonic() + timeout_s
        capture = Capture(self._output_limit)

        def take(_: int, data: bytes) -> bool:
            capture.add(data)
            return not capture.is_flood

        command = self._start(text, variables)
        stop, kill = partial(command.send, signal.SIGTERM), partial(command.send, signal.SIGKILL)
        alarms = [self._watchdog.arm(end, stop), self._watchdog.arm(end + _TERM_S, kill)]
        try:
            with self._cancellation.on_cancel(kill):
                ending = command.read(take)
            if ending is not Ending.ENDED:
                kill()
            code = command.wait()
        finally:
            kill()
            command.end()
            for alarm in alarms:
                alarm.disarm()
        self._cancellation.check()
        fault = None
        if alarms[0].fired and code < 0:
            fault = StageFault.LATE
        elif ending is Ending.FLOOD:
            fault = StageFault.FLOOD
        elif code < 0:
            fault = StageFault.ENDED
        return StageResult(None if fault else code, capture.text(), capture.truncated, fault)

    def is_alive(self) -> bool:
        """Return True: this machine can run another command."""
        return True

    def close(self) -> None:
        """Hold nothing."""

    def _start(self, text: str, variables: Mapping[str, str]) -> Command:
        code = encode(text)
        is_long = len(code) > _MAX_VARIABLE
        own = {} if is_long else {_TEXT: text}
        try:
            return Command(
                ["/bin/sh", "-c", sign_stage(_RUN_LONG if is_long else _RUN, variables.get("PLABCTL_VNODE", ""))],
                given=code if is_long else None,
                environ={**os.environ, **variables, **own},
                folder=self._folder,
                joined=True,
            )
        except (OSError, ValueError) as error:
            raise ProbeError(Cause.LOCAL, f"the command could not be started here: {format_exception(error)}") from None
