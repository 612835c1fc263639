"""When the clock was set back, and when it is not to be believed at all.

Pure, and light to import: every idle tick asks. What is done about a clock that was set back is in `clock_skew`.
"""

from __future__ import annotations

SLACK_S = 1.0
"""How far the clock may lie before the last commit without having been set back."""
SETTLES_S = 600.0
"""How long after a boot a clock that lies behind may still be waiting for its time server."""
NEVER_BEFORE = 1_000_000_000.0
"""In 2001. A clock that is behind that was never set since it lost its power."""


def explain_distrust(now: float, saved_at: float, uptime_s: float, *, is_same_boot: bool = False) -> str:
    """Return why the clock cannot be believed, nothing when it can.

    `saved_at` is when the state was last changed, and `is_same_boot` says that this was done since the last boot. By
    then the clock had been believed, so that it does not wait for its time server any more: it was corrected.
    """
    if now < NEVER_BEFORE:
        return "the clock of this machine is not set: it is far in the past"
    if is_set_back(now, saved_at) and uptime_s < SETTLES_S and not is_same_boot:
        return "this machine has just been booted, and its clock is behind the last change of the state"
    return ""


def is_set_back(now: float, saved_at: float) -> bool:
    """Return whether the clock was set back since the state was last changed."""
    return now < saved_at - SLACK_S
