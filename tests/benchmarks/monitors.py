"""Fifty monitors of 20,000 nodes each as one: `status --from ... --by reason`, and how its cost grows.

I/O. Whole commands on files as `status -o json` prints them, a tenth of whose nodes are bad. The peak is that of the
largest process, of which there are as many as processors, and one.
"""

import json
import time
from pathlib import Path

from tests.benchmarks.measure import Contestant, alternate, median, ratio
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds

MOST_S, MOST_MIB, MOST_GROWTH = 10.0, 1024.0, 1.1
FILES, FEW = 50, 10


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    nodes = options.count(20_000, 200)
    for number in range(FILES):
        for folder in ("all", "few")[: 1 + (number < FEW)]:
            path = options.folder / folder / f"site{number}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(_write_status(number, nodes))
    names = {folder: f"status --by reason, {count} files of {nodes:,} nodes" for folder, count in
             (("all", FILES), ("few", FEW))}  # fmt: skip
    contestants = [_make_contestant(options, names[folder], options.folder / folder) for folder in names]
    results = alternate(contestants, options.repeats(3), warm_up=options.warm_up)
    every, few = names["all"], names["few"]
    wall_s, cpu_s = median(results, every), median(results, every, lambda taken: taken.cpu_s)
    mib = median(results, every, lambda taken: taken.peak_mib)
    few_s = median(results, few, lambda taken: taken.cpu_s)
    growth = ratio(results, every, few, lambda taken: taken.cpu_s) / (FILES / FEW)
    return [
        Row(f"{every}: wall, s", seconds(wall_s), "", wall_s, MOST_S),
        Row(f"{every}: CPU, s", seconds(cpu_s), "", cpu_s),
        Row(f"{every}: peak memory of a process, MiB", f"{mib:.0f}", "", mib, MOST_MIB),
        Row("growth of the CPU time from 10 to 50 files, over 5", seconds(cpu_s), seconds(few_s), growth, MOST_GROWTH),
    ]


def _make_contestant(options: Options, name: str, folder: Path) -> Contestant:
    command = ("status", "--from", f"{folder}/*.json", "--by", "reason", "-o", "tsv", "--max-age", "1d")
    return Contestant(name, (options.installation.plabctl, *command))


def _write_status(site: int, count: int) -> str:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows = [_build_row(site, number, now) for number in range(count)]
    head = {
        "schema_version": 1, "generated_at": now, "rev": 5, "window": {"size": 40, "in_use": 0}, "last_tick_at": now,
        "guard": {"state": "off"}, "counts": {"good": count - count // 10, "bad": count // 10}, "good_pools": ["good"],
    }  # fmt: skip
    return json.dumps({**head, "nodes": rows}, sort_keys=True, separators=(",", ":"))


def _build_row(site: int, number: int, now: str) -> dict[str, object]:
    row: dict[str, object] = {
        "name": f"pc{number}.site{site}.example.org", "pool": "good", "since_at": now, "due_at": now, "testing": False,
        "held": False, "suspect": False, "ok_streak": 9, "fail_streak": 0, "penalty": 0.0, "usable": True,
        "site": f"site{site}", "labels": {"rack": f"r{number % 40}"},
        "last": {"outcome": "pass", "at": now, "seconds": 3.125},
    }  # fmt: skip
    if number % 10:
        return row
    reason = f"no connection to 10.0.{site}.{number % 200} port 22 within 20 s" if number % 20 else "the disk is full"
    last = {"outcome": "fail", "cause": "connect", "at": now, "seconds": 20.0, "reason": reason}
    return {
        **row,
        "pool": "bad",
        "usable": False,
        "fail_streak": 3,
        "why_not": "in bad",
        "passes_needed": 1,
        "last": last,
    }
