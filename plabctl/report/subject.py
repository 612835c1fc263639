"""One node with all that is known about it: what `show` tells and `explain` gives the reasons of.

Pure. `plabctl.app.stories` gathers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plabctl.core.experiments.picture import Place
from plabctl.core.guard import Guard, of_state
from plabctl.core.model import Claim, Event, Member, Node
from plabctl.report.happened import MOVES
from plabctl.report.listing import Cell
from plabctl.report.status import Situation

Line = tuple[str, Cell]
"""A label, empty when the line goes on with what stands above, and what is said."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One node; `recent` are its latest events, oldest first."""

    node: Node
    member: Member
    claim: Claim | None
    recent: tuple[Event, ...] = ()
    places: tuple[Place, ...] = ()
    """Where it is a member of experiments, by experiment."""
    skipped_count: int = 0
    """How many rows of its history were left out, because plabctl did not write them."""

    @property
    def last_probe(self) -> Event | None:
        """The event of its last test, if the history still has it."""
        return next(self.latest("probe"), None)

    @property
    def last_move(self) -> Event | None:
        """The event that brought it to where it is, if the history still has it."""
        return next(self.latest(*MOVES), None)

    def latest(self, *kinds: str) -> Iterator[Event]:
        """Yield its events of these kinds, the latest first."""
        return (event for event in reversed(self.recent) if event.kind in kinds)

    def is_testing(self, now: float) -> bool:
        """Say whether a test of it is running."""
        return self.claim is not None and self.claim.deadline_at > now

    def is_guarded(self, situation: Situation) -> bool:
        """Say whether the guard holds its moves to bad now."""
        label = situation.settings.guard.site_label
        home = self.member.suspicion.pool if self.member.suspicion else self.member.pool
        return Guard(of_state(situation.state).watches, label).holds(home, self.node)
