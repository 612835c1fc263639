"""Which processes keep plabctl from its work while cron goes on: a stopped one, one that keeps a lock, dying ticks.

Pure. What is judged here was seen by `plabctl.store.lock_report`. `plabctl.core.find_problems` lists what
is wrong in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from plabctl.core.problems import Problem, ProblemKind
from plabctl.core.surroundings import HeldLock, LockKind, LockReport
from plabctl.counts import format_count
from plabctl.durations import format_duration

if TYPE_CHECKING:
    from plabctl.core.settings import Settings
    from plabctl.core.state import State

LOCK_IS_LONG_S = 30.0
"""The lock of the state is held for milliseconds; a slow disk may make that seconds."""
CLAIM_IS_LATE_S = 120.0
"""How long after the end of a claim the next tick must have settled it: cron starts one a minute."""
MANY_DEATHS = 3
"""So many ticks in a row that end without a word are no accident any more."""
STARTING_S = 60.0
"""A tick that began less than this ago may still be on its way to its first test."""


_STOPPED = {"T": "is stopped", "t": "is stopped by a debugger"}
_WAITS_FOR_DISK = {"D": "waits for a disk"}
_FOR_WHAT = {
    LockKind.STATE: "the lock of the state",
    LockKind.TURN: "the right to take slots",
    LockKind.DELIVERY: "the right to tell history and hooks what happened",
    LockKind.HOST_KEYS: "the lock of the known host keys",
}


def find_stuck(
    sight: LockReport, state: State, settings: Settings, now: float, last_tick_at: float | None
) -> list[Problem]:
    """Return what processes keep from going on, the gravest first."""
    return [
        *_check_locks(sight, now),
        *_check_slots(sight, settings.window, now),
        *_check_ticks(sight, now, last_tick_at),
        *_check_claims(sight, state),
    ]


def _check_locks(sight: LockReport, now: float) -> Iterator[Problem]:
    for lock in sight.locks:
        if lock.kind is LockKind.SLOT:
            continue
        held_s = 0.0 if lock.marked_at is None else now - lock.marked_at
        is_long = lock.kind is LockKind.STATE and held_s > LOCK_IS_LONG_S
        if lock.process_state in _STOPPED or is_long:
            duration = f" for {format_duration(held_s)}" if held_s >= 1.0 else ""
            reason = f"{_describe_holder(lock)} {_describe_condition(lock)} and holds {_FOR_WHAT[lock.kind]}{duration}"
            remedy = find_remedy(lock)
            yield Problem(ProblemKind.LOCK, reason, remedy, lock.pid, lock.marked_at, subject=lock.kind.value)


def _check_slots(sight: LockReport, window: int, now: float) -> Iterator[Problem]:
    stuck: dict[tuple[int | None, int | None], list[HeldLock]] = {}
    for lock in sight.locks:
        is_late = lock.until_uptime_s is not None and sight.uptime_s > lock.until_uptime_s
        if lock.kind is LockKind.SLOT and (lock.process_state in _STOPPED or is_late):
            stuck.setdefault((lock.pid, lock.foreign_pid), []).append(lock)
    for locks in stuck.values():
        first = locks[0]
        marks = [lock.marked_at for lock in locks if lock.marked_at is not None]
        since_at = max(marks) if marks else None
        late_s = max(sight.uptime_s - (lock.until_uptime_s or sight.uptime_s) for lock in locks)
        reason = f"{_describe_holder(first)} {_describe_condition(first)} and holds {len(locks)} of {window} slots"
        if since_at is not None:
            reason += f", its last test there began {format_duration(max(0.0, now - since_at))} ago"
        if late_s > 0:
            reason += f", {format_duration(late_s)} past the end of the tests"
        remedy, subject = find_remedy(first), str(first.pid or first.foreign_pid or "")
        yield Problem(ProblemKind.SLOTS, reason, remedy, first.pid, since_at, len(locks), subject=subject or None)


def _describe_holder(lock: HeldLock) -> str:
    if lock.pid is not None:
        return f"process {lock.pid}"
    foreign = "" if lock.foreign_pid is None else f", number {lock.foreign_pid} there"
    return f"a process of another container{foreign},"


def _describe_condition(lock: HeldLock) -> str:
    return _STOPPED.get(lock.process_state) or _WAITS_FOR_DISK.get(lock.process_state) or "does not go on"


def find_remedy(lock: HeldLock) -> str:
    """Return the commands that make the holder of `lock` go on, or end it."""
    if lock.pid is None:
        number = lock.foreign_pid or "PID"
        return f"where it runs: kill -CONT {number} resumes it, kill -KILL {number} ends it; its tests are made again"
    if lock.process_state in _STOPPED:
        return (
            f"kill -CONT {lock.pid} resumes it; to end it: kill {lock.pid}; kill -CONT {lock.pid}"
            " (or kill -KILL); what it was testing is tested again"
        )
    return f"kill {lock.pid} ends it, kill -KILL {lock.pid} if it stays; what it was testing is tested again"


def _check_ticks(sight: LockReport, now: float, last_tick_at: float | None) -> Iterator[Problem]:
    dead = [tick for tick in sight.ticks if not tick.is_running]
    count = len(dead) + sum(tick.died_count for tick in sight.ticks)
    newest_at = max((tick.began_at for tick in sight.ticks), default=0.0)
    # A tick with nothing to do leaves no trace but its time: it ended, and what the dead ones were to do is done.
    if count < MANY_DEATHS or (last_tick_at is not None and last_tick_at > newest_at + 1.0):
        return
    firsts = [tick.first_died_at for tick in sight.ticks if tick.first_died_at is not None]
    since_at = min([*firsts, *(tick.began_at for tick in dead)])
    reason = f"ticks begin and do not end: {count} in a row, the first {format_duration(max(0.0, now - since_at))} ago"
    remedy = (
        "something kills them: look for exit code 137 or `Out of memory` in cron's log and `dmesg`, raise that limit "
        "or lower `window`, then run: plabctl tick"
    )
    yield Problem(ProblemKind.TICKS, reason, remedy, None, since_at)


def _check_claims(sight: LockReport, state: State) -> Iterator[Problem]:
    held = sight.held_slots
    ends = [claim.until_uptime_s for claim in state.claims.values() if claim.slot not in held]
    late = [sight.uptime_s - end for end in ends if end is not None and sight.uptime_s - end > CLAIM_IS_LATE_S]
    if late:
        tests = format_count(len(late), "test")
        reason = f"{tests} should have ended up to {format_duration(max(late))} ago, and no tick cleans up"
        yield Problem(ProblemKind.CLAIMS, reason, "run `plabctl tick` and look at what it says")


def is_tick_starting(sight: LockReport, now: float) -> bool:
    """Return whether a tick that runs may still be on its way to its first test."""
    return any(tick.is_running and now - tick.began_at < STARTING_S for tick in sight.ticks)


def find_untested(
    sight: LockReport, state: State, settings: Settings, now: float, least_s: float, load: float | None
) -> Iterator[Problem]:
    """Yield that nodes are due and nothing is tested, although ticks come; `load` is the load average, if it matters.

    The caller knows that no test has ended for `least_s` seconds.
    """
    if sight.held_slots:
        return
    from plabctl.core.claim import list_candidates

    due = [row.due_at for row in list_candidates(state, settings, now)]
    late = [due_at for due_at in due if now - due_at > least_s]
    if not late:
        return
    count = f"{len(late)} node{'s have' if len(late) > 1 else ' has'}"
    waits = f"{count} been due for up to {format_duration(now - min(late))} and nothing is tested"
    if load is not None and load > settings.max_load:
        reason = f"{waits}: the load is above max_load = {settings.max_load:g}"
        remedy = f"find out what loads this machine ({load:.1f} now), or raise `max_load`"
        yield Problem(ProblemKind.LOAD, reason, remedy, since_at=min(late))
        return
    hint = f"; the load must be below max_load = {settings.max_load:g}" if settings.max_load else ""
    remedy = f"run `plabctl tick` and look at what it says{hint}"
    yield Problem(ProblemKind.UNTESTED, f"{waits}, although ticks come", remedy, since_at=min(late))
