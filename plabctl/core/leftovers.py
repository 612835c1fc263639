"""Leftovers of removed nodes: vnodes that may still be there when a node of that name is added again.

Pure. A note of the state. `orders` files what a removed node had, `settle` what a probe leaves that ran on regardless,
and whoever is added under that name is cleaned of it before its first test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plabctl.core.model import Claim, Leftover, Member, Report
from plabctl.core.state import State
from plabctl.values import replace

TOPIC = "remains"
"""The note: `{"nodes": {NAME: {"at": INSTANT, "debris": [[VNODE, RECIPE, SINCE], ...]}}}`."""
KEPT_S = 604800.0
MAX_NODES = 1000
"""Of those that were removed first, what is left is forgotten."""
MAX_PIECES = 100

Note = Mapping[str, Mapping[str, object] | None]


def file_leftovers(state: State, left: Mapping[str, Sequence[Leftover]], now: float) -> Note | None:
    """Return the note with what may be `left` on each of these machines added; None when that changes nothing."""
    if not any(left.values()):
        return None
    nodes = _read_nodes(state, now)
    for name, pieces in left.items():
        known = [Leftover(*piece) for piece in nodes.pop(name, {}).get("debris", ())]
        more = [piece for piece in pieces if piece.vnode not in {each.vnode for each in known}]
        if kept := (known + more)[-MAX_PIECES:]:
            rows = [[piece.vnode, piece.recipe, piece.since_at] for piece in kept]
            nodes[name] = {"at": now, "debris": rows}
    return _build_note(nodes)


def claim_leftovers(
    state: State, names: Iterable[str], now: float
) -> tuple[dict[str, tuple[Leftover, ...]], Note | None]:
    """Return what may be left on the machines of these names, and the note without it; None when that is the same."""
    nodes = _read_nodes(state, now)
    found = {name: tuple(Leftover(*piece) for piece in nodes.pop(name)["debris"]) for name in names if name in nodes}
    return found, _build_note(nodes) if found else None


def list_left_by(member: Member, claim: Claim | None) -> tuple[Leftover, ...]:
    """Return what may be left on the node of `member`, of which `claim` is being carried out."""
    own = () if claim is None else (Leftover(claim.vnode, claim.recipe, claim.started_at),)
    return (*member.debris, *(piece for piece in own if piece.vnode not in {each.vnode for each in member.debris}))


class StrayLeftovers:
    """What probes leave of whose reports nothing else counts any more, collected while a batch is settled."""

    def __init__(self, state: State, members: dict[str, Member]) -> None:
        self._state = state
        self._members = members
        self._homeless: dict[str, list[Leftover]] = {}

    def add(self, report: Report) -> None:
        """Put the stray vnode of `report`, if there is one, down as debris of its node in the members of the batch."""
        stray, member = report.stray, self._members.get(report.node) or self._state.member(report.node)
        if stray is None:
            return
        if member is None:
            self._homeless.setdefault(report.node, []).append(stray)
        elif all(piece.vnode != stray.vnode for piece in member.debris):
            self._members[report.node] = replace(member, debris=(*member.debris, stray))

    def build_note(self, now: float) -> Note:
        """Return the note that remembers those on nodes that were removed; empty when there are none."""
        return file_leftovers(self._state, self._homeless, now) or {}


def _read_nodes(state: State, now: float) -> dict[str, Any]:
    """Return what is noted, without what is too old."""
    found: Any = state.notes.get(TOPIC, {}).get("nodes", {})
    return {name: kept for name, kept in found.items() if now - kept["at"] <= KEPT_S}


def _build_note(nodes: dict[str, Any]) -> Note:
    return {TOPIC: {"nodes": dict(list(nodes.items())[-MAX_NODES:])} if nodes else None}
