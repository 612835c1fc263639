"""Writers and readers of one state, interleaved call by call, with folds, kills, errors of the disk and power cuts.

I/O: real state directories in memory, and the store itself. Each call on the directory is a step, before which others
may run: a reader comes between any two steps of a fold, a process that goes on meets files that were replaced twice
meanwhile. What is durable is the model's (`tests.lab.cut_disk`); at a power cut the dice choose among all that may be
left. Nobody may ever read less than was acknowledged, or what was refused. The same seed plays the same run. Go on with
`tests.torture.interleave`, which plays ticks and people over a state in memory.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from plabctl.core.state import Changes
from plabctl.errors import CommitUncertain, StoreError
from plabctl.store import current, lock, mounts, storage
from plabctl.store.store import Store
from tests.builders import NOW
from tests.lab.cut_disk import Died, Disk, watch
from tests.manual_clock import ManualClock
from tests.torture.finding import Finding, none_of
from tests.torture.interleaving.scheduler import Defect, Process, Scheduler
from tests.torture.interleaving.step_log import StepLog
from tests.torture.options import TortureOptions
from tests.torture.power import in_memory, lay_out

STEPS, SHORT_STEPS = 1_000_000, 8_000
_EPISODE = 4_000
_CROWD = 5
_FAULT, _KILL, _STOP, _GO_ON, _POWER = 0.008, 0.006, 0.01, 0.01, 0.003
_KEPT = 12
"""So many of the newest notes stay in the state."""


def run(options: TortureOptions) -> list[Finding]:
    """Play episodes until there were enough steps."""
    counts: Counter[str] = Counter()
    broken: list[str] = []
    with in_memory(options.folder) as folder:
        number = 0
        while counts["steps"] < options.count(STEPS, SHORT_STEPS):
            broken += play_one(folder, options.seed, number, counts)
            number += 1
    return [
        none_of("episodes in which a promise was broken", broken, str(number)),
        Finding("steps, each a call on the directory", f"{counts['steps']:,}"),
        Finding("commits acknowledged", f"{counts['acknowledged']:,}"),
        Finding(
            "commits refused, and commits of which nothing is known", f"{counts['refused']:,}, {counts['unknown']:,}"
        ),
        Finding("state files written", f"{counts['folds']:,}"),
        Finding("looks of readers beside them", f"{counts['looks']:,}"),
        Finding("processes killed", f"{counts['killed']:,}"),
        Finding("power cuts", f"{counts['cuts']:,}"),
    ]


def play_one(folder: Path, seed: int, number: int, counts: Counter[str]) -> list[str]:
    """Play one episode and add to `counts`; return what broke."""
    episode = Episode(folder / "state", f"{seed} {number}", counts)
    try:
        episode.run()
    except Exception as error:  # noqa: BLE001 - whatever breaks is a finding
        return [f"{type(error).__name__}: {error}\nepisode {number} of seed {seed}\n{episode.log}"]
    finally:
        shutil.rmtree(folder / "state", ignore_errors=True)
    return []


@dataclass(slots=True)
class Ledger:
    """What was told of the commits, each of which puts a note of its own name and drops old ones."""

    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    going: set[str] = field(default_factory=set)
    """Of which somebody may have begun to drop the note."""
    count: int = 0

    def list_needed(self) -> set[str]:
        """Return the notes that have to be there."""
        return self.acknowledged - self.going


class Episode:
    """One run of a crowd of processes on one state directory."""

    def __init__(self, state_dir: Path, seed: str, counts: Counter[str]) -> None:
        self.log = StepLog()
        self.dice = Random(seed)
        self.scheduler = Scheduler(self.dice, self.log)
        self.counts = counts
        self.ledger = Ledger()
        self.disk = Disk({})
        self.boot = 1
        self._state_dir = state_dir
        self._holder: Process | None = None
        self._processes: list[Process] = []
        self._is_calm = False

    def run(self) -> None:
        """Play it; raise Defect."""
        lay_out(self._state_dir, {})
        with self._in_place():
            try:
                for _ in range(_EPISODE):
                    self._step()
                self._is_calm = True
                self._cut_power()
                self.look(Store(self._state_dir, ManualClock(NOW)))
            finally:
                for process in self._processes:
                    self.scheduler.end(process)
                self.scheduler.close()

    def _step(self) -> None:
        self.counts["steps"] += 1
        self.log.steps += 1
        dice = self.dice
        self._processes = [each for each in self._processes if not each.is_dead]
        if len(self._processes) < _CROWD:
            self._start()
        living = [each for each in self._processes if not each.is_dead]
        if dice.random() < _KILL:
            self.counts["killed"] += 1
            self._tell("killed", process := dice.choice(living))
            self.scheduler.end(process)
        if dice.random() < _STOP:
            dice.choice(living).is_stopped = True
        for process in living:
            process.is_stopped = process.is_stopped and dice.random() > _GO_ON
        if dice.random() < _POWER:
            self._cut_power()
        if runnable := self.scheduler.runnable():
            self.scheduler.turn(dice.choice(runnable))
        self.scheduler.now += 0.01

    def _start(self) -> None:
        is_writer = self.dice.random() < 0.6
        process = Process(f"{'writer' if is_writer else 'reader'}-{self.counts['begun']}", 1)
        self.counts["begun"] += 1
        process.at_end.append(lambda: self._free(process))
        store = Store(self._state_dir, ManualClock(NOW + self.log.steps))

        def main() -> None:
            for _ in range(self.dice.choice([1, 2, 12])):
                if is_writer and self.dice.random() < 0.85:
                    self.write(store)
                else:
                    self.look(store)
                self.scheduler.wait(until=self.scheduler.now + self.dice.choice([0.0, 0.5]))
            process.is_over = True

        self._processes.append(process)
        self.scheduler.begin(process, main)

    # What processes do.

    def write(self, store: Store) -> None:
        """Commit once, and note what was said of it."""
        ledger = self.ledger
        ledger.count += 1
        name = f"c{ledger.count}"
        self.counts["unknown"] += 1
        try:
            with store.session() as session:
                there = list(session.notes)
                self._check(set(there), ledger.list_needed(), ledger.refused)
                old = there[:-_KEPT]
                ledger.going |= set(old)
                session.apply(
                    Changes(notes={name: {"text": "x" * self.dice.choice([5, 90, 400])}} | dict.fromkeys(old))
                )
        except CommitUncertain as error:
            self._tell(f"{name} is uncertain: {error}")
            return
        except StoreError as error:
            self._tell(f"{name} is refused: {error}")
            ledger.refused.add(name)
            self.counts.update(unknown=-1, refused=1)
            return
        self._tell(f"{name} is acknowledged")
        ledger.acknowledged.add(name)
        self.counts.update(unknown=-1, acknowledged=1)

    def look(self, store: Store) -> None:
        """Read without the lock."""
        needed, refused = self.ledger.list_needed(), set(self.ledger.refused)
        found = set(store.snapshot().notes)
        self._check(found, needed & self.ledger.list_needed(), refused)
        store.head()
        self.counts["looks"] += 1

    def _check(self, found: set[str], needed: set[str], refused: set[str]) -> None:
        if lost := needed - found:
            raise Defect(f"lost: {sorted(lost)}")
        if wrong := found & refused:
            raise Defect(f"refused, and there: {sorted(wrong)}")

    # What the world does.

    def _happen(self, call: str) -> OSError | Died | None:
        """Let others run before a call that changes something; perhaps it fails."""
        if self.scheduler._running is None:
            return None  # it is this world that lays out what a power cut left
        self._let_run(call)
        if call == "link":
            self.counts["folds"] += 1
        if self._is_calm or self.dice.random() >= _FAULT:
            return None
        number = self.dice.choice([errno.EIO, errno.ENOSPC])
        self._tell(f"{call} fails: {errno.errorcode[number]}")
        return OSError(number, os.strerror(number))

    def _let_run(self, call: str = "read") -> None:
        if self.scheduler._running is not None:
            self._tell(call)
            self.scheduler.wait()

    def _tell(self, what: str, process: Process | None = None) -> None:
        running = self.scheduler._running
        who = process or (running.process if running else "nobody")
        self.log.tell(self.scheduler.now, "{}: {}", who, what)

    def _cut_power(self) -> None:
        """End all processes, and let there be what the dice choose of what may be left."""
        self.counts["cuts"] += 1
        for process in self._processes:
            self.scheduler.end(process)
        left = self.dice.choice(list(self.disk.after_power_cut(self.dice, unordered=True)))
        self._tell(f"the power is cut, and left are { ({name: len(each) for name, each in left.items()}) }")
        lay_out(self._state_dir, left)
        self.disk = Disk(left)
        self.boot += 1

    def _free(self, process: Process) -> None:
        if self._holder is process:
            self._holder = None

    @contextmanager
    def _lock(self, *_: object) -> Iterator[None]:
        process = self.scheduler.process
        self.scheduler.wait(lambda: self._holder is None)
        self._holder = process
        try:
            yield
        finally:
            if not process.is_dead:
                self._free(process)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        """Put the store onto this world."""
        this_boot: dict[str, Any] = {"read_boot_id": lambda: f"boot-{self.boot}"}
        with (
            mock.patch.multiple(current, **this_boot),
            mock.patch.multiple(storage, _LEAST_BYTES=600, _LARGEST_SHARE=0.3, **this_boot),
            mock.patch.object(lock, "lock_state", self._lock),
            mock.patch.object(mounts, "refuse_network"),
            watch(str(self._state_dir), _Newest(self), self._happen, self._let_run),  # type: ignore[arg-type]  # as asked
        ):
            yield


class _Newest:
    """The disk of an episode, which is another one after each power cut."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode

    def __getattr__(self, name: str) -> object:
        return getattr(self._episode.disk, name)
