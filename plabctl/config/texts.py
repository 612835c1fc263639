"""What each key of the configuration means, in words: the help and the examples of sample and reference.

Pure. Keyed by the topic of the table and the name of the key, as declared in `plabctl.config.schema`; a test holds the
two together. Kept apart from the schema so that a tick does not pay for words nobody reads.
"""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """The words for one key: what it does, a value as TOML, and, where the default is no constant, the default."""

    help: str
    example: str
    default: str = ""


TABLES: dict[str, str] = {
    "": "Keys at the top of the file, before any table.",
    "ssh": "How nodes are reached. A node's variables `ssh_host`, `ssh_port` and `ssh_user` go before these.",
    "pool": (
        "A health pool; the table's name is the pool's name. Without any such table there are two, `good` and `bad`, "
        "with the defaults below. There must be at least one of each kind."
    ),
    "backoff": "How long a pool waits before it tests a node again. After each wait's cap, jitter is added.",
    "recipe": (
        "How a vnode is made, looked at and removed; the table's name is the recipe's name. `process` and `command` "
        "are built in; a table of that name replaces the built-in recipe as a whole. A node's variable `recipe` goes "
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
    "inventory": (
        "A source of nodes. Nodes that appear in it are added, nodes that vanish from it are removed; a source that "
        "cannot be read, is suddenly empty or shrinks to less than half changes nothing."
    ),
    "hook": (
        "A command that is told what happens: one event as JSON on its standard input, its kind in `PLABCTL_EVENT` and "
        "its node in `PLABCTL_NODE`."
    ),
}

TEXTS: dict[str, Text] = {
    "state_dir": Text(
        "Where the state, the history and the slots are kept.",
        '"/var/lib/plabctl"',
        "`$PLABCTL_STATE_DIR`; else `/var/lib/plabctl` for root, `$XDG_STATE_HOME/plabctl` or "
        "`~/.local/state/plabctl` for others",
    ),
    "window": Text("How many probes may run at once, over all processes.", "40"),
    "max_load": Text("No new probes while the load average of this machine is above it; 0: off.", "8"),
    "entry_pool": Text("The pool where a new node starts.", '"bad"', "`bad`; else the only pool of kind bad"),
    "ssh.user": Text("The user to log in as.", '"plab"', "the user who runs plabctl"),
    "ssh.port": Text("The port of the SSH server.", "22"),
    "ssh.key": Text(
        "The private key to log in with, without a passphrase. No agent and no password is ever used.",
        '"/etc/plabctl/id_ed25519"',
        "none: nodes cannot be reached over SSH",
    ),
    "ssh.known_hosts": Text("The file of known host keys.", '"known_hosts"', "`known_hosts` in the state directory"),
    "ssh.host_keys": Text(
        "What to do with a host that has no known key: refuse it (see `plabctl trust`), or learn its key on first use. "
        "A changed key is always refused.",
        '"first-use"',
    ),
    "ssh.connect_timeout": Text("For connection, banner, key exchange and login, all together.", '"20s"'),
    "ssh.output_limit": Text("How much of what a stage prints is kept; at more it is cut off.", '"64KiB"'),
    "ssh.use_ssh_config": Text("Ask `ssh -G` what the user's ssh_config says about each node.", "true"),
    "pool.kind": Text("What becomes of a node that passes or fails.", '"good"', "the pool's name, if `good` or `bad`"),
    "pool.on_fail": Text("Only for kind good: the pool for nodes that fail.", '"bad"', "the only pool of kind bad"),
    "pool.on_pass": Text(
        "Only for kind bad: the pool for nodes that passed often enough.", '"good"', "the only pool of kind good"
    ),
    "pool.recipe": Text("The recipe its nodes are tested with.", '"process"'),
    "pool.backoff": Text("How long it waits between tests; its keys are below.", '{ base = "5m", max = "2h" }'),
    "pool.confirm": Text(
        "Only for kind good: this many quick retests while still in the pool before a failure counts; with 0 the node "
        "leaves at once and is tested again at once.",
        "2",
    ),
    "pool.suspects": Text(
        "Only for kind good, and where `confirm` is 0: whether a failing node leaves as a suspect, which one immediate "
        "retest clears without a trace; if false, any one failure is a move that counts.",
        "false",
    ),
    "backoff.kind": Text(
        "How the wait grows with the number n of equal results in a row: `additive` base + n * step, `fixed` base, "
        "`exponential` base * 2^(n-1), `linear` base * n, `quadratic` base * n^2; or with the time since the node "
        "last changed: `age` base * sqrt(1 + hours); or so that a share of the window is used: `adaptive`, see "
        "`[adaptive]`.",
        '"age"',
    ),
    "backoff.base": Text(
        "What the wait starts from; for `adaptive` the shortest wait.",
        '"5m"',
        '`"5m"`; `fixed` 1h, `linear` 20m, `age` in a bad pool 10m, `adaptive` 2m',
    ),
    "backoff.step": Text("What each equal result adds; only for `additive`.", '"2m30s"'),
    "backoff.max": Text(
        "The longest wait, before jitter.",
        '"1h"',
        '`"1h"`; `quadratic` and `age` in a bad pool 12h, `adaptive` 96h',
    ),
    "backoff.jitter": Text("A random part of up to this much, added so that nodes do not march in step.", '"1m"'),
    "recipe.transport": Text("Where the stages run: on the node over SSH, or on the monitor itself.", '"local"'),
    "recipe.setup": Text("Makes the vnode.", '{ run = "mkdir /tmp/{vnode}", timeout = "10m" }'),
    "recipe.up": Text(
        "Asks whether the vnode is up; run again and again until it passes.",
        '{ run = "test -d /tmp/{vnode}", timeout = "10m", every = "5s" }',
    ),
    "recipe.check": Text("Looks whether a vnode that is up works.", '{ run = "df /tmp/{vnode}", timeout = "1m" }'),
    "recipe.teardown": Text(
        "Removes the vnode; always run, with time of its own.", '{ run = "rmdir /tmp/{vnode}", timeout = "5m" }'
    ),
    "recipe.teardown_required": Text("Whether a teardown that fails makes the probe fail.", "true"),
    "stage.run": Text("A command line for `sh`. Exactly one of `run` and `script` is given.", '"mkdir /tmp/{vnode}"'),
    "stage.script": Text("A file whose text is sent and run instead.", '"setup.sh"'),
    "stage.timeout": Text("How long the stage may take.", '"10m"', "setup and up 10m, check 1m, teardown 5m"),
    "stage.every": Text("Only for `up`: the pause between two looks.", '"5s"'),
    "flap.half_life": Text("How long it takes the penalty to halve.", '"6h"'),
    "flap.max_passes": Text("How many passes in a row are asked for at most.", "12"),
    "flap.apart": Text("How far apart those passes are.", '"5m"'),
    "guard.max_ratio": Text("The share of failing nodes above which moves to bad are held.", "0.2"),
    "guard.min_tested": Text("How many distinct nodes must have been tested before the share counts.", "10"),
    "guard.within": Text("How far back tests count.", '"10m"'),
    "guard.site_label": Text("The node variable that says which nodes stand together.", '"site"'),
    "guard.canary": Text("Machines that answer as long as we are connected ourselves.", '["192.0.2.1:22"]'),
    "guard.max_age": Text("How long a move is held at most.", '"1h"'),
    "guard.then": Text("What becomes of a move that was held that long.", '"leave"'),
    "adaptive.load": Text("The share of the window that is to be busy on average.", "0.8"),
    "adaptive.half_life": Text("How long it takes what was seen of a node to count half.", '"14d"'),
    "deadlines.enabled": Text("Whether deadlines are learned; if not, each stage has its recipe's time-out.", "true"),
    "deadlines.floor": Text(
        "No stage gets less than this. 10s because TCP repeats what was lost after 1, 3 and 7 s: three lost packets "
        "are no reason to give a node up.",
        '"10s"',
    ),
    "deadlines.factor": Text(
        "How many times longer than 95 % of the passes a stage may take. 3 because only passes teach: below it, what "
        "is cut off would be missed in what is learned, and deadlines could shrink without end.",
        "3",
    ),
    "deadlines.min_passes": Text(
        "So many passes of a stage must have been seen; until then it has its recipe's time-out. 20 because that is "
        "how many it takes to tell what 95 % of them need.",
        "20",
    ),
    "deadlines.full_every": Text(
        "In a bad pool, of so many failing tests in a row the last has the recipe's time-outs. 4 because then a slow "
        "but sound node is back within a few tests, while a dead one costs about a quarter.",
        "4",
    ),
    "inventory.kind": Text(
        "`file`: a list of names, or CSV, or JSON; `command`: the same, printed by a command; `ansible`: an Ansible "
        "inventory, read by `ansible-inventory`.",
        '"file"',
        "none: it must be given",
    ),
    "inventory.path": Text("For `file` and `ansible`: the file.", '"nodes.txt"', "none: it must be given"),
    "inventory.command": Text(
        "For `command`: the command, run without a shell.", '["list-nodes", "--all"]', "none: it must be given"
    ),
    "inventory.every": Text("How often it is read.", '"5m"'),
    "inventory.timeout": Text("How long reading it may take.", '"1m"'),
    "hook.on": Text("The kinds of event it is told of.", '["transition"]', "none: it must be given"),
    "hook.command": Text(
        "The command, run without a shell. A relative path to it is relative to the config file; a bare name is looked "
        "for in `PATH`.",
        '["logger", "-t", "plabctl"]',
        "none: it must be given",
    ),
    "hook.timeout": Text("How long it may take.", '"30s"'),
}


def text_of(topic: str, key: str) -> Text:
    """Return the words for the key of that name in the table of that topic."""
    return TEXTS[f"{topic}.{key}" if topic else key]
