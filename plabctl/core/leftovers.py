"""Leftovers of removed nodes: vnodes that may still be there when a node of that name is added again.

Pure. A note of the state. `enrolment` files what a removed node had, `settle` what a probe leaves that was still
running then; a node that is added under that name is cleaned of it before its first test.
Tests: `tests/core/test_node_orders.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from plabctl.core.model import Claim, Leftover, Member
from plabctl.core.notes import Document, NoteChanges, NoteKind, NoteReader
from plabctl.core.state import State

KEPT_S = 604800.0
MAX_NODES = 1000
"""Of those that were removed first, what is left is forgotten."""
MAX_PIECES = 100


class RemovedNode(NamedTuple):
    """What may be left on the machine of a node that was removed, as was last filed at `at`."""

    at: float
    pieces: tuple[Leftover, ...]


def _decode(reader: NoteReader) -> dict[str, RemovedNode]:
    return {
        name: RemovedNode(at, tuple(Leftover(*row) for row in node.read_rows("debris", str, str, float)))  # type: ignore[arg-type]  # of these types
        for name, node in reader.read_objects("nodes").items()
        if (at := node.read_number("at", None)) is not None
    }


def _encode(nodes: Mapping[str, RemovedNode]) -> Document:
    return {
        "nodes": {
            name: {"at": node.at, "debris": [[piece.vnode, piece.recipe, piece.since_at] for piece in node.pieces]}
            for name, node in nodes.items()
        }
    }


LEFTOVERS_NOTE = NoteKind("remains", _decode, _encode)
"""What is left, by the name of the node that was removed, in the order in which it was filed."""


def file_leftovers(state: State, left: Mapping[str, Sequence[Leftover]], now: float) -> NoteChanges:
    """Return the note with what may be `left` on each of these machines added; empty when that changes nothing."""
    if not any(left.values()):
        return {}
    nodes = _read_nodes(state, now)
    for name, pieces in left.items():
        known = nodes.pop(name).pieces if name in nodes else ()
        vnodes = {piece.vnode for piece in known}
        if kept := (*known, *(piece for piece in pieces if piece.vnode not in vnodes))[-MAX_PIECES:]:
            nodes[name] = RemovedNode(now, kept)
    return _build_note(nodes)


def claim_leftovers(
    state: State, names: Iterable[str], now: float
) -> tuple[dict[str, tuple[Leftover, ...]], NoteChanges]:
    """Return what may be left on the machines of these names, and the note without it; empty when that is the same."""
    nodes = _read_nodes(state, now)
    found = {name: nodes.pop(name).pieces for name in names if name in nodes}
    return found, _build_note(nodes) if found else {}


def list_left_by(member: Member, claim: Claim | None) -> tuple[Leftover, ...]:
    """Return what may be left on the node of `member`, of which `claim` is being carried out."""
    own = () if claim is None or not claim.vnode else (Leftover(claim.vnode, claim.recipe, claim.started_at),)
    return (
        *member.leftovers,
        *(piece for piece in own if piece.vnode not in {each.vnode for each in member.leftovers}),
    )


def _read_nodes(state: State, now: float) -> dict[str, RemovedNode]:
    """Return what is noted, without what is too old."""
    return {name: node for name, node in LEFTOVERS_NOTE.read(state.notes).items() if now - node.at <= KEPT_S}


def _build_note(nodes: Mapping[str, RemovedNode]) -> NoteChanges:
    return LEFTOVERS_NOTE.write(dict(list(nodes.items())[-MAX_NODES:]) or None)
