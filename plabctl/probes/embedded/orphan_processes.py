"""Find and kill the processes that a node's commands left in the background.

I/O. A vnode is meant to outlive the command that set it up, so neither channel nor process group leads to it any
more; the environment that it was started with still does. Go on with `ssh_node`.
Tests: `tests/probes/embedded/test_ssh_node.py`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

ROUNDS = 20
PAUSE_S = 0.05


def find_marked(mark: str) -> list[int]:
    """Return the running processes whose environment holds the `NAME=value` in `mark`."""
    wanted = mark.encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # Another user's process cannot be read, and one that has ended has no environment: neither is ours to kill.
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


def kill_marked(mark: str) -> None:
    """Kill every process with that mark, and again, as one may have started another meanwhile; a second at most."""
    for _ in range(ROUNDS):
        found = find_marked(mark)
        if not found:
            return
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(PAUSE_S)
