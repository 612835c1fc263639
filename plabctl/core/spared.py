"""Which members wait until nobody uses their node any more: no set-up starts on a busy node unless a person says so.

Pure. `plabctl.core.claim` asks this of all candidates; what runs when a node becomes busy goes on to its end.
"""

from __future__ import annotations

from collections.abc import Iterable

from plabctl.core.due_rows import Due
from plabctl.core.model import Goal
from plabctl.core.occupancy import find_busy
from plabctl.core.settings import Settings
from plabctl.core.state import State


def drop_busy(rows: Iterable[Due], state: State, settings: Settings, now: float) -> list[Due]:
    """Return the rows without those that are spared, as their node is busy at `now`."""
    busy = find_busy(state.notes, settings.occupancies, now)
    return [row for row in rows if not busy or row.node not in busy or not is_spared(row, state, settings)]


def is_spared(row: Due, state: State, settings: Settings) -> bool:
    """Return whether a member on a busy node has to wait.

    A login disturbs nobody, so liveness checks go on. A test has to wait, unless its pool tests busy nodes. Of the
    members of experiments only those have that were never set up, on nodes that nobody named: what is there already is
    looked after, and whoever names a node has decided.
    """
    if row.is_check:
        return False
    if not row.experiment:
        return settings.pools[row.pool].busy == "spare"
    experiment, vnode = state.experiments[row.experiment], state.vnode(row.key)
    return bool(vnode and not experiment.nodes and vnode.goal is Goal.SETUP and vnode.up_at is None)
