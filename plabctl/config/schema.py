"""The declared schema: every key of the config file, once, with its type, its bounds, its help and its example.

Pure. Defaults are not written here: they are those of the values in `plabctl.core.settings` and `plabctl.core.recipe`,
each table naming the value it fills. The tables stand in modules of their own beside this one, those that few files
have in modules that are loaded for them alone; the keys of a kind stand in its own module. Go on with
`plabctl.config.read_document`.
"""

from __future__ import annotations

from collections.abc import Callable

from plabctl.config.pool_keys import POOL, RECIPE
from plabctl.config.ssh_keys import DEADLINES, EXECUTOR, SSH
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Flag, Number, Text, Whole, Words
from plabctl.core.names import POOL_NAME, is_pool_name
from plabctl.core.settings import Settings
from plabctl.kinds import load
from plabctl.typed import cast

MAX_WINDOW = 10_000


def _load_later(table: str) -> Callable[[], Table]:
    """Return what loads a table that few files have, given as `MODULE:NAME` in this folder."""
    return lambda: cast(Table, load(f"plabctl.config.{table}"))


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
    Key("flap", _load_later("policy_keys:FLAP")),
    Key("guard", _load_later("policy_keys:GUARD")),
    Key("adaptive", _load_later("policy_keys:ADAPTIVE")),
    Key("deadlines", DEADLINES),
    Key("experiment", _load_later("policy_keys:EXPERIMENT")),
    Key("history", _load_later("stream_keys:HISTORY")),
    Key("report", _load_later("stream_keys:REPORT")),
    Key("executor", EXECUTOR),
    Key("inventory", _load_later("stream_keys:INVENTORY"), "inventories"),
    Key("occupancy", _load_later("occupancy_keys:OCCUPANCY"), "occupancies"),
    Key("sink", _load_later("stream_keys:SINK"), "sinks"),
    Key("hook", _load_later("stream_keys:HOOK"), "hooks"),
    text="Keys at the top of the file, before any table.",
)
