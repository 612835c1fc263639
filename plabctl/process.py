"""Run a command of this machine so that it cannot hold us up: a group of its own, a deadline, capped output.

I/O. The only place that starts programs; `tests/test_architecture.py` lists the exceptions. `run` is for most of them:
sources of nodes, hooks, crontab(1). `Command` is for those who end one from another thread, as
`plabctl.probes.local_shell` does. A command that leaves children behind is not waited for, and they are left alone; at
the deadline the whole group is killed.
"""

from __future__ import annotations

import errno
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import NamedTuple

from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted

_TERM_S = 0.3
"""Between asking a command to end and killing it."""
_LOOK_S = 0.05
"""How often a command is looked at where there is no descriptor by which to wait for its end."""
_QUIET_S = 0.2
"""How long the output of a command that has ended is read; a child of it may keep it open for ever."""
_REAP_S = 1.0
_READ_BYTES = 65536
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


class CommandResult(NamedTuple):
    """How a command went. `fault` is empty when it ended by itself, whatever its exit code says."""

    exit_code: int | None
    output: bytes
    errors: bytes
    fault: str = ""
    never_ran: bool = False
    """It could not be started at all, and that is not for want of something that this machine may have again soon."""


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    keep_bytes: int,
    flood_bytes: int,
    given: bytes = b"",
    variables: Mapping[str, str] | None = None,
    folder: str = "",
    owners: Collection[int] = (),
    on_start: Callable[[Command], None] | None = None,
) -> CommandResult:
    """Run `argv` without a shell in `folder`, `given` on its standard input and `variables` added to its environment.

    A program named by a path is run only if root, the current user or `owners` alone decide which file that is.

    Of its output and of its errors `keep_bytes` each are kept; a command that prints more than `flood_bytes` in all is
    killed. `on_start` gets the command, for another thread to end. It never raises: the result says what went wrong.
    """
    try:
        _refuse_untrusted(argv[0], folder, owners)
        command = Command(argv, given=given, environ={**os.environ, **(variables or {})}, folder=folder)
    except Untrusted as error:
        return CommandResult(None, b"", b"", f"is not run: {error}", never_ran=True)
    except (OSError, ValueError) as error:
        never_ran = getattr(error, "errno", None) not in _SHORT
        return CommandResult(None, b"", b"", f"cannot be run: {_explain_error(error)}", never_ran=never_ran)
    try:
        if on_start:
            on_start(command)
        return _wait_for(command, timeout_s, keep_bytes, flood_bytes)
    finally:
        command.end()  # here also when a signal cut in: nothing of ours goes on running behind our back


def _wait_for(command: Command, timeout_s: float, keep_bytes: int, flood_bytes: int) -> CommandResult:
    kept, total = (bytearray(), bytearray()), 0

    def keep(number: int, data: bytes) -> bool:
        nonlocal total
        kept[number].extend(data[: max(0, keep_bytes - len(kept[number]))])
        total += len(data)
        return total <= flood_bytes

    code, fault = None, f"printed more than {flood_bytes} bytes"
    ending = command.read(keep, timeout_s)
    if ending is Ending.LATE:
        fault = f"did not end within {timeout_s:g} s"
    elif ending is Ending.ENDED:
        code = command.wait()
        fault = f"was ended by signal {-code}" if code < 0 else ""
    return CommandResult(None if fault else code, bytes(kept[0]), bytes(kept[1]), fault)


def _refuse_untrusted(program: str, folder: str, owners: Collection[int]) -> None:
    if "/" in program and program != sys.executable:  # that one runs us already
        path = f"{folder}/{program}" if folder and not program.startswith("/") else program
        with suppress(OSError):  # it is reported in the same words when the program is started
            os.close(open_trusted(path, os.O_PATH, owners=owners).fd)


