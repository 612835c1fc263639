"""Power cuts at every call of a commit, of a fold and of a restore, with every loss that a disk may show then.

I/O: real state directories, read and changed by the store itself, and a model of what of them is durable
(`tests.lab.cut_disk`). A case is a state, a first command that is killed or fails at one of its calls or comes through,
and a second command of the same process or of another one. The power is cut at each call of the last command, and when
it has returned. Whatever is left then must be a state: with all that was acknowledged, without anything that was
refused, and ready for the next commit, which must survive a power cut in its turn.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from unittest import mock

from plabctl.core.state import Changes
from plabctl.errors import CommitUncertain, Refused, StateDamaged, StoreError
from plabctl.store import current, storage
from plabctl.store.store import Store
from tests.builders import NOW, make_member, make_node
from tests.lab.cut_disk import Died, Disk, watch
from tests.manual_clock import ManualClock
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

FAULTS = ("killed", "EIO", "ENOSPC")
_SHORT_CASES = 60
_TOLD_EVERY = 100
_RECOVERED = 0.15
"""The share of the directories after a power cut on which the next commit is made, and the power cut again."""
_PROMISED = ("state.json", "state.journal.")
_TEXT = "x" * 150
Files = Mapping[str, bytes]


def run(options: TortureOptions) -> list[Finding]:
    """Play all cases, or some."""
    if options.whole:
        share_count = os.cpu_count() or 1
        with ProcessPoolExecutor(share_count, get_context("spawn")) as processes:
            parts = list(processes.map(partial(play, options, share_count), range(share_count)))
    else:
        parts = [play(options)]
    counts = sum((part[0] for part in parts), Counter[str]())
    faults = [fault for part in parts for fault in part[1]]
    return [
        Finding("cases: a state, a command with a fault or none, and another command", str(counts["cases"])),
        Finding("of them with a fault at a call", str(counts["with a fault"])),
        Finding("moments at which the power was cut", str(counts["cuts"])),
        Finding("directories that may be left, each another one", str(counts["left"])),
        Finding("of them gone on with, and the power cut again", str(counts["recovered"])),
        none_of(
            "unreadable, with less than was acknowledged or more than was not refused", faults, str(counts["left"])
        ),
    ]


def play(options: TortureOptions, share_count: int = 1, share: int = 0) -> tuple[Counter[str], list[str]]:
    """Play the cases of one share, every one of them or some; return the counts and what is wrong."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    with in_memory(options.folder) as folder:
        cases = list(list_cases(folder / "begin"))[share::share_count]
        if not options.whole:
            cases = options.dice().sample(cases, _SHORT_CASES)
        for number, case in enumerate(cases, 1):
            found = Play(case, folder / str(number), options.dice(str(case)), counts).run()
            faults += found
            counts["cases"] += 1
            counts["with a fault"] += case.at > 0
            if options.whole and (found or number % _TOLD_EVERY == 0):
                said = (
                    f"share {share}: {number} of {len(cases)} cases, {counts['left']} directories, {len(faults)} wrong"
                )
                print("\n  ".join([said, *found]), file=sys.stderr, flush=True)
    return counts, faults


@dataclass(frozen=True, slots=True)
class Begin:
    """A state to begin with: its files, the commits that it has, and whether it has to be restored first."""

    name: str
    files: Files
    commits: frozenset[str]
    is_damaged: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Case:
    """What is done: `fault` happens at call `at` of the first command, at no call if that is 0."""

    begin: Begin
    first: str
    second: str = ""
    at: int = 0
    fault: str = ""
    is_same_process: bool = False

    def __str__(self) -> str:
        what = f"{self.begin}: {self.first}"
        if self.at:
            what += f", {self.fault} at call {self.at}"
        if self.second:
            what += f"; {self.second}{' by the same process' * self.is_same_process}"
        return what


