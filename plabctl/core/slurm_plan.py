"""What is to be changed in Slurm so that its nodes are in use there as they are usable here.

Pure. Only drains whose reason says that they are plabctl's are ever undone, and no reason of a person is replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from plabctl.core.slurm_nodes import OUR_PREFIX, SlurmNode
from plabctl.core.standing import Standing
from plabctl.typed import NamedTuple

_REASON_LENGTH = 200
_AT_ONCE = 500
"""How many nodes one call of scontrol names."""
_NAMED = 5
_OWN_DOWNS = frozenset({"", "Not responding", "Node unexpectedly rebooted"})
"""Why Slurm itself takes a node down: it comes back by itself, and jobs would start on it. Any other reason is a
person's, and stays."""


class Update(NamedTuple):
    """One call of scontrol: the nodes, what becomes of them, and why."""

    nodes: tuple[str, ...]
    state: str
    reason: str = ""

    def describe(self) -> str:
        """Return what it does in words."""
        return f"{self.state} {fold_list(self.nodes)}" + (f": {self.reason}" if self.reason else "")


def plan_changes(pairs: Sequence[tuple[Standing, SlurmNode]]) -> list[Update]:
    """Return what is to be changed in Slurm, a call for each reason; nodes are never both drained and resumed."""
    drains: dict[str, list[str]] = {}
    resumes = []
    for standing, node in pairs:
        if not standing.why_not:
            if node.is_ours and (node.is_drained or node.is_down) and not node.is_invalid:
                resumes.append(node.name)
        elif standing.is_decided and _should_drain(node, reason := _build_reason(standing.why_not)):
            drains.setdefault(reason, []).append(node.name)
    calls = [("drain", reason, names) for reason, names in drains.items()]
    calls += [("resume", "", resumes)] if resumes else []
    return [
        Update(tuple(names[start : start + _AT_ONCE]), state, reason)
        for state, reason, names in calls
        for start in range(0, len(names), _AT_ONCE)
    ]


def split_updates(updates: Sequence[Update]) -> list[Update]:
    """Return the same changes with a call for each node."""
    return [update._replace(nodes=(name,)) for update in updates for name in update.nodes]


def _should_drain(node: SlurmNode, reason: str) -> bool:
    """Return whether a node that is not usable needs a drain, or another reason for the one it has."""
    if node.is_drained:
        return node.is_ours and _find_cause(node.reason) != _find_cause(reason)
    return not node.is_down or node.is_ours or node.reason in _OWN_DOWNS


def _build_reason(why_not: str) -> str:
    """Return the reason of a drain: one line that Slurm keeps as it is."""
    line = "".join(char if char.isprintable() else " " for char in OUR_PREFIX + why_not)
    return " ".join(line.split()).replace('"', "'")[:_REASON_LENGTH].rstrip()


def _find_cause(reason: str) -> str:
    """Return what a reason is about, without what differs from test to test, such as the seconds it took."""
    return reason.removeprefix(OUR_PREFIX).partition(":")[0]


def fold_list(names: Collection[str]) -> str:
    """Return the first few of the names, and how many more there are."""
    shown = ", ".join(list(names)[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
