"""The demo on a terminal: the nodes as a table that is always up to date, and under it one event at a time.

I/O: draws on the stream it is given, with rich, and is gone when it ends. Every event stays for a moment, so that it
can be read; when many wait, for a shorter one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from plabctl.demo.demo_view import CheckResult, DemoView, NodeState, NodeView
from plabctl.demo.sentences import Sentence
from plabctl.render.listing import Cell
from plabctl.render.rich_console import STYLES, make_console
from plabctl.render.strip import STYLES as STRIP_STYLES
from plabctl.render.strip import format_strip
from plabctl.render.styles import GLYPHS
from plabctl.render.times import format_time_of_day

COLUMNS = ("NODE", "LAST TESTS", "PING SAYS", "LOGIN SAYS", "PLABCTL SAYS")
EVENT_S = 2.0
"""How long an event stays alone at the front, when none waits behind it."""
_TOLD_KEPT = 50
_STRIP_LENGTHS = ((100, 20), (0, 10))
"""How many tests are shown from which width on."""


@dataclass(frozen=True, slots=True)
class DemoFrame:
    """One picture of the demo: title and hint, the table, totals, and the events told so far, the latest first.

    `hint` is what to do, and the command to do it with.
    """

    title: str
    hint: tuple[str, str]
    view: DemoView
    told: Sequence[Sentence] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts, cut to the height of the terminal: of the events the oldest go first, then good nodes."""
        width, height = options.max_width, options.size.height
        hint = " ".join(self.hint)
        top = [
            Text(self._format_title(), STYLES["title"]),
            *([Text(hint)] if len(hint) <= width else map(Text, self.hint)),
            Text(),
        ]
        bottom = [Text(), Text(_format_totals(self.view), STYLES["faint"]), Text()]
        latest = [_format_sentence(sentence, is_latest=True) for sentence in self.told[:1]]
        used = sum(len(text.wrap(console, width)) for text in (*top, *bottom, *latest)) + 1
        room = max(1, height - used)
        nodes, more = self.view.nodes, 0
        if len(nodes) > room:
            more = len(nodes) - room + 1
            nodes = nodes[: room - 1]
        yield from top
        yield build_table(nodes, width)
        if more:
            yield Text(f"… and {more} more", STYLES["faint"])
        yield from bottom
        yield from latest
        for sentence in islice(self.told, 1, 1 + max(0, room - len(nodes) - bool(more))):
            older = _format_sentence(sentence, is_latest=False)
            older.no_wrap, older.overflow = True, "ellipsis"
            yield older

    def _format_title(self) -> str:
        left_s = self.view.left_s
        return f"{self.title}, {f'{ceil(left_s)} s to go' if left_s > 0 else 'time is up'}"


class LiveBoard:
    """The live view; it is drawn between entering and leaving it."""

    def __init__(
        self,
        out: TextIO,
        title: str,
        hint: tuple[str, str],
        *,
        color: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        console = make_console(out, color=color)
        # The terminal's other screen: what Ctrl-C echoes or a change of its size leaves behind there is drawn over.
        self._live = Live(console=console, auto_refresh=False, screen=True)
        self._title = title
        self._hint = hint
        self._clock = clock
        self._waiting: deque[Sentence] = deque()
        self._told: deque[Sentence] = deque(maxlen=_TOLD_KEPT)
        self._told_at = float("-inf")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, view: DemoView, news: Sequence[Sentence]) -> None:
        """Draw the table anew, and the next event if the one before has stood for long enough."""
        self._waiting.extend(news)
        stays_s = EVENT_S / max(1, len(self._waiting))
        if self._waiting and self._clock() - self._told_at >= stays_s:
            self._told.appendleft(self._waiting.popleft())
            self._told_at = self._clock()
        self._live.update(DemoFrame(self._title, self._hint, view, tuple(self._told)), refresh=True)


def build_table(nodes: Iterable[NodeView], width: int) -> Table:
    """Return these nodes as a table for a terminal of `width` columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=STYLES["title"])
    for title in COLUMNS:
        # rich takes room only from columns that may wrap; the cells of the last one are cut instead.
        table.add_column(title, no_wrap=title != COLUMNS[-1])
    length = next(length for least, length in _STRIP_LENGTHS if width >= least)
    for node in nodes:
        cells = _format_check(node.checks.ping), _format_check(node.checks.login), _format_verdict(node)
        ping, login, verdict = (Text(cell.text, STYLES[cell.style]) for cell in cells)
        verdict.no_wrap, verdict.overflow = True, "ellipsis"
        table.add_row(Text(node.name), _build_strip(node, length), ping, login, verdict)
    return table


def _build_strip(node: NodeView, length: int) -> Text:
    """Return the node's last tests as signs, the latest at the right end."""
    strip = Text()
    for outcome in node.tests[-(length - node.is_testing) :]:
        strip.append(format_strip([outcome]), STYLES[STRIP_STYLES[outcome]])
    if node.is_testing:
        strip.append(GLYPHS["testing"], STYLES["testing"])
    return strip


def _format_check(result: CheckResult | None) -> Cell:
    return Cell(GLYPHS[""], "faint") if result is None else Cell(result.words, "good" if result.passed else "bad")


def _format_verdict(node: NodeView) -> Cell:
    state = node.state_cell
    if node.state is NodeState.GOOD or node.state is NodeState.UNTESTED:
        return state
    needed = f"passed, {node.passes_needed} more to go"
    return Cell(f"{state.text}: {node.reason or needed}", state.style)


def _format_totals(view: DemoView) -> str:
    counts = {state: sum(node.state is state for node in view.nodes) for state in NodeState}
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    testing = sum(node.is_testing for node in view.nodes)
    totals = f"{', '.join(parts)} · {testing}/{view.window} slots in use"
    count = view.deceptive_count
    return f"{totals} · {count} {'passes' if count == 1 else 'pass'} ping and login only" if count else totals


def _format_sentence(sentence: Sentence, *, is_latest: bool) -> Text:
    text = Text().append(f"{format_time_of_day(sentence.at)}  ", STYLES["faint"])
    text.append(sentence.text, STYLES[sentence.style if is_latest else "faint"])
    return text