@dataclass(slots=True)
class Play:
    """One case as it is played."""

    case: Case
    folder: Path
    dice: Random
    counts: Counter[str]
    acknowledged: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    faults: list[str] = field(default_factory=list)
    _seen: set[tuple[object, ...]] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self) -> list[str]:
        """Return what is wrong."""
        case = self.case
        state_dir = self.folder / "state"
        lay_out(state_dir, case.begin.files)
        disk = Disk(case.begin.files)
        self.acknowledged = case.begin.commits
        store = open_store(state_dir)
        with suppress(StoreError):
            store.snapshot()
        is_cut = not case.second
        self._do(store, case.first, disk, at=case.at, fault=case.fault, is_cut=is_cut)
        if not case.begin.is_damaged:
            self._look(state_dir, "before any power cut")
        if case.second:
            store = store if case.is_same_process else open_store(state_dir)
            self._do(store, case.second, disk, is_cut=True)
        self._cut(disk, "at the end")
        shutil.rmtree(self.folder)
        return self.faults[:3]

    def _do(self, store: Store, what: str, disk: Disk, *, at: int = 0, fault: str = "", is_cut: bool = False) -> None:
        """Carry out one command, and cut the power at each of its calls if `is_cut`."""
        name, calls, folds = f"c{next(self._numbers)}", 0, what == "fold"
        before = self.unknown
        self.unknown |= {name}

        def happen(call: str) -> OSError | Died | None:
            nonlocal calls
            calls += 1
            if is_cut:
                self._cut(disk, f"at call {calls} ({call}) of the last command")
            if calls < at or not at:
                return None
            if fault == "killed":
                return Died() if calls == at else None
            is_hit = calls == at or (fault == "EIO for good" and call != "open")
            number = errno.ENOSPC if fault == "ENOSPC" else errno.EIO
            return OSError(number, os.strerror(number)) if is_hit else None

        with folding(folds), watch(store._dir, disk, happen):
            try:
                if what == "restore":
                    store.restore()
                    name = ""
                elif what == "look":
                    name = ""
                    with store.session() as session:
                        seen = frozenset(session.notes)
                    self.acknowledged |= seen
                else:
                    commit(store, name)
            except (CommitUncertain, Died):
                return
            except (Refused, StoreError):
                self.unknown = before
                return
        self.unknown -= {name}
        self.acknowledged |= {name} - {""}

    def _cut(self, disk: Disk, when: str) -> None:
        self.counts["cuts"] += 1
        for files in disk.after_power_cut(self.dice, unordered=True):
            kept = {name: content for name, content in files.items() if name.startswith(_PROMISED)}
            key = (frozenset(kept.items()), self.acknowledged, self.unknown)
            if key in self._seen:
                continue
            self._seen.add(key)
            self.counts["left"] += 1
            place = self.folder / "left"
            lay_out(place, kept)
            with another_boot():
                self._look(place, when)
                if self.dice.random() < _RECOVERED and not self.faults:
                    self._go_on(place, kept, when)

    def _go_on(self, place: Path, files: Files, when: str) -> None:
        """Make the next commit, cut the power again, and look."""
        self.counts["recovered"] += 1
        lay_out(place, files)
        disk, store = Disk(files), open_store(place)
        is_lost = False
        with watch(str(place), disk, lambda _: None):
            if self.case.begin.is_damaged:
                with suppress(Refused):
                    store.restore()
            try:
                commit(store, "next")
            except StoreError as error:
                is_lost = True
                self._tell(f"the next commit fails: {error}", when)
        if is_lost:
            return
        for left in disk.after_power_cut(self.dice):
            lay_out(place, {name: content for name, content in left.items() if name.startswith(_PROMISED)})
            self._look(place, f"{when}, gone on and cut again", also={"next"})

    def _look(self, state_dir: Path, when: str, also: frozenset[str] | set[str] = frozenset()) -> None:
        needed = self.acknowledged | also
        try:
            found = read_commits(state_dir)
        except StateDamaged as error:
            if self.case.begin.is_damaged and not also and self.acknowledged == self.case.begin.commits:
                with suppress(StoreError):
                    open_store(state_dir).restore()
                    found = read_commits(state_dir)
                    if not needed <= found:
                        self._tell(f"restored without {sorted(needed - found)}", when)
                    return
            self._tell(f"unreadable: {error}", when)
            return
        except StoreError as error:
            self._tell(f"unreadable: {error}", when)
            return
        if not needed <= found:
            self._tell(f"lost: {sorted(needed - found)}", when)
        if not found <= needed | self.unknown:
            self._tell(f"there, though refused: {sorted(found - needed - self.unknown)}", when)

    def _tell(self, what: str, when: str) -> None:
        self.faults.append(f"{what}; {self.case}; the power is cut {when}")


