"""The page for a browser, the pages of single nodes, badges and the feed, from their views.

Pure, but for the templates, which are read from beside this module. Whatever comes from a node, a person or an
inventory is escaped by jinja2; style and script are named in the Content-Security-Policy by their hashes, so that no
other could run even if something slipped through.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from plabctl import __version__
from plabctl.core.find_problems import TICKS_COME_S
from plabctl.core.model import Event
from plabctl.core.stats.runs import NodeState
from plabctl.durations import format_duration
from plabctl.nodesets import fold_nodeset
from plabctl.render.drawing import PATTERNS, STYLE, format_rough
from plabctl.render.drawing_curves import draw_latencies, draw_pools, draw_window
from plabctl.render.drawing_runs import draw_runs, draw_strip
from plabctl.render.drawing_strips import draw_strips, format_percent
from plabctl.render.event_table import describe_event
from plabctl.render.times import format_clock, format_iso, format_local
from plabctl.views.page import DAY_S, Condition, PageNode, PageView

TEMPLATES = Path(__file__).parent / "templates"
MARKS = {
    Condition.USABLE: ("u", "✓"),
    Condition.BAD: ("b", "✗"),
    Condition.STUCK: ("b", "✋"),
    Condition.SUSPECT: ("s", "?"),
    Condition.FAILING: ("s", "!"),
    Condition.NEW: ("n", "·"),
    Condition.HELD: ("h", "‖"),
    Condition.ABSENT: ("a", "◌"),
}
"""By condition: the class in the style sheet, and the sign that tells it without colour."""
FED = frozenset({"transition", "stuck", "guard-on", "guard-off"})
"""The kinds of events in the feed: moves and guards."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML may not contain, not even escaped."""
_LONGEST_NAME = 200
_MOST_GROUPS = 60
_SOME_DIGITS = 16
_WHOLE_STRIP = '<svg class="strip all" role="img"><title>usable all the time</title></svg>'


def find_page_name(node: str) -> str:
    """Return the name of a node's page; that of a very long name, which no file could have, has a hash in it."""
    if len(node) <= _LONGEST_NAME:
        return f"{node}.html"
    return f"{node[:_LONGEST_NAME]}-{sha256(node.encode()).hexdigest()[:_SOME_DIGITS]}.html"


class Picture(NamedTuple):
    """A picture as it stands in a page, and a sentence about it."""

    words: str
    svg: str


