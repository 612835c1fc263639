"""What the store costs at many nodes, next to a bare orjson load and save of the same file in the same run.

Run `python tests/benchmarks/bench_store.py [NODES] [ROUNDS]`. Prints ratios and asserts nothing: the figures are for
people. Every measurement is taken in a process of its own, because a heap of documents slows the next one down.
"""

import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from plabctl.core.model import Cause, Claim, Event, Member, Node, Outcome, Verdict
from plabctl.core.state import Changes
from plabctl.store.store import Store
from tests.manual_clock import ManualClock

NOW = 1_790_000_000.0
BATCH = 40
Job = Callable[[Path], Callable[[], object]]
"""Prepares, and returns what is to be timed."""


def open_store(state_dir: Path) -> Store:
    return Store(state_dir, ManualClock(NOW))


def make_state(state_dir: Path, count: int) -> None:
    names = [f"node{number:06d}.site{number % 97}.example" for number in range(count)]
    nodes = tuple(
        Node(name, {"site": f"site{number % 97}"}, "file:nodes", NOW - 1e6) for number, name in enumerate(names)
    )
    members = tuple(make_member(name, number) for number, name in enumerate(names))
    with open_store(state_dir).session() as session:
        session.apply(Changes(nodes=nodes, members=members))
    with open_store(state_dir).session() as session:
        session.apply(Changes(claims=tuple(make_claim(name, slot) for slot, name in enumerate(names[:BATCH], 1))))


def make_member(name: str, number: int) -> Member:
    good = number % 5 > 0
    verdict = Verdict(
        Outcome.PASS if good else Outcome.FAIL,
        None if good else Cause.CONNECT,
        "" if good else "refused",
        NOW - 60,
        1.25,
    )
    due_at = NOW + (number * 7919) % 3600 - (60 if number % 250 == 0 else 0)
    return Member(
        name,
        "good" if good else "bad",
        NOW - 86_400.0,
        due_at,
        7 * good,
        9 * (not good),
        NOW - 60.5,
        1812.75,
        last=verdict,
    )


def make_claim(name: str, slot: int) -> Claim:
    return Claim(name, f"{slot:016x}", slot, "tick", "boot", "good", "process", f"plabctl-{slot}", NOW, NOW + 1800)


def bare(state_dir: Path) -> Callable[[], object]:
    import orjson

    def run() -> None:
        gc.disable()
        document = orjson.loads((state_dir / "state.json").read_bytes())
        data = orjson.dumps(document)
        temp = state_dir.parent / "bare.tmp"
        with temp.open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())
        temp.replace(state_dir.parent / "bare.json")

    return run


def settle(state_dir: Path) -> Callable[[], object]:
    store = open_store(state_dir)
    with store.session():
        pass  # a tick that goes on has read the state, and keeps it

    def run() -> None:
        with store.session() as session:
            session.due(NOW)
            claims = list(session.claims.values())
            members = [session.member(claim.node) for claim in claims]
            session.apply(
                Changes(
                    members=tuple(replace(member, due_at=NOW + 900, ok_streak=1) for member in members if member),
                    released=tuple(claim.node for claim in claims),
                    events=tuple(
                        Event(f"{claim.token}-probe", NOW, "probe", claim.node, "plabctl", {"outcome": "pass"})
                        for claim in claims
                    ),
                )
            )

    return run


def head(state_dir: Path) -> Callable[[], object]:
    return open_store(state_dir).head


def only_hash(state_dir: Path) -> Callable[[], object]:
    import hashlib

    return lambda: hashlib.sha256((state_dir / "state.json").read_bytes()).digest()


def snapshot(state_dir: Path) -> Callable[[], object]:
    return open_store(state_dir).snapshot


def members(state_dir: Path) -> Callable[[], object]:
    store = open_store(state_dir)
    return lambda: sum(1 for _ in store.snapshot().members())


def due(state_dir: Path) -> Callable[[], object]:
    store = open_store(state_dir)
    return lambda: store.snapshot().due(NOW)


JOBS: dict[str, Job] = {job.__name__: job for job in (bare, settle, only_hash, head, snapshot, members, due)}


def measure_here(name: str, state_dir: Path) -> None:
    job = JOBS[name](state_dir)
    began = time.perf_counter()
    job()
    seconds = time.perf_counter() - began
    print(json.dumps([seconds, peak_mebibytes()]))


def peak_mebibytes() -> float:
    """The most memory this process had, which getrusage would mix with its parent's."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(name: str, state_dir: Path) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--here", name, str(state_dir)], capture_output=True, text=True, check=True
    )
    seconds, mebibytes = json.loads(done.stdout)
    return seconds, mebibytes


def main(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        state_dir = Path(place) / "state"
        make_state(state_dir, count)
        size = (state_dir / "state.json").stat().st_size
        print(f"{count} nodes, {size / 2**20:.1f} MiB, median of {rounds}")
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in JOBS}
        for _ in range(rounds):
            for name in JOBS:
                copy = Path(shutil.copytree(state_dir, Path(place) / "copy"))
                found[name].append(measure(name, copy))
                shutil.rmtree(copy)
        base = statistics.median(seconds for seconds, _ in found["bare"])
        for name, values in found.items():
            seconds, mebibytes = (statistics.median(column) for column in zip(*values, strict=True))
            print(
                f"{name:9} {seconds * 1000:8.1f} ms  {seconds / base:5.2f} x bare load+save  {mebibytes:4.0f} MiB peak"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        measure_here(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 100_000, int(sys.argv[2]) if sys.argv[2:] else 5)
