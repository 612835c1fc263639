"""The keys of the rules that hold for all pools: flaps, the guard, the adaptive back-off, deadlines, experiments.

Pure. Each default number names its reason; `docs/policy.md` has the figures behind them. See `plabctl.config.schema`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.config.pool_keys import BACKOFF
from plabctl.core.backoffs.base import Backoff
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import DAY_S, Choice, Duration, Flag, Number, Text, Whole, Words
from plabctl.core.names import POOL_NAME, is_endpoint, is_label_name, is_pool_name
from plabctl.core.settings import (
    AdaptiveSettings,
    DeadlineSettings,
    ExperimentSettings,
    FlapSettings,
    GuardSettings,
    GuardThen,
)

FLAP = Table(
    "flap",
    FlapSettings(),
    Key(
        "half_life",
        Duration(0.1),
        "half_life_s",
        text="How long it takes the penalty to halve. 6h because with 1h it hardly ever asks for a second "
        "pass, and with 24h sound nodes stand idle twice as long.",
        example='"6h"',
    ),
    Key(
        "max_passes",
        Whole(1, 1000),
        text="How many passes in a row are asked for at most. 12 because at 5 minutes apart that is an "
        "hour: no node that works is kept out for longer.",
        example="12",
    ),
    Key(
        "apart",
        Duration(),
        "apart_s",
        text="How far apart those passes are. 5m because a node that has just changed is tested that soon anyhow.",
        example='"5m"',
    ),
    text="Nodes that go back and forth must pass several tests in a row to return: 1 and one more for "
    "each whole point of a penalty that counts confirmed moves from good to bad and halves again "
    "and again.",
)
GUARD = Table(
    "guard",
    GuardSettings(),
    Key(
        "max_ratio",
        Number(0, 1),
        text="The share of failing nodes above which moves to bad are held. 0.2 because on a trace with "
        "eleven failures of the monitor itself that halved the false moves; 0.05 trips on ordinary "
        "failures, 0.5 hardly ever.",
        example="0.2",
    ),
    Key(
        "min_tested",
        Whole(1, 1_000_000),
        text="How many distinct nodes must have been tested before the share counts. 10 because among "
        "fewer two failures by chance are a fifth.",
        example="10",
    ),
    Key(
        "within",
        Duration(1.0),
        "within_s",
        text="How far back tests count. 10m because a test that fails may take as long; what is older "
        "tells of another time.",
        example='"10m"',
    ),
    Key(
        "site_label",
        Text("the name of a node variable", is_label_name),
        text="The node variable that says which nodes stand together.",
        example='"site"',
    ),
    Key(
        "canary",
        Words('a list of "host:port"', is_endpoint, least=0),
        text="Machines that answer as long as we are connected ourselves.",
        example='["192.0.2.1:22"]',
    ),
    Key(
        "max_age",
        Duration(),
        "max_age_s",
        text="How long a move is held at most. 1h because by then every good node has been tested again.",
        example='"1h"',
    ),
    Key("then", Choice(tuple(GuardThen)), text="What becomes of a move that was held that long.", example='"leave"'),
    text="When many nodes fail together it is more likely us: moves to bad are held, testing goes on.",
)
ADAPTIVE = Table(
    "adaptive",
    AdaptiveSettings(),
    Key(
        "load",
        Number(0.01, 1),
        "load_ratio",
        text="The share of the window that is to be busy on average. 0.8 because the rest is for what "
        "nobody can plan: suspects, requested retests, nodes that come up.",
        example="0.8",
    ),
    Key(
        "half_life",
        Duration(60.0),
        "half_life_s",
        text="How long it takes what was seen of a node to count half. 14d because nodes are mended, and "
        "worn out, within weeks.",
        example='"14d"',
    ),
    text="What the back-off `adaptive` aims at. It waits the geometric mean of what a node's test "
    "costs and how long its states last, stretched for all nodes alike so that a share of the "
    "window is used.",
)
DEADLINES = Table(
    "deadlines",
    DeadlineSettings(),
    Key(
        "enabled",
        Flag(),
        text="Whether deadlines are learned; if not, each stage has its recipe's time-out.",
        example="true",
    ),
    Key(
        "floor",
        Duration(0.1, DAY_S),
        "floor_s",
        text="No stage gets less than this. 10s because TCP repeats what was lost after 1, 3 and 7 s: "
        "three lost packets are no reason to give a node up.",
        example='"10s"',
    ),
    Key(
        "factor",
        Number(3, 100),
        text="How many times longer than 95 % of the passes a stage may take. 3 because only passes teach: "
        "below it, what is cut off would be missed in what is learned, and deadlines could shrink "
        "without end.",
        example="3",
    ),
    Key(
        "min_passes",
        Whole(1, 500),
        text="So many passes of a stage must have been seen; until then it has its recipe's time-out. 20 "
        "because that is how many it takes to tell what 95 % of them need.",
        example="20",
    ),
    Key(
        "full_every",
        Whole(1, 1000),
        text="In a bad pool, of so many failing tests in a row the last has the recipe's time-outs. 4 "
        "because then a slow but sound node is back within a few tests, while a dead one costs about "
        "a quarter.",
        example="4",
    ),
    text="What a stage may take at most is learned from what it took in tests that passed, of the node "
    "itself and of its peers under the same recipe, so that dead nodes do not fill the window: "
    "`factor` times what 95 % of the passes took, at least `floor`, never more than the time-outs "
    "of the recipe. `plabctl explain` shows the deadlines of a node.",
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
        text="The recipe of an experiment that names none; it needs a `teardown`.",
        example='"process"',
    ),
    Key(
        "retry",
        _build_count_backoff(ExperimentSettings().retry),
        text="How long it waits before it tries again to set a vnode up, or to tear one down, by the "
        "failures in a row. From 1m on because somebody waits for it; up to 1h because a node that "
        "comes back to good ends the wait.",
        example='{ base = "1m", max = "30m" }',
    ),
    Key(
        "check",
        _build_count_backoff(ExperimentSettings().check),
        text="How long it waits between two looks at a vnode that is up, by the passes in a row. From 5m "
        "on, 2m30s more each time, up to 1h and with 1m at random, because the good pool does the "
        "same.",
        example='{ kind = "fixed", base = "5m" }',
    ),
    Key(
        "grace",
        Duration(),
        "grace_s",
        text="How long the node of a vnode may be in a bad pool before the vnode is replaced (`--count`) "
        "or leaves (`--all-nodes`). 30m because by then the node was tested four times, and a reboot "
        "is over.",
        example='"30m"',
    ),
    Key(
        "give_up",
        Duration(60.0),
        "give_up_s",
        text="How long it is tried to tear down a vnode whose node was removed. 7d because a machine that "
        "is away for a week does not come back as it was.",
        example='"7d"',
    ),
    Key(
        "hook_timeout",
        Duration(0.1, DAY_S),
        "hook_timeout_s",
        text="How long the command of an experiment (`--hook`) may take. 30s because one that hangs holds "
        "up those behind it.",
        example='"30s"',
    ),
    Key(
        "weight",
        Number(0.01, 1000),
        text="The weight of each experiment, as of a pool. 1 because an experiment matters as much as a health pool.",
        example="2",
    ),
    Key(
        "reserve",
        Number(0, 1),
        text="The reserve of each experiment, as of a pool. 0 because there may be any number of them.",
        example="0.05",
    ),
    text="How the vnodes of experiments are set up, looked after and torn down. Each experiment is a "
    "pool of its own: it shares the window with the health pools and with the other experiments.",
)
