"""Which vantages the next probe of a node is not to be made from, and how many ways are lost from each.

Pure. Go on with `plabctl.core.second_opinion`, which judges what is seen from several vantages, and with
`plabctl.core.guard.lost_vantages`, which judges that many ways from one of them are lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from plabctl.core.due_rows import NodeFields
from plabctl.core.guard.model import Guard, read_guard
from plabctl.core.liveness_record import LostWay
from plabctl.core.model import Member
from plabctl.core.notes import Document, NoteKind, NoteReader
from plabctl.core.settings import Settings
from plabctl.core.state import VANTAGES_TOPIC, Changes, State

_NAMED: NodeFields[tuple[str, tuple[LostWay, ...], float | None]] = NodeFields(
    tuple, ("node", "lost_ways", "absent_since_at")
)
_LOST: NodeFields[tuple[tuple[LostWay, ...], float | None]] = NodeFields(tuple, ("lost_ways", "absent_since_at"))


class Tally(NamedTuple):
    """How many ways from one vantage are lost, and how many are back since its guard came on."""

    lost: int = 0
    back: int = 0


def _decode(reader: NoteReader) -> dict[str, Tally]:
    rows = reader.read_objects("vantages")
    return {name: Tally(row.read_count("lost"), row.read_count("back")) for name, row in rows.items()}


def _encode(tallies: Mapping[str, Tally]) -> Document:
    rows = {name: {key: count for key, count in each._asdict().items() if count} for name, each in tallies.items()}
    return {"vantages": rows} if rows else {}


VANTAGES_NOTE: NoteKind[Mapping[str, Tally]] = NoteKind(VANTAGES_TOPIC, _decode, _encode)
"""The vantages from which tests were made, or ways are lost, by name; none where all was done from this machine."""


def list_away(member: Member, settings: Settings, guard: Guard) -> tuple[str, ...]:
    """Return the vantages that the next probe of the member is not to be made from, those first that tell least.

    What is seen from where the way is lost, or many ways are, tells nothing of the node. A second look from the same
    place does, where there is no other.
    """
    doubted = find_doubted(member, settings)
    unfit = [*(way.vantage for way in member.lost_ways), *guard.list_vantages()]
    return tuple(dict.fromkeys(unfit if doubted is None else [*unfit, doubted]))


def find_fit(vantages: Collection[str], away_from: Sequence[str]) -> set[str]:
    """Return those of `vantages` that a probe is to be made from: none of `away_from`, or of as many as leave one."""
    for count in range(len(away_from), 0, -1):
        if fit := {*vantages}.difference(away_from[:count]):
            return fit
    return {*vantages}


def find_look(member: Member) -> str | None:
    """Return the vantage from which the check of the member that is due is to look at a lost way; None if at none."""
    if member.liveness is None or not member.liveness.called:
        return None
    return next((way.vantage for way in member.lost_ways if way.is_asked), None)


def list_others(member: Member, vantage: str, known: Collection[str]) -> tuple[str, ...]:
    """Return what a look from `vantage` is not to be made from: all others, those first that do not reach the node."""
    others = [*(way.vantage for way in member.lost_ways), *known]
    return tuple(dict.fromkeys(each for each in others if each != vantage))


def find_doubted(member: Member, settings: Settings) -> str | None:
    """Return the vantage from which alone the node was seen to fail since it was good; None if there is none."""
    if member.suspicion:
        return member.suspicion.vantage
    own, known = settings.pools.get(member.pool), member.liveness
    return known.silent_from if own and own.is_good and known and known.is_silent else None


def note_lost_ways(state: State, settings: Settings) -> Changes:
    """Return the change by which the state says how many ways are lost; none where it says so already.

    Nodes may be gone or absent meanwhile, and second opinions may be asked for no more.
    """
    if VANTAGES_TOPIC not in state.notes:
        return Changes()
    known = VANTAGES_NOTE.read(state.notes)
    if not any(tally.lost for tally in known.values()):
        return Changes()
    counts = dict.fromkeys(known, 0)
    for ways, absent_since_at in state.select(_LOST) if settings.executor.second_opinion else ():
        for way in ways if absent_since_at is None else ():
            counts[way.vantage] = counts.get(way.vantage, 0) + way.is_told
    after = {name: known.get(name, Tally())._replace(lost=count) for name, count in counts.items()}
    return Changes() if after == known else Changes(notes=VANTAGES_NOTE.write(after))


def list_lost_ways(state: State) -> dict[str, list[str]]:
    """Return the nodes that are reached from other vantages only, by the vantage; none of one that is guarded."""
    if VANTAGES_TOPIC not in state.notes or not any(tally.lost for tally in VANTAGES_NOTE.read(state.notes).values()):
        return {}
    found: dict[str, list[str]] = {}
    for node, ways, absent_since_at in state.select(_NAMED):
        for way in ways if absent_since_at is None else ():
            if way.is_told:
                found.setdefault(way.vantage, []).append(node)
    guarded = read_guard(state).list_vantages()
    return {vantage: nodes for vantage, nodes in sorted(found.items()) if vantage not in guarded}
