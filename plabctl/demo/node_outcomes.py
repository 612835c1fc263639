"""What became of each node over a while, and why, in words: from the history and from where the node is now.

Pure. `plabctl demo` ends with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from plabctl.core.model import Event, Outcome
from plabctl.core.settings import Settings
from plabctl.render.explanation import fold
from plabctl.render.listing import Cell, Row, get_text
from plabctl.render.status_cells import build_state_cell, format_passes, list_pool_styles
from plabctl.render.status_table import ViewContext, build_rows

GAP = 2


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """One node: where it is now, what was done to it (the label `staged`, if it has one), and what was found."""

    name: str
    state: Cell
    staged: str
    found: str


def list_outcomes(context: ViewContext, events: Iterable[Event], names: Iterable[str]) -> list[NodeOutcome]:
    """Tell what became of each of these nodes."""
    by_node: dict[str, list[Event]] = {}
    for event in events:
        if event.node is not None:
            by_node.setdefault(event.node, []).append(event)
    styles = list_pool_styles(context.settings)
    return [
        NodeOutcome(
            get_text(row, "name"),
            build_state_cell(row, styles),
            _format_staged(row),
            _format_found(row, by_node.get(get_text(row, "name"), []), context.settings),
        )
        for row in build_rows(context, names)
    ]


def _format_staged(row: Row) -> str:
    labels = row.get("labels")
    return str(labels.get("staged", "")) if isinstance(labels, dict) else ""


def _format_found(row: Row, events: Sequence[Event], settings: Settings) -> str:
    probes = [event for event in events if event.kind == "probe" and event.data.get("outcome") != Outcome.UNKNOWN]
    if not probes:
        return "no test of it has ended"
    parts = [_format_tests(probes)]
    flaps = sum(event.kind == "transition" and _is_flap(event, settings) for event in events)
    if flaps:
        parts.append(f"fell from good to bad {_format_times(flaps)}")
    needed = row.get("passes_needed")
    if isinstance(needed, int) and needed > 1:
        parts.append(f"needs {format_passes(needed)} in a row")
    return "; ".join(parts)


def _format_tests(probes: Sequence[Event]) -> str:
    """Say how the tests went: alike, first so and then otherwise, or to and fro."""
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
    return f"passed {passed_count} of {len(probes)} tests by turns, the others failed{_explain_failure(failed)}"


def _has_passed(probe: Event) -> bool:
    return probe.data.get("outcome") == Outcome.PASS


def _explain_failure(failed: Sequence[Event]) -> str:
    """Say why the last of these failed."""
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


def format_outcomes(told: Sequence[NodeOutcome], width: int | None) -> Iterator[tuple[Cell, ...]]:
    """Yield what people read: for each node where it is, what was done to it, what was found; folded at `width`."""
    left = max((len(fate.state.text) for fate in told), default=0) + GAP
    indent = left + max((len(fate.name) for fate in told), default=0) + GAP
    for fate in told:
        paragraphs = [(fate.staged, "faint")] if fate.staged else []
        paragraphs.append((fate.found, ""))
        parts = [(line, style) for text, style in paragraphs for line in fold(text, width, indent)]
        for number, (line, style) in enumerate(parts):
            if number:
                yield Cell(" " * indent), Cell(line, style)
            else:
                state = Cell(fate.state.text.ljust(left), fate.state.style)
                yield state, Cell(fate.name.ljust(indent - left), "title"), Cell(line, style)
