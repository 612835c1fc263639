"""What kinds of plug-ins become in the process of a plug-in, where settings that name them arrive.

I/O: loads entry points. See `plabctl.plugins.host`.
Tests: `tests/plugins/test_plugins.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from plabctl.core.backoffs.base import Backoff, BackoffKind, WaitBasis
from plabctl.core.settings import PoolKind
from plabctl.kinds import POINTS, find_builtin


class BackoffFailed(BaseException):
    """The back-off that a kind of pool asked for failed; no Exception, since for those a built-in wait stands in."""


class LocalBackoff(BackoffKind):
    """A back-off of a plug-in, loaded when it is first asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._formula: Callable[[Backoff, int, float], float] | None = None

    def wait_s(self, own: Backoff, streak: int, age_s: float, fair_s: float) -> float:
        """Return what the formula says; raise BackoffFailed when that is no wait."""
        # A command names this class and never gets here.
        from importlib.metadata import entry_points

        from plabctl.plugins import check_value

        try:
            if self._formula is None:
                points = entry_points(group=POINTS["backoff"].group, name=self.name)
                (point,) = {point.value: point for point in points}.values()
                self._formula = point.load()
            return check_value.compute_wait(self._formula, own, streak, age_s)
        except Exception as error:
            raise BackoffFailed(f"the back-off {self.name!r}: {check_value.format_exception(error)}") from error

    def describe(self, own: Backoff) -> str:
        """Return whose it is: in this process nobody reads it."""
        return self.name

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return whose it is: in this process nobody reads it."""
        return self.name


def find_side(name: str) -> PoolKind:
    """Return the built-in kind that stands for one of a plug-in."""
    kind: PoolKind = find_builtin("pool", name)
    return kind
