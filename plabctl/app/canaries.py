"""Check the canaries: machines that answer whenever we ourselves are connected.

I/O: one TCP connection to each, all at once, with a short deadline. What follows when none answers is
decided in `plabctl.core.guard.evaluate`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

from plabctl.clock import Clock

TIMEOUT_S = 2.0
STOPPED_S = 2.0
"""By how much more than that the asking must have taken for us to have been stopped meanwhile."""
KEEP_S = 10.0
"""How long an answer holds: failures come in crowds."""


class Canaries:
    """The canaries of one installation, asked only when something fails."""

    def __init__(self, targets: Sequence[str], clock: Clock) -> None:
        self._targets = targets
        self._clock = clock
        self._asked_at = float("-inf")
        self._answer: bool | None = None

    def are_all_silent(self) -> bool | None:
        """Return whether no canary answers, asking them at most every 10 s; None when there are none."""
        if self._targets and self._clock.monotonic() - self._asked_at >= KEEP_S:
            began = self._clock.monotonic()
            self._answer = not _has_answer(self._targets)
            if self._answer and self._clock.monotonic() - began > TIMEOUT_S + STOPPED_S:
                # This process was stopped meanwhile, so nothing listened for the answers.
                self._answer = not _has_answer(self._targets)
            self._asked_at = self._clock.monotonic()
        return self._answer


def _has_answer(targets: Sequence[str]) -> bool:
    answered = threading.Event()
    left = threading.Semaphore(0)

    def ask(target: str) -> None:
        host, _, port = target.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_S).close()
        except ConnectionRefusedError:
            answered.set()  # nobody listens, but the machine said so
        except OSError:
            pass
        else:
            answered.set()
        left.release()

    for target in targets:
        # A daemon: the resolver knows no deadline, and must not keep us at exit.
        try:
            threading.Thread(target=ask, args=(target,), daemon=True).start()
        except RuntimeError:  # no thread to be had: a machine that cannot even ask had better move nobody
            left.release()
    for _ in targets:
        if answered.is_set() or not left.acquire(timeout=TIMEOUT_S + 1):
            break
    return answered.is_set()
