"""The pictures of the README: what `status` and the demo print, as SVG by rich. `make docs` draws them anew.

Pure, but that the time zone is UTC while they are drawn. They name no font file: a reader's browser loads nothing for
them from elsewhere. Go on with `test_pictures`.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console, RenderableType
from rich.text import Text

from plabctl.core.model import Cause, Hold, Member, Node, Outcome, Verdict
from plabctl.core.names import build_sort_key
from plabctl.core.suspicion import Suspicion
from plabctl.demo.demo_view import CheckResult, DemoView, NodeChecks, NodeState, NodeView
from plabctl.demo.live_board import DemoFrame
from plabctl.demo.sentences import Sentence
from plabctl.render import status_table, text_table
from tests.builders import NOW, make_member
from tests.demo.demo_values import BOTH_PASS, REFUSED, UP, make_tests
from tests.render.examples import make_context

STATUS_SIZE, DEMO_SIZE = (112, 12), (100, 24)
"""Columns and lines."""
_ID = "plabctl"
"""The beginning of the names in an SVG; rich would take a number of its own."""
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px; line-height: {line_height}px
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_NOON = NOW - NOW % 86400 + 43200
"""When the pictures are taken: at twelve on the day of all tests."""
_FULL = "dd: error writing 'image': No space left on device"
_KEY = "the host key has changed"


def draw_status() -> str:
    """Return the picture of `plabctl status`."""
    members = [
        *(_make_good(f"pc{number}", tested_s_ago) for number, tested_s_ago in ((1, 260), (2, 75), (5, 610), (6, 1930))),
        _make_bad("pc3", "setup", _FULL, 4 * 3600.0, fail_streak=19),
        _make_bad("pc4", "connect", "no route to host", 2 * 86400.0, fail_streak=60),
        _make_bad("pc7", "host-key", _KEY, 1260.0, fail_streak=4),
        _make_bad("pc8", "deadline", "no answer", 40.0, suspicion=Suspicion("good", _NOON, 9, 0.0)),
        replace(_make_good("pc9", 330), hold=Hold("ann", "kernel upgrade", _NOON - 900.0, _NOON + 7200.0)),
        replace(_make_bad("pc10", "", "", 5400.0, penalty=2.0, penalty_at=_NOON, ok_streak=1), due_at=_NOON + 200.0),
    ]
    pairs = [(Node(member.node), member) for member in members]
    context = replace(make_context(*pairs, testing=("pc8",)), now=_NOON, last_tick_at=_NOON - 22.0)
    names = sorted((node.name for node, _ in pairs), key=build_sort_key)
    out = _Terminal()
    with surroundings():
        text_table.show_table(status_table.build_listing(context, names), out, color=True)
    return _export(Text.from_ansi(out.getvalue()), "plabctl status", STATUS_SIZE)


def _make_good(name: str, tested_s_ago: float) -> Member:
    verdict = Verdict(Outcome.PASS, None, "", _NOON - tested_s_ago, 21.0)
    since_at = _NOON - 40 * tested_s_ago - 3600.0
    return make_member(name, since_at=since_at, due_at=verdict.at + 3600.0, ok_streak=9, last=verdict)


def _make_bad(name: str, cause: str, reason: str, for_s: float, **fields: object) -> Member:
    at = _NOON - min(for_s, 150.0)
    verdict = Verdict(Outcome.FAIL if cause else Outcome.PASS, Cause(cause) if cause else None, reason, at, 9.0)
    member = make_member(name, "bad", since_at=_NOON - for_s, due_at=_NOON + 1500.0, last=verdict)
    return replace(member, **fields)  # type: ignore[arg-type]  # any field of Member


def draw_demo() -> str:
    """Return the picture of `plabctl demo`, in the middle of a run."""
    deaf = NodeChecks(UP, CheckResult(passed=False, words="no answer"))
    other_key = NodeChecks(UP, CheckResult(passed=False, words="wrong key"))
    nodes = (
        _make_faulty("fails.demo", "FFFFF", BOTH_PASS, "dd: No space left on device"),
        _make_faulty("hangs.demo", "FFF", BOTH_PASS, "setup did not end within 4 s", is_testing=True),
        _make_faulty("impostor.demo", "FFFFF", other_key, "the host key has changed"),
        _make_faulty("refuses.demo", "FFFFF", NodeChecks(REFUSED, REFUSED), "connection refused"),
        _make_faulty("silent.demo", "FFF", deaf, "no SSH banner in time", is_testing=True),
        replace(
            _make_faulty("flaps.demo", "PPFFPPF", BOTH_PASS, "vnode: the disk does not answer", is_testing=True),
            state=NodeState.SUSPECT,
        ),
        NodeView("repaired.demo", NodeState.GOOD, BOTH_PASS, make_tests("FFFFPP")),
        *(NodeView(f"steady{number}.demo", NodeState.GOOD, BOTH_PASS, make_tests("PPPPP")) for number in range(1, 6)),
    )
    told = (
        Sentence(
            _NOON,
            "flaps.demo was good and has failed: vnode: the disk does not answer. "
            "It is not offered until it passes again.",
            "suspect",
        ),
        Sentence(_NOON - 4, "repaired.demo is good: a virtual node was set up on it, used, and removed again.", "good"),
        Sentence(_NOON - 9, "repaired.demo is being repaired: somebody loads the kernel module that it lacked."),
    )
    title = "plabctl demo: 12 SSH nodes on 127.0.0.1, a tick every 2s"
    hint = "In a second terminal:", "plabctl status --config demo/plabctl.toml"
    return _export(DemoFrame(title, hint, DemoView(nodes, 6, 27.0), told), "plabctl demo", DEMO_SIZE)


def _make_faulty(name: str, tests: str, checks: NodeChecks, reason: str, *, is_testing: bool = False) -> NodeView:
    return NodeView(name, NodeState.BAD, checks, make_tests(tests), is_testing, reason)


def _export(picture: RenderableType, title: str, size: tuple[int, int]) -> str:
    console = Console(
        file=io.StringIO(),
        record=True,
        width=size[0],
        height=size[1],
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        _environ={},
    )
    with surroundings():
        console.print(picture)
    return console.export_svg(title=title, code_format=_FORMAT, unique_id=_ID)


@contextmanager
def surroundings() -> Iterator[None]:
    """Let the time zone and the width of the terminal be the same everywhere."""
    before = dict(os.environ)
    os.environ.update({"TZ": "UTC", "COLUMNS": str(STATUS_SIZE[0])})
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


PICTURES: Mapping[str, Callable[[], str]] = {"status.svg": draw_status, "demo.svg": draw_demo}
