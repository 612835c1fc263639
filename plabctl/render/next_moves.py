"""What would move a node, and when that can be at the earliest, in words with times.

Pure. The facts come from `plabctl.core.forecast`; nothing is decided here.
Tests: `tests/render/test_explanation.py`.
"""

from __future__ import annotations

from plabctl.core.adaptive_scale import read_scale
from plabctl.core.flap import count_required_passes
from plabctl.core.forecast import MovePath, find_path, predict_result
from plabctl.core.model import Outcome
from plabctl.core.settings import GuardThen
from plabctl.durations import format_duration
from plabctl.render.status_columns import format_passes
from plabctl.render.times import format_clock
from plabctl.views.explained_node import Prospect
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord

_STUCK = "no pass moves it before a person releases it"


def find_prospects(subject: NodeRecord, context: ViewContext) -> tuple[Prospect, Prospect]:
    """Return what passes and what failures would lead to."""
    member = subject.member
    make = _explain_in_good if context.settings.pools[member.pool].is_good else _explain_in_bad
    found = []
    for outcome in (Outcome.PASS, Outcome.FAIL):
        is_guarded = outcome is Outcome.FAIL and subject.is_guarded(context)
        way = find_path(member, context.settings, outcome, context.now, is_guarded=is_guarded)
        text = _format_held(subject, context, way) or make(subject, context, outcome, way)
        found.append(_build_prospect(outcome, text, way))
    return found[0], found[1]


def _build_prospect(outcome: Outcome, text: str, way: MovePath | None) -> Prospect:
    if way is None:
        return Prospect(outcome, text, None, None, None, None, None)
    return Prospect(outcome, text, way.move.kind, way.move.target, way.tests, way.first_at, way.at)


def format_needs(subject: NodeRecord, context: ViewContext) -> str:
    """Return the passes that a node in bad needs: `needs 2 more passes, next at 14:20`, and where that leads, when."""
    if subject.member.stuck_since_at is not None:
        return _STUCK
    way = find_path(subject.member, context.settings, Outcome.PASS, context.now)
    if way is None:
        return "no pass moves it while it is on hold"
    now, apart_s = context.now, context.settings.flap.apart_s
    text = f"needs {format_passes(way.tests)}, {_format_next(subject, way, now)}"
    if way.tests > 1:
        earliest = f"in {way.move.target} at {format_clock(way.at, now)} at the earliest"
        return f"{text}, then {format_duration(apart_s)} apart: {earliest}"
    return f"{text}; then goes to {way.move.target}"


def format_flapping(subject: NodeRecord, context: ViewContext, score: float) -> str:
    """Return what the flap penalty asks for and how fast it goes."""
    flap = context.settings.flap
    required = count_required_passes(subject.member, flap, context.now)
    asks = f"a return takes {required} passes in a row" if required > 1 else "too low to require more than one pass"
    return f"penalty {score:.1f}, halved every {format_duration(flap.half_life_s)}: {asks}"


def _format_next(subject: NodeRecord, way: MovePath, now: float) -> str:
    if subject.is_testing(now):
        return "the next test is running"
    return "the next test is due now" if way.first_at <= now else f"next at {format_clock(way.first_at, now)}"


def _format_held(subject: NodeRecord, context: ViewContext, way: MovePath | None) -> str:
    """Return that a person's hold keeps the node where it is; nothing when it does not."""
    member, now = subject.member, context.now
    hold = member.hold
    if hold is None or not member.is_held(max(now, member.due_at)):
        return ""
    stays = f"it stays in {member.pool}: held by {hold.actor}"
    if hold.until_at is None:
        return f"{stays} until somebody releases it"
    until = f"{stays} until {format_clock(hold.until_at, now)}"
    if way is None or way.move.target == member.pool:
        return until
    at = "then" if way.at <= hold.until_at else f"at {format_clock(way.at, now)}, at the earliest"
    return f"{until}; goes to {way.move.target} {at}, if the tests say so"


def _explain_in_good(subject: NodeRecord, context: ViewContext, outcome: Outcome, way: MovePath | None) -> str:
    member, settings = subject.member, context.settings
    own = settings.pools[member.pool]
    if outcome is Outcome.PASS:
        trace = "; its failures do not count" if member.suspicion else ""
        return f"it stays in {own.name}{trace}, and {_format_after(subject, context, outcome)}"
    if subject.is_guarded(context):
        return _explain_guarded(subject, context, way)
    if way is None:
        return f"it stays in {own.name}"
    if way.tests > 1:
        return _explain_several(subject, context, way)
    if way.move.kind == "suspect":
        return (
            f"it moves to {own.goes_to} as a suspect and is tested again at once: if that fails too it stays there, "
            "if it passes all is as before"
        )
    return f"it moves to {own.goes_to}"


def _explain_several(subject: NodeRecord, context: ViewContext, way: MovePath) -> str:
    own = context.settings.pools[subject.member.pool]
    leaves = f"move it to {own.goes_to}{' as a suspect' if way.move.kind == 'suspect' else ''}"
    if own.quick_retests:
        return f"{way.tests} failures in a row, the quick retests counted, {leaves}"
    after = _format_after(subject, context, Outcome.FAIL)
    return f"it stays in {own.name}, and {after}; {way.tests} failures in a row {leaves}"


def _explain_guarded(subject: NodeRecord, context: ViewContext, way: MovePath | None) -> str:
    guard = context.settings.guard
    text = f"the guard holds its move: it stays in {subject.member.pool}"
    if guard.then is GuardThen.LEAVE or way is None:
        return f"{text} for as long as the guard is on"
    return f"{text}; if it still fails at {format_clock(way.at, context.now)} it is moved anyway"


def _explain_in_bad(subject: NodeRecord, context: ViewContext, outcome: Outcome, _way: MovePath | None) -> str:
    member = subject.member
    if member.suspicion:
        return _explain_suspect(subject, context, outcome)
    if outcome is Outcome.PASS:
        return format_needs(subject, context)
    lost = "; the passes it has so far are lost" if member.ok_streak else ""
    return f"it stays in {member.pool}{lost}, and {_format_after(subject, context, outcome)}"


def _explain_suspect(subject: NodeRecord, context: ViewContext, outcome: Outcome) -> str:
    home = subject.member.suspicion.pool if subject.member.suspicion else ""
    if outcome is Outcome.PASS:
        return f"it is back in {home} as if nothing had happened"
    if subject.is_guarded(context):
        return f"the guard holds its move: it goes back to {home} and is tested again soon"
    return f"its failure is confirmed and it stays in {subject.member.pool}, which counts as a flap"


def _format_after(subject: NodeRecord, context: ViewContext, outcome: Outcome) -> str:
    """Return when the test after the next would come."""
    member, now = subject.member, context.now
    is_guarded = subject.is_guarded(context)
    after = predict_result(
        member, context.settings, outcome, now, is_guarded=is_guarded, scale=read_scale(context.state)
    ).member
    return f"the test after that comes {format_duration(max(0.0, after.due_at - max(now, member.due_at)))} later"
