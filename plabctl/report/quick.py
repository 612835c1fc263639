"""The lines of `status -o tsv` for very many nodes, without a row in between.

Pure. They are the same as `machine.tsv` makes of the rows (a test compares them), at a third of the cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.core.glance import Glance
from plabctl.core.model import Claim
from plabctl.core.settings import Settings
from plabctl.report.instants import iso
from plabctl.report.machine import cell
from plabctl.report.node import guests_of, labels_of, passes_needed_of, penalty_of
from plabctl.report.status import Situation

_BOOL = ("false", "true")


def status_lines(situation: Situation, names: Iterable[str]) -> Iterator[str]:
    """Yield the line of each of these nodes; the columns are `status.FIELDS`."""
    state, settings, now = situation.state, situation.settings, situation.now
    claims = situation.claims
    guests = guests_of(state)
    bad = {name for name, pool in settings.pools.items() if not pool.is_good}
    for name in names:
        node = state.glance(name)
        if node is not None:
            own = " ".join(guests[name]) if name in guests else ""
            yield f"{_line(node, claims.get(name), settings, now, is_bad=node.pool in bad)}\t{own}"


def _line(node: Glance, claim: Claim | None, settings: Settings, now: float, *, is_bad: bool) -> str:
    if node.outcome is None:
        tested = "\t\t\t\t"
    else:
        reason = node.reason if node.reason.isprintable() else cell(node.reason)
        tested = f"{node.outcome}\t{node.cause or ''}\t{iso(node.tested_at)}\t{_number(node.seconds)}\t{reason}"
    needed = passes_needed_of(node, settings, now) if is_bad else ""
    penalty = _number(penalty_of(node, settings, now)) if node.penalty else "0"
    labels = cell(labels_of(node.variables)) if node.variables else ""
    return (
        f"{node.node}\t{node.pool}\t{iso(node.since_at)}\t{iso(node.due_at)}"
        f"\t{_BOOL[claim is not None]}\t{_BOOL[node.is_held(now)]}"
        f"\t{_BOOL[node.is_suspect]}\t{node.ok_streak}\t{node.fail_streak}"
        f"\t{needed}\t{penalty}\t{tested}\t{cell(node.variables.get('site'))}\t{labels}"
    )


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0")
    return text[:-1] if text[-1] == "." else text
