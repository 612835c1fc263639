"""The health pools: how a report is judged in each kind of pool.

Pure. A new kind of pool is one new module here and one line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.pools.bad import BadPool
from plabctl.core.pools.base import Pool
from plabctl.core.pools.good import GoodPool
from plabctl.core.settings import PoolKind, PoolSettings, Settings

KINDS: Mapping[PoolKind, type[Pool]] = {PoolKind.GOOD: GoodPool, PoolKind.BAD: BadPool}


def build_pools(settings: Settings) -> dict[str, Pool]:
    """Return the health pools of this configuration, by name."""
    return {name: _build(own, settings) for name, own in settings.pools.items()}


def _build(own: PoolSettings, settings: Settings) -> Pool:
    if own.judged_by is None:
        return KINDS[own.kind](own, settings)
    from plabctl.core.pools.shielded import ShieldedPool  # noqa: PLC0415 - only where there is a plug-in

    return ShieldedPool(own, settings, own.judged_by)
