"""What each key of the configuration means, in words: the help and the examples of sample and reference.

Pure. Keyed by the topic of the table and the name of the key, as declared in `plabctl.config.schema`; a test holds the
two together. Kept apart from the schema so that a tick does not pay for words nobody reads.
"""

from __future__ import annotations

from plabctl.config.key_text import KeyText
from plabctl.config.kind_name import KindName
from plabctl.config.policy_texts import POLICY_TEXTS
from plabctl.core.keys.table import Key, Table

TABLES: dict[str, str] = {
    "": "Keys at the top of the file, before any table.",
    "ssh": "How nodes are reached. A node's variables `ssh_host`, `ssh_port` and `ssh_user` go before these.",
    "pool": (
        "A health pool; the table's name is the pool's name. Without any such table there are two, `good` and `bad`, "
        "with the defaults below. There must be at least one of each kind. Plug-ins bring further kinds, "
        "each of which is one of these two with a policy of its own."
    ),
    "backoff": "How long a pool waits before it tests a node again. After each wait's cap, jitter is added. "
    "Plug-ins bring further kinds.",
    "recipe": (
        "How a vnode is made, looked at and removed; the table's name is the recipe's name. `process`, `command`, "
        "`netns`, `podman`, `docker` and `nspawn` are built in, plug-ins bring more; a table of such a name replaces "
        "that recipe as a whole. A node's variable `recipe` goes "
        "before its pool's. A recipe that a pool uses needs at least one of `setup`, `up`, `check`."
    ),
    "stage": (
        "One stage of a recipe. `{node}`, `{vnode}`, `{pool}`, `{experiment}` and the node's variables are replaced, "
        "quoted for the shell, and exported as `PLABCTL_NODE` and so on. Exit code 0 passes, 75 means no opinion, any "
        'other fails with the last line of output as the reason. On the monitor itself (`transport = "local"`) the '
        "exit codes of monitoring plug-ins are read: 0 and 1 pass, 2 fails, 3 is no opinion."
    ),
    "flap": (
        "Nodes that go back and forth must pass several tests in a row to return: 1 and one more for each whole point "
        "of a penalty that counts confirmed moves from good to bad and halves again and again."
    ),
    "guard": "When many nodes fail together it is more likely us: moves to bad are held, testing goes on.",
    "adaptive": (
        "What the back-off `adaptive` aims at. It waits the geometric mean of what a node's test costs and how long "
        "its states last, stretched for all nodes alike so that a share of the window is used."
    ),
    "deadlines": (
        "What a stage may take at most is learned from what it took in tests that passed, of the node itself and of "
        "its peers under the same recipe, so that dead nodes do not fill the window: `factor` times what 95 % of the "
        "passes took, at least `floor`, never more than the time-outs of the recipe. `plabctl explain` shows the "
        "deadlines of a node."
    ),
    "experiment": (
        "How the vnodes of experiments are set up, looked after and torn down. Each experiment is a pool of its own: "
        "it shares the window with the health pools and with the other experiments."
    ),
    "executor": "What runs the tests.",
    "inventory": (
        "A source of nodes. Nodes that appear in it are added, nodes that vanish from it are removed; a source that "
        "cannot be read, is suddenly empty or shrinks to less than half changes nothing."
    ),
    "sink": (
        "What is told of events, beside the history, which has every event and is always told first. A sink that fails "
        "is tried again by the next ticks, for a day; it may be told of the same event twice, and the event's `id` "
        "says so."
    ),
    "hook": (
        'The short form of a `[[sink]]` with `kind = "command"`. The command is told what happens: one event as JSON '
        "on its standard input, its kind in `PLABCTL_EVENT` and its node in `PLABCTL_NODE`."
    ),
}

