"""Mutation testing: is there a test for every decision of the policy core and of what keeps the state whole?

I/O. Each mutant is the project with one small change (`tests.torture.mutations`), and has to make a test fail. Those
that do not are either said by `survivors.toml` beside this to be harmless, and why, or lack a test. Which tests are
asked about a mutant is found by running them all once with a trace of the functions that they call.

`python -m tests.torture mutants` tries as many as ten minutes allow, drawn by the seed. Every mutant of some modules,
however long it takes: `python -m tests.torture.mutants core/guard/rollback.py store/slots.py` (of all modules when none
is named); it prints each that no test noticed for no known reason, and ends with 1 when there is one. Go on with
`tests.torture.mutant_workbench`.
"""

import argparse
import os
import sys
import tempfile
import time
import tomllib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.torture.finding import Finding, none_of
from tests.torture.mutant_workbench import ROOT, SUITES, Bench, Mutant
from tests.torture.mutations import mutations
from tests.torture.options import TortureOptions

MODULES = (
    "core/settle.py", "core/refusals.py", "core/readiness.py", "core/pools/base.py", "core/pools/good.py",
    "core/pools/bad.py",
    "core/guard/model.py", "core/guard/evaluate.py", "core/guard/rollback.py", "core/flap.py",
    "core/backoffs/base.py", "core/error_throttle.py", "core/claim.py", "core/node_orders.py", "core/timeouts.py",
    "core/fairness.py", "core/fair_wait.py", "core/uptime.py", "core/adaptive_scale.py",
    "core/leftovers.py", "core/pools/experiment.py", "core/experiments/membership.py",
    "core/assign.py", "core/experiments/swaps.py", "core/experiments/node_choice.py",
    "core/clock_skew.py", "core/histogram.py", "core/outbox.py", "core/steadiness.py", "core/forecast.py",
    "core/selection.py", "core/events.py", "core/shortlist.py", "core/vantage.py", "core/second_opinion.py",
    "store/lock.py", "store/commit.py", "store/slots.py", "store/head.py", "store/restore.py", "store/session.py",
    "store/codec.py", "store/tables.py", "store/storage.py", "store/store.py", "store/journal.py", "store/current.py",
    "store/experiment_codec.py", "store/event_groups.py", "store/documents.py", "store/shapes.py",
    "store/due_index.py", "store/due_queue.py", "store/recent_index.py", "store/outbox_index.py", "store/wake_heap.py",
    "files/private.py", "files/atomic.py", "files/locks.py",
)  # fmt: skip
"""What decides whether a node moves, when it is tested and who holds it, and what keeps the state whole."""
QUICK = ("core/backoffs/base.py", "core/flap.py", "core/error_throttle.py", "core/refusals.py")
"""Modules whose own tests take no time; the short run picks from these."""


def every_mutant(modules: Collection[str] = MODULES, package: Path = ROOT / "plabctl") -> list[Mutant]:
    """Return all mutants of these modules."""
    return [Mutant(name, each) for name in modules for each in mutations((package / name).read_text())]


def explained() -> dict[tuple[str, str, str], str]:
    """Return the survivors that are known to be harmless, with the reason."""
    rows = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text())["survivor"]
    return {(row["file"], row["line"], row["change"]): row["why"] for row in rows}


def list_forgotten(mutants: Iterable[Mutant]) -> list[str]:
    """Return the survivors that are none of these mutants: their line was changed, or is gone."""
    known = {mutant.key for mutant in mutants}
    return [" | ".join(key) for key in explained() if key not in known]


def run(options: TortureOptions) -> list[Finding]:
    """Return which mutants no test noticed."""
    mutants, harmless = every_mutant(), explained()
    chosen = [mutant for mutant in mutants if options.whole or mutant.file in QUICK]
    options.dice("mutants").shuffle(chosen)
    found = tried(options.folder, chosen, seconds=options.count(480, 8), is_traced=options.whole)
    alive = [mutant for mutant, is_killed in found if not is_killed]
    unexplained = [str(mutant) for mutant in alive if mutant.key not in harmless]
    return [
        Finding(f"mutants tried, of {len(mutants)}", str(len(found))),
        Finding("of which a test noticed", str(len(found) - len(alive))),
        Finding("of which survivors.toml says why they are harmless", str(len(alive) - len(unexplained))),
        none_of("mutants that no test noticed, for no known reason", unexplained, f"{len(found)}"),
        none_of("lines of survivors.toml that are about nothing", list_forgotten(mutants), f"{len(harmless)}"),
    ]


def tried(
    folder: Path, mutants: Sequence[Mutant], seconds: float = float("inf"), *, is_traced: bool = True
) -> list[tuple[Mutant, bool]]:
    """Return of each mutant that `seconds` were enough for whether a test noticed it.

    Without a trace, which takes a minute, a mutant meets only the tests of its module, one after the other.
    """
    waiting = deque(mutants)
    with ExitStack() as stack:
        count = min(os.cpu_count() or 1, len(SUITES)) if is_traced else 1
        benches = [stack.enter_context(Bench(folder / str(number))) for number in range(count)]
        threads = stack.enter_context(ThreadPoolExecutor(count))
        if is_traced:
            found = list(threads.map(lambda number: benches[number].trace(SUITES[number::count]), range(count)))
            for bench in benches:  # each its own: it may find that one of these tests cannot be relied on
                bench.traces = {test: what for each in found for test, what in each.items()}
        else:
            benches[0].control({mutant.file for mutant in mutants})
        end = time.monotonic() + seconds
        return [each for some in threads.map(lambda bench: list(_work(bench, waiting, end)), benches) for each in some]


def _work(bench: Bench, waiting: deque[Mutant], end: float) -> Iterator[tuple[Mutant, bool]]:
    """Take mutants off what is waiting; other benches do the same."""
    while time.monotonic() < end:
        try:
            mutant = waiting.popleft()
        except IndexError:
            return
        is_killed = bench.is_killed(mutant)
        if not is_killed and mutant.key not in explained():
            print(f"no test noticed {mutant}\n    {len(waiting)} mutants are left", file=sys.stderr, flush=True)
        yield mutant, is_killed


def main() -> int:
    """Try every mutant of the named modules; return 1 when one is noticed by no test and not known to be harmless."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mutants", description=__doc__)
    parser.add_argument("module", nargs="*", help="a path below plabctl, such as core/settle.py")
    modules = parser.parse_args().module or MODULES
    harmless = explained()
    with tempfile.TemporaryDirectory(prefix="plabctl-mutants-", ignore_cleanup_errors=True) as folder:
        found = tried(Path(folder), every_mutant(modules))
    left = [mutant for mutant, is_killed in found if not is_killed and mutant.key not in harmless]
    for module in modules:
        of_it = [(mutant, is_killed) for mutant, is_killed in found if mutant.file == module]
        noticed = sum(is_killed for _, is_killed in of_it)
        unknown = [mutant for mutant in left if mutant.file == module]
        print(f"{module}: {len(of_it)} mutants, {noticed} noticed, {len(of_it) - noticed - len(unknown)} explained")
        for mutant in sorted(unknown, key=lambda each: each.mutation.line):
            print(f"  {mutant}")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
