"""Pools of which nothing is learnt although ticks come: a plug-in is broken, or this machine lacks what the tests need.

Pure. `plabctl.core.find_problems` tells it beside what else keeps plabctl from its work.
Tests: `tests/app/test_diagnose.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from plabctl.core.due_rows import NodeFields
from plabctl.core.jump_fault import find_jump_host
from plabctl.core.model import Cause, Outcome, Verdict
from plabctl.counts import format_count

if TYPE_CHECKING:
    from plabctl.core.settings import Settings
    from plabctl.core.state import State


class Untestable(NamedTuple):
    """Why nothing is learnt of the nodes in a pool, or behind a jump host, and what to do about it."""

    pool: str
    reason: str
    remedy: str


_LAST_SEEN: NodeFields[tuple[str, Verdict | None, float | None]] = NodeFields(
    tuple, ("node", "last", "absent_since_at")
)
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
            reason = f"nothing is tested in pool '{pool}', which has {format_count(counts[pool], 'node')}: {fault}"
            yield Untestable(
                pool, reason, "fix, remove or replace the plug-in, and check it with: plabctl config check"
            )


def find_fruitless_pools(state: State, settings: Settings) -> Iterator[tuple[bool, Untestable]]:
    """Yield the pools in which the last test of each node that was tested found nothing out about the node.

    With each comes whether that is for want of something here. One node with any other result shows that its pool is
    tested. The looking ends when each pool has one.
    """
    open_pools = state.counts().keys() - settings.disabled
    found: dict[str, list[tuple[str, Verdict]]] = {}
    for node, pool, last in state.select(_LAST_TEST):
        if pool not in open_pools or last is None or last.cause is Cause.INTERRUPTED:
            continue
        if (last.cause is Cause.JUMP and find_jump_host(last.reason)) or last.cause is Cause.EXECUTOR:
            continue  # the jump host, or the executor, is told instead, by the functions below
        if last.outcome is Outcome.UNKNOWN:
            found.setdefault(pool, []).append((node, last))
        else:
            open_pools -= {pool}
            if not open_pools:
                return
    for pool in sorted(found.keys() & open_pools):
        node, last = found[pool][0]
        is_local = all(verdict.cause is Cause.LOCAL for _, verdict in found[pool])
        what = f"nothing is learned about pool '{pool}' ({format_count(len(found[pool]), 'node')} tried)"
        if is_local:
            reason = f"{what}, because of a problem on this machine: {last.reason}"
            yield True, Untestable(pool, reason, f"run `plabctl doctor`, then: plabctl test {node}")
        else:
            reason = f"{what}, all tests are unknown: {last.reason or last.cause or 'without a reason'}"
            yield False, Untestable(pool, reason, f"look what the test does: plabctl test {node}")


def find_failed_executor(state: State) -> tuple[bool, Untestable] | None:
    """Return what keeps an executor elsewhere from testing, by the last test of each node; None when nothing does.

    With it comes whether that is so of all nodes that were tested.
    """
    failed: list[tuple[float, str, Verdict]] = []
    is_all = True
    for node, last, absent_since_at in state.select(_LAST_SEEN):
        if last is None or absent_since_at is not None:
            continue
        if last.cause is Cause.EXECUTOR:
            failed.append((last.at, node, last))
        else:
            is_all = False
    if not failed:
        return None
    _, _, last = max(failed, key=lambda each: each[:2])
    reason = f"{last.reason}; not tested for that: {format_count(len(failed), 'node')}"
    return is_all, Untestable("", reason, "look at scheduler and workers: plabctl doctor")


def find_broken_jump_hosts(state: State) -> Iterator[tuple[str, Untestable]]:
    """Yield each jump host that keeps tests from their nodes, by the last test of each node: its name, and what it is.

    A node that is tested no more, as no inventory lists it, says nothing.
    """
    found: dict[str, list[tuple[float, str, Verdict]]] = {}
    for node, last, absent_since_at in state.select(_LAST_SEEN):
        if last is not None and last.cause is Cause.JUMP and absent_since_at is None:
            found.setdefault(find_jump_host(last.reason), []).append((last.at, node, last))
    for host in sorted(found.keys() - {""}):
        _, node, last = max(found[host], key=lambda each: each[:2])
        reason = f"{last.reason}; not tested for that: {format_count(len(found[host]), 'node')}"
        remedy = f"look at that host, then run: plabctl test {node}"
        if "run 'plabctl trust NODE" in last.reason:
            remedy = f"compare its host key, then run: plabctl trust {node}"
        yield host, Untestable("", reason, remedy)
