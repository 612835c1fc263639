"""Keeping the nodes what the inventories list.

I/O: reads the inventories that are due without any lock, then merges them under the lock of the state. A source that
fails, or is not believed, changes nothing and is read again at its next turn; a bad row costs the node that it names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from plabctl.app.context import App
from plabctl.core import node_orders
from plabctl.core.model import Node
from plabctl.core.names import fold_name
from plabctl.core.notes import NoteKind, Notes
from plabctl.core.settings import InventorySettings
from plabctl.core.state import Changes
from plabctl.errors import InventoryFault
from plabctl.inventories.fetch import FetchResult, fetch
from plabctl.inventories.merge import merge
from plabctl.inventories.reading import Reading
from plabctl.values import replace

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


def _list_nodes(reading: Reading, state: Session) -> Iterator[Node]:
    """Yield the nodes of `reading` under the names that they have here; those whose row is bad as they are here."""
    known = {fold_name(node.name): node for node in state.nodes()}
    for node in reading.nodes:
        like = known.get(fold_name(node.name))
        yield node if like is None or state.node(node.name) else replace(node, name=like.name)
    yield from (node for name, node in known.items() if name in reading.bad_names)


def _merge(app: App, state: Session, found: FetchResult) -> InventoryFault | None:
    now = app.clock.now()
    fault, hint = found.fault, "no node was added or removed"
    if not fault:
        difference = merge(state.nodes(), list(_list_nodes(found.reading, state)), found.source)
        fault = difference.refusal
        order = node_orders.Order(found.source, "", now, random.Random())
        fresh = (*difference.joins, *difference.changed)
        if fresh:
            state.apply(node_orders.add_nodes(state, app.settings, fresh, order, replacing=True))
        if difference.leaves:
            state.apply(node_orders.remove_nodes(state, difference.leaves, order))
    if not fault and (count := found.reading.bad_row_count):
        fault = f"{count} {'row' if count == 1 else 'rows'} left out: {found.reading.faults[0]}"
        hint = "the nodes in them stay as they are; the other rows count"
    state.apply(Changes(notes=make_inventory_note(found.source).write(InventoryNote(now, fault))))
    return InventoryFault(f"inventory: {fault}", hint=hint) if fault else None
