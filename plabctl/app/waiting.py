"""Testing named nodes here and now, and waiting for what comes of it.

I/O: runs a tick of its own that takes these nodes only, inside the window that all ticks share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plabctl.app.context import App
from plabctl.app.errands import Retests
from plabctl.app.queries import look_at
from plabctl.app.signals import Stop
from plabctl.app.tick import run_tick
from plabctl.core.model import Outcome
from plabctl.report.status import Situation


@dataclass(frozen=True, slots=True)
class Tested:
    """The situation after the test, and the exit code: 0 if all nodes passed, 1 if not, 128 + signal if stopped."""

    situation: Situation
    exit_code: int


def test_and_wait(app: App, names: Sequence[str]) -> Tested:
    """Probe the nodes, whose retest has been ordered, and return how it went."""
    stop = Stop()
    with stop.listening():
        run_tick(app, stop, errand=Retests(names))
    situation = look_at(app)
    return Tested(situation, stop.exit_code or int(not all(_passed(situation, name) for name in names)))


def _passed(situation: Situation, name: str) -> bool:
    member = situation.state.member(name)
    return bool(member and member.last and member.last.outcome is Outcome.PASS)
