"""Make a history of a month for `stats`, and read it as somebody would who knows the file, in a process of its own.

I/O. Run as `python -m tests.benchmarks.statswork MODE FOLDER [COUNT]`.
"""

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.benchmarks.historywork import CONFIG, MONTH_S

NODES = 1000
# Each node passes 40 tests, fails ten, and so on; a move comes after each change.
_EVENTS = """
with recursive count(n) as (select 0 union all select n + 1 from count where n + 1 < :count),
  turn(n, node, place) as (select n, n % :nodes, (n / :nodes + n % :nodes) % 52 from count)
insert into event (id, at, kind, node, actor, data)
select printf('%016x', n), round(:end - (:count - n) * :step, 3), iif(place in (0, 41), 'transition', 'probe'),
       printf('n%04d.example.org', node), 'plabctl',
       case when place = 0 then :returned when place = 41 then :left when place < 41 then :passed else :failed end
from turn
"""
_DATA = {
    "passed": {"pool": "good", "outcome": "pass", "started_at": 1.8e9, "seconds": 21.561},
    "failed": {"pool": "bad", "outcome": "fail", "cause": "connect", "reason": "no route to host", "seconds": 9.2},
    "left": {"from": "good", "to": "bad", "since_at": 1.8e9, "cause": "connect", "reason": "no route to host"},
    "returned": {"from": "bad", "to": "good", "since_at": 1.8e9, "cause": "passed", "reason": "test passed"},
}


def build(folder: Path, count: int, nodes: int = NODES) -> None:
    """Make an installation whose history has `count` events of so many nodes in a month."""
    from plabctl.core.model import Event
    from plabctl.history.database import History

    state = folder / "state"
    state.mkdir(mode=0o700)
    (folder / CONFIG).write_text('state_dir = "state"\n')
    end = time.time()
    with History(state) as history:
        history.record([Event("first", end - MONTH_S, "retest", None, "ann", {})])
    with closing(sqlite3.connect(state / "history.db", isolation_level=None)) as connection:
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -500000"):
            connection.execute(f"pragma {pragma}")
        values = {"count": count, "end": end, "step": MONTH_S / count, "nodes": nodes}
        connection.execute(_EVENTS, {**values, **{name: json.dumps(data) for name, data in _DATA.items()}})
        connection.execute("pragma journal_mode = wal")


def read(folder: Path) -> None:
    """Read the whole month and add up how long tests took, by node and outcome; say for how many nodes."""
    sums: dict[tuple[str, object], float] = {}
    with closing(sqlite3.connect(folder / "state" / "history.db")) as connection:
        for node, kind, text in connection.execute("select node, kind, data from event order by seq"):
            data = json.loads(text)
            if kind == "probe":
                key = node, data["outcome"]
                sums[key] = sums.get(key, 0.0) + data["seconds"]
    print(len({node for node, _ in sums}))


if __name__ == "__main__":
    mode, place, *numbers = sys.argv[1:]
    if mode == "build":
        build(Path(place), int(numbers[0]))
    else:
        read(Path(place))
