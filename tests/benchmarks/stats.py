"""A month of 1,000 nodes, 1,000,000 events: what `plabctl stats` takes, whole command, and how its memory grows.

I/O. The yardstick for time is a script that reads the same rows with `json` and only adds up seconds; for memory it is
the same command on a history that is a hundred times shorter.
"""

import sys
from operator import attrgetter

from tests.benchmarks.historywork import CONFIG
from tests.benchmarks.measure import Contestant, alternate, helper, median, ratio
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    count = options.count(1_000_000, 5_000)
    places = {size: options.folder / f"stats-{size}" for size in (count, count // 100)}
    for size, place in places.items():
        place.mkdir(mode=0o700)
        helper("statswork", "build", str(place), str(size))
    whole, short = (f"stats --since 30d of {size:,} events" for size in places)
    yardstick = "a script that adds up the seconds of the same tests"
    contestants = [
        Contestant(name, (options.installation.plabctl, "stats", "-o", "json", "--config", str(place / CONFIG)))
        for name, place in zip((whole, short), places.values(), strict=True)
    ]
    script = (sys.executable, "-m", "tests.benchmarks.statswork", "read", str(places[count]))
    results = alternate([*contestants, Contestant(yardstick, script)], options.repeats(3), warm_up=False)
    return [
        Row(
            f"{whole}: CPU against {yardstick}",
            seconds(median(results, whole, attrgetter("cpu_s"))),
            seconds(median(results, yardstick, attrgetter("cpu_s"))),
            ratio(results, whole, yardstick, attrgetter("cpu_s")),
            3.0,
        ),
        Row(
            f"{whole}: peak memory against {count // 100:,} events, MiB",
            f"{median(results, whole, attrgetter('peak_mib')):.0f}",
            f"{median(results, short, attrgetter('peak_mib')):.0f}",
            ratio(results, whole, short, attrgetter("peak_mib")),
            1.3,
        ),
    ]
