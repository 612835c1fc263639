"""Let nodes through a gate that were tested lately, and test the others here and now.

I/O: reads the state; where that does not do, runs a tick of its own that takes these nodes only, inside the window.
Tests: `tests/cli/test_gate.py`.
"""

from __future__ import annotations

from plabctl.core.gate import can_test_open, check_nodes, explain_closed
from plabctl.typed import TYPE_CHECKING
from plabctl.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from plabctl.app.context import App
    from plabctl.app.goals import OnProgress
    from plabctl.core.gate import GateResult
    from plabctl.core.model import Member
    from plabctl.core.node_orders import Order


def ask_gate(app: App, names: Sequence[str], fresh_s: float) -> GateResult:
    """Return what a gate says of the nodes without a test; `fresh_s` is how old a pass may be."""
    return check_nodes(app.store.snapshot(), names, app.clock.now(), fresh_s, app.settings.good_pools)


def ask_and_test(
    app: App,
    names: Sequence[str],
    fresh_s: float,
    timeout_s: float | None,
    order: Order,
    on_begun: Callable[[Sequence[str]], None],
    on_progress: OnProgress,
) -> GateResult:
    """Return what a gate says of the nodes once those were tested that have no pass from the last `fresh_s`.

    Nodes that no test can make usable are not tested, nor are busy ones that `order` does not take. What has not ended
    after `timeout_s` is given up. `on_begun` is told which nodes are tested, once that is ordered.
    """
    from plabctl.app.goals import GateGoal
    from plabctl.app.run_goal import run_goal

    good_pools = app.settings.good_pools
    end_uptime_s = None if timeout_s is None else app.clock.uptime() + timeout_s

    def is_open(member: Member) -> bool:
        return explain_closed(member, app.clock.now(), fresh_s, good_pools) is None

    state = app.store.snapshot()
    members = [member for name in names if (member := state.member(name))]
    stale = [member.node for member in members if not is_open(member) and can_test_open(member, app.clock.now())]
    busy = _find_busy(app, stale, order)
    stale = [name for name in stale if name not in busy]
    if not stale:
        return _explain_busy(ask_gate(app, names, fresh_s), busy)
    goal = GateGoal(stale, order, end_uptime_s, is_open)
    stop, warning = run_goal(app, goal, lambda: on_begun(stale), on_progress)
    state = app.store.snapshot()
    result = check_nodes(state, names, app.clock.now(), fresh_s, good_pools, frozenset(stale), stop.exit_code)
    return _explain_busy(replace(result, warning=warning), busy)


def _find_busy(app: App, names: Sequence[str], order: Order) -> dict[str, str]:
    """Return in words who uses those of the nodes that are not tested for that."""
    if not app.settings.occupancies or order.takes_busy:
        return {}
    from plabctl.core.spared import describe_use, list_spared

    now = app.clock.now()
    spared = list_spared(app.store.snapshot(), app.settings, names, now)
    return {name: describe_use(use, now) for name, use in spared.items()}


def _explain_busy(result: GateResult, busy: Mapping[str, str]) -> GateResult:
    """Return `result`, which says of busy nodes that they were not tested."""
    if not busy:
        return result
    nodes = (
        replace(node, why_not=f"{node.why_not}; not tested without --busy: {busy[node.name]}")
        if node.why_not and node.name in busy
        else node
        for node in result.nodes
    )
    return replace(result, nodes=tuple(nodes))
