"""How many probes this process can run within its resource limits.

I/O: asks the system. The window holds for all processes together; this is what one process can run of it. A probe
without a descriptor or memory ends as `unknown`, and when there are too many the state cannot be written either and the
results of the others are lost. So the tick takes fewer slots instead.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

DESCRIPTORS_KEPT = 22
"""For all that is no probe: standard streams, the lock and the files of a commit, the history, a hook's pipes, the
mark of this tick."""
DESCRIPTORS_EACH = 3
"""A probe's slot and its connection, and now and then a key file, a resolver's socket or a command's pipes."""
_UNLIMITED = 1_000_000
BYTES_KEPT = 32 * 1024**2
BYTES_EACH = 2 * 1024**2
"""Two threads, what the SSH library needs for a login, and what the node may print."""


def compute_capacity() -> int:
    """Return how many probes this process can run at once; at least one, which is tried whatever the limits."""
    return max(1, min(_limit_by_descriptors(), _limit_by_memory()))


def _limit_by_descriptors() -> int:
    # The soft limit is raised to the hard one before the first probe.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _divide_limit(hard, DESCRIPTORS_KEPT, DESCRIPTORS_EACH)


def _limit_by_memory() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return _divide_limit(soft, _read_address_space() + BYTES_KEPT, BYTES_EACH)


def _divide_limit(limit: int, kept: int, each: int) -> int:
    return _UNLIMITED if limit == resource.RLIM_INFINITY else (limit - kept) // each


def _read_address_space() -> int:
    """Return the bytes of address space that this process has now; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 0
