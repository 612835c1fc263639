"""Write events into the history at once, for commands that have just made some; the next tick tells the sinks.

I/O. Go on with `plabctl.app.deliver`.
Tests: `tests/app/test_deliver.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from plabctl.app.context import App
from plabctl.app.deliver import Delivery
from plabctl.core.model import Event
from plabctl.errors import PlabctlError


def record_events(app: App, events: Sequence[Event]) -> None:
    """Write the committed `events` into the history at once, for a command that has just made some of them.

    They stay in the outbox, from which the next tick takes them when all are told. Raise StoreError when the history
    cannot be written.
    """
    Delivery(app).record(events)


def try_record_events(app: App, events: Sequence[Event]) -> str:
    """Write the committed `events` into the history at once; return what to warn of when that failed."""
    try:
        record_events(app, events)
    except (PlabctlError, OSError) as error:
        return f"the change is made; the next tick will tell the history of it ({error})"
    return ""
