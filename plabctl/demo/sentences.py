"""The events of the demo in plain words, one sentence or two for each: what happened, and what follows from it.

Pure. What a person need not read is left out: a verdict that repeats the node's last, and one that a move tells anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plabctl.core.event_kinds import MOVES
from plabctl.core.model import Cause, Event, Outcome
from plabctl.demo.demo_view import DemoView, NodeView
from plabctl.render.event_table import describe_event

REPAIR = "repair"
"""The kind of the one event that the demo makes itself."""
_LEFT_OUT = frozenset({"node-added", "void", "late", "vnode-probe"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """One event: when it happened, what to say of it, and in which style."""

    at: float
    text: str
    style: str = ""


class Narrator:
    """Puts events into words; remembers each node's last verdict, so that the same one again is no news."""

    def __init__(self) -> None:
        self._verdicts: dict[str | None, tuple[object, object]] = {}

    def tell(self, events: Iterable[Event], view: DemoView) -> Iterator[Sentence]:
        """Yield a sentence for each of `events` that is news, given how things stand now."""
        events = list(events)
        moved = {_find_test_id(event) for event in events if event.kind in MOVES}
        for event in events:
            node = view.find_node(event.node)
            if event.kind in _LEFT_OUT or (event.kind == "probe" and not self._is_new(event, moved)):
                continue
            yield _describe(event, node)

    def _is_new(self, event: Event, moved: set[str]) -> bool:
        verdict = event.data.get("outcome"), event.data.get("cause")
        if verdict[1] == Cause.INTERRUPTED:
            return False  # our own doing, and no verdict
        is_other = self._verdicts.get(event.node) != verdict
        self._verdicts[event.node] = verdict
        return is_other and _find_test_id(event) not in moved


def _find_test_id(event: Event) -> str:
    """Return what the events of one test have in common."""
    return event.id.partition("-")[0]


def _describe(event: Event, node: NodeView | None) -> Sentence:
    name, reason = event.node or "", str(event.data.get("reason", ""))
    has_passed = event.data.get("outcome") == Outcome.PASS or event.data.get("cause") == "passed"
    match event.kind:
        case "probe" if has_passed:
            text, style = f"{name} passed its test{_describe_need(node)}.", "good"
        case "probe" if event.data.get("outcome") == Outcome.FAIL:
            text, style = _describe_failure(event, node), "bad"
        case "transition" if has_passed:
            text, style = f"{name} is good: a virtual node was set up on it, used, and removed again.", "good"
        case "transition":
            text, style = f"{name} failed its retest too and is bad now: {reason}", "bad"
        case "suspect":
            text = f"{name} was good and has failed: {reason}. It is not offered until it passes again."
            style = "suspect"
        case "refuted":
            text, style = f"{name} passed its retest: it is good, as before.", "good"
        case "repair":
            text, style = f"{name} is being repaired: {reason}.", "title"
        case _:
            text, style = f"{name} {describe_event(event)}".strip(), "suspect"
    return Sentence(event.at, text, style)


def _describe_need(node: NodeView | None) -> str:
    if node is None or node.passes_needed == 0:
        return ""
    passes = "one more pass" if node.passes_needed == 1 else f"{node.passes_needed} more passes in a row"
    return f"; since it has failed before, it needs {passes} to be good again"


def _describe_failure(event: Event, node: NodeView | None) -> str:
    name, reason = event.node, str(event.data.get("reason", ""))
    if event.data.get("cause") == Cause.HOST_KEY:
        return f"{name} shows another host key than the one we trust: it may be another machine."
    if node and node.checks.both_pass:
        return f"{name} answers a ping and a login, but no virtual node can be set up on it: {reason}"
    if node and node.checks.ping and node.checks.ping.passed:
        return f"{name} answers a ping, but nothing can be started on it: {reason}"
    return f"{name} failed its test: {reason}"
