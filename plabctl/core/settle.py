"""The second decision of a tick: what the reports of ended probes make of their nodes.

Pure. A report counts only while its token is current; everything else about judging is in `plabctl.core.pools`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

from plabctl.core import adaptive_scale, events, leftovers, refusals
from plabctl.core.claim import add_leftovers
from plabctl.core.guard.model import UNGUARDED, Guard
from plabctl.core.model import Claim, Event, Member, Outcome, Report
from plabctl.core.pools.base import Pool, Reading
from plabctl.core.state import Changes, State
from plabctl.core.timeouts import LearnedTimeouts


def settle(
    state: State,
    reports: Iterable[Report],
    pools: Mapping[str, Pool],
    now: float,
    rng: Random,
    guard: Guard = UNGUARDED,
) -> Changes:
    """Return what `reports` change: members, ended claims, and the events of each; `guard` holds moves to bad.

    A report whose token is not current, or whose node a person moved meanwhile, is recorded as late and not applied;
    only the debris it speaks of is remembered. Settling the same report twice changes nothing the second time.
    """
    members: dict[str, Member] = {}
    released: list[str] = []
    happened: list[Event] = []
    strays = leftovers.StrayLeftovers(state, members)
    scale = adaptive_scale.read_scale(state)
    learned_timeouts = LearnedTimeouts(state.notes, next(iter(pools.values())).settings)
    for report in reports:
        claim = state.claims.get(report.key)
        current = claim is not None and claim.token == report.token and report.node not in released
        member = members.get(report.node) or state.member(report.node)
        if not current:
            strays.add(report)
        elif claim:
            released.append(report.node)
            if member:
                members[report.node] = member = _drop_torn_down(member, claim, report)
        if not (current and claim and member) or claim.superseded:
            happened.append(events.build_probe_event(report, claim.pool if claim else "", now, late=True))
            continue
        member, found = refusals.weigh_refusal(_drop_lost_suspicion(member, pools), report, now)
        is_guarded = found.outcome is Outcome.FAIL and _is_guarded(state, guard, member)
        judgement = pools[member.pool].judge(member, Reading(found, now, rng.random(), is_guarded, scale))
        members[report.node] = learned_timeouts.learn(claim.recipe, found, _clear_request(judgement.member, claim, now))
        happened.append(events.build_probe_event(found, claim.pool, now))
        happened += [events.build_move_event(judgement.move, found, now)] if judgement.move else []
    notes = learned_timeouts.build_note() | strays.build_note(now)
    return Changes(members=tuple(members.values()), released=tuple(released), events=tuple(happened), notes=notes)


def _is_guarded(state: State, guard: Guard, member: Member) -> bool:
    if not guard.scopes:
        return False
    node = state.node(member.node)
    return guard.holds(member.suspicion.pool if member.suspicion else member.pool, node)


def _drop_lost_suspicion(member: Member, pools: Mapping[str, Pool]) -> Member:
    """Return `member`, no suspect any more when its pool is configured no more: it returns like any other node."""
    is_lost = member.suspicion is not None and member.suspicion.pool not in pools
    return replace(member, suspicion=None) if is_lost else member


def _drop_torn_down(member: Member, claim: Claim, report: Report) -> Member:
    """Return `member` with only that debris which the report says may still be there."""
    kept = tuple(piece for piece in member.debris if piece.vnode in report.left)
    return replace(member, debris=add_leftovers(replace(member, debris=kept), claim, report.left))


def _clear_request(member: Member, claim: Claim, now: float) -> Member:
    """Return `member` without a request that this probe answered; a later request makes it due again at once."""
    if member.requested_at is None:
        return member
    if member.requested_at <= claim.started_at:
        return replace(member, requested_at=None)
    # A request that seems to come later than now was made before the clock was set back: one more test answers it.
    return replace(member, requested_at=min(member.requested_at, now), due_at=now)
