"""Work on a long history, in a process of its own: it is made, looked at, weighed.

I/O. Run as `python -m tests.benchmarks.historywork MODE FOLDER ...`; imports are not part of any time.
"""

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

CONFIG = "plabctl.toml"
YEARS_S = 2 * 365 * 86400.0
HOUR_S = 3600.0
MONTH_S = 30 * 86400.0
NODE = "n0007.example.org"
MANY = """
with recursive count(n) as (select 0 union all select n + 1 from count where n + 1 < :count)
insert into event (id, at, kind, node, actor, data)
select printf('%016x-probe', n), round(:end - (:count - n) * :step, 3), iif(n % 500, 'probe', 'transition'),
       printf('n%04d.example.org', n * 7919 % 1000), 'plabctl', iif(n % 10, :passed, :failed)
from count
"""
BARE = {
    "hour": ("select * from event where at >= ? order by +seq", HOUR_S),
    "node": (f"select * from event where +at >= ? and node = '{NODE}' order by +seq", MONTH_S),
}


def build(folder: Path, count: int) -> None:
    """Make an installation of a thousand nodes whose history has `count` small events of two years."""
    from plabctl.clock import SystemClock
    from plabctl.core.model import Event, Member, Node
    from plabctl.core.state import Changes
    from plabctl.history.database import History
    from plabctl.store.store import Store

    state = folder / "state"
    state.mkdir(mode=0o700)
    now = time.time()
    nodes = tuple(Node(f"n{number:04}.example.org", {}, "operator", now) for number in range(1000))
    with Store(state, SystemClock()).session() as session:
        session.apply(Changes(nodes=nodes, members=tuple(Member(node.name, "good", now, now + 3600) for node in nodes)))
    (folder / CONFIG).write_text('state_dir = "state"\n')
    with History(state) as history:
        history.record([Event("first", 0.0, "hold", None, "ann", {})])
    passed = {"pool": "good", "outcome": "pass", "seconds": 1.5}
    failed = {"pool": "bad", "outcome": "fail", "cause": "connect", "reason": "no route to host", "seconds": 10.0}
    with closing(sqlite3.connect(state / "history.db", isolation_level=None)) as connection:
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -500000"):
            connection.execute(f"pragma {pragma}")
        texts = {"passed": json.dumps(passed), "failed": json.dumps(failed)}
        values = {"count": count, "end": time.time(), "step": YEARS_S / count, **texts}
        connection.execute(MANY, values)
        connection.execute("pragma journal_mode = wal")


def cool(folder: Path) -> None:
    """Take the history out of the page cache."""
    fd = os.open(folder / "state" / "history.db", os.O_RDONLY)
    try:
        os.fsync(fd)  # what is not on the disk yet would stay
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def looks(folder: Path) -> None:
    """Print how long each look takes us, and a bare query."""
    from plabctl.history.database import History

    now = time.time()

    def ours(name: str) -> int:
        with History(folder / "state") as history:
            nodes = [NODE] if name == "node" else None
            return len(history.read(since_at=now - BARE[name][1], nodes=nodes))

    def bare(name: str) -> int:
        with closing(sqlite3.connect(folder / "state" / "history.db")) as connection:
            query, length_s = BARE[name]
            return len(connection.execute(query, (now - length_s,)).fetchall())

    taken = {}
    for name in BARE:
        (own_s, found), (bare_s, wanted) = _timed(folder, ours, name), _timed(folder, bare, name)
        assert found == wanted, (found, wanted)
        taken[name] = {"ours": own_s, "bare": bare_s}
    print(json.dumps(taken))


def _timed(folder: Path, work: Callable[[str], int], name: str) -> tuple[float, int]:
    cool(folder)
    started = time.perf_counter()
    found = work(name)
    return time.perf_counter() - started, found


def sizes(folder: Path, count: int) -> None:
    """Print how many bytes each of `count` usual events takes, and how many of them are for each index."""
    from plabctl.core.model import Event
    from plabctl.history.database import History

    state = folder / "weighed"
    state.mkdir(mode=0o700)
    with History(state) as history:
        history.record([Event(f"{n * 7919:016x}-probe", 1.8e9 + n, *_usual(n)) for n in range(count)])
    path = state / "history.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        found = {"whole": _measure_bytes(connection) / count}
        before = found["whole"]
        for kind, part in (("table", "output"), ("index", "event_by_time"), ("index", "event_by_node")):
            connection.execute(f"drop {kind} {part}")
            after = _measure_bytes(connection) / count
            found[part], before = before - after, after
    print(json.dumps(found))


def _measure_bytes(connection: sqlite3.Connection) -> int:
    connection.execute("vacuum")
    (pages,), (size,) = (connection.execute(f"pragma {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages * size)


def _usual(number: int) -> tuple[str, str, str, dict[str, object]]:
    """Return kind, node, actor and data of a test by the built-in recipe that passed."""
    stages = [
        {
            "stage": stage,
            "seconds": 0.312,
            "exit_code": 0,
            "output": "a line or two of output\n" * 2,
            "truncated": False,
        }
        for stage in ("connect", "setup", "up", "check", "teardown")
    ]
    data = {"pool": "good", "outcome": "pass", "started_at": 1.8e9 + number, "seconds": 1.561, "stages": stages}
    return "probe", f"n{number * 7919 % 1000:04}.example.org", "plabctl", data


if __name__ == "__main__":
    mode, place, *numbers = sys.argv[1:]
    modes: dict[str, Callable[..., None]] = {"build": build, "looks": looks, "sizes": sizes}
    modes[mode](Path(place), *map(int, numbers))
