"""One node explained on a page: why it is where it is, why its next test is when it is, what moves it, what holds it.

Pure. `node_page` has the facts of a node, this the reasons. See `next_test`, `next_moves` and `stage_timeouts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from textwrap import wrap

from plabctl.core.flap import compute_penalty
from plabctl.core.guard.model import read_guard
from plabctl.core.model import Event
from plabctl.durations import format_duration
from plabctl.render import next_moves, next_test, stage_timeouts
from plabctl.render.data_formats import format_document
from plabctl.render.event_table import describe_event
from plabctl.render.listing import Cell, Line
from plabctl.render.login_lines import explain_login, explain_ways
from plabctl.render.node_page import OUTPUT_BAR
from plabctl.render.pool_reason import (
    COMMAND,
    build_pool_reason,
    format_busy_lines,
    format_hold_lines,
    format_pool_lines,
    format_readiness_lines,
    format_stuck_lines,
)
from plabctl.render.remedy import format_help
from plabctl.render.table_layout import GAP
from plabctl.render.times import format_ago, format_clock, format_local
from plabctl.render.vnode_table import format_vnode_lines
from plabctl.values import replace
from plabctl.views.experiment_rows import make_vnode_row
from plabctl.views.explained_node import Explanation, GuardOfNode
from plabctl.views.logins import view_login
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord
from plabctl.views.status import build_guard_view

_LEAST_ROOM = 30
_TESTS_SHOWN = 5
_STYLES = {"pass": "good", "fail": "bad"}


def build_explanation(subject: NodeRecord, context: ViewContext) -> Explanation:
    """Return all that is said of the node beyond its line of the status."""
    settings = context.settings
    plan = stage_timeouts.plan_timeouts(subject, context)
    return Explanation(
        generated_at=context.now,
        vnodes=tuple(map(make_vnode_row, subject.vnode_views)) or None,
        because=build_pool_reason(subject),
        next=next_test.build_next_test(subject, context),
        prospects=next_moves.find_prospects(subject, context),
        guard=_view_guard(subject, context),
        recipe=settings.find_recipe_name(subject.node.variables, subject.member.pool),
        debris=subject.member.leftovers,
        tests=tuple(map(_leave_out_stages, islice(subject.list_latest("probe"), _TESTS_SHOWN))),
        skipped_count=subject.skipped_count or None,
        deadlines=stage_timeouts.build_limits(plan, settings.deadlines) if plan else None,
        login=view_login(subject.member, settings),
    )


def format_json(subject: NodeRecord, context: ViewContext) -> str:
    """Return the page for programs: the node's line of the status, and the reasons."""
    return format_document(subject.view_node(context), build_explanation(subject, context))


def build_lines(subject: NodeRecord, context: ViewContext) -> list[Line]:
    """Return the page for people."""
    return [
        ("node", Cell(subject.node.name, "title")),
        *format_pool_lines(subject, context),
        *format_stuck_lines(subject.member, context),
        *format_readiness_lines(subject.member, context),
        *format_busy_lines(subject, context),
        *_explain_next_test(subject, context),
        *explain_login(subject, context),
        *explain_ways(subject, context),
        *_explain_moves(subject, context),
        *format_hold_lines(subject.member, context.now),
        *format_vnode_lines(subject, context.now),
        *_explain_flapping(subject, context),
        *_explain_guard(subject, context),
        *_explain_timeouts(subject, context),
        *_explain_leftovers(subject, context),
        *_explain_tests(subject, context),
        *_explain_cause(subject),
    ]


def fold_lines(lines: Iterable[Line], width: int) -> list[Line]:
    """Return the lines so that each, with its label, fits into `width`; commands to copy stay whole."""
    lines = list(lines)
    indent = max((len(label) for label, _ in lines), default=0) + GAP
    return [
        (label if first else "", Cell(part, cell.style))
        for label, cell in lines
        for first, part in _split_parts(label, cell.text, width, indent)
    ]


def _split_parts(label: str, text: str, width: int, indent: int) -> Iterator[tuple[bool, str]]:
    # Blanks at the beginning or inside are there to line things up.
    lined_up = re.match(rf" *{OUTPUT_BAR} |\S+ {{2,}}(\S+ {{2,}})?", text)
    head = lined_up.group() if lined_up else ""
    hanging = head if OUTPUT_BAR in head else " " * len(head)
    rest = text[len(head) :]
    for number, part in enumerate([rest] if label == COMMAND else fold(rest, width, indent + len(head))):
        yield number == 0, (hanging if number else head) + part


