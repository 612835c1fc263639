"""Keeping the nodes what the inventories list.

I/O: reads the inventories that are due without any lock, then makes the changes under the lock of the state, if there
are any: a reading with nothing new commits nothing. A source that fails, or is not believed, changes nothing and is
read again at its next turn. What the readings change is decided in `plabctl.app.plan_inventories`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plabctl.app.context import App
from plabctl.app.due_sources import find_due_inventories, name_stamp
from plabctl.app.plan_inventories import SourceChanges, make_key_finder, plan_sources
from plabctl.app.reading_locks import lock_due
from plabctl.core import absences, enrolment, node_orders
from plabctl.core.settings import InventorySettings
from plabctl.core.source_note import SourceNote, make_source_note
from plabctl.core.state import Changes
from plabctl.errors import InventoryFault, UsageFault
from plabctl.inventories.fetch import fetch
from plabctl.store.tables import pause_collection
from plabctl.views.sources import SourceView, list_source_views

if TYPE_CHECKING:
    from plabctl.store.session import Session


def sync_due_inventories(app: App) -> list[InventoryFault]:
    """Read the inventories that are due and change the nodes; return what went wrong, one fault a source.

    One that another tick is reading is left to it.
    """
    if not app.settings.inventories:
        return []
    with lock_due(app, find_due_inventories, name_stamp, app.settings.inventories) as inventories:
        return list_faults(sync_inventories(app, inventories)) if inventories else []


def sync_inventories(
    app: App, inventories: Sequence[InventorySettings], *, is_accepted: bool = False, is_rehearsal: bool = False
) -> list[SourceChanges]:
    """Read `inventories` now and change the nodes; return what was changed, source by source.

    With `is_accepted` a person has seen what they drop, and it is believed at once. In a rehearsal nothing is changed.
    """
    with pause_collection():
        fetched = [(inventory, fetch(inventory, app.settings.origin)) for inventory in inventories]
        find_keys = make_key_finder(app)
        plans = plan_sources(app, app.store.snapshot(), fetched, find_keys, is_accepted=is_accepted)
        if is_rehearsal:
            return plans
        if any(plans):
            with app.store.session() as state:
                plans = plan_sources(app, state, fetched, find_keys, is_accepted=is_accepted)
                for plan in plans:
                    _apply(app, state, plan)
    for inventory in inventories:
        app.store.beat(name_stamp(inventory.name))
    return plans


def list_sources(app: App) -> list[SourceView]:
    """Return the sources of nodes as they are now."""
    read_at = {each.name: app.store.last_beat(name_stamp(each.name)) for each in app.settings.inventories}
    return list_source_views(app.store.snapshot(), app.settings, read_at)


def choose_sources(app: App, names: Sequence[str]) -> list[InventorySettings]:
    """Return the sources of these names, all without any; raise UsageFault when there is none of a name."""
    known = {each.name: each for each in app.settings.inventories}
    if not known:
        raise UsageFault("no inventory is configured", hint="add an [[inventory]] table; see: plabctl config sample")
    for name in names:
        if name not in known:
            raise UsageFault(f"no inventory is named {name!r}", hint=f"they are: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def list_faults(plans: Sequence[SourceChanges]) -> list[InventoryFault]:
    """Return what went wrong, one fault a source."""
    return [InventoryFault(f"inventory: {plan.note.fault}", hint=_find_hint(plan)) for plan in plans if plan.note.fault]


def _find_hint(plan: SourceChanges) -> str:
    changes = plan.changes
    if not changes.refusal:
        return "the nodes in them stay as they are; the other rows count"
    return "no node was added or removed" if not (changes.joins or changes.leaves) else "what else it lists is applied"


def _apply(app: App, state: Session, plan: SourceChanges) -> None:
    source, changes = plan.source, plan.changes
    order = node_orders.Order(source.name, "", app.clock.now(), random.Random())
    # A node is tested by its own name only, so renames come first: nothing else may take a new one.
    if changes.renamed:
        state.apply(absences.rename_nodes(state, dict(changes.renamed), order))
        if app.settings.occupancies:
            from plabctl.core.occupancy_changes import rename_busy  # few installations have such a source

            state.apply(rename_busy(state, {old: node.name for old, node in changes.renamed}))
    if changes.back:
        state.apply(absences.mark_back(state, changes.back, order))
    if fresh := (*changes.joins, *changes.changed):
        for part in enrolment.add_nodes_in_parts(state, app.settings, fresh, order, replacing=True):
            state.apply(part)
    if changes.absent:
        state.apply(absences.mark_absent(state, changes.absent, order, source.grace_s))
    if changes.leaves:
        state.apply(enrolment.remove_nodes(state, changes.leaves, order))
    if plan.is_new_note:
        note = None if plan.note == SourceNote() else plan.note
        state.apply(Changes(notes=make_source_note(source.name).write(note)))
