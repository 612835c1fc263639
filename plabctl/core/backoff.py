"""How long until the next probe: the longer, the steadier a node has been.

Pure. The formulas stand here and in `docs/policy.md`; a test ties the two by a table of values. What the adaptive
back-off knows of a node is in `adaptive`, how much of the window it may use in `budget`.
"""

from __future__ import annotations

from math import inf, sqrt

from plabctl.core.settings import Backoff, BackoffKind

_MAX_DOUBLINGS = 60
_HOUR_S = 3600.0
# A look-up in an enumeration costs more than all the rest of a formula, and the simulator draws millions of waits.
_ADDITIVE, _AGE, _ADAPTIVE = BackoffKind.ADDITIVE, BackoffKind.AGE, BackoffKind.ADAPTIVE


def interval(backoff: Backoff, streak: int, roll: float, age_s: float = 0.0, fair_s: float = 0.0) -> float:
    """Return the seconds until the next probe; `roll` in [0, 1) draws the jitter.

    additive     min(max, base + streak * step)
    fixed        base
    exponential  min(max, base * 2 ** (streak - 1))
    linear       min(max, base * streak)
    quadratic    min(max, base * streak ** 2)
    age          min(max, base * sqrt(1 + hours since the last confirmed change))
    adaptive     min(max, max(base, K * sqrt(s * T / (N * h))))

    `streak` is the number of equal results in a row, counted before the wait is computed, so it is at least 1 after a
    result; 0 gives the shortest wait. `age_s` is the time since the last confirmed change, for `age` only; `fair_s` is
    what `adaptive` is told, the K * sqrt(...) of `plabctl.core.adaptive`. To each the jitter, `roll * jitter`, is added
    after the cap. Sources: Emulab's PlanetLab monitor of August 2006 (additive) and of 2007 (linear in good, quadratic
    in bad); age is the shape of the additive wait without its ceiling, by the clock instead of a count.
    """
    wait_s = _wait(backoff, streak, age_s, fair_s)
    return round(min(wait_s, backoff.max_s) + roll * backoff.jitter_s, 3)


def _wait(backoff: Backoff, streak: int, age_s: float, fair_s: float) -> float:
    if backoff.formula is not None:
        return _told(backoff, streak, age_s)
    kind = backoff.kind
    if kind is _ADDITIVE:
        return backoff.base_s + max(0, streak) * backoff.step_s
    if kind is _AGE:
        return backoff.base_s * sqrt(1.0 + max(0.0, age_s) / _HOUR_S)
    if kind is _ADAPTIVE:
        return max(backoff.base_s, fair_s)
    return backoff.base_s * _factor(kind, max(1, streak))


def _told(backoff: Backoff, streak: int, age_s: float) -> float:
    """Return what the formula of a plug-in says; the longest wait when it says nothing that can be waited for."""
    assert backoff.formula is not None, "asked for only then"  # noqa: S101
    try:
        seconds = float(backoff.formula(backoff, streak, age_s))
    except Exception:  # noqa: BLE001 - it is code of others, and whoever asks has no use for what it raises
        return backoff.max_s
    return seconds if 0.0 <= seconds < inf else backoff.max_s


def _factor(kind: BackoffKind, streak: int) -> float:
    match kind:
        case BackoffKind.EXPONENTIAL:
            return 2.0 ** min(streak - 1, _MAX_DOUBLINGS)
        case BackoffKind.LINEAR:
            return streak
        case BackoffKind.QUADRATIC:
            return streak**2
        case _:
            return 1.0
