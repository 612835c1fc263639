"""Very many ticks, with commands that pass and fail and hooks that are told: no process and no file is left by any.

I/O: a process that becomes the parent of whatever its descendants leave, so that it can count it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.lab.sshd import children
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

PR_SET_CHILD_SUBREAPER = 36
_CONFIG = """
state_dir = "state"

[recipe.process]
transport = "local"
setup = { run = "true", timeout = "10s" }
check = { run = "sh -c true & wait; test $((%d %% 5)) != 3 || exit 2", timeout = "10s" }
teardown = { run = "true", timeout = "10s" }

[[hook]]
on = ["probe", "transition", "suspect", "refuted"]
command = ["/bin/sh", "-c", "cat >/dev/null; exit 0"]
"""


def run(options: TortureOptions) -> list[Finding]:
    """Run the ticks one after the other, and return what processes and files they left."""
    folder = options.folder / "ticking"
    folder.mkdir()
    with _adopting():
        return _tick(folder, options)


def _tick(folder: Path, options: TortureOptions) -> list[Finding]:
    environ = {**os.environ, "PLABCTL_STATE_DIR": str(folder / "unused")}
    count = options.count(1000, 2)
    before = set(children(os.getpid()))
    left, failed, files = [], [], []
    _plabctl(folder, environ, "node", "add", "n1", "n2", config=_CONFIG % 0)
    for number in range(count):
        code = _plabctl(folder, environ, "tick", "n1", config=_CONFIG % number)
        failed += [f"tick {number}: exit {code}"] if code else []
        left += [f"tick {number}: {_name(pid)}" for pid in children(os.getpid()) if pid not in before]
        files.append(len(list((folder / "state").rglob("*"))))
    return [
        none_of("processes, dead or alive, that a tick left", left, f"{count} ticks"),
        none_of("ticks that failed", failed, f"{count}"),
        Finding(
            f"files in the state directory after {count} ticks",
            str(files[-1]),
            f"{files[0]}",
            files[-1] <= files[0] + 1,
        ),
    ]


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Be the parent of what descendants leave when they end, but not for what comes afterwards in this process."""
    _set_subreaper(1)
    try:
        yield
    finally:
        _set_subreaper(0)


def _set_subreaper(on: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _plabctl(folder: Path, environ: dict[str, str], *arguments: str, config: str) -> int:
    (folder / "plabctl.toml").write_text(config)
    argv = [sys.executable, "-m", "plabctl", *arguments]
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, check=False).returncode


def _name(pid: int) -> str:
    """Return what a process that was left is, and end it."""
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{pid}/stat").read_text()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return found
    return f"{pid}, gone by now"
