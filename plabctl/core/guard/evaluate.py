"""The guard: too many failing together are more likely our fault than theirs, so their moves to bad are held.

Pure. Testing goes on, and so do returns to good. The guard is recomputed from the members at every step of a tick;
only since when it is on is stored. `pools.good` and `pools.bad` ask it through `Reading`. Go on with `sightings` for
what is counted.
"""

from collections.abc import Callable, Iterable, Sequence

from plabctl.core.guard.model import GUARD_NOTE, MONITOR, Guard, GuardedScope, read_guard
from plabctl.core.guard.rollback import roll_back
from plabctl.core.guard.sightings import Sighting, hear, is_counted, list_sightings
from plabctl.core.model import Event, Goal, Outcome, Report
from plabctl.core.settings import Settings
from plabctl.core.state import VANTAGES_TOPIC, Changes, State
from plabctl.durations import format_duration
from plabctl.values import replace


def evaluate(
    state: State, settings: Settings, reports: Iterable[Report], now: float, *, is_cut_off: bool | None
) -> tuple[Guard, Changes]:
    """Return the guard at `now` with `reports` counted in, and the changes that say so.

    `is_cut_off` says whether every canary failed; None when none is configured or none was asked. With no failure in
    `reports` and no guard on there is mostly nothing to work out: failures are what turns it on.
    """
    before = read_guard(state)
    fresh: dict[str, Report] = {}
    heard: dict[str, Outcome] = {}
    for report in reports:
        if report.goal is Goal.LIVENESS:
            heard |= hear(state, settings, report)
        elif is_counted(state, settings, report):
            fresh[report.node] = report
    lost = _find_lost(state, settings, before, now)
    is_quiet = not before.scopes and not before.is_undecided and not is_cut_off and not lost
    outcomes = (*(report.outcome for report in fresh.values()), *heard.values())
    if is_quiet and all(outcome is Outcome.PASS for outcome in outcomes):
        return before, Changes()
    blind_until_at = now if is_cut_off else before.blind_until_at
    sightings = list(list_sightings(state, settings, fresh, heard, now, blind_until_at=blind_until_at))
    found = _find_reasons(sightings, settings)
    if is_cut_off:
        found = {MONITOR: "no canary answers, so this machine seems to be cut off"}
    found |= lost
    watches = {
        scope: GuardedScope(scope, before.scopes[scope].since_at if scope in before.scopes else now, why)
        for scope, why in found.items()
    }
    is_undecided = found.keys() == lost.keys() and _is_undecided(sightings, settings)
    guard = Guard(watches, settings.guard.site_label, blind_until_at, is_undecided, now)
    changes = _build_changes(before, guard, now)
    if watches.keys() - before.scopes.keys():
        changes = _add_beginning(changes, state, settings, before, guard, now)
    return guard, changes


def _add_beginning(
    changes: Changes, state: State, settings: Settings, before: Guard, guard: Guard, now: float
) -> Changes:
    """Return `changes` with what is done once when scopes come on: moves are rolled back, ways count anew."""
    back = roll_back(state, settings, guard, now)
    notes = dict(changes.notes or {})
    if guard.list_vantages():
        from plabctl.core.guard.lost_vantages import forget_returns

        notes |= forget_returns(state, before, guard.scopes)
    return replace(changes, members=back.members, events=(*changes.events, *back.events), notes=notes or None)


def _find_lost(state: State, settings: Settings, before: Guard, now: float) -> dict[str, str]:
    """Return the vantages from which too many nodes are lost, as scopes, with the reason of each."""
    if not settings.executor.second_opinion or VANTAGES_TOPIC not in state.notes:
        return {}
    from plabctl.core.guard.lost_vantages import find_lost_vantages  # most testbeds have one vantage

    return find_lost_vantages(state, settings, before, now)


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
