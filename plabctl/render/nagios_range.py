"""Ranges of monitoring plug-ins, such as `5`, `10:`, `~:5`, `@1:3`; each bound may be a percentage.

Pure. Source: the guidelines for Monitoring Plugins. A plain range alerts outside of it, one with `@` inside.
Tests: `tests/render/test_nagios.py`.
"""

from __future__ import annotations

import re
from math import inf

from plabctl.values import dataclass, replace

_NUMBER = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_RANGE = re.compile(rf"(?P<at>@?)(?:(?P<start>~|{_NUMBER}%?)?:)?(?P<end>{_NUMBER}%?)?")
_FULL = 100.0


@dataclass(frozen=True, slots=True)
class NagiosRange:
    """From `start` to `end`, both included; `of_start` and `of_end` say that these are percentages."""

    start: float = 0.0
    end: float = inf
    is_inside: bool = False
    """Whether it alerts inside, not outside."""
    of_start: bool = False
    of_end: bool = False

    def resolve(self, total: int) -> NagiosRange:
        """Return the same range in counts, where there are `total` in all."""
        start = self.start * total / _FULL if self.of_start else self.start
        end = self.end * total / _FULL if self.of_end else self.end
        return replace(self, start=start, end=end, of_start=False, of_end=False)

    def alerts(self, value: float) -> bool:
        """Return whether `value` is a reason to alert; percentages are resolved before."""
        return (self.start <= value <= self.end) is self.is_inside

    def __str__(self) -> str:
        """Return it in the notation of the guidelines."""
        start = "~" if self.start == -inf else _format_bound(self.start, is_percentage=self.of_start)
        end = "" if self.end == inf else _format_bound(self.end, is_percentage=self.of_end)
        return f"{'@' if self.is_inside else ''}{end if end and start == '0' else f'{start}:{end}'}"


def parse_range(text: str) -> NagiosRange:
    """Return the range that `text` is; raise ValueError for anything else."""
    found = _RANGE.fullmatch(text)
    if not found or not (found["end"] or ":" in text):
        raise ValueError(f"{text!r} is not a range such as 5, 10%, 10:, ~:5 or @1:3")
    start, of_start = _parse_bound(found["start"] or "0")
    end, of_end = _parse_bound(found["end"]) if found["end"] else (inf, False)
    if start > end and of_start is of_end:
        raise ValueError(f"the range {text!r} ends before it begins")
    return NagiosRange(start, end, bool(found["at"]), of_start, of_end)


def build_least(count: int) -> NagiosRange:
    """Return the range that alerts at `count` or more."""
    return NagiosRange(end=count - 1.0) if count else NagiosRange(is_inside=True)


def _parse_bound(text: str) -> tuple[float, bool]:
    return (-inf if text == "~" else float(text.removesuffix("%"))), text.endswith("%")


def _format_bound(number: float, *, is_percentage: bool) -> str:
    text = f"{number:.3f}".rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text}{'%' if is_percentage else ''}"
