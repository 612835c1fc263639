"""What a guard is: which scopes it holds moves in, since when and why.

Pure. `plabctl.core.guard.evaluate` works one out at every step of a tick; everybody else reads the one it left.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.model import Node
from plabctl.core.state import GUARD_NOTE, State
from plabctl.values import dataclass, field

MONITOR = "monitor"
"""The scope of everything: our own connection, or our own machine."""


@dataclass(frozen=True, slots=True)
class GuardedScope:
    """One scope that is guarded: `monitor`, `pool NAME` or `site NAME`."""

    scope: str
    since_at: float
    why: str


@dataclass(frozen=True, slots=True)
class Guard:
    """Which scopes are guarded now."""

    scopes: Mapping[str, GuardedScope] = field(default_factory=dict)
    site_label: str = "site"
    blind_until: float = 0.0
    """Failures seen until then were seen while no canary answered: they say nothing about the nodes."""
    is_undecided: bool = False
    """Whether enough failed in some pool and too few were tested yet: then passes can turn a guard on, too."""

    def holds(self, pool: str, node: Node | None) -> bool:
        """Return whether moves of `node` out of `pool` are held."""
        return self._find_scope(pool, node) is not None

    def reason(self, pool: str, node: Node | None) -> str:
        """Return why they are held; nothing when they are not."""
        watch = self._find_scope(pool, node)
        return watch.why if watch else ""

    def _find_scope(self, pool: str, node: Node | None) -> GuardedScope | None:
        site = node.variables.get(self.site_label) if node else None
        scopes = (MONITOR, f"pool {pool}", f"site {site}")
        return next((self.scopes[scope] for scope in scopes if scope in self.scopes), None)


UNGUARDED = Guard()
"""No guard at all."""


def read_guard(state: State) -> Guard:
    """Return the guard as it was left by the last step of a tick."""
    watches = {}
    note = state.notes.get(GUARD_NOTE, {})
    scopes, blind_until = note.get("scopes"), note.get("blind_until")
    for scope, kept in scopes.items() if isinstance(scopes, Mapping) else ():
        watches[scope] = GuardedScope(scope, float(kept["since_at"]), str(kept["why"]))
    blind = float(blind_until) if isinstance(blind_until, int | float) else 0.0
    return Guard(watches, blind_until=blind, is_undecided=bool(note.get("undecided")))
