"""The first decision of a tick: which claims are void, and which due members to take for the free slots.

Pure. `assign` makes the claims; the second decision is `settle`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from plabctl.core import events
from plabctl.core.assignment import Assignment
from plabctl.core.due_rows import PLACEMENT, Due, build_due_row, build_vnode_due_row
from plabctl.core.fairness import EQUAL, ONE, Share
from plabctl.core.model import Claim, Goal, Leftover, Member, TickMark
from plabctl.core.settings import Settings
from plabctl.core.shortlist import Rank, Shortlist, rank_by_pool, shorten
from plabctl.core.state import Changes, State
from plabctl.values import replace

GRACE_S = 60.0
"""How much longer than its longest probe a claim lives: time to start the probe, and to settle it."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """The tick that claims: its mark, the current boot, a random generator, and the uptime of the machine."""

    mark: TickMark
    boot: str
    rng: Random
    uptime_s: float | None = None
    elsewhere: bool = False
    """Its probes are made by other machines."""

    @property
    def begin_by_uptime_s(self) -> float | None:
        """When its probes have to begin, to end before their claims do; in seconds since the boot, None if unknown."""
        return None if self.uptime_s is None else round(self.uptime_s + GRACE_S, 3)

    def claim(self, assignment: Assignment, slot: int, now: float) -> Claim:
        """Return the claim on the member that `assignment` is to probe."""
        longest_s, uptime_s = assignment.deadline_s + GRACE_S, self.uptime_s
        return Claim(
            node=assignment.node.name,
            token=assignment.token,
            slot=slot,
            tick=self.mark.id,
            boot=self.boot,
            pool=assignment.pool,
            recipe=assignment.recipe.name,
            vnode=assignment.vnode,
            started_at=now,
            deadline_at=round(now + longest_s, 3),
            experiment=assignment.experiment,
            goal=assignment.goal,
            until_uptime_s=None if uptime_s is None else round(uptime_s + longest_s, 3),
            away_from=assignment.away_from,
            elsewhere=self.elsewhere,
        )


def build_vnode_name(token: str) -> str:
    """Return the name of a vnode that the claim with this token is the first to make."""
    return f"plabctl-{token}"


def find_void_reason(claim: Claim, claimant: Claimant, now: float) -> str | None:
    """Return why `claim` is void by itself; None when only its slot's lock can tell whether its holder lives."""
    is_of_boot = claim.boot == claimant.boot
    if not is_of_boot and not claim.elsewhere:
        return "the machine was rebooted meanwhile"
    is_running = claim.is_running(now, claimant.uptime_s if is_of_boot else None)
    return None if is_running else "its deadline has passed"


def compute_remaining_s(claim: Claim, claimant: Claimant, now: float) -> float:
    """Return the seconds until the deadline of `claim`, which is not void."""
    if claim.boot == claimant.boot and claim.until_uptime_s is not None and claimant.uptime_s is not None:
        return claim.until_uptime_s - claimant.uptime_s
    return claim.deadline_at - now


def void_claims(state: State, dead: Mapping[str, str], now: float) -> Changes:
    """Return the changes that void the claims in `dead` (key to reason).

    A voided claim counts neither as a pass nor as a failure. Each vnode is recorded as a leftover.
    """
    members, vnodes, happened = [], [], []
    for key, why in dead.items():
        claim = state.claims[key]
        if claim.goal is Goal.LIVENESS:  # it left nothing, and is still due
            continue
        happened.append(events.build_void_event(claim, why, now))
        if claim.experiment:
            vnode = state.vnode(key)
            if vnode:  # its name says already what may be left
                vnodes.append(replace(vnode, due_at=now, interval_s=0.0))
        elif member := state.member(claim.node):
            members.append(replace(member, leftovers=add_leftovers(member, claim, [claim.vnode])))
    return Changes(members=tuple(members), vnodes=tuple(vnodes), released=tuple(dead), events=tuple(happened))


def give_back(state: State, claims: Iterable[Claim]) -> Changes:
    """Return the changes that end `claims`, none of which was started: vnode names made for them were never used."""
    claims = tuple(claims)
    fresh = [claim for claim in claims if claim.experiment and claim.vnode == build_vnode_name(claim.token)]
    vnodes = [state.vnode(claim.key) for claim in fresh]
    unnamed = tuple(replace(vnode, vnode="") for vnode in vnodes if vnode)
    return Changes(vnodes=unnamed, released=tuple(claim.key for claim in claims))


def add_leftovers(member: Member, claim: Claim, vnodes: Iterable[str]) -> tuple[Leftover, ...]:
    """Return the member's leftovers with `vnodes` added, as left by `claim`."""
    known = {piece.vnode for piece in member.leftovers}
    new = (Leftover(vnode, claim.recipe, claim.started_at) for vnode in vnodes if vnode and vnode not in known)
    return (*member.leftovers, *new)


@dataclass(frozen=True, slots=True)
class Choice:
    """The members to probe next, and how many more are due and must wait."""

    rows: tuple[Due, ...]
    waiting_count: int


