"""Cancel a running probe: on a signal, a person's request or a deadline.

What the probe's thread waits for is registered with its `Cancellation`, together with the action that ends the wait.
`Cancellation.request` may be called from a signal handler and from any thread; none of the actions blocks.
Tests: `tests/probes/test_probe_run.py`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from plabctl.core.model import Cause
from plabctl.probes.probe_error import ProbeError


class Endpoint(Protocol):
    """What can be shut down: a socket, or a tunnel that is used like one."""

    def shutdown(self, how: int, /) -> None:
        """End pending reads and writes, without blocking."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


def hang_up(sock: Endpoint) -> None:
    """Shut a socket down without blocking and without closing it: pending reads and writes on it end.

    Closing is left to its owner. A descriptor that is closed while another thread sits in `recv` could by then be
    somebody else's connection.
    """
    with suppress(OSError):  # not connected yet, or gone already
        sock.shutdown(socket.SHUT_RDWR)


class Cancellation:
    """The one way to stop one probe."""

    def __init__(self) -> None:
        # Re-entrant, because a signal handler may make the cut in the very thread that registers an action.
        self._lock = threading.RLock()
        self._actions: dict[int, Callable[[], object]] = {}
        self._requested = threading.Event()

    @property
    def is_requested(self) -> bool:
        """Return whether the probe is to stop."""
        return self._requested.is_set()

    def request(self) -> None:
        """Tell the probe to stop, now and for ever."""
        self._requested.set()
        with self._lock:
            actions = list(self._actions.values())
        for action in actions:
            with suppress(OSError):  # what should end has ended
                action()

    @contextmanager
    def on_cancel(self, action: Callable[[], object]) -> Iterator[None]:
        """Call `action` on cancellation while the body runs. Raises ProbeError when it was cancelled before."""
        with self._lock:
            key = id(action)
            self._actions[key] = action
        try:
            # Checked after registering: a cut made in between runs the action, one made before is seen here.
            self.check()
            yield
        finally:
            with self._lock:
                del self._actions[key]

    def check(self) -> None:
        """Raise ProbeError if the probe was cancelled."""
        if self.is_requested:
            raise ProbeError(Cause.INTERRUPTED, "interrupted")

    def sleep(self, seconds: float) -> None:
        """Wait; raise ProbeError at once when the probe is cancelled."""
        if self._requested.wait(max(seconds, 0)):
            self.check()
