"""Neighbours: when a good node fails, good nodes of its site are asked at once, ahead of their time.

Pure. What fails together is mostly a switch, a rack or a link, so each neighbour that fails calls the next ones, and a
dead site is found in one round. `plabctl.core.settle` calls this; a call is a change of when a member is due, made by
the same commit as the failure, so it survives whatever becomes of the tick. The figures are in `docs/policy.md`.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from plabctl.core import liveness
from plabctl.core.due_rows import NodeFields
from plabctl.core.guard.model import Guard
from plabctl.core.model import Hold, Member, Node
from plabctl.core.settings import PoolSettings, Settings
from plabctl.core.state import State
from plabctl.core.suspicion import Suspicion
from plabctl.typed import NamedTuple
from plabctl.values import replace

MOST_CHECKS = 256
"""So many logins are called in one site at once; a site that is larger is asked no faster than that."""


class _Place(NamedTuple):
    node: str
    variables: Mapping[str, str]
    pool: str
    probed_at: float | None
    suspicion: Suspicion | None
    hold: Hold | None
    absent_since_at: float | None
    asked_early: str


_PLACES = NodeFields(_Place)


def call_neighbours(
    state: State, settings: Settings, failed: Mapping[str, str], seen: Mapping[str, Member], now: float, guard: Guard
) -> list[Member]:
    """Return the members that are asked early, as they are due then.

    `failed` has what each node did that has just failed as a good one; `seen` are the members of which reports were
    settled just now: nobody is asked again at once. Each failure calls a liveness check of every good node of its site
    where there are liveness checks, else tests of at most `neighbours` of them, those tested longest ago. It calls
    nobody while the guard holds its moves or theirs.
    """
    callers: dict[str, list[str]] = {}
    for name in failed:
        node, member = state.node(name), seen[name]
        site = node.variables.get(settings.guard.site_label) if node else None
        if site and not guard.holds(member.home_pool, node):
            callers.setdefault(site, []).append(name)
    if not callers:
        return []
    near = _list_near(state, settings, callers, seen, now, guard)
    called: list[Member] = []
    for site, names in callers.items():
        reasons = [f"{name} at the same site {failed[name]}" for name in names]
        called += _call_site(state, settings, near.get(site, []), reasons, now)
    return called


def _list_near(
    state: State,
    settings: Settings,
    sites: Iterable[str],
    seen: Mapping[str, Member],
    now: float,
    guard: Guard,
) -> dict[str, list[_Place]]:
    """Return the good nodes of these sites that may be asked; all nodes are looked at, once for all failures."""
    label, good_pools, wanted, claims = settings.guard.site_label, settings.good_pools, frozenset(sites), state.claims
    busy = _list_busy(state, settings, now)
    near: dict[str, list[_Place]] = {}
    for place in state.select(_PLACES):
        site = place.variables.get(label)
        if site not in wanted or place.pool not in good_pools or place.node in seen or place.node in claims:
            continue
        is_pinned = place.hold is not None and place.hold.holds(now)
        if place.suspicion or is_pinned or place.absent_since_at is not None or place.asked_early:
            continue
        # A login disturbs nobody, and a test waits for the end of a job anyway.
        own = settings.pools[place.pool]
        is_spared = place.node in busy and own.busy == "spare" and not _is_checked(own)
        if not is_spared and not guard.holds(place.pool, Node(place.node, place.variables)):
            near.setdefault(site, []).append(place)
    return near


def _list_busy(state: State, settings: Settings, now: float) -> Container[str]:
    """Return the nodes that are busy at `now`."""
    if not settings.occupancies:
        return ()
    from plabctl.core.occupancy import find_busy  # few have such a source

    return find_busy(state.notes, settings.occupancies, now)


def _call_site(
    state: State, settings: Settings, near: Sequence[_Place], reasons: Sequence[str], now: float
) -> Iterator[Member]:
    """Yield those who are asked because of these failures, those tested longest ago first."""
    checked = [place for place in near if _is_checked(settings.pools[place.pool])]
    for place in heapq.nsmallest(MOST_CHECKS, checked, _get_age):
        member = state.member(place.node)
        if member and not _was_just_asked(member, now):
            yield liveness.call_check(member, now, reasons[0])
    limit = settings.guard.neighbours
    tested = [place for place in near if not _is_checked(settings.pools[place.pool])]
    for number, place in enumerate(heapq.nsmallest(limit * len(reasons), tested, _get_age)):
        if member := state.member(place.node):
            # Those that are due at once go before all that merely have become due.
            due_at = min(member.due_at, now)
            yield replace(member, due_at=due_at, interval_s=0.0, asked_early=reasons[number // limit])


def _get_age(place: _Place) -> tuple[float, str]:
    return place.probed_at or 0.0, place.node


def _is_checked(own: PoolSettings) -> bool:
    return own.liveness is not None and own.liveness.between > 0


def _was_just_asked(member: Member, now: float) -> bool:
    """Return whether a login is called already, or was answered so lately that another would say the same."""
    own = member.liveness
    if own is None:
        return False
    return bool(own.called) or (own.answered_at is not None and 0 <= now - own.answered_at < liveness.LEAST_SPACING_S)
