"""The guard: too many failing together are more likely our fault than theirs, so their moves to bad are held.

Pure. Testing goes on, and so do returns to good. The guard is recomputed from the members at every step of a tick;
only since when it is on is stored. `pools.good` and `pools.bad` ask it through `Reading`.

Set-up tests are counted by themselves, and together with liveness checks. Checks find every silent node within minutes
and set-up tests only a sample of the nodes, so silent ones among those tested would be too large a share. And where
logins succeed while all set-ups fail, nodes that answered would make the share of failures too small.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from plabctl.core.guard.model import GUARD_NOTE, MONITOR, Guard, GuardedScope, read_guard
from plabctl.core.guard.rollback import roll_back
from plabctl.core.liveness import weigh_check
from plabctl.core.model import Cause, Event, Goal, Member, Outcome, Report
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.durations import format_duration
from plabctl.values import replace


class Sighting(NamedTuple):
    """What was last seen of a node that was good when it was tested, lately."""

    node: str
    pool: str
    site: str | None
    outcome: Outcome
    is_tested: bool = True
    """Whether a set-up test found it so: not one that a liveness check heard, or found silent first."""


def evaluate(
    state: State, settings: Settings, reports: Iterable[Report], now: float, *, is_cut_off: bool | None
) -> tuple[Guard, Changes]:
    """Return the guard at `now` with `reports` counted in, and the changes that say so.

    `is_cut_off` says whether every canary failed; None when none is configured or none was asked. With no failure in
    `reports` and no guard on there is mostly nothing to work out: failures are what turns it on.
    """
    before = read_guard(state)
    fresh: dict[str, Outcome] = {}
    heard: dict[str, Outcome] = {}
    for report in reports:
        if report.goal is Goal.LIVENESS:
            heard |= _hear(state, settings, report)
        elif _is_counted(state, settings, report):
            fresh[report.node] = report.outcome
    is_quiet = not before.scopes and not before.is_undecided and not is_cut_off
    if is_quiet and all(outcome is Outcome.PASS for outcome in (*fresh.values(), *heard.values())):
        return before, Changes()
    blind_until_at = now if is_cut_off else before.blind_until_at
    sightings = list(_list_sightings(state, settings, fresh, heard, now, blind_until_at=blind_until_at))
    found = _find_reasons(sightings, settings)
    if is_cut_off:
        found = {MONITOR: "no canary answers, so this machine seems to be cut off"}
    watches = {
        scope: GuardedScope(scope, before.scopes[scope].since_at if scope in before.scopes else now, why)
        for scope, why in found.items()
    }
    is_undecided = not found and _is_undecided(sightings, settings)
    guard = Guard(watches, settings.guard.site_label, blind_until_at, is_undecided, now)
    changes = _build_changes(before, guard, now)
    if watches.keys() - before.scopes.keys():
        back = roll_back(state, settings, guard, now)
        changes = replace(changes, members=back.members, events=(*changes.events, *back.events))
    return guard, changes


def _list_sightings(
    state: State,
    settings: Settings,
    fresh: Mapping[str, Outcome],
    heard: Mapping[str, Outcome],
    now: float,
    *,
    blind_until_at: float,
) -> Iterable[Sighting]:
    label = settings.guard.site_label
    seen: dict[str, Member] = {member.node: member for member in state.recent(now - settings.guard.within_s)}
    for name in (*fresh, *heard):
        member = state.member(name)
        if member:
            seen[name] = member
    for name, member in seen.items():
        pool, node = _find_home_pool(member, settings), state.node(name)
        if pool is None or node is None:
            continue
        was_blind = member.probed_at is not None and member.probed_at <= blind_until_at
        outcome = fresh.get(name) or (None if was_blind else _find_recent_outcome(member, settings, now))
        is_tested = outcome is not Outcome.FAIL or not _fell_silent(member)
        if name not in fresh and settings.pools[member.pool].is_good:
            known = heard.get(name) or (None if was_blind else _find_silence(member, settings))
            outcome, is_tested = _add_check(member, outcome, known, now - settings.guard.within_s)
        if outcome:
            yield Sighting(name, pool, node.variables.get(label), outcome, is_tested)


def _add_check(
    member: Member, tested: Outcome | None, heard: Outcome | None, since_at: float
) -> tuple[Outcome | None, bool]:
    """Return what is known of a good node, and whether by a test: `heard` by checks, `tested`, or an answer lately."""
    is_recent = tested is not None and member.probed_at is not None and member.probed_at >= since_at
    if tested is Outcome.FAIL and is_recent and heard is not Outcome.UNKNOWN:  # no check says more than that
        return tested, not _fell_silent(member)
    if heard in {Outcome.FAIL, Outcome.UNKNOWN}:
        return heard, False
    if is_recent:
        return tested, True
    answered_at = member.liveness.answered_at if member.liveness else None
    is_heard = heard is Outcome.PASS or (answered_at is not None and answered_at >= since_at)
    return Outcome.PASS if is_heard else tested, not is_heard


def _find_silence(member: Member, settings: Settings) -> Outcome | None:
    """Return a failure for a node that was silent so often that it would have left as a suspect; the guard holds it."""
    own, known = settings.pools[member.pool].liveness, member.liveness
    return Outcome.FAIL if own and known and 0 < own.silences <= known.silences else None


def _hear(state: State, settings: Settings, report: Report) -> dict[str, Outcome]:
    """Return what a liveness check says of a good node, by its name; empty if that is nothing, or nothing yet."""
    member = state.member(report.node)
    own = settings.pools.get(member.pool) if member else None
    if not (member and own and own.is_good):
        return {}
    outcome = weigh_check(member, report, own, settings.recipes)
    return {report.node: outcome} if outcome else {}


def _fell_silent(member: Member) -> bool:
    """Return whether what made it leave good, or would have, was silence."""
    before = member.suspicion or (member.flaps[-1].before if member.flaps else None)
    return before is not None and before.by_silence


def _is_counted(state: State, settings: Settings, report: Report) -> bool:
    """Return whether a report speaks of a node as a good one: it is in good, or a suspect from there."""
    member = state.member(report.node)
    if member is None or (report.outcome is Outcome.UNKNOWN and report.cause is not Cause.LOCAL):
        return False
    own = settings.pools.get(member.pool)
    return own is not None and (own.is_good or member.suspicion is not None)


def _find_home_pool(member: Member, settings: Settings) -> str | None:
    """Return the good pool that the member is in, or was in when it failed."""
    own = settings.pools.get(member.pool)
    if own is None:
        return None
    if own.is_good:
        return own.name
    if member.suspicion:
        return member.suspicion.pool
    # A move that was confirmed: since then the penalty stands as it was set.
    return own.goes_to if member.penalty > 0 and member.penalty_at >= member.since_at else None


def _find_recent_outcome(member: Member, settings: Settings, now: float) -> Outcome | None:
    """Return what a recent look at the member said of it as a good node; None when it is nothing or too long ago."""
    if not settings.pools[member.pool].is_good:
        failed_at = member.suspicion.failed_at if member.suspicion else member.since_at
        return Outcome.FAIL if failed_at >= now - settings.guard.within_s else None
    if member.last is None or (member.last.outcome is Outcome.UNKNOWN and member.last.cause is not Cause.LOCAL):
        return None
    return member.last.outcome


def _find_reasons(sightings: Sequence[Sighting], settings: Settings) -> dict[str, str]:
    """Return the scopes that ask to be guarded, with the reason of each: by tests alone, or by tests and checks."""
    tested = [sighting for sighting in sightings if sighting.is_tested]
    reasons = _find_excess(tested, settings)
    return reasons if len(tested) == len(sightings) else _find_excess(sightings, settings) | reasons


def _find_excess(sightings: Sequence[Sighting], settings: Settings) -> dict[str, str]:
    """Return the scopes with too many failures; the guard of a pool makes those of sites idle."""
    if why := _describe_excess(sightings, Outcome.UNKNOWN, settings):
        return {MONITOR: why}
    tested = [sighting for sighting in sightings if sighting.outcome is not Outcome.UNKNOWN]
    reasons = {}
    for pool, own in _group_by(tested, lambda sighting: sighting.pool):
        if why := _describe_excess(own, Outcome.FAIL, settings):
            reasons[f"pool {pool}"] = why
            tested = [sighting for sighting in tested if sighting.pool != pool]
    for site, own in _group_by(tested, lambda sighting: sighting.site):
        if why := _describe_excess(own, Outcome.FAIL, settings):
            reasons[f"site {site}"] = why
    return reasons


def _group_by(
    sightings: Iterable[Sighting], label: Callable[[Sighting], str | None]
) -> list[tuple[str, list[Sighting]]]:
    """Return the sightings by their label, sorted; without those that have none."""
    groups: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        if name := label(sighting):
            groups.setdefault(name, []).append(sighting)
    return sorted(groups.items())


def _describe_excess(some: Sequence[Sighting], bad: Outcome, settings: Settings) -> str:
    """Return in words that too many of `some` were found `bad`, and enough to tell; nothing if not."""
    count = sum(sighting.outcome is bad for sighting in some)
    if len(some) < settings.guard.min_tested or count <= settings.guard.max_ratio * len(some):
        return ""
    what = "failed" if bad is Outcome.FAIL else "could not be tested, because of a fault of this machine"
    how = "tested" if all(sighting.is_tested for sighting in some) else "tested or logged in to"
    return f"{count} of {len(some)} good nodes {how} within {format_duration(settings.guard.within_s)} {what}"


def _is_undecided(sightings: Iterable[Sighting], settings: Settings) -> bool:
    """Return whether nodes of a pool of which too few were tested have failed: it may turn out that these were many.

    Sites are left out. Many have fewer nodes than that for ever, and this would be worked out at every step.
    """
    tested = [sighting for sighting in sightings if sighting.outcome is not Outcome.UNKNOWN]
    return any(
        len(own) < settings.guard.min_tested and any(sighting.outcome is Outcome.FAIL for sighting in own)
        for _, own in _group_by(tested, lambda sighting: sighting.pool)
    )


def _build_changes(was: Guard, guard: Guard, now: float) -> Changes:
    """Return the note and, for each scope that was turned on or off, one event."""
    before, after = was.scopes, guard.scopes
    happened = [
        Event(f"guard-on {scope} {now}", now, "guard-on", None, "plabctl", {"scope": scope, "reason": after[scope].why})
        for scope in after.keys() - before.keys()
    ]
    happened += [
        Event(
            f"guard-off {scope} {now}",
            now,
            "guard-off",
            None,
            "plabctl",
            {"scope": scope, "reason": before[scope].why, "since_at": before[scope].since_at},
        )
        for scope in before.keys() - after.keys()
    ]
    if not before and not after and was.is_undecided == guard.is_undecided:
        return Changes()
    return Changes(events=tuple(sorted(happened, key=lambda event: event.id)), notes=GUARD_NOTE.write(guard))
