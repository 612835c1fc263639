"""Tell the history and the sinks with which error a tick has ended, and that such an error is over.

I/O, after all else is done, and as far as the state can be read and written then. One path for all kinds of error: what
is told goes into the outbox, and from there to whoever is told of faults, notices among them.
Tests: `tests/cli/test_faults_told.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from plabctl.app.context import App
from plabctl.app.queries import read_context_of
from plabctl.app.record_events import record_events
from plabctl.app.sink_sync import make_delivery
from plabctl.app.tell_faults import put_found
from plabctl.core.problems import ProblemKind, TickFailure

if TYPE_CHECKING:
    from plabctl.app.background import Background

_DELIVERED = frozenset({ProblemKind.SINK, ProblemKind.INVENTORY, ProblemKind.OCCUPANCY})
"""What a tick ends with after it has told the sinks."""
_PARTIAL = _DELIVERED | {ProblemKind.PLUGINS, ProblemKind.STATUS_FILE, ProblemKind.PAGE}
"""What keeps no tick from telling of it."""
_TELLABLE = _PARTIAL | {ProblemKind.CONFIG}
"""What may leave a tick able to write the state: where that is locked or failed just now, it is not tried again."""


def tell_failure(app: App, kind: ProblemKind | None, background: Background) -> None:
    """Tell with what the tick has just ended, which was remembered, as far as that is possible: it raises nothing."""
    if kind is not None and kind not in _TELLABLE:
        return  # it is told when it is over
    with suppress(Exception):  # what went wrong before is worse, and was said
        context = read_context_of(app)
        put_found(app, context, context.around.failure if context.around else None)
        if kind in _DELIVERED:
            record_events(app, app.store.snapshot().outbox)
        else:
            _deliver(app, background)


@contextmanager
def tell_recovery(app: App, failures: Iterable[TickFailure], background: Background) -> Iterator[None]:
    """Tell that the last of `failures`, with which ticks ended, is over; the block forgets them. Nothing is raised.

    If no tick could tell of it before, as the configuration could not be read, both its begin and its end are told.
    """
    failure = max((each for each in failures if each.kind not in _PARTIAL), key=lambda each: each.last_at, default=None)
    if failure:
        with suppress(Exception):  # the tick is done, and the next that has something to do tells what is over
            put_found(app, read_context_of(app), failure)
    yield
    with suppress(Exception):
        put_found(app, read_context_of(app), None)
        _deliver(app, background)


def _deliver(app: App, background: Background) -> None:
    background.prepare(app)
    delivery = make_delivery(app, None)
    delivery.note_outbox(app.store.snapshot())
    delivery.finish(background=background)
