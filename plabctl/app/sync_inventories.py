"""Keeping the nodes what the inventories list.

I/O: reads the inventories that are due without any lock, then merges them under the lock of the state. A source that
fails, or is not believed, changes nothing and is read again at its next turn.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from plabctl.app.context import App
from plabctl.core import node_orders
from plabctl.core.notes import NoteKind, Notes
from plabctl.core.settings import InventorySettings
from plabctl.core.state import Changes
from plabctl.errors import InventoryFault
from plabctl.inventories.fetch import FetchResult, fetch
from plabctl.inventories.merge import merge

if TYPE_CHECKING:
    from plabctl.store.session import Session


class InventoryNote(NamedTuple):
    """When an inventory was last read, and what was wrong with it then."""

    read_at: float | None
    fault: str | None


def make_inventory_note(name: str) -> NoteKind[InventoryNote]:
    """Return the kind of note of the inventory of that name."""
    return NoteKind(
        f"inventory {name}",
        decode=lambda reader: InventoryNote(reader.read_number("read_at", None), reader.read_text("fault", None)),
        encode=lambda note: {"read_at": note.read_at, "fault": note.fault},
    )


def find_due_inventories(app: App, notes: Notes) -> list[InventorySettings]:
    """Return the inventories that were not read within their interval; all whose last reading lies in the future."""
    now = app.clock.now()

    def is_due(inventory: InventorySettings) -> bool:
        read_at = make_inventory_note(inventory.name).read(notes).read_at
        return read_at is None or not read_at <= now < read_at + inventory.every_s

    return [inventory for inventory in app.settings.inventories if is_due(inventory)]


def sync_inventories(app: App, *, everything: bool = False) -> list[InventoryFault]:
    """Read the inventories that are due, or all, and merge each; return what went wrong, one fault a source."""
    inventories = app.settings.inventories
    if not everything and inventories:
        inventories = tuple(find_due_inventories(app, app.store.snapshot().notes))
    if not inventories:
        return []
    fetched = [fetch(inventory, app.settings.origin) for inventory in inventories]
    with app.store.session() as state:
        return [fault for found in fetched if (fault := _merge(app, state, found))]


def _merge(app: App, state: Session, found: FetchResult) -> InventoryFault | None:
    now = app.clock.now()
    refusal = found.fault
    if not refusal:
        difference = merge(state.nodes(), found.nodes, found.source)
        refusal = difference.refusal
        order = node_orders.Order(found.source, "", now, random.Random())
        fresh = (*difference.joins, *difference.changed)
        if fresh:
            state.apply(node_orders.add_nodes(state, app.settings, fresh, order, replacing=True))
        if difference.leaves:
            state.apply(node_orders.remove_nodes(state, difference.leaves, order))
    state.apply(Changes(notes=make_inventory_note(found.source).write(InventoryNote(now, refusal))))
    return InventoryFault(f"inventory: {refusal}", hint="no node was added or removed") if refusal else None
