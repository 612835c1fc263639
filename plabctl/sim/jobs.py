"""The jobs of users: a node that is offered is taken after a while, and given back.

Pure. How long each lasts depends on the seed, the node and how many jobs it had, and not on the policy.
Tests: `tests/sim/test_busy_run.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from plabctl.sim.world import Life

_LEAST_S = 60.0
_LONGEST_DOWN_S = 300.0
"""How long a job lasts at most that begins on a node that is down."""


class Jobs:
    """How long the nodes are free, and in use, by turns."""

    def __init__(self, lives: Sequence[Life], busy_ratio: float, mean_s: float, seed: int) -> None:
        self._rngs = [Random(f"jobs {seed} {life.name}") for life in lives]
        self._job_rate = 1 / mean_s
        self._free_rate = busy_ratio / (mean_s * (1 - busy_ratio))

    def draw_free(self, number: int) -> float:
        """Return for how many seconds the node is free before the next job."""
        return self._rngs[number].expovariate(self._free_rate)

    def draw_job(self, number: int, *, is_up: bool) -> float:
        """Return for how many seconds the job that begins now has the node."""
        seconds = max(_LEAST_S, self._rngs[number].expovariate(self._job_rate))
        return seconds if is_up else min(seconds, _LONGEST_DOWN_S)
