"""The lines of `status -o tsv` for very many nodes, without a row in between.

Pure. They are the same as `machine.tsv` makes of the rows (a test compares them), at a third of the cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.core.model import Claim, Member, Node
from plabctl.core.settings import PoolKind, Settings
from plabctl.report.instants import iso
from plabctl.report.machine import cell
from plabctl.report.node import labels_of, passes_needed_of, penalty_of
from plabctl.report.status import Situation

_BOOL = ("false", "true")


def status_lines(situation: Situation, names: Iterable[str]) -> Iterator[str]:
    """Yield the line of each of these nodes; the columns are `status.FIELDS`."""
    state, settings, now = situation.state, situation.settings, situation.now
    claims = state.claims
    bad = {name for name, pool in settings.pools.items() if pool.kind is PoolKind.BAD}
    for name in names:
        node, member = state.node(name), state.member(name)
        if node is not None and member is not None:
            yield _line(node, member, claims.get(name), settings, now, is_bad=member.pool in bad)


def _line(node: Node, member: Member, claim: Claim | None, settings: Settings, now: float, *, is_bad: bool) -> str:
    last = member.last
    if last is None:
        tested = "\t\t\t\t"
    else:
        cause = "" if last.cause is None else last.cause.value
        reason = last.reason if last.reason.isprintable() else cell(last.reason)
        tested = f"{last.outcome.value}\t{cause}\t{iso(last.at)}\t{_number(last.seconds)}\t{reason}"
    needed = passes_needed_of(member, settings, now) if is_bad else ""
    penalty = _number(penalty_of(member, settings, now)) if member.penalty else "0"
    labels = cell(labels_of(node.variables)) if node.variables else ""
    return (
        f"{node.name}\t{member.pool}\t{iso(member.since_at)}\t{iso(member.due_at)}"
        f"\t{_BOOL[claim is not None and claim.deadline_at > now]}\t{_BOOL[member.is_held(now)]}"
        f"\t{_BOOL[member.is_suspect]}\t{member.ok_streak}\t{member.fail_streak}"
        f"\t{needed}\t{penalty}\t{tested}\t{cell(node.variables.get('site'))}\t{labels}"
    )


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0")
    return text[:-1] if text[-1] == "." else text
