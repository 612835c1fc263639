"""Wait for something to become true, with an end.

I/O: it sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], bool], *, within_s: float = 60.0, every_s: float = 0.01) -> bool:
    """Return True when `is_so()` is true, asked `every_s`; False when it is not within `within_s`."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
