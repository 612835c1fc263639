"""What became of each node over a while, and why, in words: from the history and from where the node is now.

Pure. `plabctl demo` ends with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap

from plabctl.core.model import Event, Outcome
from plabctl.core.settings import Settings
from plabctl.report.listing import Cell, Row, text_of
from plabctl.report.status import Situation, rows
from plabctl.report.words import passes, pool_styles, state_cell

GAP = 2
LEAST_ROOM = 30


@dataclass(frozen=True, slots=True)
class Fate:
    """One node: where it is now, what was done to it (the label `staged`, if it has one), and what was found."""

    name: str
    state: Cell
    staged: str
    found: str


def fates(situation: Situation, events: Iterable[Event], names: Iterable[str]) -> list[Fate]:
    """Tell what became of each of these nodes."""
    by_node: dict[str, list[Event]] = {}
    for event in events:
        if event.node is not None:
            by_node.setdefault(event.node, []).append(event)
    styles = pool_styles(situation.settings)
    return [
        Fate(
            text_of(row, "name"),
            state_cell(row, styles),
            _staged(row),
            _found(row, by_node.get(text_of(row, "name"), []), situation.settings),
        )
        for row in rows(situation, names)
    ]


def _staged(row: Row) -> str:
    labels = row.get("labels")
    return str(labels.get("staged", "")) if isinstance(labels, dict) else ""


def _found(row: Row, events: Sequence[Event], settings: Settings) -> str:
    probes = [event for event in events if event.kind == "probe" and event.data.get("outcome") != Outcome.UNKNOWN]
    if not probes:
        return "no test of it has ended"
    parts = [_tests(probes)]
    flops = sum(event.kind == "transition" and _is_flop(event, settings) for event in events)
    if flops:
        parts.append(f"fell from good to bad {_times(flops)}")
    needed = row.get("passes_needed")
    if isinstance(needed, int) and needed > 1:
        parts.append(f"needs {passes(needed)} in a row")
    return "; ".join(parts)


def _tests(probes: Sequence[Event]) -> str:
    """Say how the tests went: alike, first so and then otherwise, or to and fro."""
    runs = [(passed, list(run)) for passed, run in groupby(probes, key=_has_passed)]
    if len(runs) == 1:
        passed, run = runs[0]
        return f"{'passed' if passed else 'failed'} {_all(len(run))}{'' if passed else _why(run)}"
    if len(runs) == 2:  # noqa: PLR2004 - first and then
        (first, before), (_, after) = runs
        if first:
            return f"passed {_tests_of(len(before))}, then failed {len(after)}{_why(after)}"
        return f"failed {_tests_of(len(before))}{_why(before)}; passed {len(after)} since"
    passed_count = sum(map(_has_passed, probes))
    failed = [probe for probe in probes if not _has_passed(probe)]
    return f"passed {passed_count} of {len(probes)} tests by turns, the others failed{_why(failed)}"


def _has_passed(probe: Event) -> bool:
    return probe.data.get("outcome") == Outcome.PASS


def _why(failed: Sequence[Event]) -> str:
    """Say why the last of these failed."""
    last = failed[-1].data
    cause, reason = str(last.get("cause", "")), str(last.get("reason", ""))
    return f" ({cause}): {reason}" if reason else f" ({cause})"


def _all(count: int) -> str:
    return "its only test" if count == 1 else "both tests" if count == 2 else f"all {count} tests"  # noqa: PLR2004 - both


def _tests_of(count: int) -> str:
    return "a test" if count == 1 else f"{count} tests"


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"  # noqa: PLR2004 - the word for two


def _is_flop(event: Event, settings: Settings) -> bool:
    origin, target = (settings.pools.get(str(event.data.get(key))) for key in ("from", "to"))
    if origin is None or target is None:
        return False
    return origin.is_good and not target.is_good


def lines(told: Sequence[Fate], width: int | None) -> Iterator[tuple[Cell, ...]]:
    """Yield what people read: for each node where it is, what was done to it, what was found; folded at `width`."""
    left = max((len(fate.state.text) for fate in told), default=0) + GAP
    indent = left + max((len(fate.name) for fate in told), default=0) + GAP
    for fate in told:
        paragraphs = [(fate.staged, "faint")] if fate.staged else []
        paragraphs.append((fate.found, ""))
        parts = [(line, style) for text, style in paragraphs for line in folded(text, width, indent)]
        for number, (line, style) in enumerate(parts):
            if number:
                yield Cell(" " * indent), Cell(line, style)
            else:
                state = Cell(fate.state.text.ljust(left), fate.state.style)
                yield state, Cell(fate.name.ljust(indent - left), "title"), Cell(line, style)


def folded(text: str, width: int | None, indent: int = 0) -> list[str]:
    """Return `text` as lines that fit into `width` behind `indent` blanks; as one line when there is no width."""
    if width is None:
        return [text]
    return wrap(text, max(LEAST_ROOM, width - indent), break_on_hyphens=False) or [""]
