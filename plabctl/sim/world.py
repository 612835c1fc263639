"""The ground truth of a simulation: when each node was up and when it was down.

Pure. Instants are seconds from the beginning of the world. Worlds come from `trace`, `recorded_past` and `synthetic`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import count as counter
from itertools import islice
from math import inf
from random import Random

from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class Life:
    """One node: from when to when it was there, whether it was up at first, and when that changed."""

    name: str
    born_at: float
    gone_at: float
    starts_up: bool
    changes: tuple[float, ...]
    silences: tuple[float, ...] = ()
    """When logins stop being answered, when they are again, and so on; within its down times."""
    site: str = ""
    """The site that it fails together with; empty when nothing says so."""

    def is_up(self, at: float) -> bool:
        """Return whether it is up at that instant; an instant of change belongs to what comes after."""
        return self.starts_up is (bisect_right(self.changes, at) % 2 == 0)

    def is_up_through(self, at: float, seconds: float) -> bool:
        """Return whether it is up at that instant and stays so for `seconds`."""
        place = bisect_right(self.changes, at)
        if self.starts_up is not (place % 2 == 0):
            return False
        return place == len(self.changes) or self.changes[place] >= at + seconds

    def find_change(self, at: float) -> float:
        """Return when the state in which it is at that instant began; its birth when that is not known."""
        place = bisect_right(self.changes, at)
        return self.changes[place - 1] if place else self.born_at

    def answers(self, at: float) -> bool:
        """Return whether a login is answered at that instant, which some nodes do that are down."""
        return bisect_right(self.silences, at) % 2 == 0

    def find_next_answer(self, after: float) -> float:
        """Return when logins change next between answered and not; infinity if they do not."""
        place = bisect_right(self.silences, after)
        return self.silences[place] if place < len(self.silences) else inf

    def list_downs(self) -> list[tuple[float, float]]:
        """Return its down times, each from when to when."""
        edges = [self.born_at, *self.changes, self.gone_at]
        first = 1 if self.starts_up else 0
        return [(edges[place], edges[place + 1]) for place in range(first, len(edges) - 1, 2)]


@dataclass(frozen=True, slots=True)
class World:
    """All nodes, and how long the world lasts."""

    lives: tuple[Life, ...]
    length_s: float

    def thin(self, every: int) -> World:
        """Return a world of every Nth node, beginning with the first."""
        return replace(self, lives=self.lives[::every])

    def shift(self, by_s: float, rng: Random) -> World:
        """Return a world in which all that happens to a node is later by a random part of `by_s`, its own.

        A trace that was taken once an hour has all its changes at full hours; tests would march in step with them.
        """
        if not by_s:
            return self
        return replace(self, lives=tuple(_delay(life, by_s * rng.random()) for life in self.lives))

    def add_dead(self, count: int) -> World:
        """Return a world with `count` nodes more, which never answer."""
        taken = {life.name for life in self.lives}
        names = islice((name for number in counter() if (name := f"dead{number:05}") not in taken), count)
        dead = (Life(name, 0.0, self.length_s, starts_up=False, changes=()) for name in names)
        return replace(self, lives=(*self.lives, *dead))

    def truncate(self, length_s: float) -> World:
        """Return the first `length_s` of this world."""
        if length_s >= self.length_s:
            return self
        return World(tuple(_truncate(life, length_s) for life in self.lives if life.born_at < length_s), length_s)


def build_life(name: str, pieces: Sequence[tuple[float, bool]], gone_at: float) -> Life:
    """Return the life of a node that was up or down from each instant on; equal neighbours are joined."""
    born_at, starts_up = pieces[0]
    changes, state = [], starts_up
    for at, is_up in pieces[1:]:
        if is_up is not state:
            changes.append(at)
            state = is_up
    return Life(name, born_at, gone_at, starts_up, tuple(changes))


def _delay(life: Life, by_s: float) -> Life:
    changes = tuple(at + by_s for at in life.changes if at + by_s < life.gone_at)
    return replace(life, changes=changes)


def _truncate(life: Life, length_s: float) -> Life:
    gone_at = min(life.gone_at, length_s)
    return replace(life, gone_at=gone_at, changes=tuple(at for at in life.changes if at < gone_at))
