"""What the adaptive back-off knows of a node, and the wait that costs least.

Pure. Testing costs slot time, and a wrong state does harm for as long as it lasts. The sum of the two is least for a
wait that is the geometric mean of the cost of a test and the time that the node's state lasts:

    wait = K * sqrt(s * T / (N * h))

s   seconds of the node's last test
h   the harm of being wrong for a second: 1 in good, 0.5 in bad
T   seconds the node was seen in this state, and 1 day (good) or 15 minutes (bad) to begin with
N   how often it was seen to leave it, and 0.3 to begin with
K   the same for all nodes, so that the load planned is the share of the window aimed at: see `adaptive_scale`

What was seen of spells that are over halves every `half_life`. The spell under way counts in full, so a node that stays
dead is tested ever less. What they begin with stays: were N to fade to nothing, the wait would know no bounds.
"""

from __future__ import annotations

from math import sqrt

from plabctl.core.model import Member
from plabctl.core.settings import Settings
from plabctl.core.uptime import UptimeStats, compute_fade, compute_faded_length

_FIRST_GOOD_S = 86400.0
_FIRST_BAD_S = 900.0
_FIRST_COUNT = 0.3
_BAD_HARM = 0.5
_FIRST_TEST_S = 60.0
_LEAST_TEST_S = 0.1
_NOTHING = UptimeStats(0.0, 0.0, 0.0, 0.0, 0.0)


def is_adaptive(settings: Settings) -> bool:
    """Return whether any pool backs off adaptively."""
    return any(pool.backoff.kind.is_budgeted for pool in settings.pools.values())


def compute_unit_wait(member: Member, settings: Settings, now: float) -> float:
    """Return the seconds that the adaptive back-off would wait after a result at `now` if K were 1."""
    known = member.uptime or _NOTHING
    left = compute_fade(known.at, now, settings.adaptive.half_life_s)
    if settings.pools[member.pool].is_good:
        total_s, count, harm = _FIRST_GOOD_S + known.good_s * left, known.good_count, 1.0
    else:
        total_s, count, harm = _FIRST_BAD_S + known.bad_s * left, known.bad_count, _BAD_HARM
    total_s += max(0.0, now - member.since_at)
    return sqrt(estimate_test_seconds(member) * total_s / ((_FIRST_COUNT + count * left) * harm))


def estimate_test_seconds(member: Member) -> float:
    """Return how long a test of this node is expected to take: as long as its last one."""
    return max(_LEAST_TEST_S, member.last.seconds) if member.last else _FIRST_TEST_S


def add_spell(
    member: Member, began_at: float, ended_at: float, settings: Settings, *, is_good: bool
) -> UptimeStats | None:
    """Return what is known of the node once its spell in a pool of that side is over; None where no pool asks for it.

    The spell is the one that really was: of a node whose failure was confirmed later, up to its first failure.
    """
    if not is_adaptive(settings):
        return member.uptime
    known = member.uptime or _NOTHING
    half_life_s = settings.adaptive.half_life_s
    left = compute_fade(known.at, ended_at, half_life_s)
    lasted_s = compute_faded_length(ended_at - began_at, half_life_s)
    return UptimeStats(
        at=ended_at,
        good_s=known.good_s * left + (lasted_s if is_good else 0.0),
        good_count=known.good_count * left + is_good,
        bad_s=known.bad_s * left + (0.0 if is_good else lasted_s),
        bad_count=known.bad_count * left + (not is_good),
    )
