"""What a terminal shows in situations made by hand, as text: `python -m tests.render.screens` writes the files anew.

Pure, but that the time zone is UTC while they are drawn. pyte is the terminal. Whoever writes the files anew reads
them: `git diff tests/render/screens`.
"""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyte

from plabctl.core.guard.model import GUARD_NOTE, Guard, GuardedScope
from plabctl.core.model import Cause, Event, Hold, Member, Node, Outcome, Verdict
from plabctl.core.names import sort_names
from plabctl.core.state import Changes
from plabctl.core.stats.outages import Bounds
from plabctl.core.stats.tally import Tally
from plabctl.core.suspicion import Suspicion
from plabctl.render import event_table, explanation, group_table, node_page, stats_table, status_table, text_table
from plabctl.render.listing import Line, Listing
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord
from plabctl.views.stats import StatsHead, StatsView, build_stats_view
from tests.builders import NOW, make_member
from tests.memory_state import MemoryState
from tests.render.examples import make_context

FOLDER = Path(__file__).parent / "screens"
WIDTHS = (60, 80, 120)
HEIGHT = 60
_NOON = NOW - NOW % 86400 + 43200
_FULL = "dd: error writing 'image': No space left on device"
_MONTH_S = 30 * 86400.0
_DOMAIN = ".cluster.physics.example.edu"


