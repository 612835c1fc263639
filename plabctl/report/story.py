"""All about one node, in words: why it is where it is, since when, what its last test said, and what comes next.

Pure. `plabctl show` prints it; `node` has the same for programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plabctl.core.flap import passes_required, penalty
from plabctl.core.model import Claim, Event, Member, Node, Outcome
from plabctl.core.settings import PoolKind
from plabctl.durations import format_duration
from plabctl.report.happened import event_row, told
from plabctl.report.instants import ago, iso, local, took, until
from plabctl.report.listing import Cell, Row, text_of
from plabctl.report.node import node_row
from plabctl.report.status import Situation
from plabctl.report.words import GLYPHS, passes

Line = tuple[str, Cell]
"""A label, empty when the line goes on with what stands above, and what is said."""

_OUTPUT_LINES = 20
_EVENTS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Subject:
    """One node with all that is known about it; `recent` are its latest events, oldest first."""

    node: Node
    member: Member
    claim: Claim | None
    recent: tuple[Event, ...] = ()

    @property
    def last_probe(self) -> Event | None:
        """The event of its last test, if the history still has it."""
        return next((event for event in reversed(self.recent) if event.kind == "probe"), None)

    @property
    def last_move(self) -> Event | None:
        """The event that brought it to where it is, if the history still has it."""
        kinds = {"transition", "suspect", "refuted", "guarded"}
        return next((event for event in reversed(self.recent) if event.kind in kinds), None)


def document(subject: Subject, situation: Situation) -> Row:
    """Return all about the node for programs: its row of the status, and more."""
    node, member = subject.node, subject.member
    row: dict[str, object] = {
        "schema_version": 1,
        "generated_at": iso(situation.now),
        **node_row(node, member, subject.claim, situation.settings, situation.now),
        "variables": dict(node.variables),
        "source": node.source,
        "added_at": iso(node.added_at),
        "debris": [
            {"vnode": left.vnode, "recipe": left.recipe, "since_at": iso(left.since_at)} for left in member.debris
        ],
        "recent": [event_row(event) for event in subject.recent],
    }
    if claim := subject.claim:
        row["claim"] = {"slot": claim.slot, "vnode": claim.vnode, "started_at": iso(claim.started_at)}
    return row


def tell(subject: Subject, situation: Situation) -> list[Line]:
    """Return all about the node for people."""
    return [
        ("node", Cell(subject.node.name, "title")),
        *_place(subject, situation),
        *_last_test(subject, situation.now),
        *_next_test(subject, situation),
        *_return(subject.member, situation),
        *_hold(subject.member, situation.now),
        *_debris(subject.member, situation.now),
        *_identity(subject.node, subject.member, situation),
        *_recent(subject.recent),
    ]


def _place(subject: Subject, situation: Situation) -> list[Line]:
    member, now = subject.member, situation.now
    pool = situation.settings.pools.get(member.pool)
    style = "suspect" if member.is_suspect else str(pool.kind) if pool else ""
    suspect = ", as a suspect" if member.is_suspect else ""
    since = f"for {format_duration(float(max(0, int(now - member.since_at))))}, since {local(member.since_at)}"
    return [("pool", Cell(f"{GLYPHS[style]} {member.pool}{suspect}", style)), ("", Cell(since)), _why(subject)]


def _why(subject: Subject) -> Line:
    member = subject.member
    if member.suspicion and member.is_guarded:
        return "because", Cell("it fails, and the guard holds its move: too many fail together")
    if member.suspicion:
        return "because", Cell(f"it failed once in {member.suspicion.pool}; the next test confirms or refutes that")
    if move := subject.last_move:
        by = "" if move.actor == "plabctl" else f" (by {move.actor})"
        return "because", Cell(f"{told(event_row(move))}{by}")
    if member.last is None:
        return "because", Cell("new nodes begin here, and it has not been tested yet")
    if member.since_at == subject.node.added_at:
        return "because", Cell("new nodes begin here, and it has not passed often enough to leave")
    return "because", Cell("the history does not go back that far")


def _last_test(subject: Subject, now: float) -> list[Line]:
    last = subject.member.last
    if last is None:
        return [("last test", Cell("never"))]
    style = {Outcome.PASS: "good", Outcome.FAIL: "bad"}.get(last.outcome, "suspect")
    word = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.UNKNOWN: "no verdict"}[last.outcome]
    cause = f" ({last.cause})" if last.cause else ""
    when = f"{ago(last.at, now)}, took {took(last.seconds)}"
    lines: list[Line] = [("last test", Cell(f"{word}{cause} {when}", style))]
    if last.reason:
        lines.append(("", Cell(last.reason)))
    if (probe := subject.last_probe) and abs(probe.at - last.at) < 1:
        lines.extend(_stages(event_row(probe)))
    return lines


def _stages(row: Row) -> list[Line]:
    lines: list[Line] = []
    stages = row.get("stages")
    for stage in stages if isinstance(stages, list) else []:
        lines.extend(stage_lines(stage))
    if note := text_of(row, "note"):
        lines.append(("", Cell(note, "suspect")))
    return lines


def stage_lines(stage: Row) -> list[Line]:
    """Return one stage of a test: how it went and what it printed, the end of it if that is long."""
    code = stage.get("exit_code")
    ended = "" if code is None else f"exit {code}"
    cut = "output cut" if stage.get("truncated") else ""
    style = "" if code is None else "good" if code == 0 else "bad"
    text = f"{stage['stage']:<9} {stage['seconds']:6.2f} s  {', '.join(filter(None, (ended, cut)))}".rstrip()
    lines: list[Line] = [("", Cell(text, style))]
    output = text_of(stage, "output").splitlines()
    lines.extend(("", Cell(f"  │ {text}", "faint")) for text in output[-_OUTPUT_LINES:])
    return lines


def _next_test(subject: Subject, situation: Situation) -> list[Line]:
    member, claim, now = subject.member, subject.claim, situation.now
    if claim and claim.deadline_at > now:
        where = f"for {format_duration(float(max(0, int(now - claim.started_at))))}, in slot {claim.slot}"
        return [("next test", Cell(f"{GLYPHS['testing']} running {where}", "testing"))]
    when = "now, as soon as a slot is free" if member.due_at <= now else f"{until(member.due_at, now)}, at "
    at = "" if member.due_at <= now else local(member.due_at)
    if member.requested_at is not None:
        return [("next test", Cell(f"{when}{at}: a retest was asked for"))]
    return [("next test", Cell(f"{when}{at}{_run(member)}"))]


def _run(member: Member) -> str:
    count = member.ok_streak or member.fail_streak
    if not count:
        return ""
    what = "pass" if member.ok_streak else "failure"
    plural = "" if count == 1 else "es" if member.ok_streak else "s"
    return f" ({count} {what}{plural} in a row)"


def _return(member: Member, situation: Situation) -> list[Line]:
    flap, now = situation.settings.flap, situation.now
    pool = situation.settings.pools.get(member.pool)
    score = penalty(member, flap, now)
    lines: list[Line] = []
    if pool and pool.kind is PoolKind.BAD and not member.is_suspect:
        required = passes_required(member, flap, now)
        needed = max(1, required - member.ok_streak)
        apart = f" in a row, {format_duration(flap.apart_s)} apart" if needed > 1 else ""
        lines.append(("to return", Cell(f"needs {passes(needed)}{apart}, then goes to {pool.goes_to}")))
    if score >= 0.1:  # noqa: PLR2004 - less than this is shown as 0.0
        half = format_duration(flap.half_life_s)
        lines.append(("flapping", Cell(f"penalty {score:.1f}, halved every {half}", "suspect")))
    return lines


def _hold(member: Member, now: float) -> list[Line]:
    hold = member.hold
    if hold is None or not hold.holds(now):
        return []
    ends = "until released" if hold.until_at is None else f"until {local(hold.until_at)}"
    return [("held", Cell(f"by {hold.actor} {ago(hold.since_at, now)}, {ends}: {hold.reason}", "held"))]


def _debris(member: Member, now: float) -> list[Line]:
    return [
        ("debris", Cell(f"vnode {left.vnode} of {ago(left.since_at, now)}, torn down before the next test", "suspect"))
        for left in member.debris
    ]


def _identity(node: Node, member: Member, situation: Situation) -> list[Line]:
    settings = situation.settings
    own = node.variables
    pool = settings.pools.get(member.pool)
    recipe = own.get("recipe") or (pool.recipe if pool else "")
    lines: list[Line] = [
        ("recipe", Cell(recipe)),
        ("source", Cell(f"{node.source}, added {local(node.added_at)}")),
    ]
    if own:
        lines.append(("variables", Cell(" ".join(f"{key}={value}" for key, value in sorted(own.items())))))
    return lines


def _recent(events: Sequence[Event]) -> list[Line]:
    lines: list[Line] = []
    for event in reversed([event for event in events if event.kind != "probe"][-_EVENTS_SHOWN:]):
        lines.append(("" if lines else "recently", Cell(f"{local(event.at)}  {told(event_row(event))}")))
    return lines
