"""Decide what readings of the occupancy sources change: what is known of who is busy, and what a release calls for.

Pure. One commit takes both, so that no release is lost between a reading and what follows it. A release is a node that
some source listed when it was last believed, and none lists any more. That a source is no longer believed, or is taken
out of the configuration, is none. A source that is new there begins with what those said that are gone: it may be one
of them under another name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

from plabctl.core.liveness import call_check
from plabctl.core.model import Member
from plabctl.core.names import fold_name
from plabctl.core.notes import NoteReader, Notes
from plabctl.core.occupancy import (
    OccupancyNote,
    OccupancySettings,
    Use,
    find_gone_topics,
    is_stale,
    is_worth_noting,
    make_occupancy_note,
)
from plabctl.core.settings import Settings
from plabctl.core.state import OCCUPANCY_TOPIC, Changes, State
from plabctl.counts import format_count
from plabctl.values import dataclass, field, replace

_NAMED = 3
_NO_MATCH = "none of the names that it lists is a node here"


@dataclass(frozen=True, slots=True)
class Listed:
    """A node that a source lists as busy; None where the source does not say."""

    by: str = ""
    since_at: float | None = None
    until_at: float | None = None


@dataclass(frozen=True, slots=True)
class OccupancyReading:
    """What one look at a source gives."""

    began_at: float
    uses: Mapping[str, Listed] = field(default_factory=dict)
    """By folded name of the node."""
    fault: str = ""
    """What is wrong with some of its rows, or why it was not believed at all."""
    is_unread: bool = False
    """Whether it was not believed at all: then nothing is known from it."""
    is_overtaken: bool = False
    """Whether another tick has read the source meanwhile, perhaps later: then this one frees nobody."""
    doubt: str = ""
    """Why it may be no list of names, unless one of them is a node here or was listed before."""


def plan_occupancy(
    state: State,
    settings: Settings,
    readings: Sequence[tuple[OccupancySettings, OccupancyReading, float | None]],
    now: float,
) -> Changes:
    """Return the changes that the readings lead to; none when they say nothing new.

    With each reading comes the instant of the reading before it, if that is known. A reading that began before the one
    that is noted changes nothing: another tick was quicker.
    """
    gone = find_gone_topics(state.notes, settings.occupancies)
    fresh = [source for source in settings.occupancies if f"{OCCUPANCY_TOPIC}{source.name}" not in state.notes]
    start = _inherit_note(state.notes, gone) if gone and fresh else OccupancyNote()
    known = {fold_name(name): name for name in state.names()}
    believed = {topic: note for topic, note in state.notes.items() if fresh or topic not in gone}
    notes: dict[str, Mapping[str, object] | None] = dict.fromkeys(gone)
    if gone:
        for source in fresh:
            notes |= make_occupancy_note(source.name).write(start)
    for source, reading, previous_at in readings:
        kind = make_occupancy_note(source.name)
        stored = kind.read(state.notes)
        old = start if source in fresh else stored
        new = _note_reading(source, reading, old, previous_at, known, now)
        if new != stored:
            notes |= kind.write(new)
    if not notes:
        return Changes()
    before, after = _list_busy(believed.items()), _list_busy({**state.notes, **notes}.items())
    released = [known[name] for name in before if name not in after and name in known]
    members = [_call_release(member, settings, now) for name in released if (member := state.member(name))]
    return Changes(notes=notes, members=tuple(member for member in members if member))


def _inherit_note(notes: Notes, topics: Iterable[str]) -> OccupancyNote:
    """Return what a source that was never read begins with: who was busy as those said that are gone."""
    olds = [make_occupancy_note(topic.removeprefix(OCCUPANCY_TOPIC)).read(notes) for topic in topics]
    busy: dict[str, Use] = {}
    for old in olds:
        busy |= old.busy
    return OccupancyNote(max((old.read_at for old in olds if old.read_at is not None), default=None), busy)


def rename_busy(state: State, renamed: Mapping[str, str]) -> Changes:
    """Return the changes by which renamed nodes stay busy until the next reading; `renamed` has new names by old ones.

    A source may go on to use the old name for a while, so that stays listed as well.
    """
    notes: dict[str, Mapping[str, object] | None] = {}
    for topic in state.notes:
        if topic.startswith(OCCUPANCY_TOPIC):
            kind = make_occupancy_note(topic.removeprefix(OCCUPANCY_TOPIC))
            note = kind.read(state.notes)
            uses = {fold_name(new): note.busy.get(fold_name(old)) for old, new in renamed.items()}
            if found := {name: use for name, use in uses.items() if use and name not in note.busy}:
                notes |= kind.write(replace(note, busy={**note.busy, **found}))
    return Changes(notes=notes or None)


def _list_busy(notes: Iterable[tuple[str, Mapping[str, object] | None]]) -> dict[str, None]:
    """Return the folded names of all nodes that a source listed when it was last believed."""
    return {
        name: None
        for topic, note in notes
        if topic.startswith(OCCUPANCY_TOPIC) and note is not None
        for name in NoteReader(note).read_objects("busy")
    }


def _note_reading(
    source: OccupancySettings,
    reading: OccupancyReading,
    old: OccupancyNote,
    previous_at: float | None,
    known: Mapping[str, str],
    now: float,
) -> OccupancyNote:
    if old.read_at is not None and reading.began_at < old.read_at <= now:
        return old
    doubt = _find_doubt(reading, old, known)
    if doubt and not _is_believed_after_all(doubt, old, source, now):
        reading = OccupancyReading(reading.began_at, fault=doubt, is_unread=True)
    if reading.is_unread:
        # While nothing was wrong, readings with nothing new were not all written down.
        is_first = not old.is_unread and old.read_at is not None and previous_at is not None
        read_at = max(old.read_at or 0.0, min(previous_at or 0.0, now)) if is_first else old.read_at
        read_at = None if read_at is None else min(read_at, now)  # a clock that was set back makes nothing hold longer
        since_at = old.fault_since_at if old.fault else now
        return replace(old, read_at=read_at, fault=reading.fault, fault_since_at=since_at, is_unread=True)
    busy = {name: _note_use(use, old.busy.get(name), now) for name, use in reading.uses.items()}
    if reading.is_overtaken:
        busy = {**old.busy, **busy}
    strangers = [name for name in busy if name not in known]
    has_matched = old.has_matched or len(strangers) < len(busy)
    fault = doubt or reading.fault or ("" if has_matched else _describe_no_match(strangers, old.fault))
    is_same = (busy, fault, old.is_unread) == (old.busy, old.fault, False)
    read_at = reading.began_at
    if is_same and not is_worth_noting(old.read_at, source, reading.began_at):
        read_at = old.read_at if old.read_at is not None else read_at
    return OccupancyNote(
        read_at,
        busy,
        fault,
        (old.fault_since_at if old.fault else now) if fault else None,
        remark=_describe_strangers(strangers) if has_matched else "",
        has_matched=has_matched,
    )


def _find_doubt(reading: OccupancyReading, old: OccupancyNote, known: Mapping[str, str]) -> str:
    """Return why it may be no list of names; empty if one is a node here, or was listed among others before."""
    is_known = any(name in known or (name in old.busy and old.fault != reading.doubt) for name in reading.uses)
    return "" if is_known else reading.doubt


def _is_believed_after_all(doubt: str, old: OccupancyNote, source: OccupancySettings, now: float) -> bool:
    """Return whether a doubtful reading is believed: what is known holds no longer, or it was believed before."""
    if old.is_unread or old.read_at is None:
        return is_stale(old.read_at, source, now, is_unread=True)
    return old.fault == doubt


def _note_use(use: Listed, old: Use | None, now: float) -> Use:
    """Return the use as it is noted: one without a beginning began when it was first seen."""
    since_at = use.since_at
    if since_at is None:
        since_at = old.since_at if old else now
    return Use(use.by, min(since_at, now), use.until_at)


def _describe_no_match(strangers: Sequence[str], old_fault: str) -> str:
    if not strangers:
        return ""
    # In the same words while it lasts, whichever strangers come and go: then it is told once.
    return old_fault if old_fault.startswith(_NO_MATCH) else f"{_NO_MATCH}, such as {strangers[0]!r}"


def _describe_strangers(strangers: Sequence[str]) -> str:
    if not strangers:
        return ""
    are = "is no node" if len(strangers) == 1 else "are no nodes"
    more = ", ..." if len(strangers) > _NAMED else ""
    named = ", ".join(nsmallest(_NAMED, strangers, key=lambda name: (len(name), name)))
    return f"{format_count(len(strangers), 'name')} {are} here: {named}{more}"


def _call_release(member: Member, settings: Settings, now: float) -> Member | None:
    """Return the member with what its release calls for; None when that is nothing but what is due anyway."""
    pool = settings.pools.get(member.pool)
    if pool is None or pool.at_release == "none":
        return None
    if pool.at_release == "check":
        return call_check(member, now, "released")
    return replace(member, release_test_since_at=now, due_at=min(member.due_at, now), interval_s=0.0)
