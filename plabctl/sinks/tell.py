"""Tell every sink what happened, within a budget of time.

I/O. Always ends. Telling is at least once: what a sink could not take is told again by a later delivery, and receipts
keep the other sinks from being told twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from plabctl.clock import Clock
from plabctl.core.model import Event
from plabctl.core.settings import SinkSettings
from plabctl.kinds import find
from plabctl.sinks.base import SinkContext, SinkKind, TellResult

GIVE_UP_AFTER_S = 86400.0
"""An event that a sink could not be told of for so long is old news, and dropped."""

Receipt = tuple[str, str]
"""Which sink, as its kind identifies it, knows of which event, by its id."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of telling a batch of events."""

    delivered: frozenset[str]
    """Ids of the events that nobody needs to be told of any more."""
    receipts: frozenset[Receipt]
    """Who knows already of events that others could not be told of; to be handed in next time."""
    faults: tuple[str, ...]
    """What went wrong, at most one line for each sink."""


def find_kind(sink: SinkSettings) -> SinkKind:
    """Return the kind of a sink."""
    kind: SinkKind = find("sink", sink.kind)
    return kind


def tell_sinks(
    sinks: Sequence[SinkSettings],
    events: Sequence[Event],
    clock: Clock,
    budget_s: float,
    context: SinkContext,
    receipts: Collection[Receipt] = (),
) -> BatchResult:
    """Tell each sink of the events it wants, oldest first, within `budget_s` seconds.

    Records come first and take all; raise StoreError when one cannot, then nobody is told. Another sink that fails is
    not tried again in this delivery: its events wait for the next, unless trying again is of no use or the event is a
    day old. Sinks in `receipts` are not told of the same event again.
    """
    end, known = clock.monotonic() + budget_s, set(receipts)
    tell_records(sinks, events, context)
    faults: list[str] = []
    waiting: set[str] = set()
    for sink in (sink for sink in sinks if not find_kind(sink).is_record):
        kind = find_kind(sink)
        name, failed = kind.identify(sink), False
        wanted = [event for event in events if _wants(sink, event) and (name, event.id) not in known]
        for batch in _split(wanted, kind):
            left = end - clock.monotonic()
            if failed or left <= 0:
                waiting |= {event.id for event in batch}
                continue
            told = _tell(kind, sink, batch, min(sink.timeout_s, left), context)
            if told.error and told.error not in faults:
                faults.append(told.error)
            failed = not told.ok and not told.permanent
            kept = {event.id for event in batch if failed and clock.now() - event.at < GIVE_UP_AFTER_S}
            waiting |= kept
            known |= {(name, event.id) for event in batch if event.id not in kept}
    return BatchResult(
        delivered=frozenset(event.id for event in events) - waiting,
        receipts=frozenset(receipt for receipt in known if receipt[1] in waiting),
        faults=tuple(faults),
    )


def tell_records(sinks: Sequence[SinkSettings], events: Sequence[Event], context: SinkContext) -> None:
    """Tell those of the sinks that are a record of everything; raise StoreError when one cannot take the events."""
    for sink in sinks:
        kind = find_kind(sink)
        if kind.is_record:
            kind.tell(sink, events, sink.timeout_s, context)


def _wants(sink: SinkSettings, event: Event) -> bool:
    return event.kind in sink.on and sink.experiment in {"", event.data.get("experiment")}


def _split(events: Sequence[Event], kind: SinkKind) -> Iterator[Sequence[Event]]:
    if not kind.takes_batches:
        yield from ((event,) for event in events)
    elif events:
        yield events


def _tell(
    kind: SinkKind, sink: SinkSettings, batch: Sequence[Event], timeout_s: float, context: SinkContext
) -> TellResult:
    return TellResult(ok=False, error=kind.fault) if kind.fault else kind.tell(sink, batch, timeout_s, context)
