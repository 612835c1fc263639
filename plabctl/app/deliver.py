"""Telling what happened: the history first, then the hooks, then the event leaves the outbox.

I/O. An event leaves the outbox only after everybody was told, so that a death in between tells it again; the history
knows an event by its id and keeps it once, a hook gets the id and may do the same.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence

from plabctl.app.context import App
from plabctl.core.model import Event
from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.history.history import History

PAUSE_S = 2.0
"""A long tick tells what happened this often, not after every step."""


class Delivery:
    """Delivers for one process. Only one process delivers at a time: the holder of `deliver.lock`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._outbox: tuple[Event, ...] = ()
        self._told: frozenset[str] = frozenset()
        self._lock: int | None = None
        self._next_at = app.clock.monotonic() + PAUSE_S
        self._fault: StoreError | None = None

    def offer(self, outbox: Sequence[Event]) -> None:
        """Take note of the outbox as it is now, and tell it unless that was done a moment ago."""
        self._outbox = tuple(event for event in outbox if event.id not in self._told)
        if self._outbox and self._app.clock.monotonic() >= self._next_at:
            self._tell()
            self._next_at = self._app.clock.monotonic() + PAUSE_S

    def take_told(self) -> frozenset[str]:
        """Return the ids of events that were told, to be taken out of the outbox by the commit under way.

        They are told again when that commit fails; that is harmless.
        """
        told, self._told = self._told, frozenset()
        return told

    def finish(self) -> None:
        """Tell what is left, take it out of the outbox, and let other processes deliver.

        Raise the StoreError for which something could not be told, now or earlier; it waits in the outbox.
        """
        try:
            self._fault = None
            self._tell()
            if self._told:
                with self._app.store.session() as state:
                    state.apply(Changes(told=self.take_told()))
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None
        if self._fault:
            raise self._fault

    def _tell(self) -> None:
        if not self._outbox or not self._is_ours():
            return
        try:
            with History(self._app.state_dir) as history:
                history.record(self._outbox)
        except StoreError as fault:
            # A damaged history must not keep the pools from being true: the events wait, and we complain at the end.
            self._fault = fault
            return
        self._told |= {event.id for event in self._outbox}
        self._outbox = ()

    def _is_ours(self) -> bool:
        """Say whether we are the process that delivers; if not, that one sees our events, or the next tick does."""
        if self._lock is None:
            path = self._app.state_dir / "deliver.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._lock = descriptor
        return True


def deliver(app: App) -> None:
    """Tell the whole outbox now, for a command that just made an event."""
    delivery = Delivery(app)
    delivery.offer(app.store.snapshot().outbox)
    delivery.finish()
