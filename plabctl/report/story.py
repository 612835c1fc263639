"""All about one node, in words: why it is where it is, since when, what its last test said, and what comes next.

Pure. `plabctl show` prints it; `node` has the same for programs, `explain` the reasons.
"""

from __future__ import annotations

from collections.abc import Sequence

from plabctl.core.flap import penalty
from plabctl.core.glance import glance_at
from plabctl.core.model import Event, Member, Node, Outcome
from plabctl.report import prospects, waits
from plabctl.report.happened import event_row, told
from plabctl.report.instants import ago, iso, local, took
from plabctl.report.listing import Cell, Row, text_of
from plabctl.report.node import node_row
from plabctl.report.place import held_lines, place_lines
from plabctl.report.status import Situation
from plabctl.report.subject import Line, Subject
from plabctl.report.vnodes import vnode_lines, vnodes_row
from plabctl.report.words import GLYPHS

OUTPUT_LINES = 20
"""Of what a stage printed."""
_EVENTS_SHOWN = 6


def document(subject: Subject, situation: Situation) -> Row:
    """Return all about the node for programs: its row of the status, and more."""
    node, member = subject.node, subject.member
    row: dict[str, object] = {
        "schema_version": 1,
        "generated_at": iso(situation.now),
        **node_row(glance_at(node, member), subject.claim, situation.settings, situation.now, {}),
        **vnodes_row(subject),
        "variables": dict(node.variables),
        "source": node.source,
        "added_at": iso(node.added_at),
        "debris": [
            {"vnode": left.vnode, "recipe": left.recipe, "since_at": iso(left.since_at)} for left in member.debris
        ],
        "recent": [event_row(event) for event in subject.recent],
    }
    if subject.skipped_count:
        row["skipped_count"] = subject.skipped_count
    if claim := subject.claim:
        row["claim"] = {"slot": claim.slot, "vnode": claim.vnode, "started_at": iso(claim.started_at)}
    return row


def tell(subject: Subject, situation: Situation) -> list[Line]:
    """Return all about the node for people."""
    return [
        ("node", Cell(subject.node.name, "title")),
        *place_lines(subject, situation),
        *_last_test(subject, situation.now),
        *_next_test(subject, situation),
        *_return(subject, situation),
        *held_lines(subject.member, situation.now),
        *vnode_lines(subject, situation.now),
        *_debris(subject.member, situation.now),
        *_identity(subject.node, subject.member, situation),
        *_recent(subject.recent),
    ]


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


def stage_lines(stage: Row, limit: int | None = OUTPUT_LINES) -> list[Line]:
    """Return one stage of a test: how it went and what it printed, the last `limit` lines if that is long."""
    code = stage.get("exit_code")
    ended = "" if code is None else f"exit {code}"
    cut = "output cut" if stage.get("truncated") else ""
    style = "" if code is None else "good" if code == 0 else "bad"
    text = f"{stage['stage']:<9} {stage['seconds']:6.2f} s  {', '.join(filter(None, (ended, cut)))}".rstrip()
    lines: list[Line] = [("", Cell(text, style))]
    output = text_of(stage, "output").splitlines()
    if limit is not None and len(output) > limit:
        lines.append(("", Cell(f"  │ ({len(output) - limit} lines before)", "faint")))
        output = output[-limit:]
    lines.extend(("", Cell(f"  │ {text}", "faint")) for text in output)
    return lines


def _next_test(subject: Subject, situation: Situation) -> list[Line]:
    member, text = subject.member, waits.when(subject, situation)
    if subject.is_testing(situation.now):
        return [("next test", Cell(f"{GLYPHS['testing']} {text}", "testing"))]
    if member.requested_at is not None:
        return [("next test", Cell(f"{text}: a retest was asked for"))]
    counted = f" ({waits.run(member)})" if member.ok_streak or member.fail_streak else ""
    return [("next test", Cell(f"{text}{counted}"))]


def _return(subject: Subject, situation: Situation) -> list[Line]:
    member = subject.member
    pool = situation.settings.pools.get(member.pool)
    score = penalty(member, situation.settings.flap, situation.now)
    lines: list[Line] = []
    if pool and not pool.is_good and not member.is_suspect:
        lines.append(("to return", Cell(prospects.needs(subject, situation))))
    if score >= 0.1:  # noqa: PLR2004 - less than this is shown as 0.0
        lines.append(("flapping", Cell(prospects.flapping(subject, situation, score), "suspect")))
    return lines


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
    for event in reversed([event for event in events if not event.kind.endswith("probe")][-_EVENTS_SHOWN:]):
        lines.append(("" if lines else "recently", Cell(f"{local(event.at)}  {told(event_row(event))}")))
    return lines
