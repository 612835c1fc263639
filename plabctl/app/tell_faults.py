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
from collections.abc import Callable

from plabctl.app.context import App
from plabctl.app.queries import read_context_of
from plabctl.core import fault_events
from plabctl.core.false_alarms import note_mute_nodes
from plabctl.core.find_problems import find_problems
from plabctl.core.lost_sources import forget_occupancy, note_lost_sources
from plabctl.core.problems import Problem, TickFailure
from plabctl.core.state import Changes, State
from plabctl.core.surroundings import Surroundings
from plabctl.core.vantage import note_lost_ways
from plabctl.values import replace
from plabctl.views.node import ViewContext
from plabctl.views.status import count_totals


def put_faults(app: App, note_outbox: Callable[[State], None]) -> None:
    """Put what began and what is over into the outbox; raise StoreError.

    What is committed goes to `note_outbox` first. The error of earlier ticks is not over before one has ended well;
    that a tick ends with an error is told by `tell_failure`.
    """
    context = read_context_of(app)
    failure = context.around.failure if context.around else None
    is_told = failure is not None and failure.kind in fault_events.FAULTS_NOTE.read(context.state.notes)
    put_found(app, context, failure if is_told else None, note_outbox)


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


def put_found(
    app: App,
    context: ViewContext,
    failure: TickFailure | None,
    note_outbox: Callable[[State], None] = lambda _state: None,
) -> None:
    """Put what began and what is over into the outbox, as `put_faults`, while ticks end with `failure`."""
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
