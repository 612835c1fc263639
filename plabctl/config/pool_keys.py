"""The keys of health pools, of their back-offs, and of recipes.

Pure. What only one kind has is declared in the module of that kind. See `plabctl.config.schema`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Shape, Table
from plabctl.core.keys.types import DAY_S, Choice, Duration, Flag, Number, Text
from plabctl.core.names import POOL_NAME, is_pool_name
from plabctl.core.pools.good import GOOD
from plabctl.core.recipe import DEFAULT_STAGES, Become, Recipe, Transport
from plabctl.core.settings import PoolSettings
from plabctl.kinds import builtin_kinds


def _list_defaults(name: str) -> str:
    """Return the default of a key of back-offs, and those of the kinds that have another one."""
    key = BACKOFF.keys[name]
    assert not isinstance(key.type, Table)
    common = key.type.format(getattr(BACKOFF.defaults, key.field))
    others = []
    for kind in builtin_kinds("backoff"):
        good, bad = (key.type.format(getattr(kind.default(is_good=side), key.field)) for side in (True, False))
        sides = {"": good} if good == bad else {" in a good pool": good, " in a bad pool": bad}
        others += [f"`{kind.name}`{side} {own.strip(chr(34))}" for side, own in sides.items() if own != common]
    return f"`{common}`; {', '.join(others)}"


BACKOFF = Table(
    "backoff",
    Backoff(ADDITIVE),
    Key(
        "kind",
        KindName("backoff"),
        text="How the wait grows with the number n of equal results in a row, or what else it depends on.",
        example='"age"',
    ),
    Key(
        "base",
        Duration(0.1),
        "base_s",
        text="What the wait starts from. 5m because a node that has just changed is likely to change again soon.",
        example='"5m"',
        default=lambda: _list_defaults("base"),
    ),
    Key(
        "step",
        Duration(),
        "step_s",
        text="What each equal result adds; only for `additive`. 2m30s because the wait then grows roughly with the "
        "square root of the time since the last change, which costs least, and reaches an hour after half a day.",
        example='"2m30s"',
    ),
    Key(
        "max",
        Duration(0.1),
        "max_s",
        text="The longest wait, before jitter. 1h because no failure should go unnoticed for longer.",
        example='"1h"',
        default=lambda: _list_defaults("max"),
    ),
    Key(
        "jitter",
        Duration(),
        "jitter_s",
        text="Up to this much random time is added, so that nodes do not stay in step. 1m because ticks come every "
        "minute: with less, nodes would stay together in the same tick.",
        example='"1m"',
    ),
    text="How long a pool waits before it tests a node again. Jitter is added to the capped wait. Plug-ins add "
    "further kinds.",
)


def _load_liveness() -> Table:
    # Imported here: few files have such a table.
    from plabctl.config.liveness_keys import LIVENESS

    return LIVENESS


POOL = Table(
    "pool",
    PoolSettings("", GOOD, ""),
    Key(
        "kind",
        KindName("pool"),
        text="What happens to a node that passes or fails.",
        example='"good"',
        default="the pool's name, if `good` or `bad`",
    ),
    Key("recipe", Text(POOL_NAME, is_pool_name), text="The recipe its nodes are tested with.", example='"process"'),
    Key(
        "backoff",
        BACKOFF,
        text="How long it waits between tests; its keys are below. 5m, 2m30s and 1h because Emulab's monitor of 2006 "
        "used them, and a jitter of 1m because ticks come every minute; `plabctl simulate` compares others.",
        example='{ base = "5m", max = "2h" }',
    ),
    Key(
        "weight",
        Number(0.01, 1000),
        text="When slots are short, pools share the window in the ratio of their weights. 1 because all pools matter "
        "equally unless configured otherwise.",
        example="2",
    ),
    Key(
        "reserve",
        Number(0, 1),
        text="The share of the window that it is guaranteed while it has members due. 0.1 because testing then goes "
        "on however many experiments there are, and four fifths of the window are left to share.",
        example="0.1",
    ),
    Key(
        "busy",
        Choice(("spare", "test")),
        text="What becomes of a node that an `[[occupancy]]` source calls busy: `spare`: no set-up test is started on "
        "it; `test`: it is tested like any other. `spare` because a test may disturb whoever uses it.",
        example='"test"',
    ),
    Key(
        "at_release",
        Choice(("check", "test", "none")),
        text="What follows when a node is busy no longer: `check`: a login at once, while the node is offered; `test`: "
        "a set-up test at once, and the node is not usable until one passed; `none`: nothing but what is due. `check` "
        "because withholding each node for a test costs more than it finds; see occupancy.md.",
        example='"test"',
    ),
    Key(
        "liveness",
        _load_liveness,
        text="Logins between two tests, which call the next test early when their answer changes: 8 in the example, "
        "because a test takes some sixty times as long as a login. Its keys are below; see liveness.md.",
        example="{ between = 8 }",
        default="no such logins",
    ),
    text="A health pool; the table's name is the pool's name. Without any such table there are two, `good` and `bad`, "
    "with the defaults below. At least one pool must offer its nodes, as those of kind `good` do, and one must "
    "not, as those of kind `bad`. Plug-ins add further kinds.",
    shape=Shape.NAMED,
)

_STAGES = {
    "setup": (
        "Makes the vnode. 10m because that may mean fetching its image.",
        '{ run = "mkdir /tmp/{vnode}", timeout = "10m" }',
    ),
    "up": (
        (
            "Checks whether the vnode is up; repeated until it passes. 10m because it may boot a system, 5s because "
            "it costs little."
        ),
        '{ run = "test -d /tmp/{vnode}", timeout = "10m", every = "5s" }',
    ),
    "check": (
        "Checks whether a vnode that is up works. 1m because a check should be quick.",
        '{ run = "df /tmp/{vnode}", timeout = "1m" }',
    ),
    "teardown": (
        "Removes the vnode; always run, with a time-out of its own. 5m because it is retried if that is not enough.",
        '{ run = "rmdir /tmp/{vnode}", timeout = "5m" }',
    ),
}
"""What each stage is for, and an example."""


def is_command_line(text: str) -> bool:
    """Return whether `text` is something for a shell to run."""
    return bool(text.strip()) and "\0" not in text


_STAGE_KEYS = (
    Key(
        "run",
        Text("a command line for sh", is_command_line),
        text="A command line for `sh`. Exactly one of `run` and `script` is given.",
        example='"mkdir /tmp/{vnode}"',
    ),
    Key("script", FilePath(), text="A script file that is sent and run instead.", example='"setup.sh"'),
    Key(
        "timeout",
        Duration(0.1, 30 * DAY_S),
        "timeout_s",
        text="How long the stage may take. 10m because making a vnode may mean fetching its image; 1m because a check "
        "should be quick; 5m because removing one usually is, and is retried if it is not.",
        example='"10m"',
        default="setup and up 10m, check 1m, teardown 5m",
    ),
)
_EVERY = Key(
    "every",
    Duration(0.05, DAY_S),
    "every_s",
    text="Only for `up`: the pause between two attempts. 5s because an attempt costs the node little, and a vnode is "
    "then noticed within seconds.",
    example='"5s"',
)
_STAGE_TEXT = (
    "One stage of a recipe. `{node}`, `{vnode}`, `{pool}`, `{experiment}` and the node's variables are filled in, "
    "quoted for the shell, and exported as `PLABCTL_NODE` and so on. Exit code 0 passes, 75 means no opinion, any "
    'other fails with the last line of output as the reason. On the monitor itself (`transport = "local"`) the exit '
    "codes are those of Nagios plug-ins: 0 and 1 pass, 2 fails, 3 means no opinion."
)


def _build_stage_key(name: str) -> Key:
    text, example = _STAGES[name]
    keys = (*_STAGE_KEYS, _EVERY) if name == "up" else _STAGE_KEYS
    return Key(name, Table("stage", DEFAULT_STAGES[name], *keys, text=_STAGE_TEXT), text=text, example=example)


RECIPE = Table(
    "recipe",
    Recipe(""),
    Key(
        "transport",
        Choice(tuple(Transport)),
        text="Where the stages run: on the node over SSH, or on the monitor itself.",
        example='"local"',
    ),
    *(_build_stage_key(name) for name in DEFAULT_STAGES),
    Key(
        "become",
        Choice(tuple(Become)),
        text="As whom the stages run on the node: `sudo` is root, by `sudo -n`, which the user who logs in must be "
        "allowed without a password; see ssh.md. With `become` and no stage, the recipe of that name that is built in "
        "or a plug-in's is run so.",
        example='"sudo"',
    ),
    Key("teardown_required", Flag(), text="Whether a teardown that fails makes the probe fail.", example="true"),
    text="How a vnode is made, checked and removed; the table's name is the recipe's name. A node's variable `recipe` "
    "overrides its pool's. A recipe that a pool uses needs at least one of `setup`, `up`, `check`. Some recipes "
    "are built in, and plug-ins add more; a table of the same name replaces such a recipe as a whole.",
    shape=Shape.NAMED,
    point="recipe",
)
