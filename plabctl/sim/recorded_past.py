"""This installation's own past as a world: what its tests found, node by node.

I/O: reads the history. Between two tests that found different things the change is taken to be halfway; a failure that
the retest refuted is taken to be false. How long tests took, and how many failures were false, is measured too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plabctl.core.model import Event, Outcome
from plabctl.errors import UsageFault
from plabctl.history.database import History
from plabctl.sim.conditions import Conditions
from plabctl.sim.world import Life, World, build_life
from plabctl.values import dataclass

_KINDS = ("probe", "refuted", "node-removed")


@dataclass(frozen=True, slots=True)
class RecordedPast:
    """What the history says: the world, how long tests took in seconds, and the share of false failures."""

    world: World
    up_s: float
    down_s: float
    false_ratio: float
    test_count: int
    skipped_count: int = 0
    """How many rows of the history were left out, because plabctl did not write them."""


class _Track:
    """What was found of one node, oldest first."""

    __slots__ = ("found", "gone_at")

    def __init__(self) -> None:
        self.found: list[tuple[float, bool]] = []
        self.gone_at: float | None = None

    def build_life(self, name: str, since_at: float, now: float) -> Life:
        """Return its life, from its first test to its removal or `now`; instants from `since_at` on."""
        pieces = [(self.found[0][0] - since_at, self.found[0][1])]
        for (at, was_up), (later_at, is_up) in zip(self.found, self.found[1:], strict=False):
            if is_up is not was_up:
                pieces.append(((at + later_at) / 2 - since_at, is_up))
        return build_life(name, pieces, (self.gone_at or now) - since_at)


def read_past(state_dir: Path, since_at: float, now: float) -> RecordedPast:
    """Return what the history in `state_dir` says of the time from `since_at` on; raise UsageFault if it is nothing."""
    with History(state_dir) as history:
        records = history.read(since_at=since_at, kinds=_KINDS)
    tracks, seconds, refuted_count = _build_tracks([record.event for record in records])
    lives = [track.build_life(name, since_at, now) for name, track in tracks.items() if len(track.found) > 1]
    if not lives:
        raise UsageFault(
            f"the history in '{state_dir}' has no node that was tested twice in that time",
            hint="look further back, or simulate a trace: plabctl simulate --help",
        )
    begin = min(life.born_at for life in lives)
    moved = [
        Life(
            life.name,
            life.born_at - begin,
            life.gone_at - begin,
            life.starts_up,
            tuple(at - begin for at in life.changes),
        )
        for life in lives
    ]
    usual = Conditions()
    return RecordedPast(
        world=World(tuple(moved), now - since_at - begin),
        up_s=_compute_mean(seconds[True], usual.up_s),
        down_s=_compute_mean(seconds[False], usual.down_s),
        false_ratio=refuted_count / max(1, refuted_count + len(seconds[True])),
        test_count=len(seconds[True]) + len(seconds[False]),
        skipped_count=len(records.skipped),
    )


def _build_tracks(events: Sequence[Event]) -> tuple[dict[str, _Track], dict[bool, list[float]], int]:
    """Return what was found of each node, the seconds that tests took by whether they passed, and the refuted."""
    tracks: dict[str, _Track] = {}
    seconds: dict[bool, list[float]] = {True: [], False: []}
    refuted_count = 0
    for event in events:
        if event.node is None:
            continue
        track = tracks.setdefault(event.node, _Track())
        outcome = event.data.get("outcome")
        if event.kind == "node-removed":
            track.gone_at = event.at
        elif event.kind == "refuted":
            refuted_count += 1
            _forget_failures(track.found)
        elif outcome in {Outcome.PASS, Outcome.FAIL}:
            track.gone_at = None  # it is there again
            track.found.append((event.at, outcome == Outcome.PASS))
            took_s = event.data.get("seconds", 0.0)
            seconds[outcome == Outcome.PASS].append(float(took_s) if isinstance(took_s, int | float) else 0.0)
    return tracks, seconds, refuted_count


def _forget_failures(found: list[tuple[float, bool]]) -> None:
    """Take out the failures before the latest test, the pass that refuted them."""
    while len(found) > 1 and not found[-2][1]:
        del found[-2]


def _compute_mean(values: Sequence[float], otherwise: float) -> float:
    return max(0.001, round(sum(values) / len(values), 3)) if values else otherwise
