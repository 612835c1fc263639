"""Which members wait until nobody uses their node any more: no set-up starts on a busy node unless a person says so.

Pure. `plabctl.core.claim` asks this of all candidates; what runs when a node becomes busy goes on to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plabctl.core.due_rows import Due
from plabctl.core.model import Goal
from plabctl.core.occupancy import Use, find_busy
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.durations import format_duration
from plabctl.errors import Refused
from plabctl.nodesets import fold_nodeset

_HINT = "nothing was changed: wait for the release, or test it all the same with: plabctl retest --busy"


def drop_busy(rows: Iterable[Due], state: State, settings: Settings, now: float) -> list[Due]:
    """Return the rows without those that are spared, as their node is busy at `now`."""
    busy = find_busy(state.notes, settings.occupancies, now)
    return [row for row in rows if not busy or row.node not in busy or not is_spared(row, state, settings)]


def is_spared(row: Due, state: State, settings: Settings) -> bool:
    """Return whether a member on a busy node has to wait.

    A login disturbs nobody, so liveness checks go on. A test has to wait, unless its pool tests busy nodes, or a person
    asked for it knowing that. Of the members of experiments only those have that were never set up, on nodes that
    nobody named: what is there already is looked after, and whoever names a node has decided.
    """
    if row.is_check:
        return False
    if not row.experiment:
        is_covered = row.requested_at is not None and (member := state.member(row.node)) and member.tests_busy
        return settings.pools[row.pool].busy == "spare" and not is_covered
    experiment, vnode = state.experiments[row.experiment], state.vnode(row.key)
    return bool(vnode and not experiment.nodes and vnode.goal is Goal.SETUP and vnode.up_at is None)


def list_spared(state: State, settings: Settings, names: Iterable[str], now: float) -> dict[str, Use]:
    """Return those of these nodes that are busy and not tested then, with who uses each."""
    busy = find_busy(state.notes, settings.occupancies, now)
    if not busy:
        return {}
    pools = {name: member.pool for name in names if name in busy and (member := state.member(name))}
    spares = {pool.name for pool in settings.pools.values() if pool.busy == "spare"}
    return {name: busy[name] for name, pool in pools.items() if pool in spares}


def describe_use(use: Use, now: float) -> str:
    """Return in words that somebody uses a node: `busy by ada, for 2h10m`."""
    by = f" by {use.by}" if use.by else ""
    return f"busy{by}, for {format_duration(max(0.0, now - use.since_at))}"


def refuse_busy(state: State, settings: Settings, names: Sequence[str], now: float) -> None:
    """Raise `Refused` when tests of these nodes would disturb somebody, with who that is."""
    spared = list_spared(state, settings, names, now)
    if len(names) > 1 and spared:
        are = "is" if len(spared) == 1 else "are"
        raise Refused(f"{len(spared)} of {len(names)} nodes {are} busy: {fold_nodeset(spared)}", hint=_HINT)
    for name, use in spared.items():
        raise Refused(f"{name!r} is {describe_use(use, now)}", hint=_HINT)
