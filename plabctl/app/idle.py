"""Whether a tick has anything to do: answered from the head of the state alone.

I/O, one short read. Most ticks end here, so nothing is imported that only a busy tick needs.
Tests: `tests/app/test_clocks.py`.
"""

from __future__ import annotations

from plabctl.app.context import App
from plabctl.core.clock_trust import SETTLES_S, is_set_back
from plabctl.errors import ClockFault


def is_idle(app: App) -> bool:
    """Return whether nothing is due, running or untold, so that a tick may end at once.

    The answer is no whenever the clock looks set back since the last commit. Raise StoreError when the state is
    damaged.
    """
    head = app.store.head()
    now = app.clock.now()
    if head and head.wake_at is not None:
        # A time further ahead than any wait was written down by a clock that was set back since.
        waits = now < head.wake_at <= now + app.settings.longest_wait_s
        if not waits or is_set_back(now, head.saved_at):
            return False
    if not app.settings.inventories:
        return True
    from plabctl.app.sync_inventories import find_due_inventories

    return not find_due_inventories(app)


def is_clock_settling(app: App) -> bool:
    """Return whether the clock cannot be believed yet, but may soon be set, as this machine was booted a moment ago.

    Raise ClockFault when it cannot be believed and that is no excuse any more.
    """
    why = app.store.explain_clock_doubt()
    if why and app.clock.uptime() >= SETTLES_S:
        raise ClockFault(why, hint="set the clock; until then nothing is tested and no node moves")
    return bool(why)