class Screen(io.StringIO):
    """A stream that says that it is a terminal of UTF-8."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _make_good(name: str, ago_s: float = 300.0, **fields: object) -> Member:
    last = Verdict(Outcome.PASS, None, "", _NOON - ago_s, 21.0)
    made = make_member(name, since_at=_NOON - 86400.0, due_at=_NOON + 1500.0, ok_streak=9, last=last)
    return replace(made, **fields)  # type: ignore[arg-type]  # any field of Member


def _make_failed(name: str, cause: str, reason: str, for_s: float, pool: str = "bad", **fields: object) -> Member:
    last = Verdict(Outcome.FAIL, Cause(cause), reason, _NOON - min(for_s, 150.0), 9.0)
    made = make_member(name, pool, since_at=_NOON - for_s, due_at=_NOON + 900.0, last=last, fail_streak=3)
    return replace(made, **fields)  # type: ignore[arg-type]  # any field of Member


def make_busy_lab() -> ViewContext:
    """Return a lab in which this and that is wrong, with long names."""
    members = [
        *(_make_good(f"node{number}") for number in (1, 2, 3, 10, 11, 12)),
        _make_failed("node4", "connect", "no route to host", 2 * 86400.0),
        _make_failed("node9", "setup", _FULL, 4 * 3600.0),
        _make_failed("node20", "connect", "no route to host", 7200.0),
        _make_failed("node5", "deadline", "no answer", 40.0, suspicion=Suspicion("good", _NOON, 9, 0.0)),
        _make_good("node6", hold=Hold("ann", "kernel upgrade", _NOON - 900.0, _NOON + 7200.0)),
        _make_failed("node7", "connect", "no route to host", 7200.0, hold=Hold("bob", "power supply", _NOON, None)),
        _make_good("node8", absent_since_at=_NOON - 3600.0),
    ]
    sites = {"site": "north"}, {"site": "south"}
    named = [replace(member, node=member.node + _DOMAIN) for member in members]
    pairs = [(Node(member.node, sites[place % 2]), member) for place, member in enumerate(named)]
    return replace(make_context(*pairs), now=_NOON, last_tick_at=_NOON - 22.0)


def make_guarded_lab() -> ViewContext:
    """Return a lab in which all 20 nodes fail, and the guard is on."""
    members = [_make_failed(f"pc{n}", "connect", "no route to host", 300.0, "good") for n in range(1, 21)]
    context = make_context(*((Node(member.node), member) for member in members))
    why = "20 of 20 good nodes that were tested failed"
    guard = Guard({"pool good": GuardedScope("pool good", _NOON - 240.0, why)})
    assert isinstance(context.state, MemoryState)
    context.state.apply(Changes(notes=GUARD_NOTE.write(guard)))
    return replace(context, now=_NOON, last_tick_at=_NOON - 22.0)


def _build_status(context: ViewContext) -> Listing:
    return status_table.build_listing(context, sort_names(context.state.names()))


def _build_groups(by: str) -> Listing:
    context = make_busy_lab()
    return group_table.build_listing(context, sort_names(context.state.names()), by)


def _build_history() -> Listing:
    def make(at: float, kind: str, node: str, actor: str = "plabctl", **data: object) -> Event:
        return Event(f"{kind}{at}", at, kind, node + _DOMAIN, actor, data)

    return event_table.build_listing([
        make(_NOON - 900.0, "probe", "node4", outcome="fail", cause="connect", reason="no route to host", seconds=20.0),
        make(_NOON - 900.0, "suspect", "node4", **{"from": "good", "to": "bad"}, reason="no route to host"),
        make(_NOON - 870.0, "transition", "node4", **{"from": "good", "to": "bad"}, reason="no route to host"),
        make(_NOON - 60.0, "hold", "node6", "ann", reason="kernel upgrade", until_at=_NOON + 7200.0),
    ])  # fmt: skip


def _make_stats(name: str | None, usable: float, outages_s: list[float], **fields: object) -> StatsView:
    tally = Tally(known_s=_MONTH_S, usable_s=usable * _MONTH_S, good_s=usable * _MONTH_S, outages_s=outages_s)
    for key, value in fields.items():
        setattr(tally, key, value)
    return build_stats_view(tally, name and name + _DOMAIN)


def _build_stats() -> Listing:
    seen, back = [Bounds(0.0, 1260.0), Bounds(0.0, 900.0)], [Bounds(300.0, 3900.0)]
    views = [
        _make_stats("node4", 0.0, [_MONTH_S], fail_count=690, causes=Counter(connect=612, deadline=78)),
        _make_stats("node9", 0.8131, [4 * 86400.0, 134000.0], flap_count=2, detections=seen, recoveries=back,
                    pass_count=611, fail_count=120, causes=Counter(setup=81, connect=22, auth=9, protocol=8)),
        _make_stats("node6", 0.9417, [], held_s=0.058 * _MONTH_S, pass_count=720),
        _make_stats("node8", 0.9997, [780.0], absent_s=0.01 * _MONTH_S, pass_count=718, fail_count=2,
                    causes=Counter({"up-timeout": 2})),
        _make_stats("node10", 1.0, [], pass_count=722),
    ]  # fmt: skip
    total = replace(_make_stats(None, 0.7509, [_MONTH_S, 86400.0], detections=seen, pass_count=2771), nodes_count=5)
    head = StatsHead(_NOON, 7, _NOON - _MONTH_S, _NOON, _NOON - 10 * 86400.0, None, None, total)
    return stats_table.build_listing(head, views)


def _build_wide_status() -> Listing:
    context = make_busy_lab()
    names = sort_names(context.state.names())
    passed, failed, unknown = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
    tests = {f"node9{_DOMAIN}": [passed] * 5 + [unknown] + [failed] * 4, f"node1{_DOMAIN}": [passed] * 10}
    return status_table.build_listing(context, names, tests=tests)


def _find_failed_node(context: ViewContext) -> NodeRecord:
    """Return a node that failed a few hours ago, with what happened to it since."""
    name = f"node9{_DOMAIN}"
    node, member = context.state.node(name), context.state.member(name)
    assert node
    assert member
    fell = {"from": "good", "to": "bad", "cause": "setup", "reason": _FULL, "since_at": _NOON - 4 * 3600.0}
    stages = [
        {"stage": "connect", "seconds": 0.2, "exit_code": None, "output": "", "truncated": False},
        {"stage": "setup", "seconds": 8.8, "exit_code": 1, "output": f"making image\n{_FULL}\n", "truncated": False},
    ]
    failed = {"outcome": "fail", "cause": "setup", "reason": _FULL, "seconds": 9.0, "stages": stages, "pool": "bad"}
    hours = (9, 8, 7, 6, 5)
    passed = {"outcome": "pass", "seconds": 21.0, "pool": "good"}
    recent = (
        *(Event(f"{each}-probe", _NOON - each * 3600.0, "probe", name, "plabctl", passed) for each in hours),
        Event("1-transition", _NOON - 4 * 3600.0, "transition", name, "plabctl", fell),
        Event("2-retest", _NOON - 200.0, "retest", name, "ann", {"reason": "image removed"}),
        Event("3-probe", _NOON - 150.0, "probe", name, "plabctl", failed),
    )
    node = replace(node, added_at=_NOON - _MONTH_S)
    return NodeRecord(node, replace(member, probed_at=_NOON - 150.0, interval_s=1050.0), None, recent)


def _build_page() -> Sequence[Line]:
    context = make_busy_lab()
    return node_page.build_lines(_find_failed_node(context), context)


def _build_explanation() -> Sequence[Line]:
    context = make_busy_lab()
    lines = explanation.build_lines(_find_failed_node(context), context)
    return explanation.fold_lines(lines, min(80, int(os.environ["COLUMNS"])))


TABLES: Mapping[str, Callable[[], Listing]] = {
    "status": lambda: _build_status(make_busy_lab()),
    "status-wide": _build_wide_status,
    "status-guarded": lambda: _build_status(make_guarded_lab()),
    "status-by-reason": lambda: _build_groups("reason"),
    "status-by-site": lambda: _build_groups("site"),
    "history": _build_history,
    "stats": _build_stats,
}
PAGES: Mapping[str, Callable[[], Sequence[Line]]] = {"show": _build_page, "explain": _build_explanation}
SCREENS = (*TABLES, *PAGES)


def draw(name: str, width: int) -> str:
    """Return what a terminal of that width shows."""
    out = Screen()
    with _surroundings(width):
        if name in PAGES:
            text_table.show_lines(PAGES[name](), out, color=True)
        else:
            text_table.show_table(TABLES[name](), out, color=True, wide=name.endswith("-wide"))
    screen = pyte.Screen(width, HEIGHT)
    pyte.Stream(screen).feed(out.getvalue().replace("\n", "\r\n"))
    return "\n".join(line.rstrip() for line in screen.display).rstrip() + "\n"


@contextmanager
def _surroundings(width: int) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update({"TZ": "UTC", "COLUMNS": str(width)})
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()


def find_file(name: str, width: int) -> Path:
    """Return the file that keeps the screen."""
    return FOLDER / f"{name}-{width}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kept in SCREENS:
        for columns in WIDTHS:
            find_file(kept, columns).write_text(draw(kept, columns))
