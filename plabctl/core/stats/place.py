"""What each event makes of a node's place, so that the history can be read as a film of what `status` showed.

Pure. A `Place` has the fields of a member that decide whether its node is usable, under the same names, and
`plabctl.core.usable` decides it. `plabctl.core.stats.replay` puts places one after the other.
Tests: `tests/core/stats/test_replay.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from plabctl.core.events import MACHINE
from plabctl.core.model import Event, Hold, Member, Outcome
from plabctl.core.suspicion import Suspicion

_FAIL, _PASS = Outcome.FAIL.value, Outcome.PASS.value


class Place(NamedTuple):
    """A node's place at some instant."""

    pool: str = ""
    """Empty while the history has not said it yet."""
    fail_streak: int = 0
    """1 when its last test that counted failed: how many there were in a row decides nothing."""
    suspicion: Suspicion | None = None
    hold: Hold | None = None
    absent_since_at: float | None = None
    stuck_since_at: float | None = None
    release_test_since_at: float | None = None


class PastTest(NamedTuple):
    """A test as the history has it."""

    node: str
    at: float
    """When it was settled."""
    pool: str
    outcome: str
    cause: str
    seconds: float
    is_late: bool = False
    """It was recorded and decided nothing."""
    is_counted: bool = True
    """False for a failure that counted for nothing, because the test was cut short by a learned time-out."""


UNKNOWN = Place()


def find_place_at(member: Member, at: float) -> Place:
    """Return the place of `member` as it was at `at`, as far as its record reaches back; the rest is unknown."""
    suspicion, hold, absent, stuck = member.suspicion, member.hold, member.absent_since_at, member.stuck_since_at
    since_at = suspicion.since_at if suspicion else member.since_at
    return Place(
        pool=member.home_pool if since_at <= at else "",
        hold=hold if hold is not None and hold.since_at <= at else None,
        absent_since_at=absent if absent is not None and absent <= at else None,
        stuck_since_at=stuck if stuck is not None and stuck <= at else None,
    )


def read_test(event: Event) -> PastTest | None:
    """Return the test that `event` tells of; None when it is no test of a health pool."""
    data, seconds = event.data, event.data.get("seconds", 0.0)
    if event.node is None or event.kind not in {"probe", "late"} or data.get("experiment"):
        return None
    return PastTest(
        event.node,
        event.at,
        _get_text(event, "pool"),
        _get_text(event, "outcome"),
        _get_text(event, "cause"),
        float(seconds) if isinstance(seconds, int | float) else 0.0,
        event.kind == "late",
        data.get("counted") is not False,
    )


def apply_test(place: Place, test: PastTest) -> Place:
    """Return the place after a test, before the move that it may lead to."""
    if test.is_late:
        return place
    if not place.pool:
        place = place._replace(pool=test.pool)
    if test.outcome == _PASS:
        return place._replace(fail_streak=0) if place.fail_streak else place
    if test.outcome == _FAIL and test.is_counted and not place.fail_streak:
        return place._replace(fail_streak=1)
    return place


def apply_event(place: Place | None, event: Event, entry_pool: str) -> Place | None:
    """Return the place after an event that is no test; None when the node is gone.

    `entry_pool` is where new nodes enter, if the event does not say it.
    """
    if event.kind == "node-added":
        return Place(pool=_get_text(event, "pool") or entry_pool)
    if place is None or event.kind == "node-removed":
        return None
    return place._replace(**_find_changes(place, event))


def _find_changes(place: Place, event: Event) -> dict[str, Any]:
    """Return the fields of `place` that `event` changes, with their values from then on."""
    changes: dict[str, Any] = {}
    match event.kind:
        case "node-absent":
            changes = {"absent_since_at": event.at}
        case "node-back" | "node-renamed":
            changes = {"absent_since_at": None}
        case "hold":
            changes = {"hold": _read_hold(event, is_move="pool" in event.data)}
        case "release":
            changes = {"hold": None, "stuck_since_at": None}
        case "stuck":
            changes = {"stuck_since_at": None if event.data.get("over") else event.at}
        case "suspect":
            before = Suspicion(_get_text(event, "from"), event.at, 0, event.at)
            changes = {"pool": _get_text(event, "to"), "suspicion": before}
        case "transition" if event.actor != MACHINE:
            changes = {"pool": _get_text(event, "to"), "suspicion": None, "fail_streak": 0, "stuck_since_at": None}
            changes |= _find_new_hold(event)
        case "transition" | "refuted" | "guarded":
            # Of a stuck node only the guard makes a move: it takes back the one that made the node stuck.
            changes = {"pool": _get_text(event, "to"), "suspicion": None, "stuck_since_at": None}
    return changes


def _find_new_hold(event: Event) -> dict[str, Any]:
    """Return the hold of a node that a person moved, if it is another from then on."""
    match event.data.get("kept_by"):
        case "move":
            return {"hold": _read_hold(event, is_move=True)}
        case "tests":
            return {"hold": None}
        case None if _get_until(event) is not None:  # as it was before moves out of good lasted until a release
            return {"hold": _read_hold(event, is_move=True)}
        case _:
            return {}


def _read_hold(event: Event, *, is_move: bool) -> Hold:
    return Hold(event.actor, _get_text(event, "reason"), event.at, _get_until(event), is_move=is_move)


def _get_until(event: Event) -> float | None:
    until_at = event.data.get("until_at")
    return float(until_at) if isinstance(until_at, int | float) else None


def _get_text(event: Event, key: str) -> str:
    value = event.data.get(key)
    return value if isinstance(value, str) else ""
