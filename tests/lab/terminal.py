"""Run a command on a terminal of its own and keep what it sends there.

I/O. For what moves or answers keys see `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_on_terminal(
    argv: Sequence[str], folder: Path, environ: Mapping[str, str], *, width: int = 100
) -> tuple[int, bytes]:
    """Run `argv` on a terminal `width` columns wide; return its exit code and all that it sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        list(argv), cwd=folder, env=dict(environ), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    sent = b""
    try:
        while data := _read(ours):
            sent += data
    finally:
        os.close(ours)
        process.kill()
    return process.wait(), sent


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # nobody holds the other side any more
        return b""
