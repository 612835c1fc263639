"""A testbed with a month behind it, the same each time: what the pictures of the page and of statistics show.

I/O: its history is a real one, in the folder that is given. Nothing in it comes from a clock or from this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from plabctl.core.model import Cause, Event, Hold, Member, Node, Outcome, Verdict
from plabctl.core.settings import ReportSettings, Settings
from plabctl.core.state import Changes
from plabctl.history.database import History
from plabctl.views.node import ViewContext
from tests.builders import NOW, make_member, make_settings
from tests.memory_state import MemoryState

TODAY = NOW - NOW % 86400 + 43200
"""At twelve on the day of all tests."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
BEGIN = TODAY - 31 * DAY
SITES = {"bergen": 6, "bonn": 8, "kyoto": 7, "lima": 6, "oslo": 8, "turin": 6}
WINDOW = 8
_FLAKY = frozenset({"pc2.oslo", "pc5.lima", "pc4.turin"})
_TEST_S = 35.0


class Down(NamedTuple):
    """A stretch of time in which a node does not work, and what tests say of it."""

    since_at: float
    until_at: float
    cause: str
    reason: str


_SWITCH = ("connect", "no route to host")
_FAULTS = (
    ("setup", "dd: error writing 'image': No space left on device"),
    ("connect", "connection refused"),
    ("up-timeout", "not up after 600 s: the bridge br0 is not there"),
    ("deadline", "no answer within 20m"),
)
_NOW_DOWN = {
    **{f"pc{number}.kyoto": Down(TODAY - 5.2 * HOUR, TODAY + DAY, *_SWITCH) for number in (2, 3, 4, 6)},
    "pc7.oslo": Down(TODAY - 2.3 * DAY, TODAY + DAY, *_FAULTS[0]),
    "pc3.lima": Down(TODAY - 40 * MINUTE, TODAY + DAY, *_FAULTS[2]),
}


@dataclass
class _Story:
    """One node: what was recorded of it, and where it ended up."""

    name: str
    events: list[Event] = field(default_factory=list)
    pool: str = "bad"
    since_at: float = BEGIN
    last: Verdict | None = None

    def tell(self, at: float, kind: str, actor: str = "plabctl", **data: object) -> None:
        names = {"origin": "from", "target": "to"}
        own = {names.get(key, key): value for key, value in data.items()}
        self.events.append(Event(f"{self.name} {kind} {at:.3f}", at, kind, self.name, actor, own))

    def test(self, at: float, down: Down | None, seconds: float = _TEST_S) -> None:
        if down is None:
            self.last = Verdict(Outcome.PASS, None, "", at, seconds)
            self.tell(at, "probe", pool=self.pool, outcome="pass", seconds=seconds)
        else:
            self.last = Verdict(Outcome.FAIL, Cause(down.cause), down.reason, at, seconds)
            self.tell(
                at, "probe", pool=self.pool, outcome="fail", cause=down.cause, reason=down.reason, seconds=seconds
            )

    def move(self, at: float, kind: str, target: str, cause: str, reason: str) -> None:
        origin = "good" if target == "bad" else "bad"
        self.tell(at, kind, origin=origin, target=target, cause=cause, reason=reason, since_at=at)
        self.pool, self.since_at = target, at


def make_context(folder: Path) -> ViewContext:
    """Record the month in a history in `folder`, and return what views of the testbed are made from."""
    rng = Random(7)
    stories, nodes, members = [], [], []
    for site, count in SITES.items():
        for number in range(1, count + 1):
            name = f"pc{number}.{site}"
            story = _Story(name)
            _play(story, list(_list_downs(name, site, rng)), rng)
            stories.append(story)
            nodes.append(Node(name, {"site": site}, added_at=BEGIN))
            members.append(_make_member(story))
    events = sorted((event for story in stories for event in story.events), key=lambda event: event.at)
    folder.chmod(0o700)
    with History(folder) as history:
        history.record(sorted([*events, *_list_guards()], key=lambda event: event.at))
    state = MemoryState(Changes(nodes=tuple(nodes), members=tuple(members)))
    return ViewContext(_make_settings(folder), state, TODAY, TODAY - 22.0)


def _make_settings(folder: Path) -> Settings:
    return make_settings(state_dir=str(folder), window=WINDOW, report=ReportSettings(title="Nodes of the testbed"))