def _explain_next_test(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    style = "testing" if subject.is_testing(context.now) else ""
    yield "next test", Cell(next_test.format_when(subject, context), style)
    yield "", Cell(next_test.format_reason(subject, context))


def _explain_moves(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    for label, prospect in zip(
        ("if it passes", "if it fails"), next_moves.find_prospects(subject, context), strict=True
    ):
        yield label, Cell(prospect.text)


def _explain_flapping(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    score = compute_penalty(subject.member, context.settings.flap, context.now)
    if score >= 0.1:  # less than this is shown as 0.0
        yield "flapping", Cell(next_moves.format_flapping(subject, context, score))


def _explain_guard(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    watches = read_guard(context.state).scopes
    held = subject.is_guarded(context)
    for watch in watches.values():
        yield (
            "guard",
            Cell(f"came on for {watch.scope} {format_ago(watch.since_at, context.now)}: {watch.why}", "suspect"),
        )
    if watches and not held:
        yield "", Cell("it does not hold this node")
    yield "" if watches else "guard", Cell(_format_guard(subject, context, is_on=bool(watches)))


def _format_guard(subject: NodeRecord, context: ViewContext, *, is_on: bool) -> str:
    guard = context.settings.guard
    site = subject.node.variables.get(guard.site_label)
    where = f"its pool or its site {site}" if site else "its pool"
    share = f"more than {guard.max_ratio:.0%} of at least {guard.min_tested} good nodes of {where}"
    canary = ", or while no canary answers" if guard.canary else ""
    text = f"moves to bad are held while {share} tested within {format_duration(guard.within_s)} failed{canary}"
    longest = format_duration(guard.max_age_s)
    then = f"moved anyway after {longest}" if guard.then == "move" else "left where it is"
    return f"{text}; a node that keeps failing is {then}" if is_on else f"off; {text}"


def _view_guard(subject: NodeRecord, context: ViewContext) -> GuardOfNode:
    scopes = build_guard_view(context.state).scopes or ()
    text = _format_guard(subject, context, is_on=bool(scopes))
    return GuardOfNode(subject.is_guarded(context), tuple(scopes), text)


def _leave_out_stages(event: Event) -> Event:
    return replace(event, data={key: value for key, value in event.data.items() if key != "stages"})


def _explain_timeouts(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    settings = context.settings
    name = settings.find_recipe_name(subject.node.variables, subject.member.pool)
    plan = stage_timeouts.plan_timeouts(subject, context)
    yield "recipe", Cell(name if plan else f"{name}, which is not configured", "" if plan else "bad")
    if plan:
        yield "deadlines", Cell(stage_timeouts.format_rule(plan, settings.deadlines))
        for line in stage_timeouts.format_timeouts(plan, settings.deadlines):
            yield "", Cell(line)


def _explain_leftovers(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    for left in subject.member.leftovers:
        since = format_ago(left.since_at, context.now)
        yield "leftover", Cell(f"vnode {left.vnode} of {since}, torn down before the next test", "suspect")


def _explain_tests(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    label = "last tests"
    for event in islice(subject.list_latest("probe"), _TESTS_SHOWN):
        style = _STYLES.get(str(event.data.get("outcome")), "suspect")
        yield label, Cell(f"{format_clock(event.at, context.now)}  {describe_event(event)}", style)
        label = ""
    if label:
        last = subject.member.last
        yield label, Cell("never" if last is None else f"the history has none; the last was at {format_local(last.at)}")


def _explain_cause(subject: NodeRecord) -> Iterator[Line]:
    last = subject.member.last
    if look_at := last and format_help(last.cause, last.reason, subject.node.name):
        yield "look at", Cell(look_at)


def fold(text: str, width: int | None, indent: int = 0) -> list[str]:
    """Return `text` as lines that fit into `width` behind `indent` blanks; as one line when there is no width."""
    if width is None:
        return [text]
    return wrap(text, max(_LEAST_ROOM, width - indent), break_on_hyphens=False) or [""]
