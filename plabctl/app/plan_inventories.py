"""What the readings of one round change: every source beside what is known and beside the other sources.

Pure, but for the known host keys, which are read when a node may have another name. The rules are in
`plabctl.core.inventory_changes`; `plabctl.app.sync_inventories` makes the changes.
Tests: `tests/app/test_sync_inventories.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from plabctl.app.context import App
from plabctl.core.due_rows import NodeFields
from plabctl.core.inventory_changes import (
    InventoryChanges,
    Listing,
    Others,
    plan_changes,
)
from plabctl.core.model import Node
from plabctl.core.names import OPERATOR, fold_name
from plabctl.core.renames import FindKeys
from plabctl.core.settings import InventorySettings
from plabctl.core.source_note import SourceNote, make_source_note
from plabctl.core.state import State
from plabctl.inventories.fetch import FetchResult
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.inventories.reading import Reading
    from plabctl.probes.host_keys import KnownHosts

_ROWS_NAMED = 3
"""So many bad rows are told with what is wrong with them, and of all how many they are."""
_ABSENCES: NodeFields[tuple[str, float | None]] = NodeFields(tuple, ("node", "absent_since_at"))
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


def make_key_finder(app: App) -> FindKeys:
    """Return what finds the known host keys of a node; it reads them when it is first asked."""

    @cache
    def load() -> KnownHosts:
        from plabctl.probes.host_keys import KnownHosts

        return KnownHosts(app.settings.ssh.known_hosts, app.settings.origin.owners)

    @cache
    def find(host: str, port: str) -> Collection[Hashable]:
        from plabctl.probes.probe_error import ProbeError
        from plabctl.probes.target import build_label

        try:
            return {key.blob for key in load().find(build_label(host, int(port)))}
        except (ProbeError, ValueError):
            return ()  # it is known by its address and name all the same

    default_port = str(app.settings.ssh.port)
    return lambda node: find(node.variables.get("ssh_host", node.name), node.variables.get("ssh_port", default_port))


def plan_sources(
    app: App,
    state: State,
    fetched: Sequence[tuple[InventorySettings, FetchResult]],
    find_keys: FindKeys,
    *,
    is_accepted: bool = False,
) -> list[SourceChanges]:
    """Return what the readings change, source by source; nothing is changed here."""
    now = app.clock.now()
    absent_since_at = dict(state.select(_ABSENCES))
    known = {node.name: (node, absent_since_at.get(node.name)) for node in state.nodes()}
    here = {fold_name(name): name for name in known}
    listings = {source.name: _build_listing(found.reading, here) for source, found in fetched if not found.fault}
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
                find_keys=find_keys,
                is_accepted=is_accepted,
            )
        fault = changes.refusal or _describe_bad_rows(found.reading)
        bad_rows = "" if changes.refusal else found.reading.bad_rows_digest
        since_at = (note.fault_since_at if note.fault else now) if fault else None
        remark = note.remark if found.fault else _describe_left_out(found.reading)
        accepted = note.accepted if found.fault else changes.accepted
        new_note = SourceNote(fault, since_at, changes.doubted, changes.doubted_count, remark, accepted, bad_rows)
        plans.append(SourceChanges(source, changes, new_note, is_new_note=new_note != note))
    return list(_share_nodes(plans)) if len(plans) > 1 else plans


def _share_nodes(plans: Sequence[SourceChanges]) -> Iterator[SourceChanges]:
    """Yield the plans so that each node is of one source: the first that lists it, under whatever name."""
    renamed = {old for plan in plans for old, _ in plan.changes.renamed}
    taken: set[str] = set()
    for plan in plans:
        changes = plan.changes
        renames = tuple(each for each in changes.renamed if taken.isdisjoint((each[0], each[1].name)))
        joins = tuple(node for node in changes.joins if node.name not in taken)
        taken.update(name for old, node in renames for name in (old, node.name))
        taken.update(node.name for node in joins)
        absent, leaves = (
            tuple(name for name in names if name not in renamed) for names in (changes.absent, changes.leaves)
        )
        yield plan._replace(changes=replace(changes, renamed=renames, joins=joins, absent=absent, leaves=leaves))


class _Others:
    """What the sources of one round say of each other's nodes."""

    def __init__(self, configured: Sequence[InventorySettings], known: Known, listings: Mapping[str, Listing]) -> None:
        owners = {alias: each.name for each in configured for alias in (each.name, *each.aliases)}
        self._listed = {
            source: {*(node.name for node in each.nodes), *each.unreadable} for source, each in listings.items()
        }
        self._free = {
            name
            for name, (node, absent_since_at) in known.items()
            if node.source != OPERATOR
            and (absent_since_at is not None or self._is_dropped(name, owners.get(node.source)))
        }

    def _is_dropped(self, name: str, source: str | None) -> bool:
        """Return whether the source of a node is no longer configured, or was read and does not list it."""
        return source is None or (source in self._listed and name not in self._listed[source])

    def find_for(self, source: str) -> Others:
        """Return what concerns `source`."""
        listed = {name for other, names in self._listed.items() if other != source for name in names}
        return Others(self._free, listed)


def _build_listing(reading: Reading, names: Mapping[str, str]) -> Listing:
    """Return what a source lists, under the names that the nodes have here: `names`, by their folded forms."""
    nodes = tuple(
        node if (name := names.get(fold_name(node.name), node.name)) == node.name else replace(node, name=name)
        for node in reading.nodes
    )
    unreadable = frozenset(names[name] for name in reading.bad_names if name in names)
    return Listing(nodes, unreadable, reading.faults[0] if reading.faults else "")


def _describe_left_out(reading: Reading) -> str:
    if not reading.note_count:
        return ""
    hosts = "1 host is no node" if reading.note_count == 1 else f"{reading.note_count} hosts are no nodes"
    return f"{hosts}: {reading.notes[0]}"


def _describe_bad_rows(reading: Reading) -> str:
    if not reading.bad_row_count:
        return ""
    rows = "1 row" if reading.bad_row_count == 1 else f"{reading.bad_row_count} rows"
    more = "; ..." if len(reading.faults) > _ROWS_NAMED else ""
    return f"{rows} left out: {'; '.join(reading.faults[:_ROWS_NAMED])}{more}"