def _explain_error(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


class Ending(Enum):
    """Why no more was read: the command has ended, the time is over, or the reader wants no more."""

    ENDED = auto()
    LATE = auto()
    FLOOD = auto()


class Command:
    """A command in a process group of its own. The caller that started it calls `end`; any thread may call `send`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        given: bytes | None = None,
        folder: str = "",
        joined: bool = False,
    ) -> None:
        """Start `argv` in `folder`, with `given` on its standard input; if `joined`, errors count as output.

        Raise OSError, or ValueError for arguments that no program can have.
        """
        source = subprocess.DEVNULL if given is None else _open_input(given)
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if joined else subprocess.PIPE,
                env=environ,
                cwd=folder or None,
                start_new_session=True,
                bufsize=0,
            )
        finally:
            if source >= 0:
                os.close(source)
        self._pipes = [pipe for pipe in (self._process.stdout, self._process.stderr) if pipe]

    def read(self, take: Callable[[int, bytes], bool], timeout_s: float = math.inf) -> Ending:
        """Read until the command has ended, and its output with it or nearly so, but for no longer than `timeout_s`.

        Each piece is given to `take`, with 0 for output and 1 for errors; it returns whether more is wanted.
        """
        reader = _Reader([pipe.fileno() for pipe in self._pipes], take)
        end = time.monotonic() + timeout_s
        with reader.watch_end(self._process.pid) as longest_s:
            while not self._is_dead():
                left = end - time.monotonic()
                if left <= 0:
                    return Ending.LATE
                reader.read(min(left, longest_s))
                if reader.is_full:
                    return Ending.FLOOD
        quiet_at = time.monotonic() + _QUIET_S
        while reader.numbers and not reader.is_full and reader.read(quiet_at - time.monotonic()):
            pass
        return Ending.ENDED

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless the command has ended and was waited for."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _is_dead(self) -> bool:
        # It is not reaped here: until it is, its number and that of its group cannot become another's.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> int:
        """Wait for the end of the command and return its exit code; below zero, the signal that ended it."""
        return self._process.wait()

    def end(self) -> None:
        """Kill the command's group if the command has not ended, first kindly, reap it, and close our ends."""
        if self._process.poll() is None:
            self.send(signal.SIGTERM)
            end = time.monotonic() + _TERM_S
            while time.monotonic() < end and not self._is_dead():
                time.sleep(_LOOK_S / 5)
            self.send(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: we go on without it
                self._process.wait(_REAP_S)
        for pipe in self._pipes:
            pipe.close()


class _Reader:
    """Reads what a command prints, as it comes."""

    def __init__(self, descriptors: Sequence[int], take: Callable[[int, bytes], bool]) -> None:
        self.numbers = {descriptor: number for number, descriptor in enumerate(descriptors)}
        self._take = take
        self._poll = select.poll()  # not select(): descriptors may be above 1,023
        self.is_full = False
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)

    @contextmanager
    def watch_end(self, pid: int) -> Iterator[float]:
        """In the block, let a `read` return when the process has ended; yield how many seconds one may wait."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # a kernel without it, or no descriptor left
            yield _LOOK_S
            return
        self._poll.register(descriptor, select.POLLIN)
        try:
            yield math.inf
        finally:
            self._poll.unregister(descriptor)
            os.close(descriptor)

    def read(self, wait_s: float) -> bool:
        """Read what is there, waiting for it at most `wait_s`; return whether there was anything."""
        ready = self._poll.poll(None if wait_s == math.inf else max(0.0, wait_s) * 1000)
        for descriptor, _ in ready:
            if descriptor in self.numbers:
                if data := os.read(descriptor, _READ_BYTES):
                    self.is_full |= not self._take(self.numbers[descriptor], data)
                else:
                    self._poll.unregister(descriptor)
                    del self.numbers[descriptor]
        return bool(ready)


def _open_input(data: bytes) -> int:
    """Return a descriptor that reads `data`: a file in memory, as a pipe blocks us on a command that does not read."""
    descriptor = os.memfd_create("plabctl-input", os.MFD_CLOEXEC)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
