"""An experiment of 500 vnodes, forty at once: against what their set-ups last, and against `xargs ssh` at the same.

I/O. Each set-up lasts two seconds on the node, in three stages; all of them, divided by the window, are what nobody can
be faster than. xargs has it easy: one login and one command line for all three, and nothing is written down.
"""

from dataclasses import replace

from tests.benchmarks.measure import Contestant, alternate, median, ratio
from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.peers import AT_ONCE, program
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed

OURS, THEIRS = "plabctl experiment swapin", "xargs ssh"
NAPS = {"setup": 1.2, "up": 0.4, "check": 0.4}


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    count = options.count(500)
    stages = {stage: f"sleep {nap}" for stage, nap in NAPS.items()}
    with Nodes(count) as nodes:
        plan = replace(Plan.of(nodes), due_count=0)
        bed = Testbed(
            options.folder / "swapin", options.installation, plan, {**stages, "teardown": "true"}, nodes, AT_ONCE
        )
        words = ("swapin", "bench", "--nodes", "*", "--recipe", "bench", "--wait", "--yes", "--quiet")
        ours = replace(bed.contestant(OURS, "experiment", *words), before=bed.renew)
        # Its exit code is 0 only if all vnodes are up.
        results = alternate([ours, _xargs(nodes, " && ".join(stages.values()))], options.repeats(1), warm_up=False)
    bound_s = count * sum(NAPS.values()) / min(AT_ONCE, count)
    taken = median(results, OURS)
    what = f"swap-in of {count} vnodes, {min(AT_ONCE, count)} at once"
    return [
        Row(
            f"{what}, against the sum of their set-ups over the window",
            seconds(taken),
            seconds(bound_s),
            taken / bound_s,
            1.25,
        ),
        Row(
            f"{what}, against xargs ssh",
            seconds(taken),
            seconds(median(results, THEIRS)),
            ratio(results, OURS, THEIRS),
            1.0,
        ),
    ]


def _xargs(nodes: Nodes, command: str) -> Contestant:
    """Return xargs, which runs as many ssh at once, one for each node."""
    lines = nodes.folder / "lines"
    lines.write_text("".join(f"-p {port} {host} '{command}'\n" for host, port in nodes.addresses))
    ssh = (program("ssh"), "-n", "-F", nodes.path("ssh_config_curve"))
    return Contestant(
        THEIRS, (program("xargs"), "-a", str(lines), "-P", str(AT_ONCE), "-L", "1", *ssh), before=nodes.quiet
    )
