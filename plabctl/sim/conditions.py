"""The conditions of a simulation: how long tests take, how often they are wrong, how many run at once.

Pure.
Tests: `tests/sim/test_driver.py`.
"""

from __future__ import annotations

from plabctl.values import dataclass

DAY_S = 86400.0
NODES_PER_SLOT = 25
"""What the adaptive back-off is told its window is, where the window is not limited."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Durations in seconds. `window` None: as many tests at once as are due."""

    window: int | None = None
    up_s: float = 60.0
    """How long a test of a node takes that is up."""
    down_s: float = 600.0
    """How long a test of a node takes that is down, or that fails falsely."""
    false_ratio: float = 0.0
    """The share of tests of nodes that are up which fail all the same."""
    seed: int = 1
    warm_up_s: float = DAY_S
    """What is left out of all figures."""
    tick_s: float = 60.0
