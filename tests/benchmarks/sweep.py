"""A sweep: one command on 200 nodes, forty at once, by plabctl and by every other tool; then three stages.

I/O. Whole processes from start to end. All nodes are addresses of one loopback sshd per 200.
"""

from tests.benchmarks.measure import Results, Run, alternate, median, ratio
from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.peers import AT_ONCE, Peer, library, peers
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed

ONE, THREE = "plabctl tick", "plabctl tick, three stages"
GOALS = {
    "pdsh, curve25519": 0.90,
    "pdsh, as Debian ships it": 0.30,
    "ansible raw, curve25519": 0.35,
    "asyncssh": 1.15,
    "asyncssh, unchecked": 1.15,
    "plain fabric in a pool": None,
}
"""The ratios to stay below; any tool not named is to be slower than plabctl."""


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    count = options.count(200)
    with Nodes(count) as nodes:
        beds = [
            Testbed(options.folder / "one", options.installation, Plan.of(nodes), {"check": "true"}, nodes, AT_ONCE),
            Testbed(
                options.folder / "three",
                options.installation,
                Plan.of(nodes),
                {"setup": "true", "check": "true", "teardown": "true"},
                nodes,
                AT_ONCE,
            ),
        ]
        others = [peer for peer in _others(nodes) if options.against in peer.name]
        contestants = [
            beds[0].contestant(ONE, "tick"),
            *(peer.contestant(nodes) for peer in others if peer.argv),
            beds[1].contestant(THREE, "tick"),
        ]
        rounds = options.repeats(5)
        results = alternate(contestants, rounds, warm_up=options.warm_up)
    lost = sorted(line for bed in beds for line in bed.lost)
    sweeps = 2 * (rounds + options.warm_up)
    return [
        *(_row(results, peer, count) for peer in others),
        *_stages(results),
        Row(
            f"G9 nodes lost in {sweeps} sweeps" + (f", such as {lost[0]}" if lost else ""),
            str(len(lost)),
            f"of {sweeps * count}",
            float(len(lost)),
            0,
        ),
    ]


def _others(nodes: Nodes) -> list[Peer]:
    return [
        *peers(nodes, "true"),
        library("asyncssh", nodes, "true", checked=True),
        library("asyncssh", nodes, "true", checked=False),
        library("fabric", nodes, "true", checked=False, rounds=3),
    ]


def _row(results: Results, peer: Peer, count: int) -> Row:
    keys = "" if peer.checks_keys else " (no host keys checked)"
    what = f"sweep of {count} against {peer.name}{keys}"
    goal = GOALS.get(peer.name, 1.0)
    if not results.get(peer.name):
        return Row(what, "", "not here", None, goal)
    found = ratio(results, ONE, peer.name)
    return Row(what, seconds(median(results, ONE)), seconds(median(results, peer.name)), found, goal)


def _stages(results: Results) -> list[Row]:
    one, three = median(results, ONE), median(results, THREE)
    found = ratio(results, THREE, ONE)
    rows = [
        Row("three stages against one", seconds(three), seconds(one), found, 1.3),
        Row(
            "G5 one connection for three stages against three",
            seconds(three),
            seconds(3 * one),
            3 / found,
            2,
            at_least=True,
        ),
        Row(
            "client CPU, three stages against one",
            seconds(median(results, THREE, _cpu)),
            seconds(median(results, ONE, _cpu)),
            ratio(results, THREE, ONE, _cpu),
        ),
    ]
    fabric = "plain fabric in a pool"
    if results.get(fabric):
        found = ratio(results, ONE, fabric, _cpu)
        own, other = median(results, ONE, _cpu), median(results, fabric, _cpu)
        rows.append(Row(f"G2 client CPU against {fabric}", seconds(own), seconds(other), found, 0.80))
    return rows


def _cpu(taken: Run) -> float:
    return taken.cpu_s
