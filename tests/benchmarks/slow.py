"""A thousand slow probes at once: memory, and wall time against asyncssh doing the same.

I/O. The nodes' sshd are on the same machine, and their thousand sessions with them.
"""

from tests.benchmarks.measure import alternate, median, ratio
from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.peers import library
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed

OURS = "plabctl tick"
MOST_MIB = 150


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    count = options.count(1000)
    command = "sleep 1" if options.quick else "sleep 5"
    with Nodes(count) as nodes:
        bed = Testbed(
            options.folder / "slow", options.installation, Plan.of(nodes), {"check": command}, nodes, window=count
        )
        yardstick = library("asyncssh", nodes, command, checked=True, at_once=count).contestant(nodes)
        results = alternate([bed.contestant(OURS, "tick"), yardstick], options.repeats(2), warm_up=False)
    own, other = (median(results, name, lambda taken: taken.peak_mib) for name in (OURS, yardstick.name))
    ours, theirs = (seconds(median(results, name)) for name in (OURS, yardstick.name))
    return [
        Row(
            f"wall of {count} x {command} at once against asyncssh",
            ours,
            theirs,
            ratio(results, OURS, yardstick.name),
            1.25,
        ),
        Row("peak memory of the same, MiB", f"{own:.0f}", f"{other:.0f} for asyncssh", own, MOST_MIB),
        Row("nodes lost in it", str(len(bed.lost)), "; ".join(bed.lost[:1]), float(len(bed.lost)), 0),
    ]
