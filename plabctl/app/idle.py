"""Whether a tick has anything to do: answered from the head of the state alone.

I/O, one short read. Most ticks end here, so nothing is imported that only a busy tick needs.
"""

from __future__ import annotations

from plabctl.app.context import App

CLOCK_SLACK_S = 1.0
"""How far the clock may lie before the last commit without looking set back."""


def is_idle(app: App) -> bool:
    """Say whether nothing is due, running or untold, so that a tick may end at once.

    The answer is no whenever the clock looks set back since the last commit. With inventories configured the body of
    the state is read too, because only that says when they are due. Raise StoreError when the state is damaged.
    """
    head = app.store.head()
    now = app.clock.now()
    if head and head.wake_at is not None and not head.saved_at - CLOCK_SLACK_S <= now < head.wake_at:
        return False
    if not app.settings.inventories:
        return True
    from plabctl.app.inventories import due_inventories  # noqa: PLC0415 - only with inventories

    return not due_inventories(app, app.store.snapshot().notes)
