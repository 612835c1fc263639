"""Events of experiments and their vnodes in words.

Pure. `event_table` has all other events.
Tests: `tests/render/test_event_table.py`.
"""

from __future__ import annotations

from collections.abc import Sized

from plabctl.counts import format_count
from plabctl.render.listing import Row, get_text

STYLES = {
    "vnode-up": "good",
    "vnode-recovered": "good",
    "vnode-failed": "bad",
    "vnode-replaced": "suspect",
    "experiment-in": "title",
    "experiment-ready": "good",
    "experiment-leaving": "title",
    "experiment-gone": "title",
}
_WORK = {"setup": "set-up", "check": "check", "teardown": "teardown"}


def describe_work(data: Row) -> str:
    """Return what a probe of a vnode was to do, in words."""
    return _WORK.get(get_text(data, "goal"), "test")


def describe_event(kind: str, data: Row) -> str:
    """Return what became of the experiment or its vnode; empty when the kind of event is not known here."""
    reason = get_text(data, "reason")
    tries = data.get("tries")
    match kind:
        case "vnode-up":
            words = f"vnode up{f' after {tries} tries' if isinstance(tries, int) and tries > 1 else ''}"
        case "vnode-recovered":
            words = "vnode up again"
        case "vnode-failed":
            words = _join_reason(f"vnode failed ({data.get('cause') or 'unknown'})", reason)
        case "vnode-replaced":
            words = f"vnode replaced by one on {get_text(data, 'by')}"
        case "vnode-gone":
            words = _join_reason("vnode gone" if data.get("vnode") else "left, with nothing to tear down", reason)
        case "experiment-in":
            words = _join_reason(f"swapped in on {_describe_wanted(data)} by recipe {get_text(data, 'recipe')}", reason)
        case "experiment-ready":
            words = f"ready, {format_count(data.get('vnodes'), 'vnode')} up"
        case "experiment-leaving":
            words = _join_reason("swapped out", reason)
        case "experiment-gone":
            words = _join_reason(f"gone{_describe_left(data)}", reason)
        case _:
            words = ""
    return words


def _join_reason(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _describe_wanted(data: Row) -> str:
    if data.get("all_nodes"):
        return "all nodes"
    nodes = data.get("nodes")
    return format_count(data.get("count") or (len(nodes) if isinstance(nodes, Sized) else 0), "node")


def _describe_left(data: Row) -> str:
    left = data.get("left")
    if not (isinstance(left, list | tuple) and left):
        return ""
    return f", and not torn down: {', '.join(map(str, left))}"
