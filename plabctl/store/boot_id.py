"""Which run of the machine this is: claims made before the last boot are void.

I/O. Go on with `plabctl.core.claim`.
Tests: `tests/store/test_tick_log.py`.
"""

from __future__ import annotations

_PATH = "/proc/sys/kernel/random/boot_id"
UNKNOWN_BOOT = "unknown"


def read_boot_id() -> str:
    """Return a name for this run of the machine, `unknown` where the kernel gives none.

    Without it claims still end by their slot and by their deadline.
    """
    try:
        with open(_PATH, encoding="ascii") as file:
            return file.read().strip() or UNKNOWN_BOOT
    except (OSError, UnicodeDecodeError):
        return UNKNOWN_BOOT
