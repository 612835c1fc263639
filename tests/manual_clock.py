"""A clock that tests move by hand. Pure."""


class ManualClock:
    """A clock that stands still until it is told to go on; it refuses to go back."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return the instant it stands at."""
        return self._now

    def monotonic(self) -> float:
        """Return the same instant: this clock is never set."""
        return self._now

    def uptime(self) -> float:
        """Return the same instant: this machine was booted long ago."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move on by `seconds`, which must not be negative, and return the new instant."""
        if seconds < 0:
            message = f"a manual clock does not go back ({seconds} s)"
            raise ValueError(message)
        self._now = round(self._now + seconds, 3)
        return self._now
