"""A backlog of probes with heavy-tailed durations, a new tick every two seconds: is every slot busy?

I/O. Each node sleeps for a time drawn from a Pareto distribution. From the first start of a probe to the last, more are
due than the window holds; what the history says of starts and ends in that time is set against the whole window.
"""

import os
import random
import subprocess
import time

from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row
from tests.benchmarks.testbed import Plan, Testbed, spans_of

EVERY_S = 2.0
SHAPE = 1.6
CLOCK_S = 0.002
"""How exactly an end is known: start and length are told in milliseconds."""
SHORTEST_S, LONGEST_S = 0.6, 8.0


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    window = options.count(20, 2)
    count = options.count(360, 8)
    dice = random.Random(20061208)
    naps = [min(LONGEST_S, SHORTEST_S * dice.paretovariate(SHAPE)) for _ in range(count)]
    if options.quick:
        naps = [0.1 * nap for nap in naps]
    with Nodes(count) as nodes:
        plan = Plan.of(nodes, [{"nap": f"{nap:.2f}"} for nap in naps])
        bed = Testbed(options.folder / "backlog", options.installation, plan, {"check": "sleep {nap}"}, nodes, window)
        ticks = _tick_until_done(bed)
        bed.verify()
        spans = spans_of(bed.state)
    first, last = min(start for start, _ in spans), max(start for start, _ in spans)
    busy_s = sum(max(0.0, min(end, last) - start) for start, end in spans)
    share = busy_s / (window * (last - first)) if last > first else 1.0
    at_once = _most_at_once(spans)
    mean_s = sum(naps) / count
    what = f"busy slots over {last - first:.0f} s of backlog: {count} probes of {mean_s:.1f} s, {ticks} ticks"
    return [
        Row(what, f"{busy_s:.0f} s", f"{window} slots", share, 0.97, at_least=True),
        Row("most probes at once in it", str(at_once), f"window {window}", at_once / window, 1.0),
        Row("probes in it", str(len(spans)), f"of {count}", len(spans) / count, 1.0, at_least=True),
        Row("nodes lost in it", str(len(bed.lost)), "; ".join(bed.lost[:1]), float(len(bed.lost)), 0),
    ]


def _tick_until_done(bed: Testbed) -> int:
    """Start a tick every two seconds, as a fast cron would, until all have ended; return how many there were."""
    who = bed.contestant("plabctl tick", "tick")
    who.before()
    running: list[subprocess.Popen[bytes]] = []
    started, next_at = 0, time.monotonic()
    try:
        while running or not started:
            if time.monotonic() >= next_at:
                running.append(subprocess.Popen(who.argv, stdin=subprocess.DEVNULL, env={**os.environ, **who.env}))
                started, next_at = started + 1, next_at + EVERY_S
            time.sleep(0.05)
            running = [process for process in running if process.poll() is None]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return started


def _most_at_once(spans: list[tuple[float, float]]) -> int:
    """Return the largest number of probes that ran at one time."""
    steps = sorted([(start, 1) for start, _ in spans] + [(end - CLOCK_S, -1) for _, end in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most