class Pages:
    """Makes all pages of one view."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self._now = view.generated_at
        self._day_s = min(DAY_S, view.shown_s)
        self._environment = _make_environment()
        self._style = f"{STYLE}\n{_read('base.css')}"
        self._index_style = self._style + _read("index.css")
        self._script = _read("page.js")
        shared = self._environment.globals
        shared |= {
            "page": view,
            "version": __version__,
            "marks": MARKS,
            "Condition": Condition,
            "stale_s": round(view.every_s + TICKS_COME_S),
            "icon": self._make_icon(),
            "patterns": PATTERNS,
            "draw_day": self._draw_day,
            "day": _format_days(self._day_s),
            "shown": _format_days(view.shown_s),
            "clock": lambda at: format_clock(at, self._now),
            "lasted": lambda at: format_duration(max(0, int(self._now - at))),
        }

    @cached_property
    def _node_template(self) -> Template:
        shared = {"style": self._style, "policy": _make_policy(self._style)}
        return self._environment.get_template("node.html", globals=shared)

    @property
    def digest(self) -> str:
        """What tells pages made by other templates, or under another title, from these."""
        texts = (__version__, self.view.title, self._style, _read("node.html"))
        return sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()

    def render_index(self) -> str:
        """Return the page."""
        return self._render(
            "index.html",
            pictures=self._draw_pictures(),
            most_groups=_MOST_GROUPS,
            there={node.view.name for node in self.view.nodes},
            style=self._index_style,
            script=self._script,
            policy=_make_policy(self._index_style, self._script),
        )

    def render_node(self, node: PageNode, events: Sequence[Event]) -> str:
        """Return the page of one node, with what happened to it, the newest first."""
        spans = sorted({self._day_s, self.view.shown_s}) if node.runs else []
        pictures = [self._draw_runs(node, span_s) for span_s in spans]
        return self._node_template.render(node=node, view=node.view, events=events, pictures=pictures)

    def render_feed(self) -> str:
        """Return the moves and guards as an Atom feed."""
        events = [event for event in self.view.moves if event.kind in FED]
        return _NO_XML.sub("�", self._render("feed.atom", events=events))

    def render_badge(self, pool: str) -> str:
        """Return the badge of a pool: how many nodes it has, and of a good one how many of those are usable."""
        count = self.view.head.counts[pool]
        is_good = pool in self.view.head.good_pools
        usable = sum(node.view.is_usable for node in self.view.nodes if node.view.pool == pool)
        text = f"{usable} of {count} usable" if is_good else f"{count} node{'s' * (count != 1)}"
        is_well = usable == count > 0 if is_good else not count
        return self._render("badge.svg", pool=pool, text=text, tint="#00664a" if is_well else "#a84300")

    def _draw_pictures(self) -> dict[str, Picture]:
        curves = self.view.curves
        if curves is None:
            return {}
        strips = draw_strips(
            curves.strips.values(),
            curves.since_at,
            curves.until_at,
            title="Nodes by time",
            link=lambda name: f"node/{quote(find_page_name(name), safe='/:')}",
        )
        drawings = {
            "pools": draw_pools(curves),
            "strips": strips,
            "window": draw_window(curves.window),
            "latencies": draw_latencies(curves.detections, curves.returns),
        }
        return {name: Picture(drawing.summary, drawing.format_inline()) for name, drawing in drawings.items()}

    def _draw_day(self, node: PageNode) -> str:
        since_at = self._now - self._day_s
        of_day = [run for run in node.runs if run.until_at > since_at]
        if len(of_day) == 1 and of_day[0].state is NodeState.USABLE:
            return _WHOLE_STRIP  # most nodes, so that a page of 10,000 is a third smaller
        return draw_strip(node.runs, since_at, self._now)

    def _draw_runs(self, node: PageNode, span_s: float) -> str:
        return draw_runs(node.view.name, node.runs, self._now - span_s, self._now).format_inline()

    def _render(self, template: str, **values: Any) -> str:
        return self._environment.get_template(template).render(values)

    def _make_icon(self) -> str:
        """Return the sign in the tab of a browser: whether a fault or a guard is told on the page."""
        head = self.view.head
        tint = "#d55e00" if head.problems or head.guard.state == "on" else "#009e73"
        dot = f'<circle cx="8" cy="8" r="7" fill="{tint}"/>'
        picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{dot}</svg>'
        return f"data:image/svg+xml,{quote(picture)}"


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "iso": format_iso,
        "local": format_local,
        "fold": _fold,
        "number": lambda count: f"{count:,}",
        "nodes": lambda count: f"{count:,} {'node' if count == 1 else 'nodes'}",
        "words": describe_event,
        "percent": format_percent,
        "span": _format_span,
        "page_of": lambda node: quote(find_page_name(node), safe="/:"),
        "urn": lambda text: quote(text, safe="", errors="replace"),
        "raw": Markup,
    }
    return environment


def _fold(names: Sequence[str]) -> Markup:
    """Return a set of nodes that a line may be broken in, but not within a name or a number."""
    return escape(fold_nodeset(names)).replace(",", Markup(",<wbr>"))


def _format_span(days: int) -> str:
    return "24 h" if days == 1 else f"{days} d"


def _format_days(seconds: float) -> str:
    if seconds >= 2 * DAY_S:
        return f"{round(seconds / DAY_S)} days"
    return format_rough(seconds) if seconds < DAY_S else "24 h"


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _make_policy(style: str, script: str = "") -> str:
    allowed = f"script-src {_hash(script)}; " if script else ""
    return f"default-src 'none'; style-src {_hash(style)}; {allowed}img-src data:; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
