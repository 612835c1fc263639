"""A network of the test's own: namespaces that end with the process that asked for them.

I/O, root. One keeper process holds a network, a mount and a process namespace, with a bridge in it. It ends when its
standard input closes, which the kernel does for us however the test ends; being the first process of its process
namespace, it takes every process in there with it, and the networks go with the last of them. So there is nothing to
sweep and no name that could clash: nothing is seen from outside. Go on with `tests.lab.hosts`.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.requirements import program
from tests.lab.sshd import children
from tests.lab.wait_until import wait_until

PREFIX = "10.213"
ADDRESS = f"{PREFIX}.0.1"
"""Where we are."""
# The kernel walks through its whole table of connections for each look at it. A network that is made from here has a
# table of its own, where the kernel can do that (6.1), and not a share of the machine's, which takes milliseconds.
_SMALL_TABLE = "echo 512 2>/dev/null >/proc/sys/net/ipv4/tcp_child_ehash_entries || true"
_KEEPER = f"""
{_SMALL_TABLE}
ip link set lo up
ip link add lab type bridge
ip addr add {ADDRESS}/16 dev lab
ip link set lab up
echo ready
exec cat >/dev/null
"""


class Network:
    """The test's own network; we are `ADDRESS` in it."""

    def __init__(self) -> None:
        self._keeper: subprocess.Popen[bytes] | None = None
        self.pid = 0
        """The keeper, as seen from outside."""

    def __enter__(self) -> Self:
        flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        within = ["sh", "-ec", f'{_SMALL_TABLE}; exec "$@"', "sh", program("unshare"), *flags, "sh", "-ec", _KEEPER]
        self._keeper = spawn([program("unshare"), "--net", *within])
        read_ready(self._keeper)
        self.pid = children(self._keeper.pid)[0]
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        assert self._keeper
        end(self._keeper)

    def inside(self) -> list[str]:
        """Return what to put before a command that is to run here in all but the network."""
        return [program("nsenter"), "--target", str(self.pid), "--net", "--"]

    def within(self) -> list[str]:
        """Return what to put before a command that is to end with the network, at the latest."""
        return [program("nsenter"), "--target", str(self.pid), "--net", "--pid", "--mount", "--"]

    def ip(self, *args: str) -> None:
        """Run `ip` in the network."""
        subprocess.run([*self.inside(), program("ip"), *args], check=True, timeout=20)


class Watch:
    """Counts connections to one port while its `with` block runs: `most` is how many there were at once.

    `pids` are processes, one in each network from which they are made. The kernel's list of connections is read every
    `every_s`, which takes milliseconds. It has what processes that live hold open, and nothing of one that was killed.
    Reading takes a while, in which some end and others begin; those that stand in two readings, one after the other,
    were there together. So a count above a window proves that the window was exceeded.
    """

    _ESTABLISHED = "01"

    def __init__(self, pids: Iterable[int], port: int, *, every_s: float = 0.015) -> None:
        self._tables = [Path(f"/proc/{pid}/net/tcp") for pid in pids]
        self._far_end = f":{port:04X}"
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        before: set[tuple[str, str]] = set()
        while not self._is_over.wait(self._every_s):
            rows = [line.split() for table in self._tables for line in table.read_text().splitlines()[1:]]
            now = {(row[1], row[2]) for row in rows if row[3] == self._ESTABLISHED and row[2].endswith(self._far_end)}
            self.most = max(self.most, len(before & now))
            before = now


def spawn(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that we talk to through its standard input and output."""
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def read_ready(process: subprocess.Popen[bytes]) -> None:
    """Wait for the line `ready`."""
    assert process.stdout
    line = process.stdout.readline()
    assert line == b"ready\n", f"{process.args!r} said {line!r}"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours and wait for it."""
    with contextlib.suppress(BrokenPipeError):
        if process.stdin:
            process.stdin.close()
    process.kill()
    process.wait(timeout=20)
    if process.stdout:
        process.stdout.close()


def innermost(pid: int, depth: int) -> int:
    """Return the process `depth` generations below `pid`, where each has one child."""
    for _ in range(depth):
        assert wait_until(lambda: bool(children(pid))), f"process {pid} has no child"  # noqa: B023 - called at once
        pid = children(pid)[0]
    return pid
