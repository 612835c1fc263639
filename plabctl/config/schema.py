"""The declared schema: every key of the config file, once, with its type, its bounds, its help and its example.

Pure. Defaults are not written here: they are those of the values in `plabctl.core.settings` and `plabctl.core.recipe`,
each table naming the value it fills. The tables of pools, policy, recipes, ssh, executors and occupancy stand in
modules of their own beside this one; the keys of a kind stand in its own module. Go on with
`plabctl.config.read_document`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.config.policy_keys import EXPERIMENT, FLAP, GUARD, HISTORY
from plabctl.config.pool_keys import POOL, RECIPE
from plabctl.config.ssh_keys import DEADLINES, EXECUTOR, SSH
from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Shape, Table
from plabctl.core.keys.types import DAY_S, Duration, Flag, Number, Text, Whole, Words
from plabctl.core.names import POOL_NAME, is_label_setting, is_pool_name, is_source_name
from plabctl.core.settings import (
    AdaptiveSettings,
    InventorySettings,
    ReportSettings,
    Settings,
    SinkSettings,
)

MAX_WINDOW = 10_000


def is_event_kind(text: str) -> bool:
    """Return whether there are events of that kind."""
    return text in EVENT_KINDS


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
REPORT = Table(
    "report",
    ReportSettings(),
    Key(
        "status_file",
        FilePath(),
        text="A file with what `status -o json` prints, for users who may not read the state, such as those of "
        "monitoring systems: `check --from FILE`, `status --from FILE`. It is written with every change and by every "
        "tick, readable by the group of its directory, which must exist. A file that is no status is not replaced.",
        example='"/var/lib/plabctl-status/status.json"',
        default="none",
    ),
    text="What is written for others.",
)
INVENTORY = Table(
    "inventory",
    InventorySettings(""),
    Key(
        "kind", KindName("inventory", by_name=True), text="Where its nodes come from.", example='"file"', required=True
    ),
    Key(
        "every",
        Duration(),
        "every_s",
        text="How often it is read. 5m because reading a list is cheap, and a new node should not wait for long.",
        example='"5m"',
    ),
    Key(
        "timeout",
        Duration(0.1, DAY_S),
        "timeout_s",
        text="Time-out of reading it. 1m because the tick waits for it, and the next tick comes in a minute.",
        example='"1m"',
    ),
    Key(
        "match",
        Words('a list of labels such as "site=north"', is_label_setting),
        text="Only nodes with these labels are taken: with each label that is named, and one of the values named for "
        "it. A label such as `web,db` has both values.",
        example='["site=north", "site=south", "roles=web"]',
        default="all nodes",
    ),
    Key(
        "name",
        Text("a name of printable characters, but not operator", is_source_name),
        text="The name of the source. Set it before the file moves or the command changes: nodes belong to the source "
        "of that name.",
        example='"racks"',
        default="the kind and the name of the file or program, such as `file:nodes.txt`",
    ),
    Key(
        "grace",
        Duration(),
        "grace_s",
        text="How long a node that it no longer lists is absent before it leaves: kept with all that is known of it, "
        "not tested and not offered. 1d because a wrong list is usually noticed within a day.",
        example='"1d"',
    ),
    Key(
        "max_leave",
        Number(0, 1),
        text="The share of its nodes that may be missing at once (five always may): a reading that drops more is not "
        "believed at first, and no more than that leave at once unless a person accepts it. 0.25 because whole "
        "sites do go away, while half a list is more likely an error.",
        example="0.25",
    ),
    Key(
        "believe_after",
        Whole(1, 1000),
        text="How many equal readings in a row it takes until one that drops more is believed, and its nodes are "
        "absent. 3 because a source that is half written or half reachable rarely stays so in the same way.",
        example="3",
    ),
    text="A source of nodes. Nodes that appear in it are added; nodes that vanish from it are absent for the `grace`, "
    "and then they leave. A source that cannot be read is ignored.",
    shape=Shape.MANY,
)
_TOLD = (
    Key(
        "on",
        Words("a list of: " + ", ".join(EVENT_KINDS), is_event_kind),
        text="The kinds of event that it gets.",
        example='["transition"]',
        required=True,
    ),
    Key(
        "timeout",
        Duration(0.1, DAY_S),
        "timeout_s",
        text="How long it may take each time. 30s because a command that hangs delays the events after it.",
        example='"30s"',
    ),
)
SINK = Table(
    "sink",
    SinkSettings(""),
    Key(
        "kind",
        KindName("sink", lambda kind: not kind.is_record, by_name=True),
        text="Where the events go.",
        example='"command"',
        required=True,
    ),
    *_TOLD,
    text="Where events are sent, besides the history, which gets every event first. Each sink has a queue of its own "
    "and waits for no other. One that fails gets the event again, after ever longer waits, for a day; it may get the "
    "same event twice, with the same `id`. See events.md.",
    shape=Shape.MANY,
)
HOOK = Table(
    "hook",
    SinkSettings("command"),
    *_TOLD,
    text='The short form of a `[[sink]]` with `kind = "command"`. The command gets one event as JSON on its standard '
    "input, its kind in `PLABCTL_EVENT` and its node in `PLABCTL_NODE`; with `batch` a list of all that wait.",
    shape=Shape.MANY,
    short_for=("sink", "command"),
)


def _load_occupancy() -> Table:
    # Imported here: few files have such a table.
    from plabctl.config.occupancy_keys import OCCUPANCY

    return OCCUPANCY


ROOT = Table(
    "",
    Settings("", "", {}, {}),
    Key(
        "state_dir",
        FilePath(),
        text="Where the state, the history and the slots are kept.",
        example='"/var/lib/plabctl"',
        default="`$PLABCTL_STATE_DIR`; else `/var/lib/plabctl` for root, `$XDG_STATE_HOME/plabctl` or "
        "`~/.local/state/plabctl` for others",
    ),
    Key(
        "network_disk",
        Flag(),
        text="Whether the state directory may be on a file system that is not known to be local. False because on "
        "many network file systems a lock held by one machine does not exclude another, and changes would be "
        "lost. Set it if only this machine uses the directory, or if locks work there.",
        example="true",
    ),
    Key(
        "window",
        Whole(1, MAX_WINDOW),
        text="How many probes may run at once, over all processes. 40 because a thousand nodes, a sixth of them dead, "
        "keep 36 slots busy and then wait two minutes for one; see docs/policy.md.",
        example="40",
    ),
    Key(
        "max_load",
        Number(0, 100_000),
        text="No probe is started while the load average of this machine is above this; 0 turns it off. 0 because the "
        "work of a test is done on its node.",
        example="8",
    ),
    Key(
        "entry_pool",
        Text(POOL_NAME, is_pool_name),
        text="The pool where a new node starts.",
        example='"bad"',
        default="`bad`; else the only pool of kind bad",
    ),
    Key(
        "plugin_recipes",
        Words("a list of names of recipes that plug-ins bring", is_pool_name, least=0),
        text="Recipes of plug-ins that no pool uses, but a node's variable `recipe` or an experiment does.",
        example='["lxc"]',
        default="none",
    ),
    Key("ssh", SSH),
    Key("pool", POOL, "pools"),
    Key("recipe", RECIPE, "recipes"),
    Key("flap", FLAP),
    Key("guard", GUARD),
    Key("adaptive", ADAPTIVE),
    Key("deadlines", DEADLINES),
    Key("experiment", EXPERIMENT),
    Key("history", HISTORY),
    Key("report", REPORT),
    Key("executor", EXECUTOR),
    Key("inventory", INVENTORY, "inventories"),
    Key("occupancy", _load_occupancy, "occupancies"),
    Key("sink", SINK, "sinks"),
    Key("hook", HOOK, "hooks"),
    text="Keys at the top of the file, before any table.",
)
