"""What the guard counts: what was last seen of each node that was good when it was looked at, lately.

Pure. Set-up tests are counted by themselves, and together with liveness checks. Checks find every silent node within
minutes, and call its test; set-up tests see only a sample of the others. So silent ones among those tested would be too
large a share: where checks log in, a failed login counts in the share of all that were looked at. And where logins
succeed while all set-ups fail, nodes that answered would make the share of failures too small.
`plabctl.core.guard.evaluate` judges what is listed here.
Tests: `tests/core/guard/test_evaluate.py`, `tests/core/test_liveness_course.py`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from plabctl.core.liveness import LOGIN_CAUSES, is_login, weigh_check
from plabctl.core.model import Cause, Member, Outcome, Report, Verdict
from plabctl.core.settings import PoolSettings, Settings
from plabctl.core.state import State


class Sighting(NamedTuple):
    """What was last seen of a node that was good when it was tested, lately."""

    node: str
    pool: str
    site: str | None
    outcome: Outcome
    is_tested: bool = True
    """Whether a set-up test found what no liveness check sees: neither an answer, nor silence."""


def list_sightings(
    state: State,
    settings: Settings,
    fresh: Mapping[str, Report],
    heard: Mapping[str, Outcome],
    now: float,
    *,
    blind_until_at: float,
) -> Iterable[Sighting]:
    """Yield what was last seen of each good node within the time that counts.

    `fresh` are the reports of tests that are settled now, `heard` what checks say now, both by name; what was seen
    until `blind_until_at` says nothing.
    """
    label = settings.guard.site_label
    since_at = now - settings.guard.within_s
    seen = {node.name: (node, member) for node, member in state.recent(since_at)}
    for name in (*fresh, *heard):
        found, one = state.node(name), state.member(name)
        if found and one:
            seen[name] = found, one
    for name, (node, member) in seen.items():
        pool = _find_home_pool(member, settings)
        if pool is None:
            continue
        was_blind = member.probed_at is not None and member.probed_at <= blind_until_at
        report = fresh.get(name)
        outcome = report.outcome if report else None if was_blind else _find_recent_outcome(member, settings, now)
        is_silence = _is_silence(member, report or member.last, settings.pools[pool], settings)
        is_tested = outcome is not Outcome.FAIL or not is_silence
        if not report and settings.pools[member.pool].is_good:
            known = heard.get(name) or (None if was_blind else _find_silence(member, settings))
            outcome, is_tested = _add_check(member, outcome, known, since_at, is_silence=is_silence)
        if outcome:
            yield Sighting(name, pool, node.variables.get(label), outcome, is_tested)


def _add_check(
    member: Member, tested: Outcome | None, heard: Outcome | None, since_at: float, *, is_silence: bool
) -> tuple[Outcome | None, bool]:
    """Return what is known of a good node, and whether by a test: `heard` by checks, `tested`, or an answer lately."""
    is_recent = tested is not None and member.probed_at is not None and member.probed_at >= since_at
    if tested is Outcome.FAIL and is_recent and heard is not Outcome.UNKNOWN:  # no check says more than that
        return tested, not is_silence
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
    is_silence = own and known and not known.is_mute and 0 < own.silences <= known.silences
    return Outcome.FAIL if is_silence else None


def hear(state: State, settings: Settings, report: Report) -> dict[str, Outcome]:
    """Return what a liveness check says of a good node, by its name; empty if that is nothing, or nothing yet."""
    member = state.member(report.node)
    own = settings.pools.get(member.pool) if member else None
    if not (member and own and own.is_good):
        return {}
    outcome = weigh_check(member, report, own, settings.recipes)
    return {report.node: outcome} if outcome else {}


def _is_silence(member: Member, found: Report | Verdict | None, own: PoolSettings, settings: Settings) -> bool:
    """Return whether the failure `found` of a node of the pool `own` is one that checks see on all nodes, too.

    It left by silence, or its test could not log in: silence may have called that test.
    """
    before = member.suspicion or (member.flaps[-1].before if member.flaps else None)
    if before is not None and before.by_silence:
        return True
    is_seen = own.liveness is not None and own.liveness.between > 0 and is_login(own, settings.recipes)
    return is_seen and found is not None and found.cause in LOGIN_CAUSES


def is_counted(state: State, settings: Settings, report: Report) -> bool:
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