def list_candidates(state: State, settings: Settings, now: float, *, only: Collection[str] | None = None) -> list[Due]:
    """Return the members that may be probed now: due, not claimed; with `only` these keys, whatever their time.

    A member that would have to wait longer than the longest wait there is counts as due: the clock was set back. Nodes
    that are absent are not tested, nor are vnodes on them; nor are busy nodes, see `plabctl.core.spared`.
    """
    latest_at, pools = now + settings.longest_wait_s, settings.pools.keys() - settings.disabled
    if only is None:
        rows = _list_tests(state, state.due(now, latest_at=latest_at), pools)
    else:
        # Who asks for a node by name gets it tested, even where nothing else is.
        rows = _list_tests(state, _list_named(state, only), settings.pools.keys())
    if settings.occupancies:
        from plabctl.core.spared import drop_busy  # few have such a source

        rows = drop_busy(rows, state, settings, now)
    return rows if only is not None else rows + _list_checks(state, rows, pools, now, latest_at)


def list_unclaimed(state: State, now: float, *, latest_at: float, pools: Collection[str]) -> list[Due]:
    """Return the members of these pools and of experiments that may be probed now, whoever uses their nodes."""
    rows = _list_tests(state, state.due(now, latest_at=latest_at), pools)
    return rows + _list_checks(state, rows, pools, now, latest_at)


def shortlist_candidates(state: State, settings: Settings, now: float, count: int) -> Shortlist:
    """Return those of `list_candidates` that can be chosen for `count` slots, and how many there are in all."""
    if settings.occupancies:
        return shorten(list_candidates(state, settings, now), count, now)
    pools = settings.pools.keys() - settings.disabled
    return state.shortlist(now, count, latest_at=now + settings.longest_wait_s, pools=pools)


def _list_named(state: State, keys: Iterable[str]) -> Iterator[Due]:
    """Yield the rows of these members, whatever their time; nodes that are absent have none."""
    for key in keys:
        if (member := state.member(key)) and member.absent_since_at is None:
            yield build_due_row(member)
        elif vnode := state.vnode(key):
            yield build_vnode_due_row(vnode)


def _list_tests(state: State, due: Iterable[Due], pools: Collection[str]) -> list[Due]:
    claims = state.claims
    rows = [row for row in due if row.key not in claims and (row.experiment or row.pool in pools)]
    return [row for row in rows if not row.experiment or not _is_spared(state, row)]


def _list_checks(state: State, tests: Iterable[Due], pools: Collection[str], now: float, latest_at: float) -> list[Due]:
    """Return the liveness checks that may be made now: of nodes that are not about to be tested, nor claimed."""
    checks = state.due_checks(now, latest_at=latest_at)
    taken = {row.node for row in tests if not row.experiment} | state.claims.keys() if checks else set()
    return [row for row in checks if row.node not in taken and row.pool in pools]


def _is_spared(state: State, row: Due) -> bool:
    """Return whether the node of a member of an experiment is absent; what is leaving it is torn down all the same."""
    placement = state.select_one(PLACEMENT, row.node)
    if placement is None or placement.absent_since_at is None:
        return False
    vnode = state.vnode(row.key)
    return vnode is not None and vnode.goal is not Goal.TEARDOWN


class PoolClaim(Protocol):
    """What runs for a pool: a claim."""

    @property
    def pool(self) -> str:
        """The pool it runs for."""
        ...


def choose_rows(
    rows: Sequence[Due],
    claims: Iterable[PoolClaim],
    count: int,
    now: float,
    shares: Mapping[str, Share] = EQUAL,
) -> Choice:
    """Return which of `rows`, the candidates, to probe next, at most `count`; `claims` are those that run.

    Requested retests come first. Then the next slot goes to a pool that holds less than its reserve; else to the pool
    that holds the fewest for its weight, so that pools share the window by slot-seconds however long their probes take;
    among equals to the one that used the fewest slot-seconds for its weight recently. Each experiment is a pool. Inside
    a pool the largest (time since the last probe) / interval goes first, and members due at once before all.

    A slot is never taken from a running probe. The share of a pool is the larger of its reserve and its part by weight
    of the slots that are left after the reserves of the others and one for each of them. When that is one slot or more,
    a due member before which m others of its pool are served waits at most (2 + m / share) longest probes: after one,
    its pool holds its share, and from then on each slot of it serves one after the other.
    """
    requested = [row for row in rows if row.requested_at is not None]
    chosen = heapq.nsmallest(count, requested, key=lambda row: (row.requested_at, row.node))
    ranked = rank_by_pool(rows, count - len(chosen), now)
    queues = {pool: queue[::-1] for pool, queue in ranked.items()}
    holds = Counter(claim.pool for claim in claims)
    holds.update(row.pool for row in chosen)

    def turn(name: str) -> tuple[bool, float, float, tuple[Rank, Due]]:
        share = shares.get(name, ONE)
        held = holds[name]
        return held >= share.reserve, held / share.weight, share.used_s / share.weight, queues[name][-1]

    while len(chosen) < count and queues:
        pool = min(queues, key=turn)
        chosen.append(queues[pool].pop()[-1])
        holds[pool] += 1
        if not queues[pool]:
            del queues[pool]
    return Choice(tuple(chosen), len(rows) - len(chosen))
