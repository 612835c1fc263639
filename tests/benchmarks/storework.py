"""One piece of store work, timed inside a process of its own: ours, bare orjson's, TinyDB's.

I/O. Run as `python -m tests.benchmarks.storework MODE CONFIG STATE_DIR`; imports are not part of the time.
"""

import gc
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

MANY = 40
FAR = 1e12


def settle(config: Path, state: Path) -> float:
    """Settle 40 reports of claims that were committed before, as the tick does it that made them."""
    from plabctl.clock import SystemClock
    from plabctl.config.load import load
    from plabctl.core.assign import assign
    from plabctl.core.claim import Claimant
    from plabctl.core.model import Outcome, Report, TickMark
    from plabctl.core.pools.base import build_pools
    from plabctl.core.settle import settle as decide
    from plabctl.store.store import Store

    settings, rng, now = load(str(config)), Random(1), round(time.time(), 3)
    claimant = Claimant(TickMark("t", now), "boot", rng)
    store = Store(state, SystemClock())
    with store.session() as session:
        rows = session.due(FAR)[:MANY]
        _, changes = assign(session, settings, rows, range(MANY), claimant, now)
        session.apply(changes)
    reports = [Report(claim.node, claim.token, Outcome.PASS, None, "", now, 1.0) for claim in changes.claims]
    pools = build_pools(settings)
    gc.collect()
    started = time.perf_counter()
    with store.session() as session:
        session.apply(decide(session, reports, pools, now, rng))
    return time.perf_counter() - started


def work(config: Path, state: Path) -> float:
    """Load, find what is due, change 40 members, save."""
    import plabctl.store.session  # noqa: F401 - the store imports it late, and that is not the question here
    from plabctl.clock import SystemClock
    from plabctl.core.state import Changes
    from plabctl.store.store import Store

    store = Store(state, SystemClock())
    started = time.perf_counter()
    with store.session() as session:
        rows = session.due(time.time())
        members = [member for row in rows if (member := session.member(row.node))]
        session.apply(Changes(members=tuple(replace(member, ok_streak=8, due_at=FAR) for member in members)))
    return time.perf_counter() - started


def orjson_load_save(config: Path, state: Path) -> float:
    """Load the state file and save it again, durably, with orjson and nothing else."""
    return _bare(state, look=False)


def floor(config: Path, state: Path) -> float:
    """Do `work` with orjson and dictionaries alone, the collector off."""
    return _bare(state, look=True)


def _bare(state: Path, *, look: bool) -> float:
    import orjson

    path, new = state / "state.json", state / "new.json"
    gc.collect()
    started = time.perf_counter()
    gc.disable()
    document: dict[str, Any] = orjson.loads(path.read_bytes())
    if look:
        due = [doc for doc in document["nodes"].values() if doc["member"]["due_at"] <= time.time()]
        for doc in due:
            doc["member"]["due_at"] = FAR
    with new.open("wb") as file:
        file.write(orjson.dumps(document))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return time.perf_counter() - started


def multiple(config: Path, state: Path) -> float:
    """Do `work` with TinyDB's own storage and one `update_multiple`."""
    from tinydb import TinyDB, where

    path = _tinydb_file(state)
    started = time.perf_counter()
    with TinyDB(path) as database:
        names = [doc["name"] for doc in database.search(where("due_at") <= time.time())]
        database.update_multiple([({"due_at": FAR}, where("name") == name) for name in names])
    return time.perf_counter() - started


def each(config: Path, state: Path) -> float:
    """Do `work` with TinyDB's own storage and an `update` for each node; ten are timed and stand for forty."""
    from tinydb import TinyDB, where

    path = _tinydb_file(state)
    started = time.perf_counter()
    with TinyDB(path) as database:
        ids = [doc.doc_id for doc in database.search(where("due_at") <= time.time())][: MANY // 4]
        looked = time.perf_counter()
        for number in ids:
            database.update({"due_at": FAR}, doc_ids=[number])
        ended = time.perf_counter()
    return (looked - started) + 4 * (ended - looked)


def _tinydb_file(state: Path) -> Path:
    document = json.loads((state / "state.json").read_bytes())
    rows = {
        str(number): {"name": name, **doc, "due_at": doc["member"]["due_at"]}
        for number, (name, doc) in enumerate(document["nodes"].items(), 1)
    }
    path = state / "tiny.json"
    path.write_text(json.dumps({"_default": rows}))
    return path


MODES = {
    "settle": settle,
    "work": work,
    "orjson": orjson_load_save,
    "floor": floor,
    "multiple": multiple,
    "each": each,
}

if __name__ == "__main__":
    print(json.dumps({"seconds": MODES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))}))