TEXTS: dict[str, KeyText] = {
    **POLICY_TEXTS,
    "state_dir": KeyText(
        "Where the state, the history and the slots are kept.",
        '"/var/lib/plabctl"',
        "`$PLABCTL_STATE_DIR`; else `/var/lib/plabctl` for root, `$XDG_STATE_HOME/plabctl` or "
        "`~/.local/state/plabctl` for others",
    ),
    "network_disk": KeyText(
        "Whether the state directory may be on a file system that is not known to be local. False because on many "
        "network file systems a lock that one machine holds does not keep another away: changes would be lost. Set it "
        "if only this machine uses the directory, or if locks hold there.",
        "true",
    ),
    "window": KeyText(
        "How many probes may run at once, over all processes. 40 because a thousand nodes, a sixth of them "
        "dead, keep 36 of them busy and then wait two minutes for a slot; see docs/policy.md.",
        "40",
    ),
    "max_load": KeyText(
        "No new probes while the load average of this machine is above it; 0: off. 0 because the work of a "
        "test is done on its node.",
        "8",
    ),
    "entry_pool": KeyText("The pool where a new node starts.", '"bad"', "`bad`; else the only pool of kind bad"),
    "plugin_recipes": KeyText(
        "Recipes of plug-ins that no pool names, but a node's variable `recipe` or an experiment does.",
        '["lxc"]',
        "none",
    ),
    "ssh.user": KeyText("The user to log in as.", '"plab"', "the user who runs plabctl"),
    "ssh.port": KeyText(
        "The port of the SSH server. 22 because that is SSH's own.",
        "22",
    ),
    "ssh.key": KeyText(
        "The private key to log in with, without a passphrase. No agent and no password is ever used.",
        '"/etc/plabctl/id_ed25519"',
        "none: nodes cannot be reached over SSH",
    ),
    "ssh.known_hosts": KeyText("The file of known host keys.", '"known_hosts"', "`known_hosts` in the state directory"),
    "ssh.host_keys": KeyText(
        "What to do with a host that has no known key: refuse it (see `plabctl trust`), or learn its key on first use. "
        "A changed key is always refused.",
        '"first-use"',
    ),
    "ssh.connect_timeout": KeyText(
        "For connection, banner, key exchange and login, all together. 20s because TCP needs 11 s to get over "
        "three lost packets, and a busy node a few more to log one in.",
        '"20s"',
    ),
    "ssh.output_limit": KeyText(
        "How much of what a stage prints is kept; at more it is cut off. 64KiB because that is a thousand "
        "lines, more than anybody reads, and 40 nodes that print without end then fill no memory.",
        '"64KiB"',
    ),
    "ssh.use_ssh_config": KeyText("Ask `ssh -G` what the user's ssh_config says about each node.", "true"),
    "recipe.transport": KeyText("Where the stages run: on the node over SSH, or on the monitor itself.", '"local"'),
    "recipe.setup": KeyText(
        "Makes the vnode. 10m because that may mean fetching its image.",
        '{ run = "mkdir /tmp/{vnode}", timeout = "10m" }',
    ),
    "recipe.up": KeyText(
        "Asks whether the vnode is up; run again and again until it passes. 10m because a slow one may boot a whole "
        "system; 5s because a look costs the node little.",
        '{ run = "test -d /tmp/{vnode}", timeout = "10m", every = "5s" }',
    ),
    "recipe.check": KeyText(
        "Looks whether a vnode that is up works. 1m because it is a look and no work.",
        '{ run = "df /tmp/{vnode}", timeout = "1m" }',
    ),
    "recipe.teardown": KeyText(
        "Removes the vnode; always run, with time of its own. 5m because that is mostly quick, and if it is not, it is "
        "tried again.",
        '{ run = "rmdir /tmp/{vnode}", timeout = "5m" }',
    ),
    "recipe.teardown_required": KeyText("Whether a teardown that fails makes the probe fail.", "true"),
    "stage.run": KeyText(
        "A command line for `sh`. Exactly one of `run` and `script` is given.", '"mkdir /tmp/{vnode}"'
    ),
    "stage.script": KeyText("A file whose text is sent and run instead.", '"setup.sh"'),
    "stage.timeout": KeyText(
        "How long the stage may take. 10m because making a vnode may mean fetching its image; 1m for a look; "
        "5m because removing one is mostly quick, and if it is not, it is tried again.",
        '"10m"',
        "setup and up 10m, check 1m, teardown 5m",
    ),
    "stage.every": KeyText(
        "Only for `up`: the pause between two looks. 5s because a look costs the node little and a vnode is "
        "then seen within seconds.",
        '"5s"',
    ),
    "executor.kind": KeyText("How the tests are run.", '"threads"'),
    "inventory.kind": KeyText("Where its nodes come from.", '"file"'),
    "inventory.every": KeyText(
        "How often it is read. 5m because reading a list is cheap and a new node should not wait long.",
        '"5m"',
    ),
    "inventory.timeout": KeyText(
        "How long reading it may take. 1m because the tick waits for it, and the next one comes in a minute.",
        '"1m"',
    ),
    "sink.kind": KeyText("Where the events go.", '"command"'),
    "sink.on": KeyText("The kinds of event it is told of.", '["transition"]'),
    "sink.timeout": KeyText(
        "How long it may take. 30s because one that hangs holds up those behind it.",
        '"30s"',
    ),
    "hook.on": KeyText("The kinds of event it is told of.", '["transition"]'),
    "hook.timeout": KeyText(
        "How long it may take. 30s because one that hangs holds up those behind it.",
        '"30s"',
    ),
}


def find_text(table: Table, key: Key) -> KeyText:
    """Return the words for a key of a table: its own, or those that stand here."""
    if key.text:
        return KeyText(key.text, key.example, key.default)
    text = TEXTS[f"{table.topic}.{key.name}" if table.topic else key.name]
    if isinstance(key.type, KindName):
        kinds = [f"`{kind.name}`: {kind.help}" for kind in key.type.builtin() if getattr(kind, "help", "")]
        return text._replace(help=" ".join([text.help, *([f"{'; '.join(kinds)}."] if kinds else [])]))
    return text
