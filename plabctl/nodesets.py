"""Sets of nodes in the notation of clusters: `pc[01-12].lab`, as ClusterShell reads and writes it.

Pure. ClusterShell's own groups are never asked: `@` means pools here. It is imported when there is something to expand
or to fold that is hard: importing it takes some 13 ms, and folding by two numbers ten times as long as here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from math import prod

MAX_NODES = 100_000
"""More are not expanded: `n[1-999999999]` is a typing error, and would take all memory."""
_MAX_DIGITS = 253
"""No name is longer."""
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_PLAIN = re.compile(
    r"((?:[A-Za-z0-9._-]*[A-Za-z._-])?)\[([0-9]{1,9}(?:-[0-9]{1,9})?(?:,[0-9]{1,9}(?:-[0-9]{1,9})?)*)\]"
    r"((?:[A-Za-z._-][A-Za-z0-9._-]*)?)"
)
_PART = re.compile(r"(?:[^,\[]|\[[^\]]*\]?)+")
_RANGE = re.compile(r"\s*(-?\d+)\s*-\s*(-?\d+)\s*(?:/\s*(\d+)\s*)?")
_NUMBER = re.compile(r"\d+")
_PLAIN_NAME = re.compile(r"[A-Za-z._-]*(?:[0-9]{1,9}[A-Za-z._-]+)*(?:[0-9]{1,9})?")
_NUMBERS = re.compile(r"([0-9]+)")
_LONG_NUMBER = re.compile(r"\d{101}")
"""ClusterShell takes none."""
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_MANY = 200
_LONGEST = 80
Vector = tuple[int, ...]
Box = tuple[Vector, ...]


def expand_nodeset(text: str) -> list[str]:
    """Return the names that `text`, one pattern with brackets, stands for; raise ValueError for anything else."""
    if any(mark in text for mark in "!&^@"):
        raise ValueError("only numbers and ranges of numbers may stand in brackets")
    if (names := _expand_plainly(text)) is not None:
        return names
    # Before ClusterShell is asked, which would build them all.
    if prod(map(_count_numbers, _BRACKETS.findall(text))) > MAX_NODES:
        raise ValueError(f"it stands for more than {MAX_NODES:,} names")
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

    try:
        return [str(name) for name in NodeSet(text, resolver=RESOLVER_NOGROUP)]
    except NodeSetException as error:
        what, _, where = " ".join(str(error).split()).partition(":")
        raise ValueError(f"{what}:{where}" if where and len(where) <= _LONGEST else what) from error


def _expand_plainly(text: str) -> list[str] | None:
    """Return the names without loading ClusterShell, which a gate in a prolog need not wait for; None if that is hard.

    It is easy where there is one bracket that touches no digit, with ranges that go up and numbers of one width, or
    without zeros in front.
    """
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    numbers: set[int] = set()
    words: list[str] = []
    for part in found[2].split(","):
        first, _, last = part.partition("-")
        last = last or first
        words += (first, last)
        if int(first) > int(last) or int(last) - int(first) >= _MANY:
            return None
        numbers.update(range(int(first), int(last) + 1))
    is_padded = any(word[0] == "0" and len(word) > 1 for word in words)
    width = len(words[0]) if is_padded else 0
    if is_padded and any(len(word) != width for word in words):
        return None
    return [f"{found[1]}{number:0{width}}{found[3]}" for number in sorted(numbers)]


def expand_nodelist(words: Iterable[str]) -> list[str] | None:
    """Return the names in lists such as schedulers write, `pc[1-4],x7`; None for words that mean anything else."""
    names: list[str] = []
    for word in words:
        for part in _PART.findall(word):
            expanded = _expand_plainly(part) if "[" in part else [part]
            if expanded is None:
                return None
            names += expanded
    return names


def fold_nodeset(names: Collection[str]) -> str:
    """Return the names as one pattern, such as `pc[1-12].lab,x7`; empty for none."""
    if (plain := _fold_plainly(names)) is not None:
        return plain
    if long := sorted(filter(_LONG_NUMBER.search, names)):
        rest = fold_nodeset([name for name in names if not _LONG_NUMBER.search(name)])
        return ",".join(filter(None, [rest, *long]))
    # ClusterShell folds by all numbers of a name. The time for that grows with the square of how many patterns are left
    # when one number is folded, so where those are very many, only one number is.
    groups = min((_group_by_number(names, which) for which in (_LAST_NUMBER, _NUMBER)), key=len)
    return _fold(names) if len(groups) <= _MANY else ",".join(map(_fold, groups.values()))


def _fold_plainly(names: Collection[str]) -> str | None:
    """Return the names as one pattern without loading ClusterShell; of names with one number it would make the same.

    None if that is hard: where numbers in the same place have zeros in front and are not of one width.
    """
    patterns: dict[tuple[str, ...], list[list[str]]] = {}
    for name in names:
        if not _PLAIN_NAME.fullmatch(name):
            return None
        parts = _NUMBERS.split(name)
        patterns.setdefault(tuple(parts[::2]), []).append(parts[1::2])
    texts: list[str] = []
    for words in sorted(patterns, key="%".join):
        vectors = patterns[words]
        try:
            widths = [_find_width(column) for column in zip(*vectors, strict=True)]
        except ValueError:
            return None
        for box in _fold_boxes({tuple(map(int, vector)) for vector in vectors}):
            numbers = [*map(_format_numbers, box, widths), ""]
            texts.append("".join(map("".join, zip(words, numbers, strict=True))))
    return ",".join(texts)


def _find_width(numbers: Collection[str]) -> int:
    """Return how many digits each has where there are zeros in front, else 0; raise ValueError where they differ."""
    if not any(number[0] == "0" and len(number) > 1 for number in numbers):
        return 0
    (width,) = set(map(len, numbers))
    return width


def _fold_boxes(vectors: Collection[Vector]) -> list[Box]:
    """Return the points as boxes, the largest first: the numbers on each axis whose combinations are all there."""
    count = len(next(iter(vectors)))
    boxes: list[Box] = [tuple((number,) for number in vector) for vector in vectors]
    ways = (reversed(range(count)), range(count)) if count > 1 else (range(count),)
    found = min((_merge(boxes, way) for way in ways), key=len)
    return sorted(found, key=lambda box: (-prod(map(len, box)), box))


def _merge(boxes: list[Box], axes: Iterable[int]) -> list[Box]:
    """Return fewer boxes: along one axis after the other those are joined that differ in nothing else."""
    for axis in axes:
        alike: dict[Box, list[int]] = {}
        for box in boxes:
            alike.setdefault(box[:axis] + box[axis + 1 :], []).extend(box[axis])
        boxes = [(*rest[:axis], tuple(sorted(own)), *rest[axis:]) for rest, own in alike.items()]
    return boxes


def _format_numbers(numbers: Vector, width: int) -> str:
    """Return numbers in ascending order as one, or as ranges in brackets."""
    if len(numbers) == 1:
        return f"{numbers[0]:0{width}}"
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = (f"{first:0{width}}" + (f"-{last:0{width}}" if last > first else "") for first, last in ranges)
    return f"[{','.join(shown)}]"


def _group_by_number(names: Collection[str], which: re.Pattern[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(which.sub("%", name, count=1), []).append(name)
    return groups


def _fold(names: Collection[str]) -> str:
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet

    return str(NodeSet.fromlist(list(names), resolver=RESOLVER_NOGROUP))


def _count_numbers(text: str) -> int:
    """Return how many numbers stand between two brackets, at most; raise ValueError where one is too long."""
    if any(len(digits) > _MAX_DIGITS for digits in _NUMBER.findall(text)):
        raise ValueError(f"a number has more than {_MAX_DIGITS} digits")
    count = 0
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        first, last, step = found.groups() if found else ("0", "0", None)
        count += (int(last) - int(first)) // max(1, int(step or 1)) + 1
    return max(1, count)
