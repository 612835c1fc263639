"""Keeping up with who is using the nodes.

I/O: reads the occupancy sources that are due without any lock, then notes under the lock of the state what is new, with
what releases call for. A source that fails changes nothing but that this is noted. What readings change is decided in
`plabctl.core.occupancy_changes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plabctl.app.due_sources import find_due_occupancies, name_occupancy_stamp
from plabctl.core.occupancy_changes import plan_occupancy
from plabctl.occupancy.base import read_source

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.occupancy import OccupancySettings


def sync_due_occupancies(app: App) -> None:
    """Read the occupancy sources that are due, and note what they say."""
    sync_occupancies(app, find_due_occupancies(app))


def sync_occupancies(app: App, sources: Sequence[OccupancySettings]) -> None:
    """Read these occupancy sources now, and note what they say."""
    settings = app.settings
    previous = {each.name: app.store.last_beat(name_occupancy_stamp(each.name)) for each in sources}
    readings = [(each, read_source(each, settings.origin, app.clock.now()), previous[each.name]) for each in sources]
    now = app.clock.now()
    if plan_occupancy(app.store.snapshot(), settings, readings, now):
        with app.store.session() as state:
            state.apply(plan_occupancy(state, settings, readings, now))
    for each in sources:
        app.store.beat(name_occupancy_stamp(each.name))
