"""What a guard that comes on takes back: suspects, and the moves out of good that were confirmed a moment before.

Pure. The first nodes of a crowd that fails together leave good before the share is reached at which the guard comes on.
They failed for the same reason as the others, so they are put back beside them: in good, with the record they had,
failing, their moves held. `plabctl.core.guard` asks for it whenever a guard is on; what a member has to remember
for it is a `Flop` for each move, forgotten once the guard would not look back that far.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from plabctl.core.backoffs.base import interval
from plabctl.core.model import Event, Member
from plabctl.core.records import Flop, Suspicion
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.core.guard import Guard


def taken_back(state: State, settings: Settings, guard: Guard, now: float) -> Changes:
    """Return the changes that undo what `guard` would have held, had it come on in time.

    A move by a person since then settles it, and a node that is held stays where it is.
    """
    members, happened = [], []
    for member, flop in _found(state, settings, guard, now):
        members.append(restored(member, flop, settings, now))
        if member.pool != flop.before.pool:
            happened.append(_told(member, flop, guard.reason(flop.before.pool, state.node(member.node)), now))
    return Changes(members=tuple(members), events=tuple(happened))


def still_matters(flops: tuple[Flop, ...], settings: Settings, now: float) -> tuple[Flop, ...]:
    """Return those of `flops` that a guard which comes on now or later may still take back."""
    return tuple(flop for flop in flops if flop.at >= now - settings.guard.within_s)


def restored(member: Member, flop: Flop, settings: Settings, now: float) -> Member:
    """Return `member` with the record it had before `flop`, as if the guard had held that move and those after it.

    What it passed since counts. If it fails, it is tested again after the shortest wait, as all that are held.
    """
    before, later = flop.before, member.suspicion
    back = replace(
        member,
        pool=before.pool,
        since_at=before.since_at,
        penalty=flop.penalty,
        penalty_at=flop.penalty_at,
        spells=flop.spells,
        good_ratio=flop.good_ratio,
        flops=(),
    )
    if not later and (member.pool == before.pool or member.ok_streak):
        return replace(back, ok_streak=before.ok_streak + member.ok_streak)
    passed = later.ok_streak if later and later is not before else 0
    failed_at = later.failed_at if later else before.failed_at
    wait_s = interval(settings.pools[before.pool].backoff, 0, 0.0)
    return replace(
        back,
        suspicion=Suspicion(before.pool, before.since_at, before.ok_streak + passed, failed_at),
        due_at=min(member.due_at, now + wait_s),
        interval_s=wait_s,
    )


def _found(state: State, settings: Settings, guard: Guard, now: float) -> Iterator[tuple[Member, Flop]]:
    """Yield the members with a move to take back, each with the first such move."""
    for member in state.recent(now - settings.guard.within_s):
        if member.is_held(now):
            continue
        for flop in (*still_matters(member.flops, settings, now), *_suspected(member)):
            if flop.before.pool in settings.pools and guard.holds(flop.before.pool, state.node(member.node)):
                yield member, flop
                break


def _suspected(member: Member) -> Iterator[Flop]:
    """Yield what would become of a suspect: the move that its retest may confirm."""
    before = member.suspicion
    if before and before.pool != member.pool:
        yield Flop(before, before.failed_at, member.penalty, member.penalty_at, member.spells, member.good_ratio)


def _told(member: Member, flop: Flop, why: str, now: float) -> Event:
    # Called as the move was, `transition` or not: whoever was told of the one wants to hear of the other.
    kind = "guarded" if flop.before is member.suspicion else "transition"
    data = {
        "from": member.pool,
        "to": flop.before.pool,
        "since_at": flop.before.since_at,
        "cause": "guard",
        "reason": f"taken back by the guard: {why}",
    }
    return Event(f"guard-back {member.node} {flop.at}", now, kind, member.node, "plabctl", data)
