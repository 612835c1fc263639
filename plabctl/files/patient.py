"""Read a file that a person named, whatever it is, without waiting for ever.

I/O. A pipe is waited for, as a shell makes one of `<(command)`; one that nobody writes to is given up in time.
Tests: `tests/files/test_patient.py`.
"""

from __future__ import annotations

import os
import select
import time

_CHUNK = 1024**2


def read_in_time(path: str, most_bytes: int, seconds: float) -> bytes:
    """Return what is in the file at `path`, at most so many bytes.

    Raise TimeoutError when its end, or that many bytes, did not come within so many seconds, else OSError.
    """
    end = time.monotonic() + seconds
    parts, left = [], most_bytes
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ready = select.poll()
        ready.register(descriptor, select.POLLIN)
        while left > 0:
            if not ready.poll(max(0.0, end - time.monotonic()) * 1000):
                raise TimeoutError(f"nothing came from it within {seconds:g} s")
            part = os.read(descriptor, min(left, _CHUNK))
            if not part:
                break
            parts.append(part)
            left -= len(part)
    finally:
        os.close(descriptor)
    return b"".join(parts)
