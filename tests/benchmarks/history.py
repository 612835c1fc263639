"""A long history: what looks cost among 10,000,000 events, and what events take on the disk.

I/O. The page cache is emptied of the file before each look. The yardstick is the bare query that somebody who knows the
file would write, in the same process, by turns with ours.
"""

import json
from functools import partial
from pathlib import Path

from tests.benchmarks.historywork import CONFIG, cool
from tests.benchmarks.measure import Contestant, alternate, helper, median, middle, ratio
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds

MOST_S = 0.3
NODE = "n0007.example.org"
PEOPLE = {
    f"show {NODE}": f"show {NODE} -o table",
    "history --since 30d | head": "history --since 30d",
    "history --kind transition --since 30d": "history --kind transition --since 30d",
}
"""Looks of people, and the command of each; the first is ended by `head` after ten lines."""
TESTS_A_DAY = 24
"""Of one node: the back-off ends at an hour."""
KEEP_OUTPUT_DAYS = 30


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    folder, short = options.folder / "history", options.folder / "short-history"
    count = options.count(10_000_000, 20_000)
    for place, size in ((folder, count), (short, count // 10_000)):
        place.mkdir(mode=0o700)
        helper("historywork", "build", str(place), str(size))
    rows = [*_looks(folder, count, options), *_commands(folder, short, count, options), *_sizes(folder, options)]
    (folder / "state" / "history.db").unlink()  # some gigabytes, which the other parts may need
    return rows


def _looks(folder: Path, count: int, options: Options) -> list[Row]:
    taken = [json.loads(helper("historywork", "looks", str(folder))) for _ in range(options.repeats(5))]
    return [
        Row(
            f"{what} of {count:,} events, read by us against a bare query, cold",
            seconds(middle([each[name]["ours"] for each in taken])),
            seconds(middle([each[name]["bare"] for each in taken])),
            middle([each[name]["ours"] / each[name]["bare"] for each in taken]),
            3.0,
        )
        for name, what in (("hour", "the latest hour"), ("node", "30 days of a node"))
    ]


def _commands(folder: Path, short: Path, count: int, options: Options) -> list[Row]:
    """Run the whole command on the long history, and by turns on one that is ten thousand times shorter."""
    command = "history --since 1h"
    places = {f"{command} of {count:,} events, cold": folder, f"{command} of {count // 10_000:,} events": short}
    contestants = [
        Contestant(
            name,
            (options.installation.plabctl, *command.split(), "--config", str(place / CONFIG)),
            before=partial(cool, place),
        )
        for name, place in places.items()
    ]
    results = alternate(contestants, options.repeats(9), warm_up=options.warm_up)
    long, yardstick = places
    wall_s, short_s = median(results, long), median(results, yardstick)
    return [
        Row(
            f"{long}, against {count // 10_000:,} events",
            seconds(wall_s),
            seconds(short_s),
            ratio(results, long, yardstick),
            1.5,
        ),
        Row(f"{long}: wall, s", seconds(wall_s), "", wall_s, MOST_S),
        *_people(folder, count, options),
    ]


def _people(folder: Path, count: int, options: Options) -> list[Row]:
    """Run what people ask for, each until its first ten lines are there."""
    rows = []
    for name, words in PEOPLE.items():
        script = f'"$0" {words} --config {folder / CONFIG} | head >/dev/null'
        argv = ("sh", "-c", script, options.installation.plabctl)
        contestant = Contestant(name, argv, before=partial(cool, folder))
        results = alternate([contestant], options.repeats(9), warm_up=options.warm_up)
        wall_s = median(results, name)
        rows.append(Row(f"{name} of {count:,} events, cold: wall, s", seconds(wall_s), "", wall_s, MOST_S))
    return rows


def _sizes(folder: Path, options: Options) -> list[Row]:
    sizes = json.loads(helper("historywork", "sizes", str(folder), str(options.count(20_000, 500))))
    whole = sizes["whole"]
    parts = {"output": "its stages", "event_by_time": "its place by time", "event_by_node": "its place by node"}
    rows = [
        Row(f"bytes a test, of which {what}", f"{whole:.0f}", f"{sizes[name]:.0f}", sizes[name] / whole)
        for name, what in parts.items()
    ]
    year, month = (1000 * TESTS_A_DAY * days for days in (365, KEEP_OUTPUT_DAYS))
    stages, rest = month * sizes["output"] / 1e9, year * (whole - sizes["output"]) / 1e9
    what = "a thousand nodes for a year at the defaults, GB, of which stages"
    return [*rows, Row(what, f"{stages + rest:.1f}", f"{stages:.1f}", stages / (stages + rest))]
