"""What the client itself can do when the nodes are other machines: a cheap stub on one core, the client on another.

I/O. Many short probes (nodes per second), then hundreds of slow ones that all begin at the same moment.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tests.benchmarks.measure import Contestant, Run, alternate, median, middle, ratio
from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.peers import AT_ONCE, library, peers
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed, spans_of

OURS = "plabctl tick"
FABRIC = "plain fabric in a pool"
NAP_S = 5.0
FEW = 500
LEFT_OUT = "left out"


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    return [*_short(options), *_together(options, FEW), *_together(options, 1000)]


def pinned(who: Contestant) -> Contestant:
    """Return `who` on the first core alone; the stub has the last."""
    return replace(who, argv=("taskset", "-c", "0", *who.argv))


def _short(options: Options) -> list[Row]:
    count = options.count(400)
    with Nodes(count, stub=True) as nodes:
        bed = Testbed(options.folder / "short", options.installation, Plan.of(nodes), {"check": "true"}, nodes, AT_ONCE)
        xargs = next(peer for peer in peers(nodes, "true") if peer.name.startswith("xargs"))
        others = [library("fabric", nodes, "true", checked=False), xargs]
        contestants = [bed.contestant(OURS, "tick"), *(peer.contestant(nodes) for peer in others)]
        contestants = [pinned(who) for who in contestants]
        results = alternate(contestants, options.repeats(2), warm_up=options.warm_up)
    own = f"{count / median(results, OURS):.0f}/s"
    rows = []
    for goal, name, least in (("G3", FABRIC, 1.30), ("G3b", xargs.name, 2.5)):
        is_here = bool(results[name])  # a peer that fails or hangs is left out
        other = f"{count / median(results, name):.0f}/s" if is_here else LEFT_OUT
        found = ratio(results, name, OURS) if is_here else None
        what = f"{goal} nodes/s of {count} nodes elsewhere against {name}"
        rows.append(Row(what, own, other, found, least, at_least=True))
    return rows


def _together(options: Options, full: int) -> list[Row]:
    """Let `full` probes begin their nap at one moment; plain fabric drowns at a thousand and is left out there."""
    count = options.count(full)
    nap_s = 1.0 if options.quick else NAP_S
    marks: dict[str, list[float]] = {OURS: [], FABRIC: []}
    tails: list[float] = []
    with Nodes(count, stub=True) as nodes:
        command = f"together {count} {nap_s}"
        folder = options.folder / f"together-{full}"
        bed = Testbed(folder, options.installation, Plan.of(nodes), {"check": command}, nodes, window=count)
        contestants = [bed.contestant(OURS, "tick", watch=True)]
        if full == FEW:
            plain = library("fabric", nodes, command, checked=False, at_once=count).contestant(nodes)
            contestants.append(replace(plain, watch=True))

        def note_tail() -> None:
            """Note the seconds from the common start to the last report."""
            began_at = float((nodes.folder / "together").read_text())
            tails.append(max(end for _, end in spans_of(bed.state)) - began_at)

        contestants[0] = replace(contestants[0], after=note_tail)
        noted = [_noting(pinned(who), nodes, marks[who.name]) for who in contestants]
        results = alternate(noted, options.repeats(2), warm_up=False)
    naps = {name: pair_naps(marks[name], runs.values(), nap_s) for name, runs in results.items()}
    own = naps[OURS]
    tail_s = middle(tails)
    limit = 1.20 if full == FEW else 1.25
    rows = [
        Row(
            f"G4 {count} naps at once: from their common start to the last report",
            seconds(tail_s),
            seconds(nap_s),
            tail_s / nap_s,
            limit,
        )
    ]
    if full == FEW:
        rows += compare_naps(own, naps[FABRIC], count)
    return rows


@dataclass(frozen=True, slots=True)
class Nap:
    """One run of `together`: when the naps began, how long they are, how the client did."""

    began_at: float
    nap_s: float
    taken: Run

    @property
    def burnt_s(self) -> float:
        """Seconds of CPU that the client used in the middle of the nap, with nothing to do."""
        from_at, to_at = self.began_at + 0.2 * self.nap_s, self.began_at + 0.9 * self.nap_s
        inside = [sample.cpu_s for sample in self.taken.samples if from_at <= sample.at <= to_at]
        return inside[-1] - inside[0]

    @property
    def threads(self) -> int:
        """The most threads that were seen."""
        return max(sample.threads for sample in self.taken.samples)


def pair_naps(marks: Iterable[float], runs: Iterable[Run], nap_s: float) -> list[Nap]:
    """Return the naps of runs that ended well; when they began stands in `marks`, which has no more of the others."""
    return [Nap(began_at, nap_s, taken) for began_at, taken in zip(marks, runs, strict=True)]


def compare_naps(own: Sequence[Nap], fabric: Sequence[Nap], count: int) -> list[Row]:
    """Return the rows about `count` naps at once; not measured is what plain fabric never came to the end of."""

    def compare(what: str, quantity: Callable[[Nap], float], goal: float, unit: str) -> Row:
        mine = middle(list(map(quantity, own)))
        other = middle(list(map(quantity, fabric))) if fabric else 0
        found = mine / other if other else None
        against = f"{other:.2f} {unit}" if fabric else LEFT_OUT
        return Row(f"{what} against {FABRIC}", f"{mine:.2f} {unit}", against, found, goal)

    threads = max(nap.threads for nap in own) / count
    return [
        compare(f"G4c CPU while {count} sleep", lambda nap: nap.burnt_s, 0.20, "s"),
        compare(f"G4d peak memory of {count}", lambda nap: nap.taken.peak_mib, 0.85, "MiB"),
        Row("G4d threads for each probe", f"{threads:.1f}", "", threads, 4.0),
    ]


def _noting(who: Contestant, nodes: Nodes, marks: list[float]) -> Contestant:
    """Return `who` so that after each run the instant of the common start is noted."""

    def after() -> object:
        marks.append(float((nodes.folder / "together").read_text()))
        return who.after()

    return replace(who, after=after)
