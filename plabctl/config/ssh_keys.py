"""The keys of `[ssh]`, `[executor]` and `[deadlines]`: how nodes are reached, from where, and how long that may take.

Pure. Go on with `plabctl.config.schema`.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from plabctl.config.kind_name import KindName
from plabctl.core.keys.path_types import FilePath, FilePaths
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import DAY_S, Choice, Duration, Flag, Number, Size, Text, Whole, Words
from plabctl.core.names import JUMP_HOST, is_hop, is_plain_word
from plabctl.core.settings import DeadlineSettings, ExecutorSettings, HostKeys, SshSettings

SSH = Table(
    "ssh",
    SshSettings(),
    Key(
        "user",
        Text("a user name", is_plain_word),
        text="The user to log in as.",
        example='"plab"',
        default="the user who runs plabctl",
    ),
    Key("port", Whole(1, 65535), text="The port of the SSH server. 22 because that is SSH's own.", example="22"),
    Key(
        "key",
        FilePath(),
        text="The private key to log in with, without a passphrase. A certificate beside it, `KEY-cert.pub`, is "
        "offered first. Passwords are never used. With `agent` it may be left out, or have a passphrase.",
        example='"/etc/plabctl/id_ed25519"',
        default="none: nodes cannot be reached over SSH",
    ),
    Key(
        "agent",
        Flag(),
        text="Offer the keys of an SSH agent after `key`, at most five in all. Cron starts no agent: `agent_socket` "
        "says where one is.",
        example="true",
    ),
    Key(
        "agent_socket",
        FilePath(),
        text="The socket of the agent that `agent` is about.",
        example='"/run/plabctl/agent"',
        default="that of `$SSH_AUTH_SOCK`, which cron does not set",
    ),
    Key(
        "jump",
        Words(f"a list of {JUMP_HOST}", is_hop, least=0),
        text="The jump hosts by which nodes are reached, in order. Their host keys are checked as those of nodes are. "
        "The user is `user` and the port is 22 where an entry does not say.",
        example='["gate.example.org", "plab@inner"]',
        default="none: nodes are reached directly",
    ),
    Key(
        "known_hosts",
        FilePath(),
        text="The file of known host keys.",
        example='"known_hosts"',
        default="`known_hosts` in the state directory",
    ),
    Key(
        "host_ca",
        FilePaths(),
        text="Files with the public keys of authorities that sign host certificates, one in a line. A certificate of "
        "theirs counts like a known key, on every host that it names. For authorities of some hosts only, write lines "
        "with `@cert-authority` into `known_hosts`.",
        example='["/etc/plabctl/host_ca.pub"]',
        default="none",
    ),
    Key(
        "host_keys",
        Choice(tuple(HostKeys)),
        text="What to do with a host that has no known key: refuse it (see `plabctl trust`), or learn its "
        "key on first use. A changed key is always refused.",
        example='"first-use"',
    ),
    Key(
        "connect_timeout",
        Duration(0.1, DAY_S),
        "connect_timeout_s",
        text="Time-out of connection, banner, key exchange and login together, and then of the shell's start. 20s "
        "because TCP takes 11 s to recover from three lost packets, and a busy node a few more for a login.",
        example='"20s"',
    ),
    Key(
        "not_ready_for",
        Duration(0.0, 366 * DAY_S),
        "not_ready_for_s",
        text="How long a node may say itself that it is not ready (it is booting, going down, or closed by "
        "`/etc/nologin`) until that counts as a failure; with 0 it does at once. 30m because a server with much "
        "memory and many disks needs that long to boot.",
        example='"1h"',
    ),
    Key(
        "output_limit",
        Size(256, 64 * 1024**2),
        text="How much of a stage's output is kept; a stage that prints more is cut off. 64KiB because that is a "
        "thousand lines, more than anybody reads, and 40 nodes that print endlessly then do not fill the memory.",
        example='"64KiB"',
    ),
    Key(
        "use_ssh_config",
        Flag(),
        text="Read the user's ssh_config for each node, through `ssh -G`. What it says explicitly wins over this "
        "table; see ssh.md.",
        example="true",
    ),
    text="How nodes are reached. A node's variables `ssh_host`, `ssh_port`, `ssh_user`, `ssh_key` (an absolute path) "
    "and `ssh_jump` override these.",
)
EXECUTOR = Table(
    "executor",
    ExecutorSettings(),
    Key("kind", KindName("executor", by_name=True), text="How the tests are run.", example='"threads"'),
    Key(
        "second_opinion",
        Flag(),
        text="Whether a good node that fails a test, or a login, is looked at again from another place than that; "
        "where it passes there, it stays good and the way to it is told as lost. Only with a kind that tests from "
        "several places; see policy.md. false because it tells nodes from ways only where there is another place.",
        example="true",
    ),
    text="What runs the tests.",
)
DEADLINES = Table(
    "deadlines",
    DeadlineSettings(),
    Key(
        "enabled",
        Flag(),
        text="Whether time-outs are learned; if not, each stage has its recipe's time-out.",
        example="true",
    ),
    Key(
        "floor",
        Duration(0.1, DAY_S),
        "floor_s",
        text="The shortest learned time-out. 10s because TCP retransmits after 1, 3 and 7 s: three lost packets are "
        "no reason to give up on a node.",
        example='"10s"',
    ),
    Key(
        "factor",
        Number(3, 100),
        text="How many times longer than 95 % of the passes a stage may take. 3 because only passes are learned from: "
        "with less, passes that are cut off would be missing, and time-outs could shrink without end.",
        example="3",
    ),
    Key(
        "min_passes",
        Whole(1, 500),
        text="The number of passes of a stage to learn from; until then it has its recipe's time-out. 20 because it "
        "takes that many to tell what 95 % of them need.",
        example="20",
    ),
    Key(
        "full_every",
        Whole(1, 1000),
        text="In a bad pool, every Nth failing test in a row has the recipe's time-outs. 4 because a slow but sound "
        "node is then back within a few tests, while a dead one costs about a quarter.",
        example="4",
    ),
    text="Learned time-outs: how long a stage may take is learned from passed tests of the node itself and of its "
    "peers with the same recipe, so that dead nodes do not fill the window. It is `factor` times what 95 % of "
    "the passes took, at least `floor`, and never more than the time-out of the recipe. `plabctl explain` shows "
    "the time-outs of a node.",
)
