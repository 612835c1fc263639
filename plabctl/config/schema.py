"""The declared schema: every key of the config file, once, with its kind, its bounds and where its default stands.

Pure. Defaults are not written here: they are those of the values in `plabctl.core.settings` and `plabctl.core.recipe`,
each table naming the value it fills. Help and examples stand beside it in `plabctl.config.key_texts`, because only
people who ask need them. To add a key: declare it here, describe it there. Go on with `plabctl.config.read_document`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Shape, Table
from plabctl.core.keys.types import DAY_S, Choice, Duration, Flag, Number, Size, Text, Whole, Words
from plabctl.core.names import POOL_NAME, is_label_name, is_pool_name
from plabctl.core.pools.good import GOOD
from plabctl.core.recipe import DEFAULT_STAGES, Recipe, Transport
from plabctl.core.settings import (
    AdaptiveSettings,
    DeadlineSettings,
    ExecutorSettings,
    ExperimentSettings,
    FlapSettings,
    GuardSettings,
    GuardThen,
    HostKeys,
    InventorySettings,
    PoolSettings,
    Settings,
    SinkSettings,
    SshSettings,
)

MAX_WINDOW = 10_000


def is_plain_word(text: str) -> bool:
    """Return whether `text` is printable, without blanks, and no option of a command."""
    return bool(text) and text.isprintable() and " " not in text and not text.startswith("-")


def is_endpoint(text: str) -> bool:
    """Return whether `text` is `host:port`."""
    host, _, port = text.rpartition(":")
    return is_plain_word(host) and port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535


def is_event_kind(text: str) -> bool:
    """Return whether there are events of that kind."""
    return text in EVENT_KINDS


def is_command_line(text: str) -> bool:
    """Return whether `text` is something for a shell to run."""
    return bool(text.strip()) and "\0" not in text


def _build_stage_key(name: str) -> Key:
    keys = [
        Key("run", Text("a command line for sh", is_command_line)),
        Key("script", FilePath()),
        Key("timeout", Duration(0.1, 30 * DAY_S), "timeout_s"),
    ]
    if name == "up":
        keys.append(Key("every", Duration(0.05, DAY_S), "every_s"))
    return Key(name, Table("stage", DEFAULT_STAGES[name], *keys))


BACKOFF = Table(
    "backoff",
    Backoff(ADDITIVE),
    Key("kind", KindName("backoff")),
    Key("base", Duration(0.1), "base_s"),
    Key("step", Duration(), "step_s"),
    Key("max", Duration(0.1), "max_s"),
    Key("jitter", Duration(), "jitter_s"),
)
POOL = Table(
    "pool",
    PoolSettings("", GOOD, ""),
    Key("kind", KindName("pool")),
    Key("recipe", Text(POOL_NAME, is_pool_name)),
    Key("backoff", BACKOFF),
    Key("weight", Number(0.01, 1000)),
    Key("reserve", Number(0, 1)),
    shape=Shape.NAMED,
)
RECIPE = Table(
    "recipe",
    Recipe(""),
    Key("transport", Choice(tuple(Transport))),
    *(_build_stage_key(name) for name in DEFAULT_STAGES),
    Key("teardown_required", Flag()),
    shape=Shape.NAMED,
)
SSH = Table(
    "ssh",
    SshSettings(),
    Key("user", Text("a user name", is_plain_word)),
    Key("port", Whole(1, 65535)),
    Key("key", FilePath()),
    Key("known_hosts", FilePath()),
    Key("host_keys", Choice(tuple(HostKeys))),
    Key("connect_timeout", Duration(0.1, DAY_S), "connect_timeout_s"),
    Key("output_limit", Size(256, 64 * 1024**2)),
    Key("use_ssh_config", Flag()),
)
FLAP = Table(
    "flap",
    FlapSettings(),
    Key("half_life", Duration(0.1), "half_life_s"),
    Key("max_passes", Whole(1, 1000)),
    Key("apart", Duration(), "apart_s"),
)
GUARD = Table(
    "guard",
    GuardSettings(),
    Key("max_ratio", Number(0, 1)),
    Key("min_tested", Whole(1, 1_000_000)),
    Key("within", Duration(1.0), "within_s"),
    Key("site_label", Text("the name of a node variable", is_label_name)),
    Key("canary", Words('a list of "host:port"', is_endpoint, least=0)),
    Key("max_age", Duration(), "max_age_s"),
    Key("then", Choice(tuple(GuardThen))),
)
ADAPTIVE = Table(
    "adaptive",
    AdaptiveSettings(),
    Key("load", Number(0.01, 1), "load_ratio"),
    Key("half_life", Duration(60.0), "half_life_s"),
)
DEADLINES = Table(
    "deadlines",
    DeadlineSettings(),
    Key("enabled", Flag()),
    Key("floor", Duration(0.1, DAY_S), "floor_s"),
    Key("factor", Number(3, 100)),
    Key("min_passes", Whole(1, 500)),
    Key("full_every", Whole(1, 1000)),
)


def _build_count_backoff(defaults: Backoff) -> Table:
    """Return the table of a back-off outside the health pools, where there is nothing but the count to go by."""
    keys = [key for name, key in BACKOFF.keys.items() if name != "kind"]
    return Table("backoff", defaults, Key("kind", KindName("backoff", lambda kind: kind.by_count)), *keys)


EXPERIMENT = Table(
    "experiment",
    ExperimentSettings(),
    Key("recipe", Text(POOL_NAME, is_pool_name)),
    Key("retry", _build_count_backoff(ExperimentSettings().retry)),
    Key("check", _build_count_backoff(ExperimentSettings().check)),
    Key("grace", Duration(), "grace_s"),
    Key("give_up", Duration(60.0), "give_up_s"),
    Key("hook_timeout", Duration(0.1, DAY_S), "hook_timeout_s"),
    Key("weight", Number(0.01, 1000)),
    Key("reserve", Number(0, 1)),
)
EXECUTOR = Table("executor", ExecutorSettings(), Key("kind", KindName("executor", by_name=True)))
INVENTORY = Table(
    "inventory",
    InventorySettings(""),
    Key("kind", KindName("inventory", by_name=True), required=True),
    Key("every", Duration(), "every_s"),
    Key("timeout", Duration(0.1, DAY_S), "timeout_s"),
    shape=Shape.MANY,
)
_TOLD = (
    Key("on", Words("a list of: " + ", ".join(EVENT_KINDS), is_event_kind), required=True),
    Key("timeout", Duration(0.1, DAY_S), "timeout_s"),
)
SINK = Table(
    "sink",
    SinkSettings(""),
    Key("kind", KindName("sink", lambda kind: not kind.is_record, by_name=True), required=True),
    *_TOLD,
    shape=Shape.MANY,
)
HOOK = Table("hook", SinkSettings("command"), *_TOLD, shape=Shape.MANY, short_for=("sink", "command"))
ROOT = Table(
    "",
    Settings("", "", {}, {}),
    Key("state_dir", FilePath()),
    Key("network_disk", Flag()),
    Key("window", Whole(1, MAX_WINDOW)),
    Key("max_load", Number(0, 100_000)),
    Key("entry_pool", Text(POOL_NAME, is_pool_name)),
    Key("plugin_recipes", Words("a list of names of recipes that plug-ins bring", is_pool_name, least=0)),
    Key("ssh", SSH),
    Key("pool", POOL, "pools"),
    Key("recipe", RECIPE, "recipes"),
    Key("flap", FLAP),
    Key("guard", GUARD),
    Key("adaptive", ADAPTIVE),
    Key("deadlines", DEADLINES),
    Key("experiment", EXPERIMENT),
    Key("executor", EXECUTOR),
    Key("inventory", INVENTORY, "inventories"),
    Key("sink", SINK, "sinks"),
    Key("hook", HOOK, "hooks"),
)
