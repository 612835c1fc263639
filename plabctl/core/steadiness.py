"""How steady nodes are: the share of recent time that they spent in good, reduced for flapping.

Pure. The share decays with a half-life of a week. It needs no history: each member stores the share as of the start of
its present stay, and the stay itself is added on each request.
"""

from __future__ import annotations

from collections.abc import Iterable

from plabctl.core.flap import compute_penalty
from plabctl.core.model import Member
from plabctl.core.names import build_sort_key
from plabctl.core.settings import Settings
from plabctl.durations import format_duration
from plabctl.values import dataclass

HALF_LIFE_S = 604800.0
"""A week: nodes fail by day and by weekday, and what was before the last repair says little."""


@dataclass(frozen=True, slots=True)
class RankedNode:
    """A node with its place: `score` from 0 to 1, and what it is made of, in words."""

    node: str
    score: float
    good_ratio: float
    reasons: tuple[str, ...]


def compute_good_ratio(member: Member, settings: Settings, now: float) -> float:
    """Return the share of recent time that the node spent in good: of a suspect as if it had not failed yet."""
    suspicion = member.suspicion
    began_at = suspicion.since_at if suspicion else member.since_at
    own = settings.pools.get(member.home_pool)
    return update_good_ratio(member.good_ratio, now - began_at, is_good=own is not None and own.is_good)


def update_good_ratio(ratio: float, seconds: float, *, is_good: bool) -> float:
    """Return the share after a stay of so many seconds in good or in bad; `ratio` is that before it."""
    kept = float(2.0 ** (-max(0.0, seconds) / HALF_LIFE_S))
    return ratio * kept + (1.0 - kept if is_good else 0.0)


def rank_nodes(members: Iterable[Member], settings: Settings, now: float) -> list[RankedNode]:
    """Return the nodes of `members`, the steadiest first: score = share in good / (1 + flap penalty)."""
    ranked = [_rank_node(member, settings, now) for member in members]
    return sorted(ranked, key=lambda each: (-each.score, build_sort_key(each.node)))


def _rank_node(member: Member, settings: Settings, now: float) -> RankedNode:
    ratio = compute_good_ratio(member, settings, now)
    flaps = compute_penalty(member, settings.flap, now)
    stay_s, is_suspect = now - member.since_at, member.suspicion is not None
    reasons = describe_steadiness(ratio, member.pool, stay_s, flaps, is_suspect=is_suspect)
    return RankedNode(member.node, ratio / (1.0 + flaps), ratio, tuple(reasons))


def describe_steadiness(ratio: float, pool: str, stay_s: float, flaps: float, *, is_suspect: bool) -> list[str]:
    """Return in words what a score is made of; the node has been in `pool` for `stay_s` seconds."""
    reasons = [f"good {ratio:.0%} of the last week", f"in {pool} for {format_duration(float(int(max(0.0, stay_s))))}"]
    if flaps >= 0.05:  # less would be shown as nothing
        reasons.append(f"flap penalty {flaps:.1f}")
    if is_suspect:
        reasons.append("its last test failed")
    return reasons
