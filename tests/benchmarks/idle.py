"""What a command costs when there is nothing to do: CPU of whole processes against `python -c pass`, at 1,000 nodes.

I/O. The same interpreter on both sides.
"""

from tests.benchmarks.measure import Contestant, Run, alternate, median, ratio
from tests.benchmarks.options import Options
from tests.benchmarks.peers import program
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed

BARE = "python -c pass"


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    bed = Testbed(options.folder / "idle", options.installation, Plan.idle(options.count(1000)), {"check": "true"})
    commands = [
        (bed.contestant("idle tick", "tick"), 5.0),
        (bed.contestant("status -o json", "status", "-o", "json"), 5.0),
        (bed.contestant("status -o tsv", "status", "-o", "tsv"), 5.0),
        (bed.contestant("status on a terminal", "status", terminal=True), 8.0),
    ]
    versions = {name: program(name) for name in ("clush", "ansible")}
    others = [Contestant(name, (path, "--version")) for name, path in versions.items() if path]
    bare = Contestant(BARE, (options.installation.python, "-c", "pass"))
    contestants = [bare, *(command for command, _ in commands), *others]
    results = alternate(contestants, options.repeats(15), warm_up=options.warm_up)
    rows = [
        Row(
            f"CPU of {command.name} against {BARE}",
            seconds(median(results, command.name, _cpu)),
            seconds(median(results, BARE, _cpu)),
            ratio(results, command.name, BARE, _cpu),
            goal,
        )
        for command, goal in commands
    ]
    for name, goal in (("clush", 0.70), ("ansible", 0.20)):
        what = f"G7c wall of status -o tsv against {name} --version"
        if not results.get(name):
            rows.append(Row(what, "", "not here", None, goal))
            continue
        found = ratio(results, "status -o tsv", name)
        rows.append(Row(what, seconds(median(results, "status -o tsv")), seconds(median(results, name)), found, goal))
    return rows


def _cpu(taken: Run) -> float:
    return taken.cpu_s
