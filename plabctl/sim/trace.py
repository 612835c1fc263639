"""Traces: a CSV file, gzipped or not, of `node,start,end,state` with times in seconds and states up and down.

I/O: reads one file. Each node's intervals follow one another without a gap. Every refusal names file, line and reason.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

from plabctl.errors import UsageFault
from plabctl.sim.conditions import DAY_S
from plabctl.sim.world import World, build_life

_HEADER = ["node", "start", "end", "state"]
_GZIP = b"\x1f\x8b"
_LONGEST_DAYS = 36_600
_HINT = "a trace is CSV, gzipped or not, with the header node,start,end,state; times in seconds, states up and down"


class TraceFault(UsageFault):
    """A trace cannot be read, or holds something invalid."""

    def __init__(self, path: str, line: int, what: str) -> None:
        super().__init__(f"{path}:{line}: {what}" if line else f"{path}: {what}", hint=_HINT)


class _NodeIntervals:
    """The intervals of one node as they are read."""

    __slots__ = ("end", "line", "pieces")

    def __init__(self, start: float) -> None:
        self.pieces: list[tuple[float, bool]] = []
        self.end = start
        self.line = 0

    def add(self, start: float, end: float, *, is_up: bool, line: int) -> None:
        """Add an interval; raise ValueError when it does not begin where the one before ended."""
        if start != self.end:
            what = "leaves a gap" if start > self.end else "overlaps"
            raise ValueError(
                f"begins at {start:g}, which {what}: the interval on line {self.line} ends at {self.end:g}"
            )
        self.pieces.append((start, is_up))
        self.end, self.line = end, line


def read_trace(path: str) -> World:
    """Return the world that the trace at `path` tells of; it begins with the earliest interval. Raise TraceFault."""
    stories: dict[str, _NodeIntervals] = {}
    for line, row in _read_rows(path):
        try:
            name, start, end, is_up = _parse_interval(row)
            story = stories.setdefault(name, _NodeIntervals(start))
            story.add(start, end, is_up=is_up, line=line)
        except ValueError as error:
            raise TraceFault(path, line, str(error)) from error
    if not stories:
        raise TraceFault(path, 1, "no interval follows the header")
    begin = min(story.pieces[0][0] for story in stories.values())
    lives = tuple(
        build_life(name, [(at - begin, is_up) for at, is_up in story.pieces], story.end - begin)
        for name, story in stories.items()
    )
    last = max(stories.values(), key=lambda story: story.end)
    length_s = last.end - begin
    if length_s > _LONGEST_DAYS * DAY_S:
        days = f"{length_s / DAY_S:.6g} days after the earliest, more than {_LONGEST_DAYS}"
        raise TraceFault(path, last.line, f"ends {days}: are the times in seconds?")
    return World(lives, length_s)


def _read_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows under the header, with their lines."""
    reader = csv.reader(_read_lines(path), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise TraceFault(path, 1, "it is empty, without even a header")
        if header != _HEADER:
            raise TraceFault(path, 1, f"the header is {','.join(header)!r}, not {','.join(_HEADER)!r}")
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise TraceFault(path, reader.line_num, f"not CSV: {error}") from error


def _read_lines(path: str) -> Iterator[str]:
    """Yield the lines one by one: a trace may be larger than memory should hold twice."""
    number = 0
    try:
        with Path(path).open("rb") as file:
            lines = gzip.GzipFile(fileobj=file) if file.peek(2).startswith(_GZIP) else file
            for number, raw in enumerate(lines, 1):
                yield raw.decode("utf-8" if number > 1 else "utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TraceFault(path, number + 1, f"damaged gzip: {error}") from error
    except UnicodeDecodeError as error:
        raise TraceFault(path, number, "not UTF-8") from error
    except OSError as error:
        raise TraceFault(path, 0, (error.strerror or str(error)).lower()) from error


def _parse_interval(row: list[str]) -> tuple[str, float, float, bool]:
    if len(row) != len(_HEADER):
        raise ValueError(f"{len(row)} columns, not {len(_HEADER)}")
    name, state = row[0].strip(), row[3].strip()
    if not name or not name.isprintable():
        raise ValueError(f"{row[0]!r} is not the name of a node")
    start, end = _parse_seconds("start", row[1]), _parse_seconds("end", row[2])
    if end <= start:
        raise ValueError(f"ends at {end:g}, not after its start at {start:g}")
    if state not in {"up", "down"}:
        raise ValueError(f"the state is {state!r}, not up or down")
    return name, start, end, state == "up"


def _parse_seconds(which: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(f"{which} is {text!r}, not a number of seconds") from None
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{which} is {text!r}, not a number of seconds")
    return seconds
