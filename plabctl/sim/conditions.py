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
    login_ratio: float = 0.8
    """The share of the down times during which no login is answered."""
    login_s: float = 1.0
    """How long a liveness check takes that is answered."""
    silence_s: float = 10.0
    """How long a liveness check takes that is not."""
    silent_s: float | None = None
    """How long a test takes of a node that answers no login; None: as long as of any node that is down."""
    busy_ratio: float = 0.0
    """The share of the time that nodes which are offered are in use."""
    job_s: float = 14400.0
    """How long a job lasts on average."""
    cuts_per_day: float = 0.0
    """How often the way from a vantage to a site is cut."""
    vantage_count: int = 1
    """From how many places tests are made; the second look at a node is from another than the first."""
