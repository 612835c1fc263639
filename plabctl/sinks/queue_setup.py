"""Bringing the queues in line with the sinks that there are: new ones, changed ones, and those that are gone.

I/O, in the history. Go on with `plabctl.history.sink_queues` for what a queue is, and with `plabctl.app.sink_runs` for
who empties it.
Tests: `tests/app/test_sink_runs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from plabctl.core.model import Event
from plabctl.core.settings import SinkSettings
from plabctl.core.sink_health import Sinks
from plabctl.history.sink_queues import QueueSpec, SinkQueues
from plabctl.sinks.command import build_experiment_sink
from plabctl.sinks.tell import Drop


class Occasion(NamedTuple):
    """What a round goes by: who may be told, what is in the outbox, and what the state says of sinks and receipts."""

    sinks: Sequence[SinkSettings]
    events: Sequence[Event]
    health: Sinks
    receipts: Sequence[tuple[str, str]]
    is_last: bool
    """Whether the tick has nothing else to do: sinks that take batches are told now."""
    is_newest: bool
    """Whether its configuration is the newest: then the queues are made to fit."""


def set_up_queues(
    queues: SinkQueues, specs: dict[str, tuple[QueueSpec, SinkSettings]], occasion: Occasion, timeout_s: float
) -> Iterator[tuple[QueueSpec, Drop]]:
    """Make the queues those of `specs`; yield what waits for sinks that are gone. Those stay until that is told.

    An experiment that is gone stays among `specs` until its sink was told.
    """
    known = {queue.spec.key: queue for queue in queues.read_queues()}
    gone = {key: queue for key, queue in known.items() if key not in specs}
    for key, queue in list(gone.items()):
        if queue.spec.experiment and queues.list_waiting(queue):
            specs[key] = (queue.spec, build_experiment_sink(queue.spec.experiment, queue.spec.command, timeout_s))
            del gone[key]
    added, ended = [], []
    for spec, _ in specs.values():
        if spec.key not in known:
            heir = next((old for old in gone.values() if _is_changed(old.spec, spec)), None)
            added.append((spec, heir.seq if heir else _find_start(queues, spec, occasion)))
            if heir:
                ended.append(gone.pop(heir.spec.key).spec.key)
    for key, queue in gone.items():
        if places := queues.list_waiting(queue):
            oldest = queues.find_oldest(queue, places)
            since_at = oldest.at if oldest else 0.0
            yield queue.spec, Drop(len(places), places[-1], since_at, "it is not configured any more")
        else:
            ended.append(key)
    if added or ended:
        queues.change(added, ended)


def _is_changed(old: QueueSpec, new: QueueSpec) -> bool:
    """Return whether one may be the other with another command, or for other events."""
    if old.experiment or new.experiment or old.kind != new.kind:
        return False
    return old.identity == new.identity or set(old.on) == set(new.on)


def _find_start(queues: SinkQueues, spec: QueueSpec, occasion: Occasion) -> int:
    """Return the place of a sink that is new: it is told of what is in the outbox, and of all that comes.

    Version 0.1 kept what others could not be told of in the outbox, and noted who knew of it, in order.
    """
    known = queues.find_places(id_ for identity, id_ in occasion.receipts if identity == spec.identity)
    if known:
        return known[1]
    places = queues.find_places(event.id for event in occasion.events)
    return places[0] - 1 if places else queues.find_last_place()
