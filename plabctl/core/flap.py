"""What flapping costs: a penalty that decays, and the passes it asks for before a node may return.

Pure. Source: the decaying penalty of route flap damping (RFC 2439), with passes in a row in place of a waiting time.
"""

from __future__ import annotations

from plabctl.core.settings import FlapSettings, GuardSettings
from plabctl.core.suspicion import Flap
from plabctl.typed import Protocol


class FlapRecord(Protocol):
    """A record with a node's flap penalty: a `Member`, or a row of the status."""

    @property
    def penalty(self) -> float:
        """The penalty as it was at `penalty_at`."""
        ...

    @property
    def penalty_at(self) -> float:
        """When the penalty was computed."""
        ...

    @property
    def ok_streak(self) -> int:
        """Passes in a row."""
        ...


def compute_penalty(member: FlapRecord, flap: FlapSettings, now: float) -> float:
    """Return the member's penalty at `now`: P * 2 ** (-(now - penalty_at) / half_life)."""
    if member.penalty <= 0:
        return 0.0
    age_s = max(0.0, now - member.penalty_at)
    return float(member.penalty * 2.0 ** (-age_s / flap.half_life_s))


def add_flap(member: FlapRecord, flap: FlapSettings, now: float) -> float:
    """Return the penalty after one more confirmed move from good to bad; it never exceeds `max_passes`."""
    return min(float(flap.max_passes), compute_penalty(member, flap, now) + 1.0)


def count_required_passes(member: FlapRecord, flap: FlapSettings, now: float) -> int:
    """Return how many passes in a row the member needs to return to good: 1 + floor(P), at most `max_passes`."""
    return max(1, min(flap.max_passes, 1 + int(compute_penalty(member, flap, now))))


def count_needed_passes(member: FlapRecord, flap: FlapSettings, now: float) -> int:
    """Return how many more passes the member needs, beyond those it has already in a row."""
    return max(0, count_required_passes(member, flap, now) - member.ok_streak)


def count_passes_to_go(member: FlapRecord, flap: FlapSettings, next_at: float) -> int:
    """Return how many passes the member needs if it passes each test from `next_at` on, `apart_s` apart.

    That may be fewer than `count_needed_passes` now, because the penalty decays meanwhile; it is at least 1.
    """
    count = 1
    while count_required_passes(member, flap, next_at + (count - 1) * flap.apart_s) > member.ok_streak + count:
        count += 1
    return count


def keep_relevant(flaps: tuple[Flap, ...], guard: GuardSettings, now: float) -> tuple[Flap, ...]:
    """Return those of `flaps` that a guard which comes on now or later may still roll back."""
    return tuple(flap for flap in flaps if flap.at >= now - guard.within_s)
