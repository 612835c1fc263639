"""Keeping the nodes what the inventories list.

I/O: reads the inventories that are due without any lock, then makes the changes under the lock of the state, if there
are any: a reading with nothing new commits nothing. A source that fails, or is not believed, changes nothing and is
read again at its next turn. What a reading changes is decided in `plabctl.core.inventory_changes`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from plabctl.app.context import App
from plabctl.core import absences, node_orders
from plabctl.core.inventory_changes import (
    InventoryChanges,
    Listing,
    Others,
    SourceNote,
    make_source_note,
    plan_changes,
)
from plabctl.core.model import Node
from plabctl.core.names import OPERATOR, fold_name
from plabctl.core.settings import InventorySettings
from plabctl.core.state import Changes, State
from plabctl.errors import InventoryFault, UsageFault
from plabctl.inventories.fetch import FetchResult, fetch
from plabctl.values import replace
from plabctl.views.sources import SourceView, list_source_views

if TYPE_CHECKING:
    from plabctl.inventories.reading import Reading
    from plabctl.store.session import Session


Known = Mapping[str, tuple[Node, float | None]]
"""Every node, by name, with the instant since which it is absent."""


class SourceChanges(NamedTuple):
    """What a reading of one source changes, and what is remembered of it."""

    source: InventorySettings
    changes: InventoryChanges
    note: SourceNote
    is_new_note: bool

    def __bool__(self) -> bool:
        """Return whether anything is to be committed."""
        return bool(self.changes) or self.is_new_note


def find_due_inventories(app: App) -> list[InventorySettings]:
    """Return the inventories that were not read within their interval; all whose last reading lies in the future."""
    now = app.clock.now()

    def is_due(inventory: InventorySettings) -> bool:
        read_at = app.store.last_beat(name_stamp(inventory.name))
        return read_at is None or not read_at <= now < read_at + inventory.every_s

    return [inventory for inventory in app.settings.inventories if is_due(inventory)]


def name_stamp(source: str) -> str:
    """Return the name of the file whose time says when the source was last read."""
    return f"inventory-{sha256(source.encode(errors='replace')).hexdigest()[:16]}"


def sync_due_inventories(app: App) -> list[InventoryFault]:
    """Read the inventories that are due and change the nodes; return what went wrong, one fault a source."""
    inventories = find_due_inventories(app)
    return list_faults(sync_inventories(app, inventories)) if inventories else []


def sync_inventories(
    app: App, inventories: Sequence[InventorySettings], *, is_accepted: bool = False, is_rehearsal: bool = False
) -> list[SourceChanges]:
    """Read `inventories` now and change the nodes; return what was changed, source by source.

    With `is_accepted` a person has seen what they drop, and it is believed at once. In a rehearsal nothing is changed.
    """
    fetched = [(inventory, fetch(inventory, app.settings.origin)) for inventory in inventories]
    plans = plan_sources(app, app.store.snapshot(), fetched, is_accepted=is_accepted)
    if is_rehearsal:
        return plans
    if any(plans):
        with app.store.session() as state:
            plans = plan_sources(app, state, fetched, is_accepted=is_accepted)
            for plan in plans:
                _apply(app, state, plan)
    for inventory in inventories:
        app.store.beat(name_stamp(inventory.name))
    return plans


def list_sources(app: App) -> list[SourceView]:
    """Return the sources of nodes as they are now."""
    read_at = {each.name: app.store.last_beat(name_stamp(each.name)) for each in app.settings.inventories}
    return list_source_views(app.store.snapshot(), app.settings, read_at, app.clock.now())


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
    if plan.changes.refusal:
        return "no node was added or removed"
    return "the nodes in them stay as they are; the other rows count"


def plan_sources(
    app: App, state: State, fetched: Sequence[tuple[InventorySettings, FetchResult]], *, is_accepted: bool = False
) -> list[SourceChanges]:
    """Return what the readings change, source by source; nothing is changed here."""
    now = app.clock.now()
    absent_since = {
        placement.node: member.absent_since
        for placement in state.placements(now)
        if placement.is_absent and (member := state.member(placement.node))
    }
    known = {node.name: (node, absent_since.get(node.name)) for node in state.nodes()}
    listings = {source.name: _build_listing(found.reading, known) for source, found in fetched if not found.fault}
    others = _Others(app.settings.inventories, known, listings)
    plans = []
    for source, found in fetched:
        note = make_source_note(source.name).read(state.notes)
        if found.fault:
            changes = InventoryChanges(refusal=found.fault)
        else:
            changes = plan_changes(
                known,
                listings[source.name],
                source,
                note,
                now,
                others=others.find_for(source.name),
                is_accepted=is_accepted,
            )
        fault = changes.refusal or _describe_bad_rows(found.reading)
        since_at = (note.fault_since_at if note.fault else now) if fault else None
        new_note = SourceNote(fault, since_at, changes.doubted, changes.doubted_count)
        plans.append(SourceChanges(source, changes, new_note, is_new_note=new_note != note))
    return plans


class _Others:
    """What the sources of one round say of each other's nodes."""

    def __init__(self, configured: Sequence[InventorySettings], known: Known, listings: Mapping[str, Listing]) -> None:
        owners = {alias: each.name for each in configured for alias in (each.name, *each.aliases)}
        self._listed = {
            source: {*(node.name for node in each.nodes), *each.unreadable} for source, each in listings.items()
        }
        self._free = {
            name
            for name, (node, absent_since) in known.items()
            if node.source != OPERATOR and (absent_since is not None or self._is_dropped(name, owners.get(node.source)))
        }

    def _is_dropped(self, name: str, source: str | None) -> bool:
        """Return whether the source of a node is no longer configured, or was read and does not list it."""
        return source is None or (source in self._listed and name not in self._listed[source])

    def find_for(self, source: str) -> Others:
        """Return what concerns `source`."""
        listed = {name for other, names in self._listed.items() if other != source for name in names}
        return Others(self._free, listed)


def _build_listing(reading: Reading, known: Known) -> Listing:
    """Return what a source lists, under the names that the nodes have here: these are compared without case."""
    names = {fold_name(name): name for name in known}
    nodes = tuple(
        node if (name := names.get(fold_name(node.name), node.name)) == node.name else replace(node, name=name)
        for node in reading.nodes
    )
    return Listing(nodes, frozenset(names[name] for name in reading.bad_names if name in names))


def _describe_bad_rows(reading: Reading) -> str:
    if not reading.bad_row_count:
        return ""
    rows = "1 row" if reading.bad_row_count == 1 else f"{reading.bad_row_count} rows"
    return f"{rows} left out: {reading.faults[0]}"


def _apply(app: App, state: Session, plan: SourceChanges) -> None:
    source, changes = plan.source, plan.changes
    order = node_orders.Order(source.name, "", app.clock.now(), random.Random())
    # A node is tested by its own name only, so renames come first: nothing else may take a new one.
    if changes.renamed:
        state.apply(absences.rename_nodes(state, dict(changes.renamed), order))
    if changes.back:
        state.apply(absences.mark_back(state, changes.back, order))
    if fresh := (*changes.joins, *changes.changed):
        state.apply(node_orders.add_nodes(state, app.settings, fresh, order, replacing=True))
    if changes.absent:
        state.apply(absences.mark_absent(state, changes.absent, order, source.grace_s))
    if changes.leaves:
        state.apply(node_orders.remove_nodes(state, changes.leaves, order))
    if plan.is_new_note:
        note = None if plan.note == SourceNote() else plan.note
        state.apply(Changes(notes=make_source_note(source.name).write(note)))
