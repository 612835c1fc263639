"""What a guard is: which scopes it holds moves in, since when and why.

Pure. `plabctl.core.guard.evaluate` works one out at every step of a tick; everybody else reads the one it left.
Tests: `tests/core/guard/test_evidence.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.model import Node
from plabctl.core.notes import Document, NoteKind, NoteReader
from plabctl.core.state import GUARD_TOPIC, State
from plabctl.values import dataclass, field

MONITOR = "monitor"
"""The scope of everything: our own connection, or our own machine."""


VANTAGE = "vantage "
"""How the scope begins of a vantage from which many nodes are not reached that are from others."""


@dataclass(frozen=True, slots=True)
class GuardedScope:
    """One scope that is guarded: `monitor`, `pool NAME`, `site NAME` or `vantage NAME`."""

    scope: str
    since_at: float
    why: str


@dataclass(frozen=True, slots=True)
class Guard:
    """Which scopes are guarded now."""

    scopes: Mapping[str, GuardedScope] = field(default_factory=dict)
    site_label: str = "site"
    blind_until_at: float = 0.0
    """Failures seen until then were seen while no canary answered: they say nothing about the nodes."""
    is_undecided: bool = False
    """Whether enough failed in some pool and too few were tested yet: then passes can turn a guard on, too."""
    evaluated_at: float = 0.0
    """When this was worked out last."""

    def holds(self, pool: str, node: Node | None) -> bool:
        """Return whether moves of `node` out of `pool` are held."""
        return self._find_scope(pool, node) is not None

    def reason(self, pool: str, node: Node | None) -> str:
        """Return why they are held; nothing when they are not."""
        watch = self._find_scope(pool, node)
        return watch.why if watch else ""

    def holds_vantage(self, vantage: str) -> bool:
        """Return whether failures that were seen from that vantage move nobody."""
        return bool(self.scopes) and build_vantage_scope(vantage) in self.scopes

    def list_vantages(self) -> list[str]:
        """Return the vantages that are guarded: what can be tested from elsewhere is."""
        found = [scope.removeprefix(VANTAGE) for scope in self.scopes if scope.startswith(VANTAGE)]
        return ["" if name == MONITOR else name for name in found]

    def _find_scope(self, pool: str, node: Node | None) -> GuardedScope | None:
        site = node.variables.get(self.site_label) if node else None
        scopes = (MONITOR, f"pool {pool}", f"site {site}")
        return next((self.scopes[scope] for scope in scopes if scope in self.scopes), None)


def build_vantage_scope(vantage: str) -> str:
    """Return the scope of a vantage; the empty one is this machine."""
    return f"{VANTAGE}{vantage or MONITOR}"


def describe_effect(scope: str, *, is_on: bool = True) -> str:
    """Return in words what a guard of that scope does while it is on, or what follows when it goes off."""
    if scope.startswith(VANTAGE):
        return "nodes are tested from elsewhere" if is_on else "nodes are tested from there again"
    return "moves to bad are held" if is_on else "moves to bad go on"


UNGUARDED = Guard()
"""No guard at all."""


def _decode(reader: NoteReader) -> Guard:
    scopes = {
        scope: GuardedScope(scope, since_at, own.read_text("why", ""))
        for scope, own in reader.read_objects("scopes").items()
        if (since_at := own.read_number("since_at", None)) is not None
    }
    blind_until_at = reader.read_number("blind_until", 0.0)
    return Guard(
        scopes,
        blind_until_at=blind_until_at,
        is_undecided=reader.read_flag("undecided"),
        evaluated_at=reader.read_number("due_at", 0.0),
    )


def _encode(guard: Guard) -> Document:
    document: dict[str, object] = {}
    if guard.scopes:
        document["scopes"] = {
            name: {"since_at": scope.since_at, "why": scope.why} for name, scope in guard.scopes.items()
        }
        # With a due time the note wakes every tick, so that the guard is evaluated also when nothing else is due.
        document["due_at"] = guard.evaluated_at
    if guard.is_undecided:
        document["undecided"] = True
    if guard.scopes or guard.blind_until_at:
        document["blind_until"] = guard.blind_until_at
    return document


GUARD_NOTE = NoteKind(GUARD_TOPIC, _decode, _encode)
"""The guard as it was left by the last step of a tick; without one nothing is guarded."""


def read_guard(state: State) -> Guard:
    """Return the guard as it was left by the last step of a tick."""
    return GUARD_NOTE.read(state.notes)
