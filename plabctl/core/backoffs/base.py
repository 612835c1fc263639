"""What all back-offs share: their settings, the cap, the jitter, and what a kind has to say of itself.

Pure. A kind is one module beside this one with one instance of a `BackoffKind`; `plabctl.kinds` lists it by name. The
formulas stand there and in `docs/policy.md`; a test compares the two by a table of values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from plabctl.core.keys.formatting import format_exact_duration
from plabctl.core.keys.table import Kind
from plabctl.durations import format_duration
from plabctl.typed import Any
from plabctl.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """How the wait grows with equal results in a row, or with age. All in seconds.

    Its defaults are those of `kind` in a pool: see `BackoffKind.default`.
    """

    kind: BackoffKind
    base_s: float = 300.0
    step_s: float = 150.0
    max_s: float = 3600.0
    jitter_s: float = 60.0
    options: object = None
    """The values of the keys that only this kind has."""


@dataclass(frozen=True, slots=True)
class WaitBasis:
    """What a wait goes by, as `explain` shows it."""

    streak: int
    age_s: float
    load_ratio: float
    """The share of the window that `adaptive` aims at."""


class BackoffKind(Kind, ABC):
    """One kind of back-off. Its `help` is its formula; what is configured stands in a `Backoff`."""

    by_count = True
    """Whether equal results in a row are all that it goes by. Experiments know nothing else."""
    is_compared = True
    """Whether `simulate` compares it, in both pools, when nobody says what to compare."""
    is_budgeted = False
    """Whether its waits are stretched so that a share of the window is used: see `plabctl.core.adaptive_scale`."""

    def check(self, given: Mapping[str, Any], defaults: Backoff) -> Iterator[tuple[str, str]]:
        """Refuse a base above max."""
        base, longest = given.get("base", defaults.base_s), given.get("max", defaults.max_s)
        if base > longest:
            key, bound = ("base", "at most max") if "base" in given else ("max", "at least base")
            sizes = f"base is {format_exact_duration(base)} and max is {format_exact_duration(longest)}"
            yield key, f"{sizes}, allowed: {bound}"

    @abstractmethod
    def wait_s(self, own: Backoff, streak: int, age_s: float, fair_s: float) -> float:
        """Return the seconds to wait, before cap and jitter; the arguments are those of `compute_interval`."""

    def default(self, *, is_good: bool) -> Backoff:
        """Return the settings that hold in a pool of that side where the configuration says nothing."""
        return Backoff(self, options=self.keys.defaults)

    @abstractmethod
    def describe(self, own: Backoff) -> str:
        """Return how it waits, for `pool list`: `5m and 2m30s for each equal result in a row`."""

    def formula(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the formula with its numbers, for `explain`: `min(1h, 5m + 3 * 2m30s)`."""
        return f"min({format_duration(own.max_s)}, {self.uncapped(own, basis)})"

    @abstractmethod
    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the formula with its numbers, before the cap: `5m + 3 * 2m30s`."""

    def stretch(self, own: Backoff, scale: float) -> Backoff:
        """Return `own` with all its waits multiplied by `scale`, for the simulator."""
        return replace(own, base_s=own.base_s * scale, step_s=own.step_s * scale, max_s=own.max_s * scale)


class CountingKind(BackoffKind):
    """A kind that multiplies its base by a factor, which depends on the number of equal results in a row."""

    def wait_s(self, own: Backoff, streak: int, age_s: float, fair_s: float) -> float:
        """Return base * factor."""
        return own.base_s * self.factor(max(1, streak))

    @abstractmethod
    def factor(self, streak: int) -> float:
        """Return what the base is multiplied by after `streak` equal results, which are at least one."""


def compute_interval(backoff: Backoff, streak: int, roll: float, age_s: float = 0.0, fair_s: float = 0.0) -> float:
    """Return the seconds until the next probe, capped and with jitter, to the millisecond.

    `streak` is the number of equal results in a row, counted before the wait is computed, so it is at least 1 after a
    result; 0 gives the shortest wait. `roll` in [0, 1) draws the jitter, which is added after the cap. `age_s` is the
    time since the last confirmed change; `fair_s` is the wait that the adaptive back-off has computed
    (`plabctl.core.fair_wait`). A wait that is no number of seconds (a plug-in's) counts as the longest.
    """
    wait_s = backoff.kind.wait_s(backoff, streak, age_s, fair_s)
    if not 0.0 <= wait_s < float("inf"):
        wait_s = backoff.max_s
    return round(min(wait_s, backoff.max_s) + roll * backoff.jitter_s, 3)


def describe_backoff(backoff: Backoff) -> str:
    """Return the back-off in words: how it waits, its cap and its jitter."""
    jitter = f", jitter up to {format_duration(backoff.jitter_s)}" if backoff.jitter_s else ""
    return f"{backoff.kind.describe(backoff)}, at most {format_duration(backoff.max_s)}{jitter}"
