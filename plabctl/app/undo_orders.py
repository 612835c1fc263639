"""The commands that take back what a person ordered: each node where it was, kept there by whatever kept it before.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from plabctl.core.model import Hold, Member
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.render.change_report import build_undo_command
from plabctl.render.times import format_iso


class _Step(NamedTuple):
    """What an order did to a node, where that makes a difference to what undoes it."""

    origin: str
    """Where it belonged."""
    is_moved: bool
    lost: Hold | None
    """The pin that it has no more."""
    new: Hold | None
    """The pin that it did not have."""


def list_undo_commands(state: State, settings: Settings, after: Sequence[Member], now: float) -> list[str]:
    """Return the commands that make the nodes again what they are in `state`; `after` has what they become."""
    steps: dict[_Step, list[str]] = {}
    for member in after:
        before = state.member(member.node)
        if before is None:
            raise AssertionError(f"{member.node!r} is a node")
        old = before.hold if before.is_held(now) else None
        new = member.hold if member.is_held(now) else None
        is_moved = not before.home_pool == before.pool == member.pool
        pins = (None, None) if old == new else (old, new)
        steps.setdefault(_Step(before.home_pool, is_moved, *pins), []).append(member.node)
    return [
        command
        for step, names in sorted(steps.items(), key=lambda item: (item[0].origin, item[1]))
        for command in _undo(step, names, settings)
    ]


def _undo(step: _Step, names: Sequence[str], settings: Settings) -> Iterator[str]:
    lost, new = step.lost, step.new
    if new and not step.is_moved and not (lost and lost.is_move == new.is_move):
        yield build_undo_command(["release"], names)
    if lost and lost.is_move:
        yield _build_pinning(["move"], names, [step.origin], lost)
    elif step.is_moved:
        pool = settings.pools.get(step.origin)
        once = [] if pool and pool.is_good else ["--once"]
        yield build_undo_command(["move"], names, [step.origin, "--reason", "undo", *once])
    if lost and not lost.is_move:
        yield _build_pinning(["hold"], names, [], lost)


def _build_pinning(words: Sequence[str], names: Sequence[str], rest: Sequence[str], pin: Hold) -> str:
    ends = [] if pin.until_at is None else ["--for", format_iso(pin.until_at)]
    return build_undo_command(words, names, [*rest, "--reason", pin.reason, *ends])
