"""Keeping up with who is using the nodes.

I/O: reads the occupancy sources that are due without any lock, then notes under the lock of the state what is new, with
what releases call for. A source that fails changes nothing but that this is noted. What readings change is decided in
`plabctl.core.occupancy_changes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plabctl.app.due_sources import find_due_occupancies, name_occupancy_stamp
from plabctl.app.reading_locks import lock_due
from plabctl.core.names import fold_name
from plabctl.core.occupancy import read_fault
from plabctl.core.occupancy_changes import OccupancyReading, plan_occupancy
from plabctl.errors import OccupancyFault
from plabctl.kinds import find
from plabctl.occupancy.base import OccupancyKind, read_source
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.occupancy import OccupancySettings

_HINT = "try it with: plabctl doctor"
_UNREAD_HINT = f"what it said last holds for its `stale_after`; {_HINT}"


def sync_due_occupancies(app: App) -> list[OccupancyFault]:
    """Read the occupancy sources that are due, and note what they say; return what went wrong, one fault a source.

    One that another tick is reading is left to it.
    """
    with lock_due(app, find_due_occupancies, name_occupancy_stamp, app.settings.occupancies) as sources:
        return sync_occupancies(app, sources) if sources else []


def sync_occupancies(app: App, sources: Sequence[OccupancySettings]) -> list[OccupancyFault]:
    """Read these occupancy sources now, and note what they say; return what went wrong, one fault a source."""
    settings = app.settings
    previous = {each.name: app.store.last_beat(name_occupancy_stamp(each.name)) for each in sources}
    readings = [(each, _read(app, each), previous[each.name]) for each in sources]
    now = app.clock.now()
    if plan_occupancy(app.store.snapshot(), settings, readings, now):
        with app.store.session() as state:
            stamps = {each.name: app.store.last_beat(name_occupancy_stamp(each.name)) for each in sources}
            readings = [
                (each, replace(reading, is_overtaken=stamps[each.name] != before), before)
                for each, reading, before in readings
            ]
            state.apply(plan_occupancy(state, settings, readings, now))
    for each in sources:
        app.store.beat(name_occupancy_stamp(each.name))
    notes = app.store.snapshot().notes
    faults = ((each.name, *read_fault(notes, each.name)) for each in sources)
    return [
        OccupancyFault(f"occupancy: '{name}': {fault}", hint=_UNREAD_HINT if is_unread else _HINT)
        for name, fault, is_unread in faults
        if fault
    ]


def _read(app: App, source: OccupancySettings) -> OccupancyReading:
    """Return what the source lists, by the names that the nodes have here."""
    reading = read_source(source, app.settings.origin, app.clock.now())
    kind: OccupancyKind = find("occupancy", source.kind)
    if not (kind.name_variable and reading.uses):
        return reading
    names: dict[str, list[str]] = {}
    for node in app.store.snapshot().nodes():
        # Several nodes may claim one name by mistake: whichever it is, none of them is tested beside a job.
        there = node.variables.get(kind.name_variable) or node.name
        names.setdefault(fold_name(there), []).append(fold_name(node.name))
    uses = {name: use for there, use in reading.uses.items() for name in names.get(there, (there,))}
    return replace(reading, uses=uses)
