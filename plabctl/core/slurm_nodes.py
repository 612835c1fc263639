"""Nodes as Slurm sees them: what sinfo prints of them, and by which names plabctl's nodes go there.

Pure. What Slurm's own commands print as text has been the same in all versions; their JSON has not. Whoever runs them
is `plabctl.sinks.slurm`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key
from plabctl.typed import NamedTuple

VARIABLE = "slurm_name"
"""The variable of a node that says what Slurm calls it, if that is not the node's own name."""
NODE_FORMAT = "%N|%T|%u|%E"
"""What sinfo is to print: name, state, who gave the reason, and the reason, which may hold anything."""
OUR_PREFIX = "plabctl: "
"""How the reason of each drain of ours begins. Nothing else is ever undone."""
SLURM_KEYS = (
    Key(
        "conf",
        FilePath(),
        text="The `slurm.conf` that says where the controller is.",
        example='"/etc/slurm/slurm.conf"',
        default="`$SLURM_CONF`, else the one that Slurm was built for",
    ),
    Key(
        "bin_dir",
        FilePath(),
        text="The folder that holds Slurm's commands.",
        example='"/opt/slurm/bin"',
        default="they are looked up in `PATH`",
    ),
)
_STATE = re.compile(r"([a-z]+(?:_[a-z]+)*)[^a-z0-9\s]*")
"""A state is a word, and marks behind it: `idle*` does not answer, `idle~` is powered down."""
_SHOWN = 60


class SlurmNode(NamedTuple):
    """One node of Slurm."""

    name: str
    state: str
    """In lower case, without the marks behind it."""
    user: str
    """Who gave the reason."""
    reason: str
    """Why it is drained or down; empty for none."""

    @property
    def is_drained(self) -> bool:
        """Return whether no job may start on it as somebody drained it, or says that it is about to fail."""
        return self.state.startswith(("drain", "fail")) or self.is_invalid

    @property
    def is_invalid(self) -> bool:
        """Return whether Slurm drained it as it has less than slurm.conf says; nobody can resume it until it has."""
        return self.state.startswith("inval")

    @property
    def is_down(self) -> bool:
        """Return whether it is down, and not drained."""
        return self.state == "down"

    @property
    def is_ours(self) -> bool:
        """Return whether its reason is one that plabctl gave."""
        return self.reason.startswith(OUR_PREFIX)


def parse_nodes(text: str) -> dict[str, SlurmNode]:
    """Return the nodes that sinfo printed with `NODE_FORMAT`, by name, each once, however many partitions it is in.

    A reason may have several lines; it becomes one. Raise ValueError when that is not what it printed.
    """
    found: dict[str, SlurmNode] = {}
    name = ""
    for line in text.splitlines():
        fields = line.split("|", 3)
        state = _STATE.fullmatch(fields[1].strip().lower()) if len(fields) == 4 else None
        if state and fields[0].strip():
            name, reason = fields[0].strip(), fields[3].strip()
            found[name] = SlurmNode(name, state[1], fields[2].strip(), "" if reason == "none" else reason)
        elif name and found[name].reason:
            found[name] = found[name]._replace(reason=f"{found[name].reason} {line.strip()}".rstrip())
        else:
            raise ValueError(f"it printed {line[:_SHOWN]!r}")
    if not found:
        raise ValueError("it printed no node")
    return found


class Matches(NamedTuple):
    """Which nodes of plabctl are which nodes of Slurm."""

    pairs: Mapping[str, str]
    """The name in Slurm of each node of plabctl that has one."""
    not_in_slurm: tuple[str, ...]
    """Nodes of plabctl that Slurm does not have."""
    not_in_plabctl: tuple[str, ...]
    """Nodes of Slurm that plabctl does not have."""
    ambiguous: tuple[str, ...]
    """Nodes of Slurm that several nodes of plabctl claim to be: nothing is done about them."""


def match_names(variables: Mapping[str, Mapping[str, str]], slurm: Mapping[str, object]) -> Matches:
    """Return which nodes are which: `variables` are those of plabctl's nodes, `slurm` are Slurm's, both by name.

    Names are compared without regard to case.
    """
    folded = {name.casefold(): name for name in slurm}
    users: dict[str, list[str]] = {}
    missing = []
    for name, own in variables.items():
        there = folded.get((own.get(VARIABLE) or name).casefold())
        if there is None:
            missing.append(name)
        else:
            users.setdefault(there, []).append(name)
    return Matches(
        {names[0]: there for there, names in users.items() if len(names) == 1},
        tuple(missing),
        tuple(name for name in slurm if name not in users),
        tuple(there for there, names in users.items() if len(names) > 1),
    )


def build_call(program: str, bin_dir: str, conf: str) -> tuple[str, dict[str, str]]:
    """Return the command and the variables by which one of Slurm's programs is run."""
    return (f"{bin_dir}/{program}" if bin_dir else program), ({"SLURM_CONF": conf} if conf else {})
