"""Every command that writes the state, killed and failed at every call it makes to the system on the state directory.

I/O, with strace. Each point is a run of its own on a copy of the state: the calls of one run are counted first, then
the first is the last one of a run, then the second, ... and each that writes fails with each error of a disk. Go on
with `tests.torture.scenarios`, `tests.torture.fault_checks` and `tests.lab.forked_runs`.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.lab.forked_runs import EXTRA_CALLS, Child, Job, run_forked
from tests.lab.sshd import Sshd
from tests.lab.strace import Call, parse_calls
from tests.torture.durability import disorders
from tests.torture.fault_checks import Reference, after, judge
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions
from tests.torture.scenarios import ALL, ENVIRON, Look, Scenario, generations, look, trusting

ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT")
ACTIONS = ("SIGKILL", *ERRORS)
_TRACE = ("strace", "-f", "-y", "-s", "0", "-e", "signal=none")
_EVERYTHING = "trace=%file,%desc,fsync,fdatasync"
_ROOM = 64
"""Other threads of the command make calls of the same names; they must not make as many as we act at."""
_AT_A_TIME = 240
"""Runs that one strace attends to, which takes as long to be attached as some runs."""
_PROCESSES = 2
_SHORT, _SHORT_POINTS = 5, 5
_ATTEMPTS = 3
_MOST_TOLD = 20


def missing() -> str:
    """Return what keeps this from being run here."""
    return "" if shutil.which("strace") else "needs strace"


@dataclass(slots=True)
class Tally:
    """What came of all points of one scenario."""

    scenario: str
    counts: Counter[str] = field(default_factory=Counter)
    """How many points there were, by what was done there; and how many `calls` the command makes in peace."""
    faults: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    disorders: list[str] = field(default_factory=list)

    @property
    def point_count(self) -> int:
        """Return at how many points something was done."""
        return sum(self.counts[action] for action in ACTIONS)

    def show_counts(self) -> str:
        """Return how many points there were by what was done there, as text."""
        return ", ".join(f"{action} {self.counts[action]}" for action in ACTIONS)

    def tell(self, seconds: float) -> None:
        """Print what came of it, for those who watch, or end the run before all is done."""
        wrong = [*self.faults, *self.unreachable, *self.disorders]
        lines = [
            f"{self.scenario}: {self.point_count} points ({self.show_counts()}), {len(wrong)} wrong, {seconds:.0f} s"
        ]
        print("\n  ".join(lines + wrong[:_MOST_TOLD]), file=sys.stderr, flush=True)


def run(options: TortureOptions) -> list[Finding]:
    """Enumerate the calls of every command, and do to each what can be done to it."""
    with Sshd(options.folder / "sshd", totals=False) as sshd, ThreadPoolExecutor(_PROCESSES) as pool:
        scenarios = [*ALL, trusting(sshd.port)]
        if not options.whole:
            scenarios = options.dice().sample(scenarios, _SHORT)
        # Those that take longest stand last.
        tallies = list(pool.map(lambda conditions: sweep(conditions, options), reversed(scenarios)))
    total = Tally("all", sum((tally.counts for tally in tallies), Counter()))
    points = str(total.point_count)
    every = "every call" if options.whole else f"calls chosen by the seed, of {total.counts['calls']}"
    faults = [fault for tally in tallies for fault in tally.faults]
    lost = [fault for fault in faults if fault.startswith("lost")]
    unreadable = [fault for fault in faults if fault.startswith("unreadable")]
    others = [fault for fault in faults if not fault.startswith(("lost", "unreadable"))]
    unreachable = [each for tally in tallies for each in tally.unreachable]
    early = [each for tally in tallies for each in tally.disorders]
    return [
        Finding("commands that write the state", str(len(tallies))),
        Finding(f"points at {every} on the state directory ({total.show_counts()})", points),
        *(Finding(f"of them, {each.scenario} ({each.show_counts()})", str(each.point_count)) for each in tallies),
        none_of("state files unreadable", unreadable, points),
        none_of("acknowledged changes lost", lost, points),
        none_of("mixtures, half told changes, bugs, next commands that fail, files left behind", others, points),
        none_of("points that could not be reached", unreachable, points),
        none_of("commands that speak before it is on disk, or risk a torn state", early, str(len(tallies))),
    ]


def sweep(conditions: Scenario, options: TortureOptions) -> Tally:
    """Do to the calls of one command what can be done to them."""
    place = options.folder / conditions.name.replace(" ", "-").replace(",", "")
    base, began = place / "base", time.monotonic()
    conditions.prepare(base)
    tally = Tally(conditions.name)
    reference, trace = _reference(conditions, place)
    directory = str(place / "traced" / "0" / "state")
    found = [call for call in trace if call.touches(directory)]
    tally.counts["calls"] = len(found)
    tally.disorders = [f"{conditions.name}: {each}" for each in disorders(trace, directory)]
    highest: dict[str, int] = {call.name: call.number for call in trace}  # the numbers grow
    for action, chosen in _chosen(conditions, found, options):
        tally.unreachable += [call.delivered(directory) for call in chosen if call.name not in EXTRA_CALLS]
        points = [call for call in chosen if call.name in EXTRA_CALLS]
        for first in range(0, len(points), _AT_A_TIME):
            missed = points[first : first + _AT_A_TIME]
            for attempt in range(_ATTEMPTS):
                folder, is_slow = place / f"{action}-{first}-{attempt}", attempt > 0
                batch = _Batch(conditions, reference, folder, base, action, highest, is_slow)
                missed = batch.run(missed, directory, tally) if missed else []
            tally.unreachable += [f"{conditions.name}: {action} at {point.delivered(directory)}" for point in missed]
    shutil.rmtree(place)
    tally.tell(time.monotonic() - began)
    return tally


def _chosen(conditions: Scenario, found: Sequence[Call], options: TortureOptions) -> Iterator[tuple[str, list[Call]]]:
    """Yield what is done at which calls; the short run takes a few of them, and one kind of error."""
    dice = options.dice(conditions.name)
    for action in ("SIGKILL", *(ERRORS if options.whole else dice.sample(ERRORS, 1))):
        points = [call for call in found if _applies(action, call)]
        yield action, points if options.whole else dice.sample(points, min(len(points), _SHORT_POINTS))


def _applies(action: str, call: Call) -> bool:
    return action == "SIGKILL" or call.is_writing or (action == "EIO" and call.is_reading)


def _reference(conditions: Scenario, place: Path) -> tuple[Reference, list[Call]]:
    """Run the command once in peace, to know its states, and once traced, to know its calls."""
    base, peace = place / "base", place / "peace"
    traced = place / "traced" / "0"  # as deep as all others: SQLite asks for each folder on the way
    for folder in (peace, traced):
        shutil.copytree(base, folder)
    before = Look() if conditions.is_damaged else look(base / "state")
    (done,) = run_forked(
        Job(conditions.argv, [str(peace)], keep_generations=True, folds=conditions.folds), place / "peace.job", ENVIRON
    )
    assert done.code == 0, (peace / "err").read_text()
    states = {rev: [each] for rev, each in generations(peace, before).items()}
    last = look(peace / "state")
    states[last.rev] = [last]  # a restore has its own way to the disk
    if conditions.is_beside:
        # What lies beside the state has no generations, and is changed first.
        states[before.rev] = [before, replace(before, rest=tuple(sorted({*before.rest, *last.list_known()})))]
    log = place / "log"
    argv = [*_TRACE, "-e", _EVERYTHING, "-o", str(log)]
    (child,) = run_forked(
        Job(conditions.argv, [str(traced)], folds=conditions.folds), place / "traced.job", ENVIRON, argv
    )
    assert child.code == 0, (traced / "err").read_text()
    everything = list(parse_calls(log.read_text().splitlines()))
    theirs = [call for call in everything if call.pid != child.pid and call.touches(str(traced / "state"))]
    assert not theirs, f"a thread or a program touches the state: {theirs[0]}"
    return Reference(conditions, states, base / "state", peace / "state"), [c for c in everything if c.pid == child.pid]


@dataclass(frozen=True, slots=True)
class _Batch:
    scenario: Scenario
    reference: Reference
    place: Path
    base: Path
    action: str
    highest: Mapping[str, int]
    is_slow: bool
    """Trace as much as when the calls were counted: how many steps a tick takes depends on how long they last."""

    def run(self, points: Sequence[Call], directory: str, tally: Tally) -> list[Call]:
        """Do `action` at each of the points, each in a run of its own, and judge what is left.

        Return the points that were not met: on a busy machine a command may take another way.
        """
        missed = []
        folders = [self.place / str(number) for number in range(len(points))]
        for folder in folders:
            shutil.copytree(self.base, folder)
        children = self._beget(points, folders)
        hits = self._hits()
        for point, folder, child in zip(points, folders, children, strict=True):
            where = f"{self.scenario.name}: {self.action} at {point.delivered(directory)}"
            hit = hits.get(child.pid)
            if hit and hit.name == point.name and hit.touches(str(folder / "state")):
                tally.counts[self.action] += 1
            else:
                missed.append(point)
            tally.faults += [f"{fault}; {where}" for fault in judge(self.reference, folder, child)]
        names = [str(folder) for folder in folders]
        for folder, child in zip(folders, after(self.scenario, names, self.place / "after.job"), strict=True):
            where = f"{self.scenario.name}: {self.action} at {points[folders.index(folder)].delivered(directory)}"
            tally.faults += [f"{fault}; {where}" for fault in self.reference.end(folder, child)]
        shutil.rmtree(self.place)
        return missed

    def _beget(self, points: Sequence[Call], folders: Sequence[Path]) -> list[Child]:
        names = {point.name for point in points}
        limit = {name: self.highest[name] + _ROOM for name in names}
        how = "signal=SIGKILL" if self.action == "SIGKILL" else f"error={self.action}"
        traced = _EVERYTHING if self.is_slow else f"trace={','.join(sorted(names))}"
        argv = [*_TRACE, "-e", traced, "-o", str(self.place / "log")]
        for name in sorted(names):
            argv += ["-e", f"inject={name}:{how}:when={limit[name]}"]
        futile = [(point.name, limit[point.name] - point.number) for point in points]
        job = Job(self.scenario.argv, [str(folder) for folder in folders], futile, folds=self.scenario.folds)
        return run_forked(job, self.place / "job", ENVIRON, argv)

    def _hits(self) -> dict[int, Call]:
        """Return by process the call that was hit: the last one of it, or the one that failed."""
        found: dict[int, Call] = {}
        for call in parse_calls((self.place / "log").read_text().splitlines()):
            if self.action == "SIGKILL" or call.is_injected:
                found[call.pid] = call
        return found
