"""How pools share the window: by weight, by reserve, and by the slot-seconds that each has used recently.

Pure. Usage is kept in a note of the state and decays. `plabctl.core.claim.choose_rows` uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import floor
from typing import NamedTuple

from plabctl.core.model import Report
from plabctl.core.notes import NoteKind
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State

HALF_LIFE_S = 300.0
"""Short, so that a pool that was idle cannot save up its turns: it is owed a few minutes at most."""
_NEGLIGIBLE_S = 0.01


class Share(NamedTuple):
    """The share of the window that a pool is entitled to."""

    weight: float = 1.0
    reserve: int = 0
    """In slots."""
    used_s: float = 0.0
    """Slot-seconds used recently."""


class UseNote(NamedTuple):
    """The slot-seconds that each pool had used recently, as of `at`; None: nothing is known."""

    at: float | None
    slot_s: Mapping[str, float]


USE_NOTE = NoteKind(
    "use",
    decode=lambda reader: UseNote(reader.read_number("at", None), reader.read_numbers("slot_s")),
    encode=lambda note: {"at": note.at, "slot_s": note.slot_s},
)
ONE = Share()
EQUAL: Mapping[str, Share] = {}
"""All pools alike."""


class PoolUse(NamedTuple):
    """How a pool uses the window, as `pool list` shows it."""

    name: str
    is_experiment: bool
    weight: float
    reserve_ratio: float
    held_count: int
    """Slots that it holds now."""
    used_ratio: float
    """Its part of the slot-seconds that all pools used recently."""
    share_ratio: float
    """The part of the window that is its own while all pools that have members due now go on having some."""
    due_count: int
    """Members that are due and wait for a slot."""
    oldest_wait_s: float
    """How long the one that waits longest has been due."""


def compute_shares(state: State, settings: Settings, now: float) -> dict[str, Share]:
    """Return the share of each pool and each experiment at `now`."""
    used, window = compute_used(state, now), settings.window
    weights = {pool.name: (pool.weight, pool.reserve) for pool in settings.pools.values()}
    own = settings.experiment
    weights.update(dict.fromkeys(state.experiments, (own.weight, own.reserve)))
    return {
        name: Share(weight, floor(reserve * window), used.get(name, 0.0)) for name, (weight, reserve) in weights.items()
    }


def compute_used(state: State, now: float) -> dict[str, float]:
    """Return the slot-seconds that each pool used recently, as of `now`."""
    note = USE_NOTE.read(state.notes)
    if note.at is None:
        return {}
    kept = 2.0 ** (-max(0.0, now - note.at) / HALF_LIFE_S)
    return {name: seconds * kept for name, seconds in note.slot_s.items() if seconds * kept >= _NEGLIGIBLE_S}


def count_use(state: State, reports: Iterable[Report], now: float) -> Changes:
    """Return the change that adds what the probes of `reports`, whose claims are still current, have used."""
    ended = [(claim.pool, report) for report in reports if (claim := state.claims.get(report.key))]
    if not ended:
        return Changes()
    used = compute_used(state, now)
    for pool, report in ended:
        used[pool] = used.get(pool, 0.0) + report.seconds
    slot_s = {name: round(seconds, 3) for name, seconds in used.items()}
    return Changes(notes=USE_NOTE.write(UseNote(now, slot_s)))


def list_uses(state: State, settings: Settings, now: float) -> list[PoolUse]:
    """Return how each pool uses the window: health pools in the order of the configuration, then experiments."""
    held = Counter(claim.pool for claim in state.claims.values() if claim.is_running(now))
    waits: dict[str, list[float]] = {}
    due = state.due(now)
    if settings.occupancies:
        from plabctl.core.spared import drop_busy  # few have such a source

        due = drop_busy(due, state, settings, now)
    for row in due:
        if row.key not in state.claims:
            waits.setdefault(row.pool, []).append(now - row.due_at)
    shares = compute_shares(state, settings, now)
    whole_s = sum(share.used_s for share in shares.values()) or 1.0
    busy = {name: shares[name].weight for name in shares if name in waits or held[name]}
    weights = sum(busy.values()) or 1.0
    found = []
    for name, share in shares.items():
        reserve = share.reserve / settings.window
        own = settings.pools.get(name)
        found.append(
            PoolUse(
                name=name,
                is_experiment=own is None,
                weight=share.weight,
                reserve_ratio=settings.experiment.reserve if own is None else own.reserve,
                held_count=held[name],
                used_ratio=share.used_s / whole_s,
                share_ratio=max(reserve, busy.get(name, 0.0) / weights),
                due_count=len(waits.get(name, ())),
                oldest_wait_s=max(waits.get(name, [0.0])),
            )
        )
    return found
