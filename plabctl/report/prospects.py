"""What would move a node, and when that can be at the earliest, in words with times.

Pure. What they put into words is `plabctl.core.outlook`'s; nothing is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

from plabctl.core.budget import scale_of
from plabctl.core.flap import passes_required
from plabctl.core.model import Outcome
from plabctl.core.outlook import Path, next_result, path
from plabctl.core.settings import GuardThen
from plabctl.durations import format_duration
from plabctl.report.instants import clock, iso
from plabctl.report.listing import Row
from plabctl.report.status import Situation
from plabctl.report.subject import Subject
from plabctl.report.words import passes


@dataclass(frozen=True, slots=True)
class Prospect:
    """What results of one kind would lead to: in words, and the move, if they lead to one."""

    outcome: Outcome
    text: str
    path: Path | None


def prospects(subject: Subject, situation: Situation) -> tuple[Prospect, Prospect]:
    """Return what passes and what failures would lead to."""
    member = subject.member
    make = _in_good if situation.settings.pools[member.pool].is_good else _in_bad
    found = []
    for outcome in (Outcome.PASS, Outcome.FAIL):
        is_guarded = outcome is Outcome.FAIL and subject.is_guarded(situation)
        way = path(member, situation.settings, outcome, situation.now, is_guarded=is_guarded)
        text = _held(subject, situation, way) or make(subject, situation, outcome, way)
        found.append(Prospect(outcome, text, way))
    return found[0], found[1]


def prospect_row(prospect: Prospect) -> Row:
    """Return a prospect for programs."""
    row: dict[str, object] = {"outcome": prospect.outcome.value, "text": prospect.text}
    if way := prospect.path:
        row |= {
            "move": way.move.kind,
            "to": way.move.target,
            "tests_count": way.tests,
            "first_at": iso(way.first_at),
            "earliest_at": iso(way.at),
        }
    return row


def needs(subject: Subject, situation: Situation) -> str:
    """Return the passes that a node in bad needs: `needs 2 more passes, next at 14:20`, and where that leads, when."""
    way = path(subject.member, situation.settings, Outcome.PASS, situation.now)
    if way is None:
        return "no pass moves it while it is held"
    now, apart_s = situation.now, situation.settings.flap.apart_s
    text = f"needs {passes(way.tests)}, {_next(subject, way, now)}"
    if way.tests > 1:
        earliest = f"in {way.move.target} at {clock(way.at, now)} at the earliest"
        return f"{text}, then {format_duration(apart_s)} apart: {earliest}"
    return f"{text}; then goes to {way.move.target}"


def flapping(subject: Subject, situation: Situation, score: float) -> str:
    """Return what the flap penalty asks for and how fast it goes."""
    flap = situation.settings.flap
    required = passes_required(subject.member, flap, situation.now)
    asks = f"a return takes {required} passes in a row" if required > 1 else "too little to ask for more than one pass"
    return f"penalty {score:.1f}, halved every {format_duration(flap.half_life_s)}: {asks}"


def _next(subject: Subject, way: Path, now: float) -> str:
    if subject.is_testing(now):
        return "the next test is running"
    return "next now" if way.first_at <= now else f"next at {clock(way.first_at, now)}"


def _held(subject: Subject, situation: Situation, way: Path | None) -> str:
    """Return that a person's hold keeps the node where it is; nothing when it does not."""
    member, now = subject.member, situation.now
    hold = member.hold
    if hold is None or not member.is_held(max(now, member.due_at)):
        return ""
    stays = f"it stays in {member.pool}: held by {hold.actor}"
    if hold.until_at is None:
        return f"{stays} until somebody releases it"
    until = f"{stays} until {clock(hold.until_at, now)}"
    if way is None or way.move.target == member.pool:
        return until
    at = "then" if way.at <= hold.until_at else f"at {clock(way.at, now)}, at the earliest"
    return f"{until}; goes to {way.move.target} {at}, if that is what the tests say"


def _in_good(subject: Subject, situation: Situation, outcome: Outcome, way: Path | None) -> str:
    member, settings = subject.member, situation.settings
    own = settings.pools[member.pool]
    if outcome is Outcome.PASS:
        trace = "; its failures leave no trace" if member.suspicion else ""
        return f"it stays in {own.name}{trace}, and {_after(subject, situation, outcome)}"
    if subject.is_guarded(situation):
        return _guarded(subject, situation, way)
    if way is None:
        return f"it stays in {own.name}"
    if way.move.kind == "suspect":
        return (
            f"it leaves for {own.goes_to} as a suspect and is tested again at once: if that fails too it stays there, "
            "if it passes all is as before"
        )
    if way.tests > 1:
        return f"{way.tests} failures in a row, the quick retests counted, move it to {own.goes_to}"
    return f"it moves to {own.goes_to}"


def _guarded(subject: Subject, situation: Situation, way: Path | None) -> str:
    guard = situation.settings.guard
    text = f"the guard holds its move: it stays in {subject.member.pool}"
    if guard.then is GuardThen.LEAVE or way is None:
        return f"{text} for as long as the guard is on"
    return f"{text}; if it still fails at {clock(way.at, situation.now)} it is moved all the same"


def _in_bad(subject: Subject, situation: Situation, outcome: Outcome, _way: Path | None) -> str:
    member = subject.member
    if member.suspicion:
        return _suspect(subject, situation, outcome)
    if outcome is Outcome.PASS:
        return needs(subject, situation)
    lost = "; the passes it has so far are lost" if member.ok_streak else ""
    return f"it stays in {member.pool}{lost}, and {_after(subject, situation, outcome)}"


def _suspect(subject: Subject, situation: Situation, outcome: Outcome) -> str:
    home = subject.member.suspicion.pool if subject.member.suspicion else ""
    if outcome is Outcome.PASS:
        return f"it is back in {home} as if nothing had happened"
    if subject.is_guarded(situation):
        return f"the guard holds its move: it goes back to {home} and is tested again soon"
    return f"its failure is confirmed and it stays in {subject.member.pool}, which counts as a flop"


def _after(subject: Subject, situation: Situation, outcome: Outcome) -> str:
    """Return when the test after the next would come."""
    member, now = subject.member, situation.now
    is_guarded = subject.is_guarded(situation)
    after = next_result(
        member, situation.settings, outcome, now, is_guarded=is_guarded, scale=scale_of(situation.state)
    ).member
    return f"the test after that comes {format_duration(max(0.0, after.due_at - max(now, member.due_at)))} later"
