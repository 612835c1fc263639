"""All about one node, in words: why it is where it is, since when, what its last test said, and what comes next.

Pure. `plabctl show` prints it; `node` has the same for programs, `explain` the reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from plabctl.core.flap import compute_penalty
from plabctl.core.model import Event, Member, Node, Outcome
from plabctl.render import next_moves, next_test
from plabctl.render.data_formats import format_document
from plabctl.render.event_table import build_event_row, describe_event, format_vantage
from plabctl.render.listing import Cell, Line, Row, get_text
from plabctl.render.login_lines import format_login_lines, format_way_lines
from plabctl.render.pool_reason import (
    format_busy_lines,
    format_hold_lines,
    format_pool_lines,
    format_readiness_lines,
    format_stuck_lines,
)
from plabctl.render.remedy import format_help, format_remedy
from plabctl.render.strip import LENGTH, format_strip
from plabctl.render.styles import GLYPHS
from plabctl.render.times import format_ago, format_local, format_took
from plabctl.render.vnode_table import format_vnode_lines
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord, build_node_page

OUTPUT_LINES = 20
"""Of what a stage printed."""
OUTPUT_BAR = "│"
"""What stands before each line that a stage printed, so that none is taken for one of ours."""
_EVENTS_SHOWN = 6
_OUTCOMES = frozenset(Outcome)


def format_json(subject: NodeRecord, context: ViewContext) -> str:
    """Return all about the node for programs: its line of the status, and more."""
    return format_document(subject.view_node(context), build_node_page(subject, context))


def build_lines(subject: NodeRecord, context: ViewContext) -> list[Line]:
    """Return all about the node for people."""
    return [
        ("node", Cell(subject.node.name, "title")),
        *format_pool_lines(subject, context),
        *format_stuck_lines(subject.member, context),
        *format_readiness_lines(subject.member, context),
        *format_busy_lines(subject, context),
        *_format_last_test(subject, context.now),
        *_format_remedy(subject, context),
        *_format_next_test(subject, context),
        *format_login_lines(subject, context),
        *format_way_lines(subject, context),
        *_format_return(subject, context),
        *format_hold_lines(subject.member, context.now),
        *format_vnode_lines(subject, context.now),
        *_format_leftovers(subject.member, context.now),
        *_format_identity(subject.node, subject.member, context),
        *_format_recent(subject.recent),
    ]


def _format_last_test(subject: NodeRecord, now: float) -> list[Line]:
    last = subject.member.last
    if last is None:
        return [("last test", Cell("never"))]
    style = {Outcome.PASS: "good", Outcome.FAIL: "bad"}.get(last.outcome, "suspect")
    word = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.UNKNOWN: "no verdict"}[last.outcome]
    cause = f" ({last.cause})" if last.cause else ""
    where = format_vantage(subject.member.vantage)
    when = f"{format_ago(last.at, now)}, took {format_took(last.seconds)}{where}"
    lines: list[Line] = [("last test", Cell(f"{word}{cause} {when}", style))]
    if (strip := _format_strip(subject)) and len(strip) > 1:
        lines.append(("", Cell(f"{strip} the last {len(strip)}, the latest on the right")))
    if last.reason:
        lines.append(("", Cell(last.reason)))
    if (probe := subject.last_probe) and abs(probe.at - last.at) < 1:
        lines.extend(_format_stages(build_event_row(probe)))
    return lines


def _format_remedy(subject: NodeRecord, context: ViewContext) -> list[Line]:
    last, node = subject.member.last, subject.node
    if last is None:
        return []
    look_at = format_help(last.cause, last.reason, node.name)
    remedy = format_remedy(last.cause, node.name, node.variables, context.settings.ssh)
    return [(label, Cell(text)) for label, text in (("look at", look_at), ("if right", remedy)) if text]


def _format_strip(subject: NodeRecord) -> str:
    words = [str(event.data.get("outcome")) for event in islice(subject.list_latest("probe"), LENGTH)]
    return format_strip(Outcome(word) for word in reversed(words) if word in _OUTCOMES)


def _format_stages(row: Row) -> list[Line]:
    lines: list[Line] = []
    stages = row.get("stages")
    for stage in stages if isinstance(stages, list) else []:
        lines.extend(format_stage_lines(stage))
    if note := get_text(row, "note"):
        lines.append(("", Cell(note, "suspect")))
    return lines


def format_stage_lines(stage: Row, limit: int | None = OUTPUT_LINES) -> list[Line]:
    """Return one stage of a test: how it went and what it printed, the last `limit` lines if that is long."""
    code = stage.get("exit_code")
    ended = "" if code is None else f"exit {code}"
    cancellation = "output cut" if stage.get("truncated") else ""
    style = "" if code is None else "good" if code == 0 else "bad"
    text = f"{stage['stage']:<9} {stage['seconds']:6.2f} s  {', '.join(filter(None, (ended, cancellation)))}".rstrip()
    lines: list[Line] = [("", Cell(text, style))]
    output = get_text(stage, "output").splitlines()
    if limit is not None and len(output) > limit:
        lines.append(("", Cell(f"  {OUTPUT_BAR} ({len(output) - limit} lines before)", "faint")))
        output = output[-limit:]
    lines.extend(("", Cell(f"  {OUTPUT_BAR} {text}", "faint")) for text in output)
    return lines


def _format_next_test(subject: NodeRecord, context: ViewContext) -> list[Line]:
    member, text = subject.member, next_test.format_when(subject, context)
    if subject.is_testing(context.now):
        return [("next test", Cell(f"{GLYPHS['testing']} {text}", "testing"))]
    if member.requested_at is not None:
        return [("next test", Cell(f"{text}: a retest was asked for"))]
    if member.asked_early:
        return [("next test", Cell(f"{text}; asked early: {member.asked_early}"))]
    counted = f" (after {next_test.format_run(member)})" if member.ok_streak or member.fail_streak else ""
    return [("next test", Cell(f"{text}{counted}"))]


def _format_return(subject: NodeRecord, context: ViewContext) -> list[Line]:
    member = subject.member
    pool = context.settings.pools.get(member.pool)
    score = compute_penalty(member, context.settings.flap, context.now)
    lines: list[Line] = []
    if pool and not pool.is_good and not member.is_suspect:
        lines.append(("to return", Cell(next_moves.format_needs(subject, context))))
    if score >= 0.1:  # less than this is shown as 0.0
        lines.append(("flapping", Cell(next_moves.format_flapping(subject, context, score), "suspect")))
    return lines


def _format_leftovers(member: Member, now: float) -> list[Line]:
    return [
        (
            "leftover",
            Cell(f"vnode {left.vnode} of {format_ago(left.since_at, now)}, torn down before the next test", "suspect"),
        )
        for left in member.leftovers
    ]


def _format_identity(node: Node, member: Member, context: ViewContext) -> list[Line]:
    settings = context.settings
    own = node.variables
    is_known = member.pool in settings.pools
    recipe = settings.find_recipe_name(own, member.pool) if is_known else own.get("recipe", "")
    lines: list[Line] = [
        ("recipe", Cell(recipe)),
        ("source", Cell(f"{node.source}, added {format_local(node.added_at)}")),
    ]
    if own:
        lines.append(("variables", Cell(" ".join(f"{key}={value}" for key, value in sorted(own.items())))))
    return lines


def _format_recent(events: Sequence[Event]) -> list[Line]:
    lines: list[Line] = []
    for event in reversed([event for event in events if not event.kind.endswith("probe")][-_EVENTS_SHOWN:]):
        lines.append(("" if lines else "recently", Cell(f"{format_local(event.at)}  {describe_event(event)}")))
    return lines
