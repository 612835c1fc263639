"""What a test leaves behind: processes that it started and did not end, files that it did not close.

I/O. `tests/conftest.py` asks after each test; all objects are looked at (50 ms) only when a process is left. A test
that passes and leaves a process is failed for it. When a test fails, its local variables live on in the traceback, and
with them what they hold; a later test would be blamed for it.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import traceback
import warnings
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from tests.lab.sshd import children, descendants

WAIT_S = 10.0
SHARED: set[int] = set()
"""Processes that live longer than one test, such as the sshd that a session's tests use."""
PARENTS: set[int] = set()
"""Those of them that start others in our place, and wait for them."""


def running() -> set[int]:
    """Return the processes that this one has started, or had started, and nobody has waited for yet."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there is none: that costs nothing, to look at each thread for its own does
        return set()
    return {pid for parent in (os.getpid(), *PARENTS) for pid in children(parent)}


def described(pid: int) -> str:
    """Return the process id with the command line, as far as there still is one."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return f"{pid} ({b' '.join(words).decode(errors='replace').strip()[:200] or 'ended, but not waited for'})"


def end(pids: Collection[int]) -> None:
    """Kill these children of ours and all that they started, wait for them, and close the pipes to them."""
    if not pids:
        return
    for pid in [each for top in pids for each in (top, *descendants(top))]:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for each in gc.get_objects():
        if isinstance(each, subprocess.Popen) and each.pid in pids:
            _finish(each)
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def reap_adopted(pids: Collection[int]) -> set[int]:
    """Wait for those that have ended and that nobody here started, and return them.

    A test that makes itself the reaper of orphans leaves that to the tests after it: orphans of theirs come to us.
    """
    if not pids:
        return set()
    started = {each.pid for each in gc.get_objects() if isinstance(each, subprocess.Popen)}
    reaped = set()
    for pid in set(pids) - started:
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                reaped.add(pid)
    return reaped


def forget_locals(error: BaseException | None) -> None:
    """Let go of the local variables in the tracebacks of `error`, which closes the files that only they held."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__


def _finish(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(WAIT_S)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
