"""Not everybody logs in at once.

A key exchange is a few milliseconds of work here, so a thousand of them side by side would all be slow together, and a
server that many nodes share would start to drop connections. The gate smooths that; it never stops a probe for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from plabctl.probes.cut import Cut

_WIDTH = 64
_WAIT_S = 2.0
_LOOK_S = 0.25


class Gate:
    """Lets `width` handshakes through at a time, and whoever has waited long enough.

    The wait is bounded because those inside may be nodes that never answer: they must not hold up the others.
    """

    def __init__(self, width: int = _WIDTH, wait_s: float = _WAIT_S) -> None:
        self._places = threading.Semaphore(width)
        self._wait_s = wait_s

    @contextmanager
    def passed(self, budget_s: float, cut: Cut) -> Iterator[None]:
        """Hold a place while the body runs; wait for it at most a quarter of `budget_s`."""
        end = time.monotonic() + min(self._wait_s, budget_s / 4)
        held = self._places.acquire(blocking=False)
        while not held and (left := end - time.monotonic()) > 0:
            held = self._places.acquire(timeout=min(left, _LOOK_S))
            cut.check()
        try:
            yield
        finally:
            if held:
                self._places.release()
