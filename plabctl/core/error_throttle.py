"""Report a repeating error once, then hourly, then once when it is over.

Pure. Cron mails whatever a job prints: the same line every minute makes people stop reading.
"""

from __future__ import annotations

from plabctl.durations import format_duration
from plabctl.values import dataclass

REPEAT_S = 3600.0


@dataclass(frozen=True, slots=True)
class RepeatedError:
    """A lasting error: its text, since when, when it was last reported, and how often it occurred."""

    text: str
    since_at: float
    told_at: float
    count: int = 1
    last_at: float = 0.0
    """When it came last."""
    kind: str = ""
    """The `ProblemKind` that it is a case of; empty when it is no known one."""


def throttle_error(
    before: RepeatedError | None, text: str, now: float, kind: str = ""
) -> tuple[RepeatedError, str | None]:
    """Return the error to remember, and what to report now: nothing if the same was reported within the hour.

    It may seem to have been said a moment from now: a tick that began earlier and ends later knows an older time.
    """
    if before is None or before.text != text or before.told_at - now > REPEAT_S:
        return RepeatedError(text, now, now, 1, now, kind), text
    count = before.count + 1
    if now - before.told_at < REPEAT_S:
        return RepeatedError(text, before.since_at, before.told_at, count, now, kind), None
    lasted = format_duration(now - before.since_at)
    said = f"{text}\nplabctl: the same for {lasted} now, {count} times"
    return RepeatedError(text, before.since_at, now, count, now, kind), said


def format_recovery(before: RepeatedError, now: float) -> str:
    """Return what to say when the error is over."""
    lasted = format_duration(max(0.0, now - before.since_at))
    times = "once" if before.count == 1 else f"{before.count} times"
    return f"plabctl: all is well again; what had failed {times} over {lasted} was:\n{before.text}"
