"""Which columns a terminal has room for.

Pure. `sheet` draws what is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

from plabctl.values import dataclass

GAP = 2
"""Blanks between two columns."""
LEAST_FLEXIBLE = 16
"""A flexible column that would get less room than this goes instead."""


@dataclass(frozen=True, slots=True)
class ColumnWidth:
    """What a column asks for: its natural width, and how dear it is (see `listing.Column`)."""

    width: int
    rank: int = 0
    flexible: bool = False

    @property
    def least(self) -> int:
        """The narrowest it may become."""
        return min(self.width, LEAST_FLEXIBLE) if self.flexible else self.width


def fit_columns(wants: Sequence[ColumnWidth], room: int | None) -> dict[int, int]:
    """Return the widths of the columns that stay, by their place; `room` None means that there is no limit.

    Columns leave by rank, the highest first; those of rank 0 stay at their natural width even when that is too wide,
    because a name that is cut is no name. A flexible column gets what the others leave.
    """
    kept = [place for place, want in enumerate(wants) if want.width]
    if room is None:
        return {place: wants[place].width for place in kept}
    while _sum_widths([wants[place].least for place in kept]) > room:
        dearest = max(kept, key=lambda place: (wants[place].rank, place), default=None)
        if dearest is None or wants[dearest].rank == 0:
            break
        kept.remove(dearest)
    spare = max(0, room - _sum_widths([wants[place].least for place in kept]))
    widths = {}
    for place in kept:
        want = wants[place]
        given = min(want.width - want.least, spare)
        spare -= given
        widths[place] = want.least + given
    return widths


def _sum_widths(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)
