"""Tell the history and the sinks which faults of plabctl began and which are over.

I/O. Every tick that has something to do looks once, and so does one that fails, as far as the state can be read and
written then. A tick that finds nothing due does not look: that would take the whole state, which it does not read. It
misses nothing of what ticks do: a source that is read, a sink that fails and an error that is over all keep a tick from
being idle. What changes by itself meanwhile, such as a disk that fills, is told by the next tick that has something to
do, and `check` tells it at once.
Tests: `tests/cli/test_faults_told.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from plabctl.app.context import App
from plabctl.app.deliver import Delivery, record_events
from plabctl.app.queries import read_context_of
from plabctl.core import fault_events
from plabctl.core.false_alarms import note_mute_nodes
from plabctl.core.find_problems import find_problems
from plabctl.core.lost_sources import forget_occupancy, note_lost_sources
from plabctl.core.problems import Problem, ProblemKind, TickFailure
from plabctl.core.state import Changes, State
from plabctl.core.surroundings import Surroundings
from plabctl.core.vantage import note_lost_ways
from plabctl.values import replace
from plabctl.views.node import ViewContext
from plabctl.views.status import count_totals

_DELIVERED = frozenset({ProblemKind.SINK, ProblemKind.INVENTORY, ProblemKind.OCCUPANCY})
"""What a tick ends with after it has told the sinks."""
_PARTIAL = _DELIVERED | {ProblemKind.PLUGINS, ProblemKind.STATUS_FILE, ProblemKind.PAGE}
"""What keeps no tick from telling of it."""
_TELLABLE = _PARTIAL | {ProblemKind.CONFIG}
"""What may leave a tick able to write the state: where that is locked or failed just now, it is not tried again."""


def put_faults(app: App, note_outbox: Callable[[State], None]) -> None:
    """Put what began and what is over into the outbox; raise StoreError.

    What is committed goes to `note_outbox` first. The error of earlier ticks is not over before one has ended well;
    that a tick ends with an error is told by `tell_failure`.
    """
    context = read_context_of(app)
    failure = context.around.failure if context.around else None
    is_told = failure is not None and failure.kind in fault_events.FAULTS_NOTE.read(context.state.notes)
    _put(app, context, failure if is_told else None, note_outbox)


def tell_failure(app: App, kind: ProblemKind | None) -> None:
    """Tell with what the tick has just ended, which was remembered, as far as that is possible: it raises nothing."""
    if kind is not None and kind not in _TELLABLE:
        return  # it is told when it is over
    with suppress(Exception):  # what went wrong before is worse, and was said
        context = read_context_of(app)
        _put(app, context, context.around.failure if context.around else None)
        if kind in _DELIVERED:
            record_events(app, app.store.snapshot().outbox)
        else:
            _deliver(app)


@contextmanager
def tell_recovery(app: App, failures: Iterable[TickFailure]) -> Iterator[None]:
    """Tell that the last of `failures`, with which ticks ended, is over; the block forgets them. Nothing is raised.

    If no tick could tell of it before, as the configuration could not be read, both its begin and its end are told.
    """
    failure = max((each for each in failures if each.kind not in _PARTIAL), key=lambda each: each.last_at, default=None)
    if failure:
        with suppress(Exception):  # the tick is done, and the next that has something to do tells what is over
            _put(app, read_context_of(app), failure)
    yield
    with suppress(Exception):
        _put(app, read_context_of(app), None)
        _deliver(app)


def find_faults(context: ViewContext) -> list[Problem]:
    """Return what keeps plabctl from its work, for a tick that looks: it has made all tests that it could."""
    around = context.around or Surroundings()
    counts = count_totals(context).counts
    return find_problems(
        context.state,
        context.settings,
        context.now,
        context.last_tick_at,
        counts,
        around,
        context.sight,
        is_tick_looking=True,
    )


def _put(
    app: App,
    context: ViewContext,
    failure: TickFailure | None,
    note_outbox: Callable[[State], None] = lambda _state: None,
) -> None:
    around = replace(context.around or Surroundings(), failure=failure)

    def tell(state: State) -> Changes:
        found = find_faults(replace(context, state=state, around=around))
        return fault_events.tell_faults(state, found, context.now, random.Random())

    looks = (note_lost_sources, forget_occupancy, note_mute_nodes, note_lost_ways)
    if any(look(context.state, app.settings) for look in looks) or tell(context.state):
        with app.store.session() as session:
            for look in looks:
                session.apply(look(session, app.settings))
            session.apply(tell(session))
            note_outbox(session)


def _deliver(app: App) -> None:
    delivery = Delivery(app)
    delivery.note_outbox(app.store.snapshot())
    delivery.finish()
