"""What came of bringing another system in line, as the state and the history are told of it.

Pure. `plabctl.app.sink_sync` commits what is built here.
Tests: `tests/app/test_sink_sync.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from plabctl.app.due_sources import find_sync_kind, find_synced_sinks
from plabctl.core import node_orders
from plabctl.core.events import MACHINE, make_token
from plabctl.core.model import Event
from plabctl.core.sink_health import SINK_MEMORY_NOTE, SINKS_NOTE, SYNC_REMARKS_NOTE, SinkHealth, note_failure
from plabctl.core.standing import is_followed_hold
from plabctl.core.state import Changes, State
from plabctl.errors import Refused
from plabctl.sinks.base import SyncResult, TakenOut
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.core.notes import Document
    from plabctl.core.settings import Settings, SinkSettings

_WORDS = 200


class EndedSync(NamedTuple):
    """What came of one sink: its key in the note on sinks, and the result."""

    key: str
    sink: SinkSettings
    result: SyncResult

    @property
    def name(self) -> str:
        """Return what people call the sink."""
        return find_sync_kind(self.sink).describe(self.sink)


def add_sync_results(
    changes: Changes, state: State, settings: Settings, ended: Sequence[EndedSync], now: float, rng: Random
) -> Changes:
    """Return `changes` with those that the results ask for: how the sinks are, whom they hold, and what is told."""
    if not ended:
        return changes
    notes: dict[str, Document | None] = dict(changes.notes or {})
    for each in ended:
        notes |= _note_health(each, {**state.notes, **notes}, now)
        more = _build_remark(each, {**state.notes, **notes}, now, rng)
        notes |= more.notes or {}
        notes |= _note_memory(each, {**state.notes, **notes}, settings)
        orders = [more, *_follow(each, state, settings, now, rng)]
        changes = replace(
            changes,
            members=(*changes.members, *(member for order in orders for member in order.members)),
            events=(*changes.events, *(event for order in orders for event in order.events)),
        )
    return replace(changes, notes=notes or None)


def _note_health(ended: EndedSync, notes: Mapping[str, Document | None], now: float) -> dict[str, Document | None]:
    """Return the change of the note by which `check`, `doctor` and `status` know what is wrong."""
    known = {topic: note for topic, note in notes.items() if note is not None}
    before = SINKS_NOTE.read(known)
    sinks = {key: health for key, health in before.items() if key != ended.key}
    if error := ended.result.error:
        health = before.get(ended.key) or SinkHealth(ended.name)
        sinks[ended.key] = note_failure(health, error, now, waiting_count=0, dropped_count=0)
    return {} if sinks == before else SINKS_NOTE.write(sinks or None)


def _note_memory(
    ended: EndedSync, notes: Mapping[str, Document | None], settings: Settings
) -> dict[str, Document | None]:
    """Return the change of what the sinks are to know the next time; those that are gone need know nothing."""
    before = SINK_MEMORY_NOTE.read({topic: note for topic, note in notes.items() if note is not None})
    own = {} if ended.result.memory is None else {ended.key: ended.result.memory}
    configured = find_synced_sinks(settings.sinks)
    after = {key: memory for key, memory in {**before, **own}.items() if memory and key in configured}
    return {} if after == before else SINK_MEMORY_NOTE.write(after)


def _build_remark(ended: EndedSync, notes: Mapping[str, Document | None], now: float, rng: Random) -> Changes:
    """Return the event of names that do not match, unless it was told that those do not."""
    result = ended.result
    known = {topic: note for topic, note in notes.items() if note is not None}
    before = SYNC_REMARKS_NOTE.read(known)
    if result.error or before.get(ended.key, "") == result.remark:
        return Changes()
    after = {key: remark for key, remark in before.items() if key != ended.key}
    if not result.remark:
        return Changes(notes=SYNC_REMARKS_NOTE.write(after or None))
    data = {"sink": ended.name, "reason": f"{ended.name}: {result.remark}"}
    event = Event(make_token(rng), now, "names-differ", None, MACHINE, data)
    return Changes(events=(event,), notes=SYNC_REMARKS_NOTE.write({**after, ended.key: result.remark}))


def _follow(ended: EndedSync, state: State, settings: Settings, now: float, rng: Random) -> list[Changes]:
    """Return the holds of nodes that were taken out of use there, and the releases of those that are back."""
    prefix = find_sync_kind(ended.sink).actor_prefix
    orders = [
        order
        for name, taken in ended.result.holds.items()
        if (order := _hold(state, settings, name, taken, prefix, now, rng))
    ]
    for name in ended.result.releases:
        member = state.member(name)
        if member and member.hold and is_followed_hold(member, now, prefix):
            reason = "it is in use again"
            orders.append(node_orders.release(state, [name], node_orders.Order(member.hold.actor, reason, now, rng)))
    return orders


def _hold(
    state: State, settings: Settings, name: str, taken: TakenOut, prefix: str, now: float, rng: Random
) -> Changes | None:
    """Return the hold of a node, without end; None when a person has decided about it here, or it is gone."""
    member = state.member(name)
    if member is None or member.is_held(now):
        return None
    order = node_orders.Order(prefix + _clean(taken.by), _clean(taken.reason), now, rng)
    try:
        return node_orders.hold(state, settings, [name], order, None)
    except Refused:  # moved for longer than that
        return None


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))[:_WORDS]
