"""The factor by which the adaptive back-off stretches all waits, so that it uses its share of the window.

Pure. The factor, K, is kept in a note of the state. Every ten minutes

    K <- K * sqrt(planned load / (load * window))

where the planned load is the sum over all nodes of s / (wait + s): the slots that would be busy on average.
Tests: `tests/core/test_fair_wait.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import NamedTuple

from plabctl.core.fair_wait import compute_unit_wait, estimate_test_seconds, is_adaptive
from plabctl.core.model import Member
from plabctl.core.notes import NoteKind
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State

EVERY_S = 600.0
FIRST_SCALE = 1.0
_BOUNDS = (0.001, 1000.0)
# Where every wait is at one of its bounds, K has no effect and would run away.


class LoadShare(NamedTuple):
    """The load of one node: a test of `test_s` after each wait of K * `unit_s`, the wait kept within its bounds."""

    test_s: float
    unit_s: float
    least_s: float
    most_s: float


class ScaleNote(NamedTuple):
    """K, and when it was last adjusted."""

    scale: float = FIRST_SCALE
    adjusted_at: float | None = None


SCALE_NOTE = NoteKind(
    "adaptive",
    decode=lambda reader: ScaleNote(reader.read_number("scale", FIRST_SCALE), reader.read_number("at", None)),
    encode=lambda note: {"scale": note.scale, "at": note.adjusted_at},
)


def read_scale(state: State) -> float:
    """Return the current K."""
    return SCALE_NOTE.read(state.notes).scale


def adjust_scale(state: State, settings: Settings, now: float) -> Changes:
    """Return the adjustment of K that is due; no changes while no pool is adaptive."""
    if not is_adaptive(settings):
        return Changes()
    note = SCALE_NOTE.read(state.notes)
    if note.adjusted_at is not None and 0 <= now - note.adjusted_at < EVERY_S:
        return Changes()
    shares = [compute_share(member, settings) for member in state.members() if member.pool in settings.pools]
    scale = compute_next_scale(note.scale, shares, settings)
    return Changes(notes=SCALE_NOTE.write(ScaleNote(round(scale, 6), now)))


def compute_share(member: Member, settings: Settings) -> LoadShare:
    """Return the load of the node, by its last probe."""
    backoff = settings.pools[member.pool].backoff
    test_s = estimate_test_seconds(member)
    if not backoff.kind.is_budgeted:
        return LoadShare(test_s, member.interval_s, member.interval_s, member.interval_s)
    seen_at = member.since_at if member.probed_at is None else max(member.since_at, member.probed_at)
    return LoadShare(test_s, compute_unit_wait(member, settings, seen_at), backoff.base_s, backoff.max_s)


def compute_load(scale: float, shares: Iterable[LoadShare]) -> float:
    """Return how many slots would be busy on average with K = `scale`."""
    load = 0.0
    for test_s, unit_s, least_s, most_s in shares:
        wait_s = scale * unit_s
        if wait_s < least_s:
            wait_s = least_s
        elif wait_s > most_s:
            wait_s = most_s
        load += test_s / (wait_s + test_s)
    return load


def compute_next_scale(scale: float, shares: Iterable[LoadShare], settings: Settings) -> float:
    """Return K for the next ten minutes; it stays as it is while there are no nodes."""
    load = compute_load(scale, shares)
    wanted = settings.adaptive.load_ratio * settings.window
    least, most = _BOUNDS
    return min(most, max(least, scale * sqrt(load / wanted))) if load else scale
