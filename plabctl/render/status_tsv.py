"""The lines of `status -o tsv` for very many nodes, without a row in between.

Pure. They are the same as `machine.tsv` makes of the rows (a test compares them), at a third of the cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from plabctl.core.model import Claim
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.core.summary import NodeSummary
from plabctl.render.data_formats import format_cell
from plabctl.render.node_row import compute_shown_penalty, count_shown_passes, find_guests, find_labels
from plabctl.render.times import format_iso

_BOOL = ("false", "true")


def format_status_lines(
    state: State, settings: Settings, claims: Mapping[str, Claim], names: Iterable[str], now: float
) -> Iterator[str]:
    """Yield the line of each of these nodes; the columns are `status_table.FIELDS`."""
    guests = find_guests(state)
    bad = {name for name, pool in settings.pools.items() if not pool.is_good}
    for name in names:
        node = state.summary(name)
        if node is not None:
            own = " ".join(guests[name]) if name in guests else ""
            yield f"{_format_line(node, claims.get(name), settings, now, is_bad=node.pool in bad)}\t{own}"


def _format_line(node: NodeSummary, claim: Claim | None, settings: Settings, now: float, *, is_bad: bool) -> str:
    if node.outcome is None:
        tested = "\t\t\t\t"
    else:
        reason = node.reason if node.reason.isprintable() else format_cell(node.reason)
        tested_at = format_iso(node.tested_at)
        tested = f"{node.outcome}\t{node.cause or ''}\t{tested_at}\t{_format_number(node.seconds)}\t{reason}"
    needed = count_shown_passes(node, settings, now) if is_bad else ""
    penalty = _format_number(compute_shown_penalty(node, settings, now)) if node.penalty else "0"
    labels = format_cell(find_labels(node.variables)) if node.variables else ""
    return (
        f"{node.node}\t{node.pool}\t{format_iso(node.since_at)}\t{format_iso(node.due_at)}"
        f"\t{_BOOL[claim is not None]}\t{_BOOL[node.is_held(now)]}"
        f"\t{_BOOL[node.is_suspect]}\t{node.ok_streak}\t{node.fail_streak}"
        f"\t{needed}\t{penalty}\t{tested}\t{format_cell(node.variables.get('site'))}\t{labels}"
    )


def _format_number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0")
    return text[:-1] if text[-1] == "." else text
