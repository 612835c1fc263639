"""What a reading of a long inventory with nothing new costs, beside what the source itself takes to be read.

I/O. In this process, in CPU seconds, so that other work on the machine matters little.
"""

import time
from statistics import median

from plabctl.app.context import open_app
from plabctl.app.plan_inventories import make_key_finder, plan_sources
from plabctl.app.sync_inventories import sync_inventories
from plabctl.inventories.fetch import fetch
from tests.benchmarks.measure import Failed
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds

LONGEST_S = 0.5


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    folder, count = options.folder / "inventory", options.count(20_000)
    folder.mkdir()
    config = folder / "plabctl.toml"
    config.write_text('state_dir = "state"\n[[inventory]]\nkind = "file"\npath = "hosts"\n')
    lines = (f"n{number}.example.org site=oslo rack={number % 40} ssh_port=22\n" for number in range(count))
    (folder / "hosts").write_text("".join(lines))
    app = open_app(str(config))
    sync_inventories(app, app.settings.inventories)
    rev = app.store.snapshot().rev
    read_s, own_s = zip(*(_read_again(str(config)) for _ in range(options.repeats(5))), strict=True)
    sync_inventories(app, app.settings.inventories)
    if app.store.snapshot().rev != rev:
        raise Failed("a reading with nothing new changed the state")
    what = f"CPU of a reading of {count:,} hosts with nothing new, beside the source's own; in seconds"
    return [Row(what, seconds(median(own_s)), f"the source {seconds(median(read_s))}", median(own_s), LONGEST_S)]


def _read_again(config: str) -> tuple[float, float]:
    """Return the CPU seconds of one reading: of the source, and of all that is done with what it lists."""
    app = open_app(config)
    (source,) = app.settings.inventories
    started_s = time.process_time()
    found = fetch(source, app.settings.origin)
    read_s = time.process_time()
    plans = plan_sources(app, app.store.snapshot(), [(source, found)], make_key_finder(app))
    if any(plans):
        raise Failed("there is something new")
    return read_s - started_s, time.process_time() - read_s
