"""What is rolled back when a guard comes on: suspects, and moves out of good that were confirmed shortly before.

Pure. When many nodes fail together, the first ones leave good before the share is reached at which the guard comes on.
They failed for the same reason as the others, so they are put back: in good, with the record they had, failing, their
moves held. `plabctl.core.guard.evaluate` asks for it whenever a guard is on; what a member has to
remember for it is a `Flap` for each move, forgotten once the guard would not look back that far.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core import strikes
from plabctl.core.backoffs.base import compute_interval
from plabctl.core.events import MACHINE, describe_move
from plabctl.core.flap import keep_relevant
from plabctl.core.guard.model import Guard
from plabctl.core.model import Event, Member
from plabctl.core.pools.base import Move, build_flap
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.core.suspicion import Flap
from plabctl.values import replace


def roll_back(state: State, settings: Settings, guard: Guard, now: float) -> Changes:
    """Return the changes that undo what `guard` would have held, had it come on in time.

    A move by a person since then settles it, and a node that is held stays where it is.
    """
    members, happened = [], []
    for member, flap in _find_moves(state, settings, guard, now):
        back = restore_member(member, flap, settings, now)
        members.append(back)
        why = guard.reason(flap.before.pool, state.node(member.node))
        if member.pool != flap.before.pool:
            happened.append(_build_event(member, flap, why, now))
        if member.stuck_since_at is not None and back.stuck_since_at is None:
            happened.append(_build_unstuck_event(back, flap, why, now))
    return Changes(members=tuple(members), events=tuple(happened))


def restore_member(member: Member, flap: Flap, settings: Settings, now: float) -> Member:
    """Return `member` with the record it had before `flap`, as if the guard had held that move and those after it.

    What it passed since counts. If it fails, it is tested again after the shortest wait, as all that are held.
    """
    before, later = flap.before, member.suspicion
    back = replace(
        member,
        pool=before.pool,
        since_at=before.since_at,
        penalty=flap.penalty,
        penalty_at=flap.penalty_at,
        uptime=flap.uptime,
        good_ratio=flap.good_ratio,
        flaps=(),
        **strikes.forget_from(member, flap.at),
    )
    if not later and (member.pool == before.pool or member.ok_streak):
        return replace(back, ok_streak=before.ok_streak + member.ok_streak)
    passed = later.ok_streak if later and later is not before else 0
    failed_at = later.failed_at if later else before.failed_at
    wait_s = compute_interval(settings.pools[before.pool].backoff, 0, 0.0)
    return replace(
        back,
        suspicion=replace(before, ok_streak=before.ok_streak + passed, failed_at=failed_at),
        due_at=min(member.due_at, now + wait_s),
        interval_s=wait_s,
    )


def _find_moves(state: State, settings: Settings, guard: Guard, now: float) -> Iterator[tuple[Member, Flap]]:
    """Yield the members with a move to take back, each with the first such move."""
    for node, member in state.recent(now - settings.guard.within_s):
        if member.is_held(now):
            continue
        for flap in (*keep_relevant(member.flaps, settings.guard, now), *_build_suspect_flap(member)):
            if flap.before.pool in settings.pools and guard.holds(flap.before.pool, node):
                yield member, flap
                break


def _build_suspect_flap(member: Member) -> Iterator[Flap]:
    """Yield what would become of a suspect: the move that its retest may confirm."""
    before = member.suspicion
    if before and before.pool != member.pool:
        yield build_flap(member, before, before.failed_at)


def _build_event(member: Member, flap: Flap, why: str, now: float) -> Event:
    # Of the kind that the move had: sinks that were told of the one are told of the other.
    kind = "guarded" if flap.before is member.suspicion else "transition"
    before, reason = flap.before, f"taken back by the guard: {why}"
    data = describe_move(Move(kind, member.pool, before.pool, before.since_at, "guard", reason))
    return Event(f"guard-back {member.node} {flap.at}", now, kind, member.node, MACHINE, data)


def _build_unstuck_event(back: Member, flap: Flap, why: str, now: float) -> Event:
    data = {"pool": back.pool, "over": True, "reason": f"taken back by the guard: {why}"}
    return Event(f"guard-back-stuck {back.node} {flap.at}", now, "stuck", back.node, MACHINE, data)
