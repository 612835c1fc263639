"""Whether a tick has anything to do: answered from the head of the state alone.

I/O, one short read. Most ticks end here, so nothing is imported that only a busy tick needs.
"""

from __future__ import annotations

from plabctl.app.context import App

CLOCK_SLACK_S = 1.0
"""How far the clock may lie before the last commit without looking set back."""


def is_idle(app: App) -> bool:
    """Say whether nothing is due, running or untold, so that a tick may end at once.

    The answer is no whenever the clock looks set back since the last commit, and with inventories configured, because
    only the body of the state says when those are due. Raise StoreError when the state is damaged.
    """
    head = app.store.head()
    if app.settings.inventories:
        return False
    if head is None or head.wake_at is None:
        return True
    now = app.clock.now()
    return head.saved_at - CLOCK_SLACK_S <= now < head.wake_at
