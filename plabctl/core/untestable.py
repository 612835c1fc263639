"""Pools of which nothing is learnt although ticks come: a plug-in is broken, or this machine lacks what the tests need.

Pure. `plabctl.core.stuck` tells it beside what else keeps plabctl from its work.
Tests: `tests/app/test_diagnose.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from plabctl.core.due_rows import NodeFields
from plabctl.core.model import Cause, Outcome, Verdict

if TYPE_CHECKING:
    from plabctl.core.settings import Settings
    from plabctl.core.state import State


class Untestable(NamedTuple):
    """Why nothing is learnt of the nodes in a pool, and what to do about it."""

    reason: str
    remedy: str


_LAST_TEST: NodeFields[tuple[str, str, Verdict | None]] = NodeFields(tuple, ("node", "pool", "last"))


def find_disabled_pools(state: State, settings: Settings) -> Iterator[Untestable]:
    """Yield the pools with nodes in them in which nothing is tested, as a plug-in that they want cannot be used."""
    faults: dict[str, str] = {}
    for path, fault in settings.plugin_faults.items():
        table, _, rest = path.partition(".")
        if table == "pool":
            faults.setdefault(rest.partition(".")[0], fault)
    counts = state.counts()
    for pool, fault in faults.items():
        if counts.get(pool):
            reason = f"nothing is tested in pool '{pool}', which has {_format_count(counts[pool])}: {fault}"
            yield Untestable(reason, "fix, remove or replace the plug-in, and check it with: plabctl config check")


def find_local_failures(state: State, settings: Settings) -> Iterator[Untestable]:
    """Yield the pools in which the last test of each node that was tested failed for want of something here.

    One node with any other result shows that its pool is tested. The looking ends when each pool has one.
    """
    open_pools = state.counts().keys() - settings.disabled
    local: dict[str, list[tuple[str, str]]] = {}
    for node, pool, last in state.select(_LAST_TEST):
        if pool not in open_pools or last is None:
            continue
        if last.outcome is Outcome.UNKNOWN and last.cause is Cause.LOCAL:
            local.setdefault(pool, []).append((node, last.reason))
        elif last.cause is not Cause.INTERRUPTED:
            open_pools -= {pool}
            if not open_pools:
                return
    for pool in sorted(local.keys() & open_pools):
        (node, why), count = local[pool][0], _format_count(len(local[pool]))
        what = f"nothing is learned about pool '{pool}' ({count} tried)"
        reason = f"{what}, because of a problem on this machine: {why}"
        yield Untestable(reason, f"run `plabctl doctor`, then: plabctl test {node}")


def _format_count(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"
