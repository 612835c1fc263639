"""Sums of what several monitors tell are as if one had seen it all."""

from collections import Counter
from random import Random

import pytest

from plabctl.core.stats.outages import Bounds
from plabctl.core.stats.tally import Tally
from plabctl.values import replace
from plabctl.views.several_stats import group_stats, sum_stats
from plabctl.views.stats import StatsView, build_stats_view


def make_tally(random: Random) -> Tally:
    """What a node did of which anything may be missing."""
    known_s = random.choice([0.0, random.uniform(1, 1e6)])
    pairs = [[Bounds(first, first + 60.0) for first in random.sample(range(900), random.randrange(4))] for _ in "12"]
    return Tally(
        known_s=known_s,
        usable_s=known_s * random.random(),
        good_s=known_s * random.random(),
        held_s=known_s * random.random(),
        absent_s=known_s * random.random(),
        outages_s=[random.uniform(1, 1e4) for _ in range(random.randrange(4))],
        detections=pairs[0],
        recoveries=pairs[1],
        pass_count=random.randrange(9),
        slot_s=random.uniform(0, 99),
        causes=Counter({cause: random.randrange(1, 9) for cause in ("connect", "setup") if random.random() < 0.6}),
    )


def compare(view: StatsView, expected: StatsView) -> None:
    for name in StatsView.__slots__:
        value = getattr(expected, name)
        assert getattr(view, name) == (pytest.approx(value) if isinstance(value, float) else value), name


@pytest.mark.parametrize("seed", range(20))
def test_sums_of_sums_are_those_of_all_nodes(seed: int) -> None:
    random = Random(seed)
    tallies = [make_tally(random) for _ in range(random.randrange(1, 9))]
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    views = [build_stats_view(tally, f"n{number}") for number, tally in enumerate(tallies)]
    cut = random.randrange(len(views) + 1)

    expected = build_stats_view(whole, None, len(tallies))
    compare(sum_stats(views, None), expected)
    compare(sum_stats([sum_stats(views[:cut], "a"), sum_stats(views[cut:], "b")], None), expected)


def test_groups_are_those_of_equal_values() -> None:
    views = [replace(build_stats_view(Tally(), f"n{at}"), site=site) for at, site in enumerate(("a", None, "a"))]

    groups = group_stats(views, lambda view: view.site)

    assert {value: (group.name, group.nodes_count) for value, group in groups.items()} == {
        "a": ("a", 2),
        None: (None, 1),
    }
