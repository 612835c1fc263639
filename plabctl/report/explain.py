"""One node explained on a page: why it is where it is, why its next test is when it is, what moves it, what holds it.

Pure. `story` has the facts of a node, this the reasons; the parts are `waits`, `prospects` and `limits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from plabctl.core.flap import penalty
from plabctl.core.glance import glance_at
from plabctl.core.guard import of_state
from plabctl.core.model import Event
from plabctl.durations import format_duration
from plabctl.report import limits, prospects, waits
from plabctl.report.fates import folded
from plabctl.report.fit import GAP
from plabctl.report.happened import event_row, told
from plabctl.report.instants import ago, clock, iso, local
from plabctl.report.listing import Cell, Row
from plabctl.report.node import node_row
from plabctl.report.place import COMMAND, because, held_lines, place_lines
from plabctl.report.status import Situation
from plabctl.report.subject import Line, Subject
from plabctl.report.vnodes import vnode_lines, vnodes_row

_TESTS_SHOWN = 5
_STYLES = {"pass": "good", "fail": "bad"}


def document(subject: Subject, situation: Situation) -> Row:
    """Return the page for programs: the node's row of the status, and the reasons."""
    settings, now = situation.settings, situation.now
    plan = limits.plan_of(subject, situation)
    row: dict[str, object] = {
        "schema_version": 1,
        "generated_at": iso(now),
        **node_row(glance_at(subject.node, subject.member), subject.claim, settings, now, {}),
        **vnodes_row(subject),
        "because": because(subject),
        "next": waits.wait_row(subject, situation),
        "prospects": [prospects.prospect_row(each) for each in prospects.prospects(subject, situation)],
        "guard": _guard_row(subject, situation),
        "recipe": settings.recipe_name_of(subject.node.variables, subject.member.pool),
        "debris": [
            {"vnode": left.vnode, "recipe": left.recipe, "since_at": iso(left.since_at)}
            for left in subject.member.debris
        ],
        "tests": [_test_row(event) for event in islice(subject.latest("probe"), _TESTS_SHOWN)],
    }
    if subject.skipped_count:
        row["skipped_count"] = subject.skipped_count
    if plan is not None:
        row["deadlines"] = limits.limits_row(plan, settings.deadlines)
    return row


def tell(subject: Subject, situation: Situation) -> list[Line]:
    """Return the page for people."""
    return [
        ("node", Cell(subject.node.name, "title")),
        *place_lines(subject, situation),
        *_next(subject, situation),
        *_prospects(subject, situation),
        *held_lines(subject.member, situation.now),
        *vnode_lines(subject, situation.now),
        *_flapping(subject, situation),
        *_guard(subject, situation),
        *_deadlines(subject, situation),
        *_debris(subject, situation),
        *_tests(subject, situation),
    ]


def folded_lines(lines: Iterable[Line], width: int) -> list[Line]:
    """Return the lines so that each, with its label, fits into `width`; commands to copy stay whole."""
    lines = list(lines)
    indent = max((len(label) for label, _ in lines), default=0) + GAP
    return [
        (label if first else "", Cell(part, cell.style))
        for label, cell in lines
        for first, part in _parts(label, cell.text, width, indent)
    ]


def _parts(label: str, text: str, width: int, indent: int) -> Iterator[tuple[bool, str]]:
    # Blanks at the beginning or inside are there to line things up.
    lined_up = re.match(r"\S+ {2,}(\S+ {2,})?", text)
    hanging = len(lined_up.group()) if lined_up else 0
    head, rest = text[:hanging], text[hanging:]
    for number, part in enumerate([rest] if label == COMMAND else folded(rest, width, indent + hanging)):
        yield number == 0, (" " * hanging if number else head) + part


def _next(subject: Subject, situation: Situation) -> Iterator[Line]:
    style = "testing" if subject.is_testing(situation.now) else ""
    yield "next test", Cell(waits.when(subject, situation), style)
    yield "", Cell(waits.reason(subject, situation))


def _prospects(subject: Subject, situation: Situation) -> Iterator[Line]:
    for label, prospect in zip(("if it passes", "if it fails"), prospects.prospects(subject, situation), strict=True):
        yield label, Cell(prospect.text)


def _flapping(subject: Subject, situation: Situation) -> Iterator[Line]:
    score = penalty(subject.member, situation.settings.flap, situation.now)
    if score >= 0.1:  # noqa: PLR2004 - less than this is shown as 0.0
        yield "flapping", Cell(prospects.flapping(subject, situation, score))


def _guard(subject: Subject, situation: Situation) -> Iterator[Line]:
    watches = of_state(situation.state).watches
    held = subject.is_guarded(situation)
    for watch in watches.values():
        yield "guard", Cell(f"on for {watch.scope} since {ago(watch.since_at, situation.now)}: {watch.why}", "suspect")
    if watches and not held:
        yield "", Cell("it does not hold this node")
    yield "" if watches else "guard", Cell(_guard_words(subject, situation, is_on=bool(watches)))


def _guard_words(subject: Subject, situation: Situation, *, is_on: bool) -> str:
    guard = situation.settings.guard
    site = subject.node.variables.get(guard.site_label)
    where = f"its pool or its site {site}" if site else "its pool"
    share = f"more than {guard.max_ratio:.0%} of at least {guard.min_tested} good nodes of {where}"
    canary = ", or while no canary answers" if guard.canary else ""
    text = f"moves to bad are held while {share} tested within {format_duration(guard.within_s)} failed{canary}"
    longest = format_duration(guard.max_age_s)
    then = f"moved all the same after {longest}" if guard.then == "move" else "left where it is"
    return f"{text}; a node that goes on failing is {then}" if is_on else f"off; {text}"


def _guard_row(subject: Subject, situation: Situation) -> Row:
    watches = of_state(situation.state).watches
    return {
        "holds": subject.is_guarded(situation),
        "scopes": [
            {"scope": watch.scope, "since_at": iso(watch.since_at), "reason": watch.why} for watch in watches.values()
        ],
        "text": _guard_words(subject, situation, is_on=bool(watches)),
    }


def _test_row(event: Event) -> Row:
    return {key: value for key, value in event_row(event).items() if key != "stages"}


def _deadlines(subject: Subject, situation: Situation) -> Iterator[Line]:
    settings = situation.settings
    name = settings.recipe_name_of(subject.node.variables, subject.member.pool)
    plan = limits.plan_of(subject, situation)
    yield "recipe", Cell(name if plan else f"{name}, which is not configured", "" if plan else "bad")
    if plan:
        yield "deadlines", Cell(limits.patience_words(plan, settings.deadlines))
        for line in limits.limit_lines(plan, settings.deadlines):
            yield "", Cell(line)


def _debris(subject: Subject, situation: Situation) -> Iterator[Line]:
    for left in subject.member.debris:
        since = ago(left.since_at, situation.now)
        yield "debris", Cell(f"vnode {left.vnode} of {since}, torn down before the next test", "suspect")


def _tests(subject: Subject, situation: Situation) -> Iterator[Line]:
    label = "last tests"
    for event in islice(subject.latest("probe"), _TESTS_SHOWN):
        style = _STYLES.get(str(event.data.get("outcome")), "suspect")
        yield label, Cell(f"{clock(event.at, situation.now)}  {told(event_row(event))}", style)
        label = ""
    if label:
        last = subject.member.last
        yield label, Cell("never" if last is None else f"the history has none; the last was at {local(last.at)}")
