"""Drop reports that are on record: of tests made elsewhere, a report may come again.

That is so when a tick is killed after it has recorded it, or loses its connection, before it can say that it has it.
I/O: reads the history, when a report comes for which no claim stands.
Tests: `tests/app/test_claim_slots.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from plabctl.app.context import App
from plabctl.core.model import Report
from plabctl.core.state import State
from plabctl.errors import StoreError

_KINDS = ("probe", "vnode-probe", "late")


def drop_recorded(app: App, state: State, reports: Sequence[Report]) -> list[Report]:
    """Return `reports` without those that have an event, in the outbox or in the history."""
    current = {claim.token for claim in state.claims.values()}
    ids = {
        f"{report.token}-{kind}": report.token for report in reports if report.token not in current for kind in _KINDS
    }
    if not ids:
        return list(reports)
    from plabctl.history.past_rows import PastHistory  # few reports come late

    recorded = {event.id for event in state.outbox}
    with suppress(StoreError), PastHistory(app.state_dir) as history:  # without it they are merely told twice
        recorded.update(history.list_recorded(ids))
    known = {token for id_, token in ids.items() if id_ in recorded}
    return [report for report in reports if report.token not in known]
