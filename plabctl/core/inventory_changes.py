"""Decide what a reading of an inventory changes: who joins, who is absent or back, who was renamed, who leaves.

Pure. A source that blinks hurts nobody: a node that is no longer listed is absent, with all its record, for the grace
of its source, and only then it leaves. A reading that drops many nodes at once is not believed until it was the same
several times, and no number of readings removes many nodes at once: that takes a person. Go on with
`plabctl.core.absences`, which makes the changes.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple
from zlib import crc32

from plabctl.core.model import Node
from plabctl.core.renames import FindKeys, find_no_keys, find_renames
from plabctl.core.settings import InventorySettings
from plabctl.core.source_note import SourceNote
from plabctl.durations import format_duration

FEW = 5
"""So many nodes may always leave at once, whatever share of their source they are."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source lists now: the nodes that can be used, and the names of those whose rows are faulty."""

    nodes: tuple[Node, ...] = ()
    unreadable: frozenset[str] = frozenset()
    """They are listed, so they stay as they are."""
    fault: str = ""
    """What is wrong with the first of the faulty rows."""


class Others(NamedTuple):
    """What other sources say in the same round of readings."""

    free: Collection[str] = ()
    """Nodes that their own source does not list any more, or whose source is no longer configured."""
    listed: Collection[str] = ()
    """Nodes that other sources list: one that leaves this source is handed over to them."""


NO_OTHERS = Others()


@dataclass(frozen=True, slots=True)
class InventoryChanges:
    """What a reading changes. With a `refusal`, which says why not, what was refused is not in it."""

    joins: tuple[Node, ...] = ()
    changed: tuple[Node, ...] = ()
    """Nodes that are there already, with their new variables or their new source."""
    renamed: tuple[tuple[str, Node], ...] = ()
    """The name until now, and the node under its new name."""
    absent: tuple[str, ...] = ()
    """Nodes that are listed no longer, from now on."""
    back: tuple[str, ...] = ()
    """Absent nodes that are listed again."""
    leaves: tuple[str, ...] = ()
    """Nodes that were absent for longer than the grace."""
    refusal: str = ""
    doubted: str = ""
    """See `SourceNote`."""
    doubted_count: int = 0
    accepted: str = ""
    """See `SourceNote`."""

    def __bool__(self) -> bool:
        """Return whether any node changes."""
        return any((self.joins, self.changed, self.renamed, self.absent, self.back, self.leaves))


def plan_changes(
    known: Mapping[str, tuple[Node, float | None]],
    listing: Listing,
    source: InventorySettings,
    note: SourceNote,
    now: float,
    *,
    others: Others = NO_OTHERS,
    find_keys: FindKeys = find_no_keys,
    is_accepted: bool = False,
) -> InventoryChanges:
    """Return what it takes to make the nodes of `source` those that it lists now.

    `known` has every node there is, with the instant since which it is absent. Nodes of other sources, or of a person,
    are theirs and stay as they are, unless `others` says that they are free. `find_keys` returns the known host keys of
    a node, to recognise it under a new name. With `is_accepted` a person has seen what the reading drops.
    """
    found = _compare(known, listing, source, others, find_keys)
    if found.own_count and not found.seen and listing.fault:
        return InventoryChanges(refusal=_explain_no_list(source, listing.fault), accepted=note.accepted)
    digest = _compute_digest(found.gone)
    accepted = digest if is_accepted else note.accepted
    is_right = _is_plausible(found, source) or digest == accepted
    doubt = None if is_right else _doubt(found, source, note)
    if doubt is not None:
        return replace(doubt, back=found.back, accepted=accepted)  # that they are listed is no less true
    leaves = [name for name, since in found.gone.items() if _is_over(since, source.grace_s, now)]
    refusal = "" if is_right else _explain_absences(source, len(found.gone), found.own_count)
    if len(leaves) > _compute_limit(found.own_count, source) and not is_right:
        refusal, leaves = _explain_many(source, len(leaves)), []
    return InventoryChanges(
        joins=found.joins,
        changed=found.changed,
        renamed=found.renamed,
        absent=tuple(name for name, since in found.gone.items() if since is None and name not in leaves),
        back=found.back,
        leaves=tuple(leaves),
        refusal=refusal,
        accepted=accepted if found.gone else "",
    )


class _Comparison(NamedTuple):
    """What a source lists beside what is known, before anybody asks whether it is to be believed."""

    own_count: int
    seen: Collection[str]
    gone: Mapping[str, float | None]
    """Nodes of the source that it does not list, with the instant since which they are absent."""
    joins: tuple[Node, ...]
    changed: tuple[Node, ...]
    renamed: tuple[tuple[str, Node], ...]
    back: tuple[str, ...]


