"""Liveness checks in words: when a node last answered, when it is asked next, and what follows.

Pure. The facts come from `plabctl.views.logins`.
Tests: `tests/render/test_login_lines.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core.liveness_record import name_vantage
from plabctl.core.settings import PoolSettings
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Line
from plabctl.render.times import format_ago, format_clock, format_until
from plabctl.views.logins import LoginView, view_login
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord


def format_login_lines(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    """Yield when the node last answered a login and when it is asked next; nothing where no checks are made."""
    if view := view_login(subject.member, context.settings):
        yield "login", Cell(_format_answer(view, context.now), "suspect" if view.silences_count else "")
        yield "", Cell(_format_next(view, subject, context.now))


def explain_login(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    """Yield the same, and what an answer or silence would do."""
    lines = list(format_login_lines(subject, context))
    yield from lines
    pool = context.settings.pools.get(subject.member.pool)
    if lines and pool and pool.liveness:
        yield "", Cell(_format_rule(pool, subject, context.now))


def format_way_lines(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    """Yield the ways to the node that are lost: since when, and from where it is reached."""
    ways = [way for way in subject.member.lost_ways if way.is_told]
    for number, way in enumerate(ways):
        lost, other = name_vantage(way.vantage), name_vantage(way.reached_from)
        text = f"not reached from {lost} since {format_clock(way.since_at, context.now)}, but from {other}"
        yield "" if number else "way lost", Cell(text, "suspect")


def explain_ways(subject: NodeRecord, context: ViewContext) -> Iterator[Line]:
    """Yield the same, and what follows from it."""
    yield from format_way_lines(subject, context)
    for way in subject.member.lost_ways:
        if way.is_told:
            when = "" if way.look_at <= context.now else f" that ends after {format_clock(way.look_at, context.now)}"
            where = name_vantage(way.vantage)
            yield "", Cell(f"tested from elsewhere; a login from {where} follows the first passed test{when}")


def _format_answer(view: LoginView, now: float) -> str:
    answered = "" if view.answered_at is None else f"answered {format_ago(view.answered_at, now)}"
    if not view.silences_count:
        return answered or "not tried yet"
    times = "once" if view.silences_count == 1 else f"{view.silences_count} times in a row"
    return f"silent {times}, {answered}" if answered else f"silent {times}"


def _format_next(view: LoginView, subject: NodeRecord, now: float) -> str:
    if view.due_at is None:
        return "no login is planned"
    if subject.member.due_at <= max(now, view.due_at):
        return "the next test comes before the next login"
    if view.called_because:
        return f"asked early: {view.called_because}"
    when = "now, as soon as a slot is free" if view.due_at <= now else format_until(view.due_at, now)
    return f"next login {when}, then each {format_duration(view.spacing_seconds)} until the next test"


def _format_rule(pool: PoolSettings, subject: NodeRecord, now: float) -> str:
    own = pool.liveness
    assert own is not None, "asked only of pools that make checks"
    if not pool.is_good:
        return "an answer after silence makes its test due at once"
    if subject.member.liveness and subject.member.liveness.is_mute:
        return "its tests pass without a login, so silence counts for nothing until it answers one"
    if not own.silences or subject.member.is_held(now) or not pool.kind.has_suspects(pool):
        return "silence makes its test due at once"
    return f"after {own.silences} silent logins in a row it leaves {pool.name} as a suspect, and is tested at once"
