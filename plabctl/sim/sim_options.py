"""The options of a simulation as they were given.

Pure. Go on with `comparison` for what becomes of them.
Tests: `tests/sim/test_simulate_command.py`.
"""

from __future__ import annotations

from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class SimOptions:
    """The options as they were given; None for those that were not. Durations in seconds."""

    trace: str | None = None
    since_s: float | None = None
    synthetic: str | None = None
    nodes: int | None = None
    spread: float | None = None
    words: tuple[str, ...] = ()
    window: int | None = None
    up_s: float | None = None
    down_s: float | None = None
    false_ratio: float | None = None
    days: float | None = None
    warm_up_s: float | None = None
    shift_s: float = 0.0
    every: int = 1
    dead: int = 0
    login_ratio: float | None = None
    login_s: float | None = None
    silence_s: float | None = None
    silent_s: float | None = None
    busy_ratio: float | None = None
    job_s: float | None = None
    site_of: str | None = None
    site_nodes: int | None = None
    site_ratio: float | None = None
    cuts_per_day: float | None = None
    vantage_count: int | None = None
    seed: int = 1
    bare: bool = False
    one_pass: bool = False
    equal: str | None = None
    config: str | None = None