def _compare(
    known: Mapping[str, tuple[Node, float | None]],
    listing: Listing,
    source: InventorySettings,
    others: Others,
    find_keys: FindKeys,
) -> _Comparison:
    mine = {source.name, *source.aliases}
    own = {name: entry for name, entry in known.items() if entry[0].source in mine}
    listed = {
        node.name: node if node.source == source.name else replace(node, source=source.name)
        for node in listing.nodes
        if node.name in own or node.name not in known or node.name in others.free
    }
    seen = listed.keys() | listing.unreadable
    missing = [name for name in own if name not in seen and name not in others.listed]
    new = [node for name, node in listed.items() if name not in known]
    renames = find_renames([own[name][0] for name in missing], new, find_keys)
    new_names = {node.name for node in renames.values()}
    if rest := [node for node in new if node.name not in new_names]:
        here = {*own, *seen, *others.listed}
        free = [known[name][0] for name in others.free if name not in here]
        handed_over = find_renames(free, rest, find_keys, by_name=False)
        renames |= handed_over
        new_names.update(node.name for node in handed_over.values())
    return _Comparison(
        len(own),
        seen,
        {name: own[name][1] for name in missing if name not in renames},
        joins=tuple(node for node in new if node.name not in new_names),
        changed=tuple(_list_changed(known, listed)),
        renamed=tuple(
            (old, replace(known[old][0], name=node.name, variables=node.variables, source=source.name))
            for old, node in renames.items()
        ),
        back=tuple(name for name, (_, since) in known.items() if name in seen and since is not None),
    )


def _is_plausible(found: _Comparison, source: InventorySettings) -> bool:
    """Return whether few nodes of a source are missing: it has not lost many, and it lists some."""
    return not found.gone or (bool(found.seen) and len(found.gone) <= _compute_limit(found.own_count, source))


def _doubt(found: _Comparison, source: InventorySettings, note: SourceNote) -> InventoryChanges | None:
    """Return what becomes of an implausible reading, if it drops nodes that the readings before it listed."""
    if all(since is not None for since in found.gone.values()):
        return None
    digest = _compute_digest(found.seen)
    count = note.doubted_count + 1 if note.doubted == digest else 1
    if count >= source.believe_after:
        return None
    refusal = _explain_doubt(source, found.own_count - len(found.gone), found.own_count, count)
    return InventoryChanges(refusal=refusal, doubted=digest, doubted_count=count)


def _compute_limit(own_count: int, source: InventorySettings) -> float:
    """Return how many nodes of a source that has so many may be missing at once, and leave at once."""
    return max(FEW, source.max_leave * own_count)


def _list_changed(known: Mapping[str, tuple[Node, float | None]], listed: Mapping[str, Node]) -> Iterator[Node]:
    """Yield the known nodes among `listed` of which the variables or the source are others now, as they are now."""
    for name, node in listed.items():
        before = known[name][0] if name in known else node
        if before.source != node.source or before.variables != node.variables:
            yield replace(before, variables=node.variables, source=node.source)


def _is_over(absent_since_at: float | None, grace_s: float, now: float) -> bool:
    """Return whether the grace of a missing node is over: without any it leaves with the reading that drops it."""
    return not grace_s or (absent_since_at is not None and now - absent_since_at >= grace_s)


def _compute_digest(names: Iterable[str]) -> str:
    return f"{crc32(chr(10).join(sorted(names)).encode(errors='replace')):08x}"


def _build_command(source: InventorySettings) -> str:
    return f"plabctl inventory sync {shlex.quote(source.name)} --accept"


def _explain_doubt(source: InventorySettings, listed_count: int, own_count: int, count: int) -> str:
    what = f"lists {listed_count} of its {own_count} nodes" if listed_count else f"lists none of its {own_count} nodes"
    return (
        f"{source.name} {what}, so it is not believed yet ({count} of {source.believe_after} equal readings) and "
        f"nothing is changed; if it is right: {_build_command(source)}"
    )


def _explain_no_list(source: InventorySettings, fault: str) -> str:
    """Return what is wrong with a text that is no list, such as the message of a program that failed."""
    return f"{source.name}: no row can be used, so nothing is changed: {fault}"


def _explain_absences(source: InventorySettings, count: int, own_count: int) -> str:
    return (
        f"{source.name} does not list {count} of its {own_count} nodes, which are absent now; if it is right: "
        f"{_build_command(source)}"
    )


def _explain_many(source: InventorySettings, count: int) -> str:
    return (
        f"{source.name} has not listed {count} nodes for more than {format_duration(source.grace_s)}, too many to "
        f"remove without a person; to remove them: {_build_command(source)}"
    )
