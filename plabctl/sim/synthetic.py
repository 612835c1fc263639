"""Made-up testbeds: up and down times drawn from distributions that were fitted to real ones.

Pure. The fits are those of the Failure Trace Archive (B. Javadi, D. Kondo, A. Iosup, D. Epema, J. Parallel Distrib.
Comput. 73(8), 2013): Weibull, shape and scale in hours. Every draw is independent, so use them for orders of magnitude.
Tests: `tests/sim/test_world.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from plabctl.sim.world import Life, World, build_life

_HOUR_S = 3600.0
_DAY_S = 86400.0
_LEAD_S = 3650 * _DAY_S
"""How long each node lives before the world begins, so that it begins somewhere inside one of its long spells."""


class Fit(NamedTuple):
    """Two Weibull distributions, of up and of down times in hours."""

    up_shape: float
    up_scale: float
    down_shape: float
    down_scale: float


FITS: Mapping[str, Fit] = {
    "pl05": Fit(0.33, 19.35, 0.36, 5.59),
    "g5k06": Fit(0.48, 14.37, 0.35, 0.47),
    "lanl05": Fit(0.48, 816.60, 0.58, 2.18),
    "ldns04": Fit(0.51, 79.30, 0.63, 5.62),
    "microsoft99": Fit(0.55, 35.30, 0.60, 9.34),
    "nd07cpu": Fit(0.45, 4.16, 0.51, 0.74),
    "overnet03": Fit(0.85, 2.04, 0.44, 2.98),
    "skype06": Fit(0.64, 10.86, 0.63, 9.48),
    "websites02": Fit(0.46, 3.68, 0.65, 0.61),
}
"""PlanetLab 2004-05, Grid'5000, clusters at Los Alamos, DNS servers, office PCs, a desktop grid, peers (two) and web
sites."""


def make_world(fit: Fit, *, count: int, length_s: float, seed: int, spread: float = 0.0) -> World:
    """Return a world of `count` nodes.

    With `spread` s all up times of a node are multiplied by one factor exp(N(0, s) - s^2/2), its down times by another:
    real unreliability is concentrated in few nodes, which 1 to 1.5 imitates.
    """
    rng = Random(seed)
    width = len(str(count - 1))
    return World(
        tuple(_build_life(f"node{number:0{width}}", fit, length_s, spread, rng) for number in range(count)), length_s
    )


def _build_life(name: str, fit: Fit, length_s: float, spread: float, rng: Random) -> Life:
    longer = {state: rng.lognormvariate(-(spread**2) / 2, spread) if spread else 1.0 for state in (True, False)}
    at, is_up = -_LEAD_S, rng.random() < 0.5  # as likely as not
    pieces = [(0.0, is_up)]
    while at < length_s:
        if at <= 0:
            pieces = [(0.0, is_up)]
        else:
            pieces.append((at, is_up))
        shape, scale = (fit.up_shape, fit.up_scale) if is_up else (fit.down_shape, fit.down_scale)
        hours = rng.weibullvariate(scale, shape) * longer[is_up]
        at += max(1, round(hours * 60)) * 60.0
        is_up = not is_up
    return build_life(name, pieces, length_s)
