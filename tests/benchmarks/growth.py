"""A backlog at 1,000 and at 100,000 nodes: tests a second, what the ticks cost beside the tests, and what they write.

I/O. Each test is the command `true` on this machine. Ticks without any tests show what one costs that they add.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.benchmarks.measure import Contestant, Failed, helper, middle
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row
from tests.benchmarks.testbed import Plan, Testbed, spans_of

CONFIG = """\
state_dir = "state"
window = 40
[pool.good]
kind = "good"
on_fail = "bad"
recipe = "bench"
backoff = {backoff}
[pool.bad]
kind = "bad"
on_pass = "good"
recipe = "bench"
[recipe.bench]
transport = "local"
check = {{ run = "true", timeout = "30s" }}
"""
BACKLOG = '{ kind = "fixed", base = "100ms", jitter = "0s" }'
"""So soon due again that 1,000 nodes are a backlog for as long as it takes."""
STEADY = '{ kind = "additive" }'
FEW, MANY = 1_000, 100_000
INSTALLED = 10_000
KIB = 1024
STOPPED = 128 + signal.SIGTERM
DAY_MINUTES = 24 * 60


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    sizes = {FEW: options.count(FEW, 20), MANY: options.count(MANY, 40)}
    beds = {size: _make_bed(options, f"growth-{size}", count, BACKLOG, count) for size, count in sizes.items()}
    return [*_rates(beds, options), *_work(beds, options), *_day(options)]


def _make_bed(options: Options, name: str, count: int, backoff: str, due_count: int) -> Testbed:
    bed = Testbed(options.folder / name, options.installation, Plan.idle(count, due_count), {})
    bed.config.write_text(CONFIG.format(backoff=backoff))
    return bed


def _rates(beds: dict[int, Testbed], options: Options) -> list[Row]:
    seconds = 1.0 if options.quick else 12.0
    taken: dict[int, list[float]] = {size: [] for size in beds}
    for number in range(options.repeats(3)):
        for size in beds if number % 2 else reversed(beds):
            taken[size].append(_measure_rate(beds[size], seconds, may_end=options.quick))
    ratio = middle([many / few for few, many in zip(taken[FEW], taken[MANY], strict=True)])
    what = f"tests/s of a backlog at {MANY:,} nodes, over those at {FEW:,}"
    few, many = (f"{middle(taken[size]):.0f}/s" for size in (FEW, MANY))
    return [Row(what, many, few, ratio, 0.85, at_least=True)]


def _measure_rate(bed: Testbed, seconds: float, *, may_end: bool) -> float:
    """Return how many tests a second end, of one tick from its first test on."""
    bed.renew()
    code = _run_tick(bed.contestant("plabctl tick", "tick"), bed.state, seconds)
    if code != STOPPED and not may_end:
        raise Failed(f"the tick ended with exit code {code}")
    spans = spans_of(bed.state)
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    return len(spans) / (last - first)


def _run_tick(who: Contestant, state: Path, seconds: float) -> int:
    """Run a tick and stop it so many seconds after it began to test; return its exit code."""
    process = subprocess.Popen(who.argv, stdin=subprocess.DEVNULL, env={**os.environ, **who.env})
    try:
        limit = time.monotonic() + 60.0
        while not list((state / "slots").glob("*")) and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        return process.wait(60.0)
    finally:
        process.kill()
        process.wait()


def _work(beds: dict[int, Testbed], options: Options) -> list[Row]:
    limit = options.count(30_000, 40)
    cpu: dict[int, list[float]] = {size: [] for size in beds}
    for _ in range(options.repeats(3)):
        for size, bed in beds.items():
            bed.renew()
            found = json.loads(
                helper("tickwork", "backlog", str(bed.config), str(min(limit, 100 * len(bed.plan.nodes))))
            )
            cpu[size].append(found["cpu_s"] / found["reports"])
    records = found["records"] / found["reports"] / KIB
    written = records + found["bases"] / found["reports"] / KIB
    few, many = (middle(cpu[size]) for size in (FEW, MANY))
    ratio = middle([more / less for less, more in zip(cpu[FEW], cpu[MANY], strict=True)])
    return [
        Row(f"CPU of a tick for each test at {MANY:,} nodes, over {FEW:,}", _ms(many), _ms(few), ratio),
        Row(f"bytes written for each test at {MANY:,} nodes, KiB", f"{records:.2f}", "", records, 4.0),
        Row(f"the same with the {found['folds']} new state files, KiB", f"{written:.2f}", "", written, 16.0),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _day(options: Options) -> list[Row]:
    """Let a steady installation go on for an hour, a tick a minute, and say what that comes to in a day."""
    minutes = options.count(60, 1)
    bed = _make_bed(options, "growth-day", options.count(INSTALLED, 40), STEADY, 0)
    found = json.loads(helper("tickwork", "steady", str(bed.config), str(minutes)))
    days = minutes / DAY_MINUTES
    written = (found["records"] + found["bases"]) / days / KIB**2
    what = f"a day of {INSTALLED:,} nodes, additive: MiB written by the store, of {found['reports'] / days:,.0f} tests"
    return [Row(what, f"{written:.0f}", f"{found['folds'] / days:.0f} state files", None)]
