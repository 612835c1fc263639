"""Tests made by workers against tests made in threads: slow ones on one to four workers, a sweep, CPU by the test.

I/O. Scheduler and workers are processes on this machine, over TLS; what they use is counted from /proc.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Contestant, Failed, Run, alternate, median, ratio, sample
from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row, seconds
from tests.benchmarks.testbed import Plan, Testbed, spans_of
from tests.lab.dask_cluster import Cluster

SLOTS = 8
ROUNDS = 2
"""How many slow tests one after the other each slot makes."""
THREADS, WORKER = "threads", "one worker"


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    return [*_measure_slow(options), *_measure_sweep(options)]


def _measure_slow(options: Options) -> list[Row]:
    counts = (1,) if options.quick else (1, 2, 4)
    command = "sleep 0.1" if options.quick else "sleep 5"
    took_s: dict[int, float] = {}
    lost: list[str] = []
    for count in counts:
        place = options.folder / f"slow{count}"
        place.mkdir()
        tests = count * SLOTS * ROUNDS
        with Cluster(place) as cluster:
            _start_workers(cluster, count)
            plan = Plan.idle(tests, tests)
            bed = Testbed(place / "bed", options.installation, plan, {"check": command}, window=tests)
            _hand_over(bed, cluster, 'transport = "local"\n')
            alternate([bed.contestant("tick", "tick")], 1, warm_up=False)
            spans = spans_of(bed.state)
            took_s[count] = max(end for _, end in spans) - min(begin for begin, _ in spans)
            lost += bed.lost
    if lost:
        raise Failed(f"tests that failed: {lost[:3]}")
    return [
        Row(
            f"{count * SLOTS * ROUNDS} x {command} by {count} workers: speed-up by the worker",
            seconds(took_s[count]),
            f"{seconds(took_s[1])} with one",
            took_s[1] / took_s[count],
            0.9,
            at_least=True,
        )
        for count in counts
    ]


def _measure_sweep(options: Options) -> list[Row]:
    count = options.count(200)
    place = options.folder / "sweep"
    place.mkdir()
    stages = {"setup": "true", "check": "true", "teardown": "true"}
    with Nodes(count) as nodes, Cluster(place) as cluster:
        ssh = f'[ssh]\nuser = "{nodes.user}"\nkey = "{nodes.path("user_key")}"\nconnect_timeout = "60s"\n'
        _start_workers(cluster, 1, slots=40, more=ssh)
        beds = [Testbed(place / name, options.installation, Plan.of(nodes), stages, nodes) for name in ("here", "far")]
        _hand_over(beds[1], cluster)
        used: list[float] = []
        far = _watch(cluster, beds[1].contestant(WORKER, "tick"), used)
        here_too = beds[0].contestant(THREADS, "tick")
        results = alternate([here_too, far], options.repeats(5), warm_up=options.warm_up)
    if lost := [line for bed in beds for line in bed.lost]:
        raise Failed(f"tests that failed: {lost[:3]}")
    here, near = (median(results, name, _cpu) / count for name in (THREADS, WORKER))
    elsewhere = sorted(used)[len(used) // 2] / count
    return [
        Row(
            f"sweep of {count} nodes through one worker against threads",
            seconds(median(results, WORKER)),
            seconds(median(results, THREADS)),
            ratio(results, WORKER, THREADS),
            1.5,
        ),
        Row("CPU by the test: tick", _format_ms(near), f"{_format_ms(here)} with threads", near / here),
        Row("CPU by the test: scheduler and worker", _format_ms(elsewhere), "", None),
    ]


def _start_workers(cluster: Cluster, count: int, slots: int = SLOTS, more: str = "") -> None:
    names = [f"w{number}" for number in range(count)]
    for name in names:
        cluster.start_worker(name, "north", slots, more=more)
    cluster.await_ready(*names)


def _hand_over(bed: Testbed, cluster: Cluster, more: str = "") -> None:
    """Have the tests of `bed` made by the cluster; `more` belongs to its recipe."""
    with bed.config.open("a") as config:
        config.write(more + cluster.executor())


def _watch(cluster: Cluster, who: Contestant, used: list[float]) -> Contestant:
    """Return `who`, of each run of which `used` gets the CPU of scheduler and workers."""
    began: list[float] = []

    def before() -> None:
        who.before()
        began[:] = [_sum_cpu(cluster)]

    def after() -> None:
        used.append(_sum_cpu(cluster) - began[0])
        who.after()

    return Contestant(who.name, who.argv, who.env, before, after)


def _sum_cpu(cluster: Cluster) -> float:
    pids: Sequence[int] = [process.pid for process in cluster.processes.values()]
    return sum(found.cpu_s for pid in pids for found in sample(pid) if Path(f"/proc/{pid}").exists())


def _cpu(taken: Run) -> float:
    return taken.cpu_s


def _format_ms(taken_s: float) -> str:
    return f"{taken_s * 1000:.1f} ms"
