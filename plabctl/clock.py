"""The one place that reads the time, and which run of the machine this is.

I/O. `core/` never asks: it is told `now`. Tests hand in a clock that they move by hand.
"""

from __future__ import annotations

import time

from plabctl.typed import Protocol


class Clock(Protocol):
    """What the rest of the program may ask about time."""

    def now(self) -> float:
        """Return seconds since 1970 (UTC), to the millisecond."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that is never set, for measuring durations."""
        ...

    def uptime(self) -> float:
        """Return seconds since this machine was booted, sleep included: never set, and the same for all processes."""
        ...


_BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"
UNKNOWN_BOOT = "unknown"
PLAUSIBLE_FROM = 1_000_000_000.0
"""In 2001. A clock that is behind that is not set. The same as `plabctl.core.clock_skew.NEVER_BEFORE`."""


class SystemClock:
    """The machine's clocks.

    A process that has once seen a plausible time keeps it: when the clock is then set to before 2001, it goes on
    counting by the uptime, so that work under way can be completed.
    """

    def __init__(self) -> None:
        self._plausible: tuple[float, float] | None = None
        """The last plausible time and the uptime at that moment."""

    def now(self) -> float:
        """Return seconds since 1970 (UTC), to the millisecond."""
        now = time.time()
        if now >= PLAUSIBLE_FROM:
            self._plausible = now, self.uptime()
        elif self._plausible:
            then, uptime_s = self._plausible
            now = then + self.uptime() - uptime_s
        return round(now, 3)

    def monotonic(self) -> float:
        """Return seconds on a clock that is never set, for measuring durations."""
        return time.monotonic()

    def uptime(self) -> float:
        """Return seconds since this machine was booted, sleep included: never set, and the same for all processes."""
        boottime = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
        return round(time.monotonic() if boottime is None else time.clock_gettime(boottime), 3)


def read_boot_id() -> str:
    """Return a name for this run of the machine, `unknown` where the kernel gives none.

    Without it claims still end by their slot and by their deadline.
    """
    try:
        with open(_BOOT_ID_PATH, encoding="utf-8") as file:
            return file.read().strip() or UNKNOWN_BOOT
    except (OSError, UnicodeDecodeError):
        return UNKNOWN_BOOT
