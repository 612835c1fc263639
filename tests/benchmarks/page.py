"""The page of 1,000 and of 10,000 nodes with a month behind them: its size, and what writing it takes.

I/O. Whole commands: the first time with a page for each node, then when no node has changed.
"""

import shutil
import subprocess
from functools import partial

from tests.benchmarks.historywork import CONFIG
from tests.benchmarks.measure import Contestant, alternate, helper, median
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds

_MIB = 1024**2
GOALS = {1_000: (720_000, 2.0, 2.0), 10_000: (2_000_000, None, 15.0)}
"""By the number of nodes: how many events there are, how many MiB the page may have, and how many seconds it may take.

In a history of 10,000 nodes there would be seven million tests in a month, of which the page needs those of a day.
"""


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    rows = []
    for full, (events, most_mib, most_s) in GOALS.items():
        nodes = options.count(full, full // 500)
        place = options.folder / f"page-{full}"
        place.mkdir(mode=0o700)
        helper("pagework", str(place), str(nodes), str(options.count(events, nodes * 60)))
        command = (options.installation.plabctl, "report", "-O", str(place / "page"), "--config", str(place / CONFIG))
        first, again = f"report, {full:,} nodes", f"report, {full:,} nodes, none changed"
        contestants = [
            Contestant(first, command, before=partial(shutil.rmtree, place / "page", ignore_errors=True)),
            Contestant(again, command, before=partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)),
        ]
        results = alternate(contestants, options.repeats(3), warm_up=False)
        mib = (place / "page" / "index.html").stat().st_size / _MIB
        rows.append(Row(f"index.html, {full:,} nodes, MiB", f"{mib:.2f}", "", mib, most_mib))
        for name in (first, again):
            wall_s, cpu_s = median(results, name), median(results, name, lambda taken: taken.cpu_s)
            rows.append(Row(f"{name}: wall, s", seconds(wall_s), "", wall_s, most_s))
            rows.append(Row(f"{name}: CPU, s", seconds(cpu_s), "", cpu_s))
    return rows
