"""How the product is configured in the weave: short waits, and the rest as the dice say. Pure."""

from __future__ import annotations

from random import Random
from typing import Any

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.occupancy import OccupancySettings
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.good import GOOD, GoodOptions
from plabctl.core.settings import ExperimentSettings, LivenessSettings, PoolSettings, Settings
from plabctl.core.settings_parts import FlapSettings, GuardSettings
from tests.torture.interleaving.machines import make_login, make_recipe

LONGEST_S = 300.0
"""No node waits longer, but for the jitter."""
STALE_AFTER_S = 120.0
"""How long an occupancy source that fails is believed."""


def make_settings(dice: Random) -> Settings:
    """Return a configuration with short waits; the rest is for the dice."""
    backoff = Backoff(ADDITIVE, base_s=60.0, step_s=30.0, max_s=LONGEST_S, jitter_s=10.0)
    confirm = dice.choice([0, 0, 1])
    checks = choose_checks(Random(dice.random()))
    at_release = dice.choice(["check", "test", "none"])
    shared: dict[str, Any] = {"backoff": backoff, "liveness": checks, "at_release": at_release}
    pools = {
        "good": PoolSettings("good", GOOD, "bad", options=GoodOptions(confirm), **shared),
        "bad": PoolSettings("bad", BAD, "good", **shared),
    }
    return Settings(
        "plabctl.toml",
        "/nowhere",
        pools,
        {"process": make_recipe(), "command": make_login()},
        window=dice.randint(1, 5),
        occupancies=dice.choice([(), (OccupancySettings("command", "desk", stale_after_s=STALE_AFTER_S),)]),
        flap=FlapSettings(half_life_s=600.0, max_passes=3, apart_s=60.0),
        guard=GuardSettings(
            min_tested=dice.choice([3, 10]),
            max_age_s=300.0,
            within_s=120.0,
            canary=dice.choice([(), ("gate:22",)]),
            neighbours=dice.choice([0, 2]),
        ),
        experiment=ExperimentSettings(retry=backoff, check=backoff, grace_s=120.0),
    )


def choose_checks(dice: Random) -> LivenessSettings | None:
    """Return how nodes are logged in to between tests; in one of three worlds they are not."""
    own = LivenessSettings(between=8, silences=dice.choice([0, 1, 2, 2]), apart_s=dice.choice([0.0, 0.0, 30.0]))
    return dice.choice([None, own, own])
