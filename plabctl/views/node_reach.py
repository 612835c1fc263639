"""The fields of `NodeView` that only some testbeds have: when a node last answered, and from where it is reached.

Pure. `plabctl.views.node` loads this where pools make liveness checks, or tests are made from several vantages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plabctl.core.due_rows import NodeFields
from plabctl.core.liveness_record import LostWay, name_vantage
from plabctl.core.model import Member
from plabctl.core.state import VANTAGES_TOPIC, State
from plabctl.typed import Any

Reach = dict[str, Any]
"""Fields of the view of a node."""
_ANSWERS = NodeFields(tuple, ("node", "liveness"))
_VANTAGES = NodeFields(tuple, ("node", "vantage", "lost_ways", "last"))


def make_reach(state: State, *, has_checks: bool) -> Callable[[str], Reach]:
    """Return what finds these fields of a node by its name."""
    answers = {name: own.answered_at for name, own in state.select(_ANSWERS) if own} if has_checks else {}
    if VANTAGES_TOPIC not in state.notes:
        return lambda name: {"answered_at": answers.get(name)}
    rows = {name: (vantage, ways, last) for name, vantage, ways, last in state.select(_VANTAGES)}

    def find(name: str) -> Reach:
        vantage, ways, last = rows[name]
        return {"answered_at": answers.get(name), **_find_vantages(vantage, ways, is_tested=last is not None)}

    return find


def find_reach(member: Member) -> Reach:
    """Return these fields of the one node of that member."""
    answers = {"answered_at": member.liveness.answered_at} if member.liveness else {}
    if not (member.vantage or member.lost_ways):
        return answers
    return {**answers, **_find_vantages(member.vantage, member.lost_ways, is_tested=member.last is not None)}


def _find_vantages(vantage: str, ways: Sequence[LostWay], *, is_tested: bool) -> Reach:
    lost = ",".join(name_vantage(way.vantage) for way in ways if way.is_told)
    return {"vantage": name_vantage(vantage) if is_tested else None, "lost_from": lost or None}
