"""The rows that a benchmark prints, and their drawing.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HEAD = ("what", "plabctl", "against", "ratio", "goal", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `goal` is what `ratio` is to be at most, or at least with `at_least`; None: for information."""

    what: str
    plabctl: str
    yardstick: str
    ratio: float | None
    goal: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None when there is none, or nothing was measured."""
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the table."""
        sign = ">=" if self.at_least else "<="
        goal = "" if self.goal is None else f"{sign} {self.goal:g}"
        met = {True: "yes", False: "NO", None: "" if self.goal is None else "not measured"}[self.met]
        return (self.what, self.plabctl, self.yardstick, "-" if self.ratio is None else f"{self.ratio:.3g}", goal, met)


def draw(rows: Sequence[Row]) -> str:
    """Return the rows as a table of plain text."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    drawn = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([drawn[0], "-" * max(map(len, drawn)), *drawn[1:]])


def seconds(value: float) -> str:
    """Return a duration for a cell."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"
