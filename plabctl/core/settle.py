"""The second decision of a tick: what the reports of ended probes make of nodes, and of the vnodes of experiments.

Pure. A report counts only while its token is current; everything else about judging is in `plabctl.core.pools`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

from plabctl.core import adaptive_scale, events, liveness, readiness, refusals
from plabctl.core.claim import add_leftovers
from plabctl.core.experiments.model import Vnode
from plabctl.core.guard.model import UNGUARDED, Guard
from plabctl.core.leftovers import file_leftovers
from plabctl.core.model import Cause, Claim, Event, Goal, Leftover, Member, Outcome, Report
from plabctl.core.notes import NoteChanges
from plabctl.core.pools.base import Pool, Reading
from plabctl.core.pools.experiment import explain_death, judge_vnode
from plabctl.core.state import FALSE_ALARMS_TOPIC, Changes, State
from plabctl.core.timeouts import LearnedTimeouts
from plabctl.typed import TYPE_CHECKING
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.core.second_opinion import Opinions


def settle(
    state: State,
    reports: Iterable[Report],
    pools: Mapping[str, Pool],
    now: float,
    rng: Random,
    guard: Guard = UNGUARDED,
) -> Changes:
    """Return the changes that `reports` lead to: members, vnodes, ended claims and events; `guard` holds moves to bad.

    A report whose token is not current, or whose node a person moved meanwhile, is recorded as late and not applied;
    only the leftovers it speaks of are remembered. Settling the same report twice changes nothing the second time.
    """
    batch = _Batch(state, pools, now, rng, guard)
    for report in reports:
        batch.settle(report)
    return batch.build_changes()


class _Batch:
    """The reports that are settled together, and what they have changed so far."""

    def __init__(self, state: State, pools: Mapping[str, Pool], now: float, rng: Random, guard: Guard) -> None:
        self._state, self._pools, self._guard = state, pools, guard
        self._now, self._rng = now, rng
        self._settings = next(iter(pools.values())).settings
        self._scale = adaptive_scale.read_scale(state)
        self._timeouts = LearnedTimeouts(state.notes, self._settings)
        self._members: dict[str, Member] = {}
        self._vnodes: dict[str, Vnode | None] = {}
        self._left: dict[str, list[Leftover]] = {}
        """On nodes that were removed."""
        self._released: list[str] = []
        self._events: list[Event] = []
        self._notes: NoteChanges = {}
        self._failed: dict[str, str] = {}
        """What good nodes did of which nothing was amiss before, by name."""
        self._opinions: Opinions | None = None

    def settle(self, report: Report) -> None:
        """Apply `report` if its token is current, else record it as late."""
        claim = self._state.claims.get(report.key)
        vnode = self._state.vnode(report.key) if report.experiment else None
        is_current = claim is not None and claim.token == report.token and report.key not in self._released
        if not (claim and is_current and (vnode or not report.experiment)):
            self._keep_stray(report, vnode)
            self._record_late(report, claim)
            return
        self._released.append(report.key)
        if claim.goal is Goal.LIVENESS:
            self._judge_check(claim, report)
        elif vnode:
            self._judge_vnode(vnode, claim, report)
        else:
            self._judge_member(claim, report)

    def _find_opinions(self, report: Report) -> Opinions | None:
        """Return what judges reports from several vantages; None where all are made from this machine."""
        is_wanted = self._settings.executor.second_opinion
        if self._opinions is None and (is_wanted or report.vantage):
            from plabctl.core.second_opinion import Opinions  # most testbeds have one vantage

            self._opinions = Opinions(self._state, self._settings, self._guard, self._now)
        if self._opinions:
            self._opinions.note_vantage(report.vantage)
        return self._opinions if is_wanted else None

    def build_changes(self) -> Changes:
        """Return the changes of the reports settled so far, and of asking those who stand beside what failed."""
        called: Iterable[Member] = ()
        if self._failed and self._settings.guard.neighbours:
            from plabctl.core.neighbours import call_neighbours  # most batches have no such failure

            called = call_neighbours(self._state, self._settings, self._failed, self._members, self._now, self._guard)
        opinions = self._opinions
        return Changes(
            members=(*self._members.values(), *called),
            vnodes=tuple(vnode for vnode in self._vnodes.values() if vnode),
            gone=tuple(key for key, vnode in self._vnodes.items() if vnode is None),
            released=tuple(self._released),
            events=(*self._events, *(opinions.events if opinions else ())),
            notes=self._notes
            | self._timeouts.build_note()
            | file_leftovers(self._state, self._left, self._now)
            | (opinions.build_note() if opinions else {}),
        )

    def _judge_member(self, claim: Claim, report: Report) -> None:
        now, member = self._now, self._find_member(report)
        if member:
            member = self._members[report.node] = _drop_torn_down(member, claim, report)
        if not member or claim.superseded:
            self._record_late(report, claim)
            return
        member, found = refusals.weigh_refusal(_drop_lost_suspicion(member, self._pools), report, now)
        member, found = readiness.weigh_readiness(member, found, self._settings.ssh.not_ready_for_s, now)
        if report.address is not None and report.address != member.address:
            member = replace(member, address=report.address)
        if report.vantage != member.vantage and found.outcome is not Outcome.UNKNOWN:
            member = replace(member, vantage=report.vantage)
        opinions = self._find_opinions(report)
        if member.lost_ways and not opinions:  # they were seen before that was turned off
            member = replace(member, lost_ways=())
        is_guarded = found.outcome is Outcome.FAIL and self._is_guarded(member, report.vantage)
        reading = Reading(found, now, self._rng.random(), is_guarded, self._scale)
        judgement = self._pools[member.pool].judge(member, reading)
        self._note_failure(member, judgement.member, "failed")
        after = _clear_release(judgement.member, claim, found, now)
        after = _clear_request(after, claim, now)
        if after.asked_early and found.cause is not Cause.INTERRUPTED:
            after = replace(after, asked_early="")
        after = liveness.plan_after_test(after, self._pools[after.pool].own, found, reading.roll, now)
        after = opinions.judge_test(member, after, claim, found) if opinions else after
        self._members[report.node] = self._timeouts.learn(claim.recipe, found, after)
        if after.liveness and after.liveness.is_mute and FALSE_ALARMS_TOPIC not in self._state.notes:
            self._notes[FALSE_ALARMS_TOPIC] = {"count": 1}  # ticks look for others once there is one
        is_spared = found.outcome is Outcome.FAIL and judgement.member.fail_streak <= member.fail_streak
        more = {"counted": False} if is_spared else {}
        early = member.asked_early
        self._events.append(events.build_probe_event(found, claim.pool, now, asked_early=early, **more))
        if judgement.move:
            self._events.append(events.build_move_event(judgement.move, found, now))
        if after.stuck_since_at is not None and member.stuck_since_at is None:
            self._events.append(events.build_stuck_event(after, found, self._settings.flap, now))

    def _judge_check(self, claim: Claim, report: Report) -> None:
        """Apply what a liveness check says; one without news leaves no event."""
        member = self._find_member(report)
        pool = self._pools.get(member.pool) if member else None
        if not (member and pool) or claim.superseded or report.cause is Cause.INTERRUPTED:
            return
        is_guarded = self._is_guarded(member, report.vantage)
        if opinions := self._find_opinions(report):
            judgement = opinions.judge_check(member, claim, report, pool.own, is_guarded=is_guarded)
        else:
            look = liveness.read_look(report, is_login=liveness.is_login(pool.own, self._settings.recipes))
            judgement = liveness.judge_check(member, look, pool.own, self._now, is_guarded=is_guarded)
        self._note_failure(member, judgement.member, "fell silent")
        self._members[report.node] = judgement.member
        if judgement.move:
            self._events.append(events.build_move_event(judgement.move, report, self._now))

    def _judge_vnode(self, vnode: Vnode, claim: Claim, report: Report) -> None:
        own, now = self._settings.experiment, self._now
        report = explain_death(vnode, report)
        after, kind = judge_vnode(vnode, claim, report, own, now, self._rng.random())
        self._vnodes[report.key] = after
        self._events.append(events.build_probe_event(report, claim.pool, now, goal=claim.goal, vnode=claim.vnode))
        if kind:
            self._events.append(events.build_vnode_event(kind, claim, report, after, now))

    def _note_failure(self, before: Member, after: Member, what: str) -> None:
        """Remember a good node that has failed for the first time: it calls its neighbours."""
        is_new = before.suspicion is None and (after.suspicion is not None or after.pool != before.pool)
        if is_new and self._pools[before.pool].own.is_good:
            self._failed[before.node] = what

    def _record_late(self, report: Report, claim: Claim | None) -> None:
        if report.goal is Goal.LIVENESS:
            return
        pool = report.experiment or (claim.pool if claim else "")
        self._events.append(events.build_probe_event(report, pool, self._now, late=True))

    def _keep_stray(self, report: Report, vnode: Vnode | None) -> None:
        """Remember the vnode that `report` left as a leftover of its node, unless it is that of the experiment."""
        stray, member = report.stray, self._find_member(report)
        if stray is None or (vnode and vnode.vnode == stray.vnode):
            return
        if member is None:
            self._left.setdefault(report.node, []).append(stray)
        elif all(piece.vnode != stray.vnode for piece in member.leftovers):
            self._members[report.node] = replace(member, leftovers=(*member.leftovers, stray))

    def _find_member(self, report: Report) -> Member | None:
        return self._members.get(report.node) or self._state.member(report.node)

    def _is_guarded(self, member: Member, vantage: str) -> bool:
        if not self._guard.scopes:
            return False
        node = self._state.node(member.node)
        return self._guard.holds_vantage(vantage) or self._guard.holds(member.home_pool, node)


def _drop_lost_suspicion(member: Member, pools: Mapping[str, Pool]) -> Member:
    """Return `member` without a suspicion whose pool is no longer configured: it returns like any other node."""
    is_lost = member.suspicion is not None and member.suspicion.pool not in pools
    return replace(member, suspicion=None) if is_lost else member


def _drop_torn_down(member: Member, claim: Claim, report: Report) -> Member:
    """Return `member` with only those leftovers that may still be there by the report."""
    if not (member.leftovers or report.left):
        return member
    kept = tuple(piece for piece in member.leftovers if piece.vnode in report.left)
    return replace(member, leftovers=add_leftovers(replace(member, leftovers=kept), claim, report.left))


def _clear_release(member: Member, claim: Claim, found: Report, now: float) -> Member:
    """Return `member` as offered again, if this test has passed and was begun after the release.

    One that was begun before says nothing of how the user left the node, so the next is due at once.
    """
    released_at = member.release_test_since_at
    if released_at is None:
        return member
    if claim.started_at < released_at <= now:
        return replace(member, due_at=now, interval_s=0.0)
    return replace(member, release_test_since_at=None) if found.outcome is Outcome.PASS else member


def _clear_request(member: Member, claim: Claim, now: float) -> Member:
    """Return `member` without a request that this probe answered; a later request makes it due again at once."""
    if member.requested_at is None:
        return member
    if member.requested_at <= claim.started_at:
        return replace(member, requested_at=None, tests_busy=False)
    # A request that seems to come later than now was made before the clock was set back: one more test answers it.
    return replace(member, requested_at=min(member.requested_at, now), due_at=now)
