"""How long until the next probe: the longer, the more often in a row a node gave the same result.

Pure. The formulas stand here and in `docs/policy.md`; a test ties the two by a table of values.
"""

from __future__ import annotations

from plabctl.core.settings import Backoff, BackoffKind

_MAX_DOUBLINGS = 60


def interval(backoff: Backoff, streak: int, roll: float) -> float:
    """Return the seconds until the next probe after `streak` equal results in a row; `roll` in [0, 1) draws the jitter.

    additive     min(max, base + streak * step)
    fixed        base
    exponential  min(max, base * 2 ** (streak - 1))
    quadratic    min(max, base * streak ** 2)

    To each the jitter, `roll * jitter`, is added after the cap. The streak is counted before the wait is computed, so
    it is at least 1 after a result; 0 gives the shortest wait. Source: Emulab's PlanetLab monitor of August 2006
    (additive) and after (quadratic, for bad nodes).
    """
    return round(min(_wait(backoff, max(0, streak)), backoff.max_s) + roll * backoff.jitter_s, 3)


def _wait(backoff: Backoff, streak: int) -> float:
    match backoff.kind:
        case BackoffKind.ADDITIVE:
            return backoff.base_s + streak * backoff.step_s
        case BackoffKind.FIXED:
            return backoff.base_s
        case BackoffKind.EXPONENTIAL:
            return backoff.base_s * 2.0 ** min(max(0, streak - 1), _MAX_DOUBLINGS)
        case BackoffKind.QUADRATIC:
            return backoff.base_s * max(1, streak) ** 2
