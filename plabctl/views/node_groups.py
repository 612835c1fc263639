"""Groups of nodes by what is so of them: usable, held, their pool, their site, their monitor, other labels.

Pure. What a group is called is the affair of the tool that reads it, which accepts few characters in a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from plabctl.views.node import NodeView

STATE, POOL, SITE, MONITOR = "state", "pool", "site", "monitor"
MAX_NAME = 100
"""How many characters of a value a name has at most."""
_STATES: Mapping[str, Callable[[NodeView], object]] = {
    "usable": lambda view: view.is_usable,
    "unusable": lambda view: not view.is_usable and view.absent_since_at is None,
    "held": lambda view: view.is_held,
    "suspect": lambda view: view.is_suspect,
    "stuck": lambda view: view.stuck_since_at is not None,
    "busy": lambda view: view.busy_by is not None or view.busy_since_at is not None,
    "absent": lambda view: view.absent_since_at is not None,
}


class Facet(NamedTuple):
    """What the nodes of a group have in common: a state, a pool, or the value of a label."""

    kind: str
    """`state`, `pool`, or the name of the label."""
    value: str
    is_label: bool = False


def group_nodes(
    nodes: Iterable[NodeView], pools: Collection[str], labels: Sequence[str] = ()
) -> dict[Facet, list[str]]:
    """Return the names of the nodes of each group, in their order; a state or pool may have none.

    There is a group for each monitor where there are several, for each value of `site` and of each of `labels`; a label
    of several values, `a,b`, has the node in several groups.
    """
    groups: dict[Facet, list[str]] = {Facet(STATE, name): [] for name in _STATES}
    groups.update((Facet(POOL, name), []) for name in pools)
    for view in nodes:
        facets = [Facet(STATE, name) for name, holds in _STATES.items() if holds(view)]
        facets.append(Facet(POOL, view.pool))
        given = {**{label: (view.labels or {}).get(label) for label in labels}, SITE: view.site}
        for label, value in given.items():
            facets += [Facet(label, part, is_label=True) for part in _split(value)]
        if view.monitor is not None:
            facets.append(Facet(MONITOR, view.monitor, is_label=True))
        for facet in dict.fromkeys(facets):
            groups.setdefault(facet, []).append(view.name)
    return groups


def name_groups(
    groups: Iterable[Facet], make_name: Callable[[Facet], str], reserved: Collection[str] = ()
) -> tuple[dict[Facet, str], list[str]]:
    """Return what each group is called, and a remark on each name that several would have had.

    These get a suffix made of what they stand for, so that no name ever comes to mean other nodes because a value was
    added; so does a group whose name would be one of `reserved`, or would be longer than `MAX_NAME`.
    """
    wanted: dict[str, list[Facet]] = {}
    for facet in groups:
        wanted.setdefault(make_name(facet), []).append(facet)
    names: dict[Facet, str] = {}
    remarks = []
    for name, facets in wanted.items():
        if len(facets) == 1 and name not in reserved and len(name) <= MAX_NAME:
            names[facets[0]] = name
            continue
        for facet in facets:
            names[facet] = _add_suffix(name[:MAX_NAME], facet, {*names.values(), *wanted, *reserved})
        if len(facets) > 1 or name in reserved:
            told = ", ".join(f"{names[facet]} for {describe_facet(facet)}" for facet in facets)
            remarks.append(f"several groups would be called {name}: {told}" if len(facets) > 1 else f"named {told}")
    return names, remarks


def list_unknown_labels(groups: Iterable[Facet], labels: Iterable[str]) -> list[str]:
    """Return a remark on each of `labels` that no node has."""
    known = {facet.kind for facet in groups if facet.is_label}
    return [f"no node has a label {label!r}" for label in labels if label not in known]


def describe_facet(facet: Facet) -> str:
    """Return in words what the nodes of a group have in common."""
    return f"{facet.kind}={facet.value!r}" if facet.is_label else f"{facet.kind} {facet.value}"


def replace_odd(text: str, odd: str) -> str:
    """Return `text` with an underscore in place of each character that the pattern `odd` matches."""
    return re.sub(odd, "_", text)


def _add_suffix(name: str, facet: Facet, taken: Collection[str]) -> str:
    number = crc32(f"{facet.kind}={facet.value}".encode(errors="replace"))
    while (found := f"{name}_{number:08x}") in taken:
        number += 1
    return found


def _split(value: str | None) -> list[str]:
    return [] if value is None else [part for each in value.split(",") if (part := each.strip())]
