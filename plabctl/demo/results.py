"""What became of each node over the demo, and why, in words: from the history and from where the node is at the end.

Pure. `demo_command` prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from plabctl.core.model import Event, Outcome
from plabctl.core.settings import Settings
from plabctl.demo.demo_view import CheckResult, DemoView, NodeView
from plabctl.render.explanation import fold
from plabctl.render.listing import Cell

GAP = 2


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One node at the end, and what the tests of it found."""

    node: NodeView
    found: str


def list_results(view: DemoView, events: Iterable[Event], settings: Settings) -> list[NodeResult]:
    """Return what became of each node of `view`."""
    by_node: dict[str, list[Event]] = {}
    for event in events:
        if event.node is not None:
            by_node.setdefault(event.node, []).append(event)
    return [NodeResult(node, _format_found(node, by_node.get(node.name, []), settings)) for node in view.nodes]


def _format_found(node: NodeView, events: Sequence[Event], settings: Settings) -> str:
    probes = [event for event in events if event.kind == "probe" and event.data.get("outcome") != Outcome.UNKNOWN]
    if not probes:
        return "no test of it has ended"
    parts = [_format_tests(probes)]
    flaps = sum(event.kind == "transition" and _is_flap(event, settings) for event in events)
    if flaps:
        parts.append(f"moved from good to bad {_format_times(flaps)}")
    if node.passes_needed > 1:
        parts.append(f"needs {node.passes_needed} more passes in a row")
    return "; ".join(parts)


def _format_tests(probes: Sequence[Event]) -> str:
    """Describe the outcomes: all alike, first one and then the other, or mixed."""
    runs = [(passed, list(run)) for passed, run in groupby(probes, key=_has_passed)]
    if len(runs) == 1:
        passed, run = runs[0]
        return f"{'passed' if passed else 'failed'} {_format_all(len(run))}{'' if passed else _explain_failure(run)}"
    if len(runs) == 2:  # first and then
        (first, before), (_, after) = runs
        if first:
            return f"passed {_format_test_count(len(before))}, then failed {len(after)}{_explain_failure(after)}"
        return f"failed {_format_test_count(len(before))}{_explain_failure(before)}; passed {len(after)} since"
    passed_count = sum(map(_has_passed, probes))
    failed = [probe for probe in probes if not _has_passed(probe)]
    return f"passed {passed_count} of {len(probes)} tests, the others failed{_explain_failure(failed)}"


def _has_passed(probe: Event) -> bool:
    return probe.data.get("outcome") == Outcome.PASS


def _explain_failure(failed: Sequence[Event]) -> str:
    """Return why the last of these failed."""
    last = failed[-1].data
    cause, reason = str(last.get("cause", "")), str(last.get("reason", ""))
    return f" ({cause}): {reason}" if reason else f" ({cause})"


def _format_all(count: int) -> str:
    return "its only test" if count == 1 else "both tests" if count == 2 else f"all {count} tests"  # both


def _format_test_count(count: int) -> str:
    return "a test" if count == 1 else f"{count} tests"


def _format_times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"  # the word for two


def _is_flap(event: Event, settings: Settings) -> bool:
    origin, target = (settings.pools.get(str(event.data.get(key))) for key in ("from", "to"))
    if origin is None or target is None:
        return False
    return origin.is_good and not target.is_good


def format_results(results: Sequence[NodeResult], width: int | None) -> Iterator[tuple[Cell, ...]]:
    """Yield lines for people, folded at `width`: each node with what was staged, what the checks and the tests said."""
    left = max((len(result.node.state_cell.text) for result in results), default=0) + GAP
    indent = left + max((len(result.node.name) for result in results), default=0) + GAP
    for result in results:
        node, state = result.node, result.node.state_cell
        paragraphs = [(f"fault: {node.staged}", "faint")] if node.staged else []
        paragraphs.append((f"{_format_checks(node)}, plabctl: {result.found}", ""))
        lines = [(line, style) for text, style in paragraphs for line in fold(text, width, indent)]
        for number, (line, style) in enumerate(lines):
            if number:
                yield Cell(" " * indent), Cell(line, style)
            else:
                name = Cell(node.name.ljust(indent - left), "title")
                yield Cell(state.text.ljust(left), state.style), name, Cell(line, style)


def _format_checks(node: NodeView) -> str:
    return f"ping: {_format_check(node.checks.ping)}, login: {_format_check(node.checks.login)}"


def _format_check(result: CheckResult | None) -> str:
    return "not tried" if result is None else result.words


def format_deceptive(view: DemoView) -> str:
    """Return a sentence about the nodes that only a set-up test finds; empty when there is none."""
    names = [node.name for node in view.nodes if node.is_deceptive]
    if not names:
        return ""
    if len(names) == 1:
        return f"{names[0]} answers a ping and a login, but no virtual node can be set up on it."
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{listed} answer a ping and a login, but no virtual node can be set up on them."
