"""Recognise a node under a new name: by its address, by its host key, or as the short or full form of its name.

Pure. Only what fits one missing and one new node alone is a rename.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

from plabctl.core.model import Node

FindKeys = Callable[[Node], Collection[Hashable]]
"""Returns the known host keys of a node."""


def find_no_keys(_: Node) -> Collection[Hashable]:
    """Return no keys, where host keys are not looked up."""
    return ()


def find_renames(
    missing: Sequence[Node], new: Sequence[Node], find_keys: FindKeys = find_no_keys, *, by_name: bool = True
) -> dict[str, Node]:
    """Match the nodes `missing` to the nodes `new`; return the new node by the missing name.

    Without `by_name` a short name that becomes a full one tells nothing, as between two sources.
    """
    found: dict[str, Node] = {}
    taken: set[str] = set()
    rules: list[Callable[[Node], Iterable[Hashable]]] = [
        lambda node: [_find_address(node)],
        find_keys,
    ]
    if by_name:
        rules.append(lambda node: [node.name.lower().partition(".")[0]])
    for number, list_marks in enumerate(rules):
        unknown = [node for node in missing if node.name not in found]
        fresh = [node for node in new if node.name not in taken]
        if not unknown or not fresh:
            break
        old_by_mark, new_by_mark = _index(unknown, list_marks), _index(fresh, list_marks)
        for mark, old in old_by_mark.items():
            other = new_by_mark.get(mark)
            if other is None or old.name in found or other.name in taken:
                continue
            if number < 2 or _is_same_name(old.name, other.name):
                found[old.name] = other
                taken.add(other.name)
    return found


def _find_address(node: Node) -> tuple[str, str]:
    return node.variables.get("ssh_host", node.name).lower(), node.variables.get("ssh_port", "")


def _is_same_name(one: str, other: str) -> bool:
    """Return whether one name is the short form of the other: `pc1` of `pc1.lab.example.org`."""
    short, full = sorted((one.lower(), other.lower()), key=len)
    return full == short or full.startswith(f"{short}.")


def _index(nodes: Iterable[Node], list_marks: Callable[[Node], Iterable[Hashable]]) -> dict[Hashable, Node]:
    """Return the nodes by those of their marks that no other of them has."""
    pairs = [(mark, node) for node in nodes for mark in set(list_marks(node))]
    counts = Counter(mark for mark, _ in pairs)
    return {mark: node for mark, node in pairs if counts[mark] == 1}
