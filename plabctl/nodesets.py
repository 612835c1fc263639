"""Sets of nodes in the notation of clusters: `pc[01-12].lab`, as ClusterShell reads and writes it.

Pure. ClusterShell's own groups are never asked: `@` means pools here. It is imported when there is something to expand
or to fold, as that costs some 13 ms.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from math import prod

MAX_NODES = 100_000
"""More are not expanded: `n[1-999999999]` is a typing error, and would take all memory."""
_MAX_DIGITS = 253
"""No name is longer."""
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"\s*(-?\d+)\s*-\s*(-?\d+)\s*(?:/\s*(\d+)\s*)?")
_NUMBER = re.compile(r"\d+")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_MANY = 200
_LONGEST = 80


def expand_nodeset(text: str) -> list[str]:
    """Return the names that `text`, one pattern with brackets, stands for; raise ValueError for anything else."""
    if any(mark in text for mark in "!&^@"):
        raise ValueError("only numbers and ranges of numbers may stand in brackets")
    # Before ClusterShell is asked, which would build them all.
    if prod(map(_count_numbers, _BRACKETS.findall(text))) > MAX_NODES:
        raise ValueError(f"it stands for more than {MAX_NODES:,} names")
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

    try:
        return [str(name) for name in NodeSet(text, resolver=RESOLVER_NOGROUP)]
    except NodeSetException as error:
        what, _, where = " ".join(str(error).split()).partition(":")
        raise ValueError(f"{what}:{where}" if where and len(where) <= _LONGEST else what) from error


def fold_nodeset(names: Collection[str]) -> str:
    """Return the names as one pattern, such as `pc[1-12].lab,x7`; empty for none."""
    # ClusterShell folds by all numbers of a name. The time for that grows with the square of how many patterns are left
    # when one number is folded, so where those are very many, only one number is.
    groups = min((_group_by_number(names, which) for which in (_LAST_NUMBER, _NUMBER)), key=len)
    return _fold(names) if len(groups) <= _MANY else ",".join(map(_fold, groups.values()))


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
