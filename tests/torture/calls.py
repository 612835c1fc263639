"""Every command that writes the state, killed and failed at every call it makes to the system on the state directory.

I/O, with strace. Each point is a run of its own on a copy of the state: the calls of one run are counted first, then
the first is the last one of a run, then the second, ... and each that writes fails with each error of a disk. Go on
with `tests.torture.scenarios`, `tests.torture.fault_checks` and `tests.lab.forked_runs`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
_TRACE = ("strace", "-f", "-y", "-s", "0", "-e", "signal=none")
_ROOM = 64
"""Other threads of the command make calls of the same names; they must not make as many as we act at."""
_AT_A_TIME = 60
_PROCESSES = 2
_SHORT, _SHORT_POINTS = 5, 5
_ATTEMPTS = 3


def missing() -> str:
    """Return what keeps this from being run here."""
    return "" if shutil.which("strace") else "needs strace"


@dataclass(slots=True)
class Tally:
    """What came of all points of one scenario."""

    scenario: str
    counts: Counter[str] = field(default_factory=Counter)
    """How many points there were, by what was done there; and how many of them were missed."""
    faults: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    disorders: list[str] = field(default_factory=list)


def run(options: TortureOptions) -> list[Finding]:
    """Enumerate the calls of every command, and do to each what can be done to it."""
    with Sshd(options.folder / "sshd", totals=False) as sshd, ThreadPoolExecutor(_PROCESSES) as pool:
        scenarios = [*ALL, trusting(sshd.port)]
        if not options.whole:
            scenarios = options.dice().sample(scenarios, _SHORT)
        tallies = list(pool.map(lambda conditions: sweep(conditions, options), scenarios))
    counts: Counter[str] = sum((histogram.counts for histogram in tallies), Counter())
    points = str(counts["SIGKILL"] + sum(counts[error] for error in ERRORS))
    each = ", ".join(f"{what} {counts[what]}" for what in ("SIGKILL", *ERRORS))
    every = "every call" if options.whole else f"calls chosen by the seed, of {counts['calls']}"
    faults = [fault for histogram in tallies for fault in histogram.faults]
    lost = [fault for fault in faults if fault.startswith("lost")]
    unreadable = [fault for fault in faults if fault.startswith("unreadable")]
    others = [fault for fault in faults if not fault.startswith(("lost", "unreadable"))]
    unreachable = [each for histogram in tallies for each in histogram.unreachable]
    early = [each for histogram in tallies for each in histogram.disorders]
    return [
        Finding("commands that write the state", str(len(tallies))),
        Finding(f"points at {every} on the state directory ({each})", points),
        none_of("state files unreadable", unreadable, points),
        none_of("acknowledged changes lost", lost, points),
        none_of("mixtures, half told changes, bugs, next commands that fail, files left behind", others, points),
        none_of("points that could not be reached", unreachable, points),
        none_of("commands that speak before it is on disk, or risk a torn state", early, str(len(tallies))),
    ]


def sweep(conditions: Scenario, options: TortureOptions) -> Tally:
    """Do to the calls of one command what can be done to them."""
    place = options.folder / conditions.name.replace(" ", "-").replace(",", "")
    base = place / "base"
    conditions.prepare(base)
    histogram = Tally(conditions.name)
    reference, trace = _reference(conditions, place)
    directory = str(place / "traced" / "0" / "state")
    found = [call for call in trace if call.touches(directory)]
    histogram.counts["calls"] = len(found)
    histogram.disorders = [f"{conditions.name}: {each}" for each in disorders(trace, directory)]
    highest: dict[str, int] = {call.name: call.number for call in trace}  # the numbers grow
    for action, chosen in _chosen(conditions, found, options):
        histogram.unreachable += [call.delivered(directory) for call in chosen if call.name not in EXTRA_CALLS]
        points = [call for call in chosen if call.name in EXTRA_CALLS]
        for first in range(0, len(points), _AT_A_TIME):
            missed = points[first : first + _AT_A_TIME]
            for attempt in range(_ATTEMPTS):
                batch = _Batch(conditions, reference, place / f"{action}-{first}-{attempt}", base, action, highest)
                missed = batch.run(missed, directory, histogram) if missed else []
            histogram.unreachable += [
                f"{conditions.name}: {action} at {point.delivered(directory)}" for point in missed
            ]
    shutil.rmtree(place)
    return histogram


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
    # A restore has its own way to the disk, and what lies beside the state has no generations.
    states[last.rev] = [before, last] if conditions.is_beside else [last]
    log = place / "log"
    argv = [*_TRACE, "-e", "trace=%file,%desc,fsync,fdatasync", "-o", str(log)]
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

    def run(self, points: Sequence[Call], directory: str, histogram: Tally) -> list[Call]:
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
                histogram.counts[self.action] += 1
            else:
                missed.append(point)
            histogram.faults += [f"{fault}; {where}" for fault in judge(self.reference, folder, child)]
        names = [str(folder) for folder in folders]
        for folder, child in zip(folders, after(self.scenario, names, self.place / "after.job"), strict=True):
            where = f"{self.scenario.name}: {self.action} at {points[folders.index(folder)].delivered(directory)}"
            histogram.faults += [f"{fault}; {where}" for fault in self.reference.end(folder, child)]
        shutil.rmtree(self.place)
        return missed

    def _beget(self, points: Sequence[Call], folders: Sequence[Path]) -> list[Child]:
        names = {point.name for point in points}
        limit = {name: self.highest[name] + _ROOM for name in names}
        how = "signal=SIGKILL" if self.action == "SIGKILL" else f"error={self.action}"
        argv = [*_TRACE, "-e", f"trace={','.join(sorted(names))}", "-o", str(self.place / "log")]
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
