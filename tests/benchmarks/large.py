"""A large store: what a tick's share of it and `status` cost at 1,000, 10,000 and 100,000 nodes.

I/O. Wall time and peak memory of whole processes; then the store's own work, timed inside fresh processes by
`storework`, against the same file in bare orjson and against TinyDB as its documentation shows it.
"""

import json

from tests.benchmarks.measure import alternate, helper, median, middle, ratio
from tests.benchmarks.measure import run as run_once
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed

MOST_S, MOST_MIB = 2.0, 500.0
LINEAR = (100_000 - 1_000) / (10_000 - 1_000)
"""How many times more 100,000 nodes may add to the cost at 1,000 than 10,000 nodes add."""


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    sizes = {1_000: options.count(1_000, 10), 10_000: options.count(10_000, 20), 100_000: options.count(100_000, 40)}
    beds = {
        size: Testbed(options.folder / f"large-{size}", options.installation, Plan.idle(count), {"check": "true"})
        for size, count in sizes.items()
    }
    return [
        *_commands(beds, options.repeats(5), warm_up=options.warm_up),
        *_settles(beds[100_000], options.repeats(5)),
        *_orders(beds[100_000], options.repeats(5)),
        *_tick_work(_bed_with_forty_due(options), options.repeats(3)),
    ]


def _commands(beds: dict[int, Testbed], rounds: int, *, warm_up: bool) -> list[Row]:
    rows = []
    for command, words in {"idle tick": ("tick",), "status -o tsv": ("status", "-o", "tsv")}.items():
        names = {size: f"{command}, {size:,} nodes" for size in beds}
        contestants = [bed.contestant(names[size], *words) for size, bed in beds.items()]
        results = alternate(contestants, rounds, warm_up=warm_up)
        walls = {size: median(results, name) for size, name in names.items()}
        most = median(results, names[100_000], lambda taken: taken.peak_mib)
        rows += [
            Row(f"{names[100_000]}: wall, s", seconds(walls[100_000]), "", walls[100_000], MOST_S),
            Row(f"{names[100_000]}: peak memory, MiB", f"{most:.0f}", "", most, MOST_MIB),
            *_growth(command, walls, ratio(results, names[100_000], names[1_000])),
        ]
    return rows


def _growth(command: str, walls: dict[int, float], whole: float) -> list[Row]:
    """Set the growth of the wall time against that of the nodes; and what the nodes add, without the start-up."""
    what = f"{command}: growth of the wall from 1,000 to 100,000 nodes, over 100"
    added = [walls[size] - walls[1_000] for size in (100_000, 10_000)]
    more = f"{command}: what 100,000 nodes add to 1,000, over 11 times what 10,000 add"
    return [
        Row(what, seconds(walls[100_000]), seconds(walls[1_000]), whole / 100, 1.0),
        Row(more, seconds(added[0]), seconds(added[1]), added[0] / added[1] / LINEAR if added[1] > 0 else None),
    ]


def _settles(bed: Testbed, rounds: int) -> list[Row]:
    own, bare = [], []
    for _ in range(rounds):
        own.append(_timed("settle", bed))
        bare.append(_timed("orjson", bed))
    found = middle([mine / floor for mine, floor in zip(own, bare, strict=True)])
    what = "settle of 40 reports at 100,000 against orjson load and save"
    return [Row(what, seconds(middle(own)), seconds(middle(bare)), found, 0.1)]


def _orders(bed: Testbed, rounds: int) -> list[Row]:
    """Move one node after the other, and look at it."""
    bed.renew()
    taken = []
    for number in range(-1, rounds):
        name = f"n{number + 1:06}"
        moved = run_once(bed.contestant("move", "move", name, "bad", "--reason", "disk"))
        taken.append((moved.wall_s, run_once(bed.contestant("show", "show", name)).wall_s))
    taken = taken[1:] if rounds > 1 else taken  # the first commit of all writes a whole state file
    found = middle([moved / shown for moved, shown in taken])
    own, other = (middle(column) for column in zip(*taken, strict=True))
    return [Row("move at 100,000 against show", seconds(own), seconds(other), found, 1.2)]


def _tick_work(bed: Testbed, rounds: int) -> list[Row]:
    """Compare load, due, change of 40, save (G6)."""
    yardsticks = {
        "multiple": ("G6 a tick's store work at 10,000 against TinyDB's update_multiple", 0.25),
        "each": ("G6b the same against an update() for each node", 0.02),
        "floor": ("G6c the same against bare orjson, collector off", 1.6),
    }
    taken: dict[str, list[float]] = {"work": [], **{name: [] for name in yardsticks}}
    for _ in range(rounds):
        for name, times in taken.items():
            times.append(_timed(name, bed))
    return [
        Row(
            what,
            seconds(middle(taken["work"])),
            seconds(middle(taken[name])),
            middle([own / other for own, other in zip(taken["work"], taken[name], strict=True)]),
            goal,
        )
        for name, (what, goal) in yardsticks.items()
    ]


def _bed_with_forty_due(options: Options) -> Testbed:
    plan = Plan.idle(options.count(10_000, 50), due_count=40)
    return Testbed(options.folder / "work", options.installation, plan, {"check": "true"})


def _timed(mode: str, bed: Testbed) -> float:
    """Return the seconds that one kind of store work takes, on a state as it was built."""
    bed.renew()
    found: float = json.loads(helper("storework", mode, str(bed.config), str(bed.state)))["seconds"]
    return found