@contextmanager
def in_memory(folder: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one, else that one: thousands of directories are made and removed."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if os.access(place, os.W_OK) else folder) as name:
        yield Path(name)


def list_cases(place: Path) -> Iterator[Case]:
    """Yield every case."""
    for begin in list_begins(place):
        if begin.is_damaged:
            yield Case(begin, "restore")
            for at in range(1, count_calls(place, begin, "restore") + 1):
                for fault in FAULTS:
                    yield Case(begin, "restore", "restore", at, fault)
            continue
        for first in ("append", "fold"):
            yield Case(begin, first)
            for at in range(1, count_calls(place, begin, first) + 1):
                for fault, second in itertools.product((*FAULTS, "EIO for good"), ("append", "fold", "look")):
                    yield Case(begin, first, second, at, fault)
                    if fault != "killed":
                        yield Case(begin, first, second, at, fault, is_same_process=True)


def list_begins(place: Path) -> Sequence[Begin]:
    """Return the states that are begun with."""
    state_dir = place / "made"
    store = open_store(state_dir)
    found = [Begin("no state", {}, frozenset())]
    commit(store, "a0", is_first=True)
    found.append(read_begin("a new state", state_dir))
    for name in ("a1", "a2"):
        commit(store, name)
    found.append(read_begin("a journal", state_dir))
    with folding(True):
        commit(store, "a3")
    commit(store, "a4")
    sound = read_begin("a journal after a fold", state_dir)
    found.append(sound)
    journal = next(name for name in sorted(sound.files, reverse=True) if name.startswith("state.journal."))
    torn = {**sound.files, journal: sound.files[journal] + b'{"drop":{},"put":{"notes":{"c9":{"text":"' + b"y" * 400}
    found.append(Begin("a torn end", torn, sound.commits))
    state_file = sound.files["state.json"]
    for what, content in (("unreadable", b"{}"), ("altered", state_file.replace(b"n1", b"n9")), ("lost", None)):
        others = {name: each for name, each in sound.files.items() if name != "state.json"}
        damaged = others if content is None else {**others, "state.json": content}
        found.append(Begin(f"a state file that is {what}", damaged, sound.commits, is_damaged=True))
    altered = {**sound.files, journal: sound.files[journal].replace(b'"a4"', b'"b4"')}
    found.append(Begin("a damaged journal", altered, sound.commits - {"a4"}, is_damaged=True))
    return found


def read_begin(name: str, state_dir: Path) -> Begin:
    """Return the state that is there now."""
    files = {path.name: path.read_bytes() for path in state_dir.iterdir() if path.name.startswith(_PROMISED)}
    return Begin(name, files, frozenset(read_commits(state_dir)))


def count_calls(place: Path, begin: Begin, what: str) -> int:
    """Return how many calls a command makes on that state when all is well."""
    calls = 0

    def count(_: str) -> None:
        nonlocal calls
        calls += 1

    state_dir = place / "counted"
    lay_out(state_dir, begin.files)
    store = open_store(state_dir)
    with folding(what == "fold"), watch(str(state_dir), Disk(begin.files), count):
        if what == "restore":
            store.restore()
        else:
            commit(store, "counted")
    return calls


def open_store(state_dir: Path) -> Store:
    """Return the store as another process would have it."""
    return Store(state_dir, ManualClock(NOW))


def commit(store: Store, name: str, *, is_first: bool = False) -> None:
    """Add a note of that name, and the first time a few nodes."""
    nodes = [f"n{number}" for number in range(3 * is_first)]
    changes = Changes(
        nodes=tuple(map(make_node, nodes)),
        members=tuple(map(make_member, nodes)),
        notes={name: {"text": _TEXT}},
    )
    with store.session() as session:
        session.apply(changes)


def read_commits(state_dir: Path) -> set[str]:
    """Return the names of the commits that a state has; its end must say the same revision as the whole of it."""
    store = open_store(state_dir)
    snapshot = store.snapshot()
    head = store.head()
    if (head.rev if head else 0) != snapshot.rev:
        raise StateDamaged(f"its end says {head}, and the whole is at {snapshot.rev}")
    return set(snapshot.notes)


def lay_out(folder: Path, files: Files) -> None:
    """Let the folder have these files, and no other."""
    if folder.exists():
        shutil.rmtree(folder)
    if files:
        folder.mkdir(mode=0o700, parents=True)
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o600)


@contextmanager
def folding(is_always: bool) -> Iterator[None]:
    """Fold after every commit of the block, or after none."""
    least, share = (0, 0) if is_always else (1 << 40, 1 << 40)
    with mock.patch.multiple(storage, _LEAST_BYTES=least, _LARGEST_SHARE=share):
        yield


def _read_another() -> str:
    return "another boot"


@contextmanager
def another_boot() -> Iterator[None]:
    """Let the machine have been booted anew in the block."""
    with ExitStack() as stack:
        for module in (current, storage):
            stack.enter_context(mock.patch.object(module, "read_boot_id", _read_another))
        yield
