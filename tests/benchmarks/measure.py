"""Run processes one at a time and say what each took: wall time, CPU, peak memory.

I/O. What is compared is run alternately, so that whatever else the machine does meets both sides alike; a ratio is
the median of the rounds' ratios. Keep the process that measures small: a child's peak memory starts at its parent's.
"""

import contextlib
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.05
TAIL_BYTES = 16384


@dataclass(frozen=True, slots=True)
class Sample:
    """How a process stood at one instant: seconds of CPU so far, threads."""

    at: float
    cpu_s: float
    threads: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one process, with all the children it waited for."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    code: int
    output: str
    ended_at: float = 0.0
    samples: tuple[Sample, ...] = ()

    @property
    def delivered(self) -> dict[str, float]:
        """The JSON object that a helper of ours prints as its last line."""
        found: dict[str, float] = json.loads(self.output.strip().splitlines()[-1])
        return found


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that can be run again and again; `before` makes everything ready and is not measured."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] = bool
    after: Callable[[], object] = bool
    terminal: bool = False
    """Standard output is a terminal."""
    watch: bool = False
    """Look at the process every 50 ms."""
    rounds: int = 1000
    """The number of rounds to take part in at most."""
    optional: bool = False
    """A run of it that fails is said and left out."""


class Failed(Exception):
    """A contestant did not do its work."""


def run(who: Contestant, limit_s: float = 240) -> Run:
    """Run `who` once; raise Failed when its exit code is not 0 or it took longer than `limit_s`."""
    who.before()
    with tempfile.TemporaryFile() as sink:
        near, far = os.openpty() if who.terminal else (None, None)
        started = time.monotonic()
        process = subprocess.Popen(
            who.argv,
            stdin=subprocess.DEVNULL,
            stdout=sink if far is None else far,
            stderr=subprocess.STDOUT,
            env={**os.environ, **who.env},
        )
        if far is not None:
            os.close(far)
        samples = _attend(process.pid, near, sink.fileno(), started + limit_s, watch=who.watch)
        if samples is None:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        ended_at = time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
        if near is not None:
            os.close(near)
        # Only the end of it: 100,000 lines kept from each run would raise the floor of all peaks measured later.
        sink.seek(max(0, sink.seek(0, os.SEEK_END) - TAIL_BYTES))
        output = sink.read().decode(errors="replace")
    if process.returncode:
        late = f", stopped after {limit_s:.0f} s" if samples is None else ""
        raise Failed(f"{who.name}: exit code {process.returncode}{late}: {output[-400:].strip()}")
    who.after()
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(wall_s, cpu_s, usage.ru_maxrss / 1024, process.returncode, output, ended_at, tuple(samples or ()))


def _attend(pid: int, terminal: int | None, sink: int, until: float, *, watch: bool) -> list[Sample] | None:
    """Wait for the end of `pid` without reaping it, drain its terminal, take samples; None: it is late."""
    samples: list[Sample] = []
    handle = os.pidfd_open(pid)
    try:
        while (left := until - time.monotonic()) > 0:
            wait_for = [handle] if terminal is None else [handle, terminal]
            ready, _, _ = select.select(wait_for, [], [], LOOK_S if watch else left)
            if terminal in ready and terminal is not None:
                try:
                    os.write(sink, os.read(terminal, 65536))
                except OSError:  # the far side of the terminal is closed: the process ends
                    terminal = None
            elif handle in ready:
                return samples
            elif watch:
                samples.extend(sample(pid))
        return None
    finally:
        os.close(handle)


def sample(pid: int) -> list[Sample]:
    """Return how `pid` stands now; nothing when it is gone."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return [Sample(time.time(), sum(map(int, words[11:15])) / TICKS, int(words[17]))]
    return []


def helper(module: str, *words: str, given: str = "") -> str:
    """Return what a module of this folder prints, run as a process of its own; raise Failed with its complaint."""
    argv = [sys.executable, "-m", f"tests.benchmarks.{module}", *words]
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise Failed(f"{module} {words[0]}: {done.stderr[-2000:].strip()}")
    return done.stdout


Results = dict[str, dict[int, Run]]


def alternate(contestants: Sequence[Contestant], rounds: int, *, warm_up: bool = True) -> Results:
    """Run all of `contestants` in every round, forwards and backwards in turn; return the runs by name and round."""
    results: Results = {who.name: {} for who in contestants}
    for number in range(-1 if warm_up else 0, rounds):
        for who in contestants if number % 2 else reversed(contestants):
            if number < who.rounds and (number >= 0 or who.rounds > 1):
                try:
                    taken = run(who)
                except Failed as failure:
                    if not who.optional:
                        raise
                    print(f"left out in round {number}: {str(failure)[:300]}")
                    continue
                if number >= 0:
                    results[who.name][number] = taken
    return results


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratio(
    results: Results, name: str, yardstick: str, quantity: Callable[[Run], float] = lambda run: run.wall_s
) -> float:
    """Return the median, over the rounds in which both ran, of one's quantity over the other's."""
    both = results[name].keys() & results[yardstick].keys()
    return middle([quantity(results[name][number]) / quantity(results[yardstick][number]) for number in both])


def median(results: Results, name: str, quantity: Callable[[Run], float] = lambda run: run.wall_s) -> float:
    """Return the median of one contestant's quantity."""
    return middle([quantity(taken) for taken in results[name].values()])
