"""The keys of the rules that hold for all pools: flaps, the guard, the adaptive back-off, experiments.

Pure. Loaded only where a file has such a table. Each default number names its reason; `docs/policy.md` has the figures
behind them. See `plabctl.config.schema`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.config.pool_keys import BACKOFF
from plabctl.core.backoffs.base import Backoff
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import DAY_S, Choice, Duration, Number, Text, Whole, Words
from plabctl.core.names import POOL_NAME, is_endpoint, is_label_name, is_pool_name
from plabctl.core.settings import (
    AdaptiveSettings,
    ExperimentSettings,
    FlapSettings,
    GuardSettings,
    GuardThen,
)

MOST_NEIGHBOURS = 1000
"""How many neighbours one failure may call to a test."""
FLAP = Table(
    "flap",
    FlapSettings(),
    Key(
        "half_life",
        Duration(0.1),
        "half_life_s",
        text="The half-life of the penalty. 6h because with 1h it hardly ever requires a second pass, and with 24h "
        "sound nodes are idle twice as long.",
        example='"6h"',
    ),
    Key(
        "max_passes",
        Whole(1, 1000),
        text="The greatest number of passes in a row that is required. 12 because at 5 minutes apart that is an hour: "
        "no working node is kept out for longer.",
        example="12",
    ),
    Key(
        "apart",
        Duration(),
        "apart_s",
        text="The time between those passes. 5m because a node that has just changed is tested that soon anyway.",
        example='"5m"',
    ),
    Key(
        "strikes",
        Whole(0, 1000),
        text="How many confirmed moves from good to bad a node may make within `strikes_within`; one more and it is "
        "stuck: it is tested, and does not return before somebody releases it. 0 turns this off, the default because "
        "somebody must be there to look.",
        example="3",
    ),
    Key(
        "strikes_within",
        Duration(60.0),
        "strikes_within_s",
        text="The time in which those moves are counted. 7d because what breaks under load or heat does so again "
        "within days, and one failure a month is no pattern.",
        example='"7d"',
    ),
    text="Nodes that flap must pass several tests in a row to return: one, and one more for each whole point of a "
    "penalty that counts confirmed moves from good to bad and decays with a half-life.",
)
GUARD = Table(
    "guard",
    GuardSettings(),
    Key(
        "max_ratio",
        Number(0, 1),
        text="The share of failing nodes above which moves to bad are held. 0.2 because on a trace with eleven "
        "failures of the monitor itself it halved the false moves; 0.05 triggers on ordinary failures, 0.5 "
        "hardly ever.",
        example="0.2",
    ),
    Key(
        "min_tested",
        Whole(1, 1_000_000),
        text="How many distinct nodes must have been tested before the share counts. 10 because among fewer, two "
        "chance failures are a fifth.",
        example="10",
    ),
    Key(
        "within",
        Duration(1.0),
        "within_s",
        text="How old tests may be to count. 10m because a failing test may take that long; older results say little "
        "about now.",
        example='"10m"',
    ),
    Key(
        "site_label",
        Text("the name of a node variable", is_label_name),
        text="The node variable that names the site of a node.",
        example='"site"',
    ),
    Key(
        "canary",
        Words('a list of "host:port"', is_endpoint, least=0),
        text="Machines that answer as long as the monitor itself is connected; when none does, moves to bad are held.",
        example='["192.0.2.1:22"]',
    ),
    Key(
        "max_age",
        Duration(),
        "max_age_s",
        text="The longest time that a move is held. 1h because by then every good node has been tested again.",
        example='"1h"',
    ),
    Key("then", Choice(tuple(GuardThen)), text="What happens to a move that was held that long.", example='"leave"'),
    Key(
        "neighbours",
        Whole(0, MOST_NEIGHBOURS),
        text="How many good nodes of its site are tested at once when a good node fails, those tested longest ago; "
        "each that fails calls as many again. Where there are liveness checks, all good nodes of the site get one "
        "instead. 2 because then a dead switch is found in one round, and where failures come alone it costs next to "
        "nothing. 0 turns it off.",
        example="3",
    ),
    text="When many nodes fail together, the monitor is the more likely cause: moves to bad are held, testing goes on.",
)


def _build_count_backoff(defaults: Backoff) -> Table:
    """Return the table of a back-off outside the health pools, where there is nothing but the count to go by."""
    keys = [key for name, key in BACKOFF.keys.items() if name != "kind"]
    kind = BACKOFF.keys["kind"]
    counting = KindName("backoff", lambda kind: kind.by_count)
    return Table("backoff", defaults, Key("kind", counting, text=kind.text, example=kind.example), *keys)


EXPERIMENT = Table(
    "experiment",
    ExperimentSettings(),
    Key(
        "recipe",
        Text(POOL_NAME, is_pool_name),
        text="The default recipe of experiments; it needs a `teardown`.",
        example='"process"',
    ),
    Key(
        "retry",
        _build_count_backoff(ExperimentSettings().retry),
        text="Back-off before another try to set a vnode up, or to tear one down. From 1m because somebody is waiting "
        "for it; up to 1h because the return of its node to good ends the wait.",
        example='{ base = "1m", max = "30m" }',
    ),
    Key(
        "check",
        _build_count_backoff(ExperimentSettings().check),
        text="Back-off between two checks of a vnode that is up. From 5m, 2m30s more each time, up to 1h, and a "
        "jitter of 1m, because the good pool does the same.",
        example='{ kind = "fixed", base = "5m" }',
    ),
    Key(
        "grace",
        Duration(),
        "grace_s",
        text="How long the node of a vnode may be in a bad pool before the vnode is replaced (`--count`) or leaves "
        "(`--all-nodes`). 30m because by then the node has been tested four times, and a reboot is over.",
        example='"30m"',
    ),
    Key(
        "give_up",
        Duration(60.0),
        "give_up_s",
        text="How long teardown of a vnode is retried after its node was removed. 7d because a machine that is away "
        "for a week does not come back as it was.",
        example='"7d"',
    ),
    Key(
        "hook_timeout",
        Duration(0.1, DAY_S),
        "hook_timeout_s",
        text="How long the command of an experiment (`--hook`) may take. 30s because a command that hangs delays "
        "those after it.",
        example='"30s"',
    ),
    Key(
        "weight",
        Number(0.01, 1000),
        text=(
            "The weight of each experiment, like that of a pool. 1 because an experiment matters as much as a health "
            "pool."
        ),
        example="2",
    ),
    Key(
        "reserve",
        Number(0, 1),
        text="The reserve of each experiment, like that of a pool. 0 because there may be any number of them.",
        example="0.05",
    ),
    text="How the vnodes of experiments are set up, kept up and torn down. Each experiment is a pool of its own: it "
    "shares the window with the health pools and with the other experiments.",
)
ADAPTIVE = Table(
    "adaptive",
    AdaptiveSettings(),
    Key(
        "load",
        Number(0.01, 1),
        "load_ratio",
        text="The share of the window that should be busy on average. 0.8 because the rest is for what cannot be "
        "planned: suspects, requested retests, nodes that come up.",
        example="0.8",
    ),
    Key(
        "half_life",
        Duration(60.0),
        "half_life_s",
        text="The half-life of what was observed of a node. 14d because nodes are repaired, and wear out, within "
        "weeks.",
        example='"14d"',
    ),
    text="What the back-off `adaptive` aims at. It waits the geometric mean of the cost of a node's test and the time "
    "its states last, scaled for all nodes alike so that a given share of the window is used.",
)
