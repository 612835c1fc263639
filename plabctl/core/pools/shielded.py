"""A pool of a kind that a plug-in brings: what goes wrong in it ends there.

Pure. The plug-in's class judges; when it raises, or judges by what cannot be applied, the node stays where it is as
after a test without verdict, and the pool is disabled for as long as this process runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plabctl.core.model import Member
from plabctl.core.pools.base import Judgement, Pool, Reading
from plabctl.core.settings import PoolSettings, Settings
from plabctl.errors import PluginFault


class ShieldedPool(Pool):
    """Stands between the tick and the pool of a plug-in, whose class is `judged_by`."""

    def __init__(
        self, own: PoolSettings, settings: Settings, judged_by: Callable[[PoolSettings, Settings], Any]
    ) -> None:
        super().__init__(own, settings)
        self._judged_by = judged_by
        self._inner: Any = None

    def judge(self, member: Member, reading: Reading) -> Judgement:
        """Return what the plug-in makes of `reading`, or a wait when it makes nothing of it."""
        try:
            judgement = self._pool().judge(member, reading)
            if not isinstance(judgement, Judgement) or judgement.member.node != member.node:
                raise TypeError("it did not return a Judgement of the node")  # noqa: TRY301 - told like what it raises
            if judgement.member.pool not in self.settings.pools:
                raise ValueError(f"no pool is named {judgement.member.pool!r}")  # noqa: TRY301 - as above
        except Exception as error:  # noqa: BLE001 - it is code of others
            said = str(error) if isinstance(error, PluginFault) else f"{type(error).__name__}: {error}"
            why = f"the plug-in {self.own.plugin!r} failed on {member.node!r}: {said}"
            self.settings.disable(self.own.name, "kind", why)
            return Judgement(self.wait(member, reading, self.own.backoff.base_s))
        return judgement

    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Judge a pass."""
        judgement: Judgement = self._pool().passed(member, reading)
        return judgement

    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Judge a failure."""
        judgement: Judgement = self._pool().failed(member, reading, ok_streak=ok_streak)
        return judgement

    def _pool(self) -> Any:  # noqa: ANN401 - the pool of a plug-in, or what asks it in another process
        if self._inner is None:
            self._inner = self._judged_by(self.own, self.settings)
        return self._inner
