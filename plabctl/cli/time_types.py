"""What click makes of a duration and of an instant on a command line.

I/O: reads the clock, which durations count from.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from plabctl.clock import SystemClock
from plabctl.durations import parse_duration
from plabctl.instants import parse_instant

if TYPE_CHECKING:
    _FloatType = click.ParamType[float]
else:
    _FloatType = click.ParamType  # takes a type argument only from click 8.4 on


class Duration(_FloatType):
    """A duration such as `90s`, `5m` or `2d`, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; fail like any wrong option when it is no duration."""
        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Instant(_FloatType):
    """An instant such as `2026-12-01`, `14:30` or a duration from now, as seconds since 1970; `ahead` looks forward."""

    name = "instant"

    def __init__(self, *, ahead: bool = False) -> None:
        self._ahead = ahead

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the instant; fail like any wrong option when it is none."""
        if isinstance(value, float):
            return value
        try:
            return parse_instant(str(value), SystemClock().now(), ahead=self._ahead)
        except ValueError as error:
            self.fail(str(error), param, ctx)