def _list_downs(name: str, site: str, rng: Random) -> Iterator[Down]:
    """Yield when the node did not work, oldest first."""
    at, ends_at = BEGIN + DAY, TODAY - 6 * HOUR
    if name in _NOW_DOWN:
        ends_at = _NOW_DOWN[name].since_at - DAY
    while True:
        at += rng.expovariate(1 / (0.7 * DAY if name in _FLAKY else 12 * DAY))
        lasts_s = max(25 * MINUTE, rng.expovariate(1 / ((2 if name in _FLAKY else 7) * HOUR)))
        if at + lasts_s > ends_at:
            break
        down = Down(at, at + lasts_s, *rng.choice(_FAULTS))
        at += lasts_s + 2 * HOUR
        if site != "bonn" or not (_DEAD.since_at - 3 * HOUR < down.until_at and down.since_at < _DEAD.until_at + HOUR):
            yield down
        elif down.since_at < _DEAD.since_at:
            continue
    if name in _NOW_DOWN:
        yield _NOW_DOWN[name]


_DEAD = Down(TODAY - 12.3 * DAY, TODAY - 11.4 * DAY, *_SWITCH)
"""The switch of a site."""


def _play(story: _Story, downs: Sequence[Down], rng: Random) -> None:
    """Tell what plabctl saw of a node."""
    story.tell(BEGIN, "node-added", "ann", pool="bad", variables={"site": story.name.partition(".")[2]})
    if story.name.endswith(".bonn"):
        downs = sorted([*downs, _DEAD])
    story.test(BEGIN + MINUTE, None)
    story.move(BEGIN + MINUTE, "transition", "good", "passed", "test passed")
    for down in downs:
        _play_down(story, down, rng)
    quiet_until_at = story.since_at
    if story.pool == "good":
        at = max(TODAY - DAY, quiet_until_at + HOUR) + rng.uniform(0, HOUR)
        while at < TODAY - MINUTE:
            story.test(at, None, rng.uniform(20, 60))
            at += rng.uniform(45, 65) * MINUTE
    elif downs:
        at = max(TODAY - DAY, quiet_until_at + 30 * MINUTE)
        while at < TODAY - MINUTE:
            story.test(at, downs[-1], rng.uniform(60, 300))
            at += rng.uniform(45, 65) * MINUTE


def _play_down(story: _Story, down: Down, rng: Random) -> None:
    seen_at = down.since_at + rng.uniform(2, 40) * MINUTE
    story.test(down.since_at - rng.uniform(5, 25) * MINUTE, None)
    story.test(seen_at, down)
    story.move(seen_at, "suspect", "bad", down.cause, down.reason)
    story.test(seen_at + 3 * MINUTE, down)
    if seen_at + 3 * MINUTE < TODAY:
        story.move(seen_at + 3 * MINUTE, "transition", "bad", down.cause, down.reason)
    if down.until_at < TODAY:
        story.test(max(seen_at + 4 * MINUTE, down.until_at - rng.uniform(2, 30) * MINUTE), down)
        back_at = down.until_at + rng.uniform(3, 45) * MINUTE
        story.test(back_at, None)
        story.move(back_at, "transition", "good", "passed", "test passed")


def _make_member(story: _Story) -> Member:
    is_bad = story.pool == "bad"
    return make_member(
        story.name,
        story.pool,
        since_at=story.since_at,
        due_at=TODAY + 600.0,
        ok_streak=0 if is_bad else 9,
        fail_streak=4 if is_bad else 0,
        last=story.last,
        probed_at=story.last.at if story.last else None,
        **_find_rest(story),
    )


def _find_rest(story: _Story) -> dict[str, object]:
    """Return what persons and the inventory did to a node; that is told as well."""
    if story.name == "pc4.oslo":
        at = TODAY - 26 * HOUR
        hold = Hold("ann", "kernel upgrade", at, TODAY + 6 * HOUR)
        story.tell(at, "hold", "ann", reason=hold.reason, until_at=hold.until_at)
        return {"hold": hold}
    if story.name == "pc6.turin":
        at = TODAY - 4 * DAY
        story.tell(at, "node-absent", reason="not listed any more")
        return {"absent_since_at": at}
    return {}


def _list_guards() -> Iterator[Event]:
    spans = (
        ("site bonn", _DEAD.since_at + 25 * MINUTE, _DEAD.since_at + 6 * HOUR, "7 of 8 tested nodes failed"),
        ("monitor", TODAY - 3.2 * DAY, TODAY - 3.2 * DAY + 50 * MINUTE, "no canary answers"),
    )
    for scope, since_at, until_at, reason in spans:
        for kind, at in (("guard-on", since_at), ("guard-off", until_at)):
            yield Event(f"{kind} {scope}", at, kind, None, "plabctl", {"scope": scope, "reason": reason})
