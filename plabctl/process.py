"""Run a command of this machine so that it cannot hold us up: a group of its own, a deadline, capped output.

I/O. For what the operator names in the configuration: sources of nodes and hooks. A command that leaves children behind
is not waited for, and they are left alone; at the deadline the whole group is killed.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted

_TERM_S = 0.3
"""Between asking a command to end and killing it."""
_LOOK_S = 0.05
"""How often a command is looked at whose output stays open."""
_QUIET_S = 0.2
"""How long the output of a command that has ended is still read; a child of it may keep it open for ever."""
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
) -> CommandResult:
    """Run `argv` without a shell in `folder`, `given` on its standard input and `variables` added to its environment.

    A program named by a path is run only if root, the current user or `owners` alone decide which file that is.

    Of its output and of its errors `keep_bytes` each are kept; a command that prints more than `flood_bytes` in all is
    killed. It never raises: what went wrong is in the result.
    """
    try:
        _refuse_untrusted(argv[0], folder, owners)
        process = _start(argv, given, {**os.environ, **(variables or {})}, folder)
    except Untrusted as error:
        return CommandResult(None, b"", b"", f"is not run: {error}", never_ran=True)
    except (OSError, ValueError) as error:
        is_ours = isinstance(error, OSError) and error.errno in _SHORT
        return CommandResult(None, b"", b"", f"cannot be run: {_explain_error(error)}", never_ran=not is_ours)
    try:
        return _wait_for(process, timeout_s, keep_bytes, flood_bytes)
    finally:
        # Here also when a signal cut in: nothing of ours goes on running behind our back.
        _end(process)


def _refuse_untrusted(program: str, folder: str, owners: Collection[int]) -> None:
    if "/" in program:
        path = f"{folder}/{program}" if folder and not program.startswith("/") else program
        with suppress(OSError):  # it is told in the same words when it is started
            os.close(open_trusted(path, os.O_PATH, owners=owners).fd)


def _start(argv: Sequence[str], given: bytes, environ: Mapping[str, str], folder: str) -> subprocess.Popen[bytes]:
    source = open_input(given)
    try:
        return subprocess.Popen(
            list(argv),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            cwd=folder or None,
            start_new_session=True,
            bufsize=0,
        )
    finally:
        os.close(source)


def open_input(data: bytes) -> int:
    """Return a descriptor that reads `data`: a file in memory, as a pipe blocks us on a command that does not read."""
    descriptor = os.memfd_create("plabctl-input", os.MFD_CLOEXEC)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class _Capture:
    """What was printed, and how much of it."""

    def __init__(self, process: subprocess.Popen[bytes], keep_bytes: int) -> None:
        assert process.stdout, "it was asked for"
        assert process.stderr, "it was asked for"
        self.total = 0
        self._keep = keep_bytes
        self._kept = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
        self.output, self.errors = self._kept.values()
        self._poll = select.poll()  # not select(): descriptors may be above 1,023
        self.open = len(self._kept)
        for descriptor in self._kept:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)

    def read(self, wait_s: float) -> bool:
        """Read what is there, waiting for it at most `wait_s`; say whether there was anything."""
        ready = self._poll.poll(max(0.0, wait_s) * 1000)
        for descriptor, _ in ready:
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                self._poll.unregister(descriptor)
                self.open -= 1
            kept = self._kept[descriptor]
            kept += data[: max(0, self._keep - len(kept))]
            self.total += len(data)
        return bool(ready)


def _wait_for(process: subprocess.Popen[bytes], timeout_s: float, keep_bytes: int, flood_bytes: int) -> CommandResult:
    capture = _Capture(process, keep_bytes)
    fault = _follow(process, capture, timeout_s, flood_bytes)
    if not fault:
        quiet_at = time.monotonic() + _QUIET_S
        while capture.open and capture.total <= flood_bytes and capture.read(quiet_at - time.monotonic()):
            pass
        if process.returncode < 0:
            fault = f"was ended by signal {-process.returncode}"
    return CommandResult(None if fault else process.returncode, bytes(capture.output), bytes(capture.errors), fault)


def _follow(process: subprocess.Popen[bytes], capture: _Capture, timeout_s: float, flood_bytes: int) -> str:
    """Read until the command has ended by itself; return what it did wrong if it did not."""
    end = time.monotonic() + timeout_s
    while process.poll() is None:
        left = end - time.monotonic()
        if left <= 0:
            return f"did not end within {timeout_s:g} s"
        if capture.open:
            capture.read(min(left, _LOOK_S))
        else:
            time.sleep(min(left, _LOOK_S))
        if capture.total > flood_bytes:
            return f"printed more than {flood_bytes} bytes"
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the command's group if the command has not ended, reap it, and close our ends."""
    if process.poll() is None:
        # The group's number cannot become another's as long as the command has not been reaped.
        os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + _TERM_S
        while time.monotonic() < end and not _is_dead(process):
            time.sleep(_LOOK_S / 5)
        os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: we go on without it
            process.wait(_REAP_S)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _is_dead(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the command has ended, without reaping it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _explain_error(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
