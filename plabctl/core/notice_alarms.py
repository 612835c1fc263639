"""What is wrong now, as notices tell it: nodes that went bad, pools with too few usable nodes, guards, faults.

Pure. Of nodes only those are told that were usable once and are known to be bad: not a new one that never worked, nor
one whose failure is not confirmed, nor one that a person holds or moved. Go on with `plabctl.core.notices`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from plabctl.core.fault_events import FAULTS_NOTE
from plabctl.core.guard.model import read_guard
from plabctl.core.names import split_label
from plabctl.core.notices import Alarm, Memory, Situation, Topic
from plabctl.core.problems import ProblemKind
from plabctl.core.standing import Standing

if TYPE_CHECKING:
    from plabctl.core.model import Member
    from plabctl.core.settings import Settings
    from plabctl.core.state import State

STUCK = "needs a person"
_LONGEST = 300
_RETEST_S = 900.0
"""For how long a pool's `minimum` waits for the retest of a suspect: it is due at once, but may end without result."""


class Scope(NamedTuple):
    """What a receiver of notices wants to know."""

    topics: Collection[str]
    match: Sequence[str] = ()
    """Labels such as `site=north`: of each label that is named, a node has one of the values."""
    minimum: Mapping[str, int] = {}
    """How many usable nodes there are to be, by pool."""
    own_name: str = ""
    """What the receiver itself is called: that it fails is not told to it."""


def find_situation(
    standings: Sequence[Standing], state: State, settings: Settings, now: float, scope: Scope, memory: Memory
) -> Situation:
    """Return what is wrong at `now` within `scope`, and what became of what was told (`memory`)."""
    seen = [each for each in standings if _matches(each.variables, scope.match)]
    alarms: dict[str, Alarm] = {}
    if Topic.NODES in scope.topics:
        alarms |= _find_bad_nodes(seen, state, settings, now)
    if Topic.POOLS in scope.topics and scope.minimum:
        alarms |= _find_small_pools(seen, state, scope.minimum, now, memory)
    if Topic.GUARD in scope.topics:
        scopes = read_guard(state).scopes.values()
        alarms |= {
            f"guard {each.scope}": Alarm(Topic.GUARD, each.scope, each.since_at, detail=each.why) for each in scopes
        }
    if Topic.FAULTS in scope.topics:
        alarms |= _find_faults(state, scope.own_name)
    usable_count = sum(not each.why_not for each in seen)
    situation = Situation(alarms, usable_count=usable_count, node_count=len(seen))
    return _judge_told(situation, memory, seen, state, scope)


def _matches(variables: Mapping[str, str], match: Sequence[str]) -> bool:
    wanted: dict[str, set[str]] = {}
    for setting in match:
        label, _, value = setting.partition("=")
        wanted.setdefault(label, set()).add(value)
    return all(values & split_label(variables.get(label)) for label, values in wanted.items())


def _find_bad_nodes(seen: Sequence[Standing], state: State, settings: Settings, now: float) -> dict[str, Alarm]:
    found = {}
    label, good_pools = settings.guard.site_label, settings.good_pools
    for each in seen:
        member = state.member(each.node) if each.why_not else None
        if member is None or member.pool in good_pools or not _is_known_bad(member, now):
            continue
        last = member.last
        is_stuck = member.stuck_since_at is not None
        cause = STUCK if is_stuck else str((last and last.cause) or "failed")
        detail = "" if is_stuck or last is None else last.reason[:_LONGEST]
        site = each.variables.get(label, "")
        found[f"node {each.node}"] = Alarm(Topic.NODES, cause, member.since_at, each.node, site, detail)
    return found


def _is_known_bad(member: Member, now: float) -> bool:
    has_worked = member.penalty_at > 0 or member.good_ratio > 0
    has_failed = member.fail_streak > 0 or member.stuck_since_at is not None
    is_spared = member.is_held(now) or member.absent_since_at is not None or member.is_suspect
    return has_worked and has_failed and not is_spared


def _find_small_pools(
    seen: Sequence[Standing], state: State, minimum: Mapping[str, int], now: float, memory: Memory
) -> dict[str, Alarm]:
    """Return the pools that are too small whatever becomes of nodes just added and of suspects about to be retested.

    Of a pool that was told of, these nodes count only once they are usable.
    """
    counts, hopes = Counter[str](), Counter[str]()
    untested_count = 0
    for each in seen:
        member = state.member(each.node)
        untested_count += not each.is_decided
        if member and not each.why_not:
            counts[member.pool] += 1
        elif member and _is_unconfirmed(member, now):
            hopes[member.home_pool] += 1
    return {
        key: Alarm(Topic.POOLS, pool, now, detail=f"{counts[pool]} usable, at least {least} wanted")
        for pool, least in minimum.items()
        if counts[pool] + (0 if (key := f"pool {pool}") in memory else hopes[pool] + untested_count) < least
    }


def _is_unconfirmed(member: Member, now: float) -> bool:
    """Return whether the node was usable until a failure that its next test is to confirm or refute, soon."""
    suspicion = member.suspicion
    if suspicion is None or member.is_guarded or member.is_held(now) or member.absent_since_at is not None:
        return False
    return now - suspicion.failed_at < _RETEST_S


def _find_faults(state: State, own_name: str) -> dict[str, Alarm]:
    return {
        f"fault {key}": Alarm(Topic.FAULTS, fault.kind, fault.since_at, detail=fault.reason[:_LONGEST])
        for key, fault in FAULTS_NOTE.read(state.notes).items()
        if fault.seen_at is None and not (fault.kind == ProblemKind.SINK and fault.subject == own_name)
    }


def _judge_told(
    situation: Situation, memory: Memory, seen: Sequence[Standing], state: State, scope: Scope
) -> Situation:
    """Return the situation with what became of that which was told, and is no alarm now."""
    open_keys = memory.keys() - situation.alarms.keys()
    usable = {each.node: not each.why_not for each in seen} if open_keys else {}
    pending, ignored, lost = set(), set(), set()
    ends = {}
    for key in open_keys:
        alarm = memory[key].alarm
        if alarm.topic not in scope.topics or (alarm.topic == Topic.POOLS and alarm.what not in scope.minimum):
            ignored.add(key)
        elif alarm.topic == Topic.NODES:
            member = state.member(alarm.node)
            if member is None:
                lost.add(key)
            elif alarm.node not in usable:
                ignored.add(key)
            elif usable[alarm.node]:
                ends[key] = member.since_at
            else:
                pending.add(key)
    return situation._replace(pending=pending, ignored=ignored, ends=ends, lost=lost)
