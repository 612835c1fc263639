"""Sites: nodes that fail together, because they share a switch, a room or an uplink.

Pure. A site is read from the names of nodes, or made of as many nodes in a row; outages of whole sites are made up.
Tests: `tests/sim/test_sites.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from plabctl.errors import UsageFault
from plabctl.sim.world import Life, World, build_life

_MEDIAN_S, _SIGMA, _LEAST_S = 3600.0, 1.0, 60.0
"""How long an outage of a site lasts: lognormal."""
_STRAGGLE_S = 600.0
"""A node comes back up to this much later than its site."""


def name_sites(world: World, pattern: str) -> World:
    """Return a world whose nodes belong to the site that `pattern` finds in their names; raise UsageFault.

    That is what its first group matched, or all that it matched. A node in whose name it finds nothing has no site.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageFault(f"--site-of: {pattern!r} is not a regular expression: {error}") from error
    sites = [_find_site(expression, life.name) for life in world.lives]
    if not any(sites):
        raise UsageFault(
            f"--site-of: {pattern!r} matches no name of a node, such as {world.lives[0].name!r}",
            hint="the site is what its first group matches, or all of it",
        )
    return replace(world, lives=tuple(replace(life, site=site) for life, site in zip(world.lives, sites, strict=True)))


def _find_site(expression: re.Pattern[str], name: str) -> str:
    found = expression.search(name)
    return (found[1 if expression.groups else 0] or "") if found else ""


def number_sites(world: World, size: int) -> World:
    """Return a world in which every `size` nodes in a row are a site."""
    sites = (f"site{number // size}" for number in range(len(world.lives)))
    return replace(world, lives=tuple(replace(life, site=site) for life, site in zip(world.lives, sites, strict=True)))


def list_by_site(lives: Sequence[Life]) -> Mapping[str, list[int]]:
    """Return the numbers of the nodes of each site."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, life in enumerate(lives):
        if life.site:
            found[life.site].append(number)
    return found


def add_outages(world: World, share: float, seed: int) -> World:
    """Return a world in which sites fail as a whole so often that `share` of the failures of a node come from that.

    All nodes of a site go down in the same second, whether or not they are down already, and answer no login. They come
    back together, each up to ten minutes late.
    """
    lives = world.lives
    down_count = sum(len(life.list_downs()) - (not life.starts_up) for life in lives)
    rate = down_count / max(1.0, sum(life.gone_at - life.born_at for life in lives)) * share / (1 - share)
    added: dict[int, list[tuple[float, float]]] = {}
    for site, numbers in list_by_site(lives).items():
        rng = Random(f"outages {seed} {site}")
        at = rng.expovariate(rate) if rate else world.length_s
        while at < world.length_s:
            lasts_s = max(_LEAST_S, rng.lognormvariate(0.0, _SIGMA) * _MEDIAN_S)
            for number in numbers:
                added.setdefault(number, []).append((at, at + lasts_s + rng.uniform(0, _STRAGGLE_S)))
            at += rng.expovariate(rate)
    made = (_add_downs(life, added[number]) if number in added else life for number, life in enumerate(lives))
    return replace(world, lives=tuple(made))


def _add_downs(life: Life, spans: Iterable[tuple[float, float]]) -> Life:
    """Return `life` down and silent in these spans too."""
    inside = [(max(start, life.born_at), min(end, life.gone_at)) for start, end in spans]
    inside = [(start, end) for start, end in inside if start < end]
    silent = list(zip(life.silences[::2], life.silences[1::2], strict=True))
    pieces = [(life.born_at, True)]
    for start, end in join_spans([*life.list_downs(), *inside]):
        pieces += [(start, False), (end, True)]
    made = build_life(life.name, pieces[1:] if pieces[1:2] == [(life.born_at, False)] else pieces, life.gone_at)
    changes = tuple(at for at in made.changes if at < life.gone_at)
    edges = tuple(edge for span in join_spans([*silent, *inside]) for edge in span)
    return replace(life, starts_up=made.starts_up, changes=changes, silences=edges)


def join_spans(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the spans in order, those that touch joined."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
