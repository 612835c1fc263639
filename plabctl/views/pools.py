"""The pools, those of experiments included: how many nodes they hold, and how they share the window.

Pure.
Tests: `tests/render/test_pool_table.py`.
"""

from __future__ import annotations

from types import MappingProxyType

from plabctl.core.backoffs.base import describe_backoff
from plabctl.core.fairness import PoolUse, list_uses
from plabctl.core.settings import PoolSettings
from plabctl.values import dataclass
from plabctl.views.experiments import ExperimentOverview, list_overviews
from plabctl.views.node import ViewContext

EXPERIMENT = "experiment"
"""What stands for the kind of the pool of an experiment."""


@dataclass(frozen=True, slots=True)
class PoolView:
    """One pool. None does not apply: to the pool of an experiment."""

    DIGITS = MappingProxyType({"weight": 9, "reserve_ratio": 9})  # as they stand in the configuration

    name: str
    kind: str
    nodes_count: int
    testing_count: int
    due_count: int
    held_count: int | None
    suspect_count: int | None
    recipe: str
    goes_to: str | None
    """The pool to which its nodes leave."""
    backoff: str
    """How it waits, in the words of its kind."""
    weight: float
    reserve_ratio: float
    in_use_count: int
    """Slots that it holds now."""
    used_ratio: float
    """Its part of the slot-seconds that all pools used recently."""
    share_ratio: float
    """The part of the window that it is guaranteed now."""
    oldest_wait_seconds: float
    """How long the member that waits longest has been due."""


def list_pool_views(context: ViewContext) -> list[PoolView]:
    """Return the pools in the order of the configuration, then those of the experiments."""
    now, state = context.now, context.state
    counts = {name: dict.fromkeys(("nodes", "testing", "due", "held", "suspect"), 0) for name in context.settings.pools}
    for member in state.members():
        if member.pool in counts:
            own = counts[member.pool]
            testing = member.node in state.claims
            own["nodes"] += 1
            own["testing"] += testing
            own["due"] += member.due_at <= now and not testing
            own["held"] += member.is_held(now)
            own["suspect"] += member.is_suspect
    uses = {use.name: use for use in list_uses(state, context.settings, now)}
    views = [_view_pool(pool, counts[name], uses[name]) for name, pool in context.settings.pools.items()]
    found = list_overviews(state) if state.experiments else []
    return [*views, *(_view_experiment(overview, uses[overview.experiment.name], context) for overview in found)]


def _view_pool(pool: PoolSettings, counts: dict[str, int], use: PoolUse) -> PoolView:
    return PoolView(
        name=pool.name,
        kind=pool.kind.name,
        nodes_count=counts["nodes"],
        testing_count=counts["testing"],
        due_count=counts["due"],
        held_count=counts["held"],
        suspect_count=counts["suspect"],
        recipe=pool.recipe,
        goes_to=pool.goes_to,
        backoff=describe_backoff(pool.backoff),
        weight=use.weight,
        reserve_ratio=use.reserve_ratio,
        in_use_count=use.held_count,
        used_ratio=use.used_ratio,
        share_ratio=use.share_ratio,
        oldest_wait_seconds=use.oldest_wait_s,
    )


def _view_experiment(overview: ExperimentOverview, use: PoolUse, context: ViewContext) -> PoolView:
    claims = context.state.claims
    return PoolView(
        name=use.name,
        kind=EXPERIMENT,
        nodes_count=len(overview.vnode_views),
        testing_count=sum(place.vnode.key in claims for place in overview.vnode_views),
        due_count=use.due_count,
        held_count=None,
        suspect_count=None,
        recipe=overview.experiment.recipe,
        goes_to=None,
        backoff=describe_backoff(context.settings.experiment.retry),
        weight=use.weight,
        reserve_ratio=use.reserve_ratio,
        in_use_count=use.held_count,
        used_ratio=use.used_ratio,
        share_ratio=use.share_ratio,
        oldest_wait_seconds=use.oldest_wait_s,
    )
