"""Let a tick end while slow sinks are still being told: the rest goes on in a process that outlives it.

I/O: processes. The process that cron started forks before it has threads, locks or files. The tick runs in the new one,
while the first only waits. When all that is left is to wait for sinks, the first one ends with the exit code of the
tick, and the other lets go of cron's pipes and goes on: what it began needs not be begun again. How it went is
committed to the state, and the next tick tells it. The time-outs of the sinks hold there as well, and since one process
at a time tells a sink, there are never more of these than sinks; mostly there is none.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from plabctl.app.context import App
from plabctl.app.signals import STOP_CODES, Stop
from plabctl.contexts import suppress
from plabctl.errors import PlabctlError

PATIENCE_S = 0.5
"""How long a tick waits for its sinks: what they take in this time is told, and complained of, by the tick itself."""
LEAST_S = 0.1
"""How long it waits for those that are told last, if others have used up that time."""
_PR_SET_PDEATHSIG = 1
_STANDARD_STREAMS = 3
_INIT = 1
_UNDER_SYSTEMD = "INVOCATION_ID"
"""The variable that systemd sets; cron passes it on to nobody."""

GoOn = Callable[[Callable[[], bool]], None]
"""Does the rest of some work, unless the given function says that it is to stop."""


class Background:
    """What one tick leaves behind when it ends."""

    def __init__(self, *, may_outlive: bool) -> None:
        """With `may_outlive` false all is done before the tick ends, as for a person who watches it."""
        # The end of the first process of a container is the end of all others in it, and that often ends with its only
        # child: a small init does, and so does a script.
        self._may_outlive = may_outlive and not _may_end_container()
        self._word: int | None = None
        self._left: list[GoOn] = []
        self.patience_s = float("inf")
        """For how many seconds the tick is still to wait for sinks."""

    def prepare(self, app: App) -> None:
        """Go on in a new process if there are sinks, so that the tick can end before it; the caller has no locks yet.

        Where no process can be had, the tick waits for its sinks.
        """
        if not self._may_outlive or self._word is not None or threading.active_count() > 1 or not _has_sinks(app):
            return
        must_wait = _find_rule()
        sys.stdout.flush()
        front = os.getpid()
        reader, writer = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            self._may_outlive = False
            return
        if pid:
            os.close(writer)
            _wait_in_front(pid, reader, must_wait)
        os.close(reader)
        _die_with(front)
        self._word = writer
        self.patience_s = PATIENCE_S

    def add(self, go_on: GoOn) -> None:
        """Take over what is left of some work when the tick ends."""
        self._left.append(go_on)

    def end(self, exit_code: int) -> int:
        """Return the exit code if nothing is left; else end the tick with it, and this process when all is done."""
        if self._word is None or not self._left or exit_code in STOP_CODES:
            return exit_code
        stop = Stop()
        with stop.listen():
            self._outlive(exit_code)
            # First what was added last, as that is over sooner.
            for go_on in reversed(self._left):
                with suppress(PlabctlError):  # the next tick finds the same
                    go_on(lambda: bool(stop))
        os._exit(0)

    def _outlive(self, exit_code: int) -> None:
        """Let the process in front end, and go on without it."""
        assert self._word is not None, "there is a process in front"
        _set_death_signal(0)
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(_STANDARD_STREAMS):  # cron waits until nobody has its pipes open
            os.dup2(nowhere, number)
        os.close(nowhere)
        _close_inherited()
        os.write(self._word, bytes([exit_code]))
        os.close(self._word)


def _may_end_container() -> bool:
    """Return whether this is the first process there is, or its child; systemd is one that goes on: it is asked."""
    return os.getpid() == _INIT or (os.getppid() == _INIT and _UNDER_SYSTEMD not in os.environ)


def _has_sinks(app: App) -> bool:
    """Return whether any is configured, or was ever told of anything, as that of an experiment."""
    return len(app.settings.all_sinks) > 1 or os.path.exists(f"{app.settings.state_dir}/deliver-1.lock")


def _find_rule() -> Callable[[], bool]:
    """Return what says whether the process in front is to wait for the other even when the tick is over."""
    if _UNDER_SYSTEMD not in os.environ:
        return lambda: False
    # Imported here: few need it, and when the tick is over another version may be in its place.
    from plabctl.app.systemd_unit import ends_all_processes

    return ends_all_processes


def _wait_in_front(pid: int, reader: int, must_wait: Callable[[], bool]) -> NoReturn:
    """Wait until the tick in the process `pid` has ended, and end as it did."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    word = os.read(reader, 1)  # nothing when it has ended without a word
    if word:
        if must_wait():
            os.waitpid(pid, 0)
        os._exit(word[0])
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        with suppress(OSError):  # SIGKILL cannot be handled otherwise
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def _close_inherited() -> None:
    """Close what the caller had open besides the standard streams, such as the lock of flock(1)."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return
    for number in numbers:
        with suppress(OSError):  # the one by which they were listed
            if number >= _STANDARD_STREAMS and os.get_inheritable(number):  # Python opens none that is
                os.close(number)


def _die_with(front: int) -> None:
    """Have the kernel kill this process when the one in front is killed, as who kills a tick means all of it."""
    _set_death_signal(signal.SIGKILL)
    if os.getppid() != front:
        os._exit(1)


def _set_death_signal(number: int) -> None:
    import ctypes

    with suppress(OSError, AttributeError):  # a C library without it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
