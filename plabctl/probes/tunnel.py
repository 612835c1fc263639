"""A way through a jump host that is used like a socket.

I/O on the connection to the jump host. Loads paramiko. Made by `plabctl.probes.jump_hosts`.
Tests: `tests/probes/test_jump_hosts.py`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Protocol

import paramiko

from plabctl.clock import Clock
from plabctl.core.recipe import Become
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.shell import Shell, StageFault, StageResult

_WINDOW_WAIT_S = 1.0
"""At the longest in one go; a node that takes nothing must not look like a jump host that takes nothing."""
_SILENT = frozenset({StageFault.LATE, StageFault.LOST, StageFault.NOT_STARTED})


class Link(Protocol):
    """The connection to the jump host, as `plabctl.probes.jump_link` has it."""

    clock: Clock

    def guard_sending(self) -> AbstractContextManager[None]:
        """Send something in the body; where the jump host does not take it, the connection is ended."""
        ...

    def watch(self, is_stuck: Callable[[], bool]) -> None:
        """End the connection if `is_stuck` is still true in a second."""
        ...

    def find_fault(self) -> ProbeError | None:
        """Return what is wrong with the jump host, if anything is."""
        ...


class Tunnel:
    """A channel over the connection to a jump host, with as much of a socket as a transport needs."""

    def __init__(
        self,
        link: Link,
        channel: paramiko.Channel,
        on_close: Callable[[], None],
        haste: ProbeError | None = None,
    ) -> None:
        self.haste = haste
        """Why little time was left for the node when this was open, if so."""
        self._link = link
        self._channel = channel
        self._on_close = on_close
        self._lock = threading.Lock()
        self._is_down = self._is_closed = False
        self._sending_since: float | None = None

    @property
    def _closed(self) -> bool:  # paramiko asks this of a socket
        return self._is_closed

    def settimeout(self, seconds: float | None) -> None:
        """Set the time-out of reads and writes, of a second at most: a transport repeats them."""
        self._channel.settimeout(_WINDOW_WAIT_S if seconds is None else min(seconds, _WINDOW_WAIT_S))

    def setsockopt(self, *option: int) -> None:
        """Set nothing: the options are those of the connection to the jump host."""

    def recv(self, size: int) -> bytes:
        """Return what the node has sent, nothing when there comes no more; TimeoutError as of a socket."""
        return b"" if self._is_down else self._channel.recv(size)

    def send(self, data: bytes) -> int:
        """Send some of `data` and return how much; BrokenPipeError when nothing can be sent any more."""
        if self._is_down:
            raise BrokenPipeError("the tunnel was closed")
        self._sending_since = self._link.clock.monotonic()
        try:
            sent = self._channel.send(data)
        finally:
            self._sending_since = None
        if not sent:
            raise BrokenPipeError("the tunnel was closed from over there")
        return sent

    def shutdown(self, how: int) -> None:
        """End reads and writes, whatever `how`, without a word to the jump host: this must not block."""
        del how
        self._is_down = True
        self._channel.in_buffer.close()
        since = self._sending_since
        if since is not None:
            self._link.watch(partial(self._is_stuck, since))

    def _is_stuck(self, since: float) -> bool:
        return self._sending_since == since

    def close(self) -> None:
        """Give it back, and say so to the jump host."""
        with self._lock:
            if self._is_closed:
                return
            self._is_down = self._is_closed = True
        self._channel.in_buffer.close()
        with self._link.guard_sending(), suppress(paramiko.SSHException, EOFError, OSError):
            self._channel.close()
        self._on_close()

    def find_fault(self) -> ProbeError | None:
        """Return what is wrong with the way, if that is why nothing comes through; asks the jump host."""
        return self._link.find_fault()


Wire = socket.socket | Tunnel


def find_way_fault(sock: object, *, is_late: bool = False) -> ProbeError | None:
    """Return what is wrong with a jump host on the way that `sock` takes; None where there is none, or all is well.

    With `is_late` also that a jump host took most of the time that there was for the login at the node.
    """
    if not isinstance(sock, Tunnel):
        return None
    return sock.find_fault() or (sock.haste if is_late else None)


class ShellBehindJump:
    """A shell at the end of a tunnel: where it falls silent, the jump host is asked whether it is the one to blame."""

    def __init__(self, shell: Shell, tunnel: Tunnel) -> None:
        self._shell = shell
        self._tunnel = tunnel
        self.is_alive = shell.is_alive
        self.close = shell.close

    def run(
        self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
    ) -> StageResult:
        """Run shell code as the shell does; raise ProbeError also when it was a jump host that failed."""
        ran = self._shell.run(text, variables, timeout_s, become)
        if ran.fault in _SILENT and (fault := self._tunnel.find_fault()):
            raise fault
        return ran
