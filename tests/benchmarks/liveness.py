"""What liveness checks cost: CPU here and on the nodes, connections, bytes; by the check, and by node and day.

I/O. A tick that checks 200 nodes against one that makes a set-up test of three stages on each, less what an idle tick
takes. All nodes are addresses of one loopback sshd. Bytes are counted by a relay before one node, as payload of TCP.
Run as `python -m tests.benchmarks.liveness plan|answers STATE` by this module itself.
"""

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Contestant, Failed, Run, alternate, helper, median, ratio, sample
from tests.benchmarks.nodes import Nodes
from tests.benchmarks.options import Options
from tests.benchmarks.table import Row
from tests.benchmarks.testbed import Plan, Testbed

CHECKS, TESTS, IDLE = "liveness checks", "set-up tests", "nothing due"
PER_DAY = 185
"""Checks of a node a day: eight between two tests, `age` with its defaults, on the trace of a thousand relays."""
STAGES = {"setup": "true", "check": "true", "teardown": "true"}


def run(options: Options) -> list[Row]:
    """Measure; return the rows."""
    count = options.count(200)
    with Nodes(count) as nodes:
        tested = Testbed(options.folder / "tests", options.installation, Plan.of(nodes), STAGES, nodes)
        checked = _make_checked(options, "checks", nodes, Plan(Plan.of(nodes).nodes, 0))
        idle = Testbed(options.folder / "idle", options.installation, Plan.idle(count), STAGES)
        far: dict[str, list[float]] = {CHECKS: [], TESTS: []}
        contestants = [
            idle.contestant(IDLE, "tick"),
            _watch_far(nodes, _make_contestant(checked, count), far[CHECKS]),
            _watch_far(nodes, tested.contestant(TESTS, "tick"), far[TESTS]),
        ]
        results = alternate(contestants, options.repeats(5), warm_up=options.warm_up)
        sent = _count_bytes(options, nodes)
    if tested.lost:
        raise Failed(f"tests that failed: {tested.lost[:3]}")
    near = {name: (median(results, name, _cpu) - median(results, IDLE, _cpu)) / count for name in (CHECKS, TESTS)}
    node = {name: sorted(values)[len(values) // 2] / count for name, values in far.items()}
    return [
        Row("CPU here of a tick, checks against tests", "", "", ratio(results, CHECKS, TESTS, _cpu), 1.0),
        Row("CPU here for one", _format_ms(near[CHECKS]), _format_ms(near[TESTS]), near[CHECKS] / near[TESTS]),
        Row("CPU on the node for one", _format_ms(node[CHECKS]), _format_ms(node[TESTS]), node[CHECKS] / node[TESTS]),
        Row("bytes for one, both ways", f"{sent}", "", None),
        Row(f"a node and day, {PER_DAY} checks: CPU here", f"{near[CHECKS] * PER_DAY:.1f} s", "", None),
        Row(f"a node and day, {PER_DAY} checks: CPU on it", f"{node[CHECKS] * PER_DAY:.1f} s", "", None),
        Row(f"a node and day, {PER_DAY} checks: traffic", f"{sent * PER_DAY / 1e6:.2f} MB", "", None),
        Row(f"a node and day, {PER_DAY} checks: connections", f"{PER_DAY}", "", None),
    ]


def _make_checked(options: Options, name: str, nodes: Nodes, plan: Plan) -> Testbed:
    """Return a testbed in which a check of each node is due, and no test."""
    bed = Testbed(options.folder / name, options.installation, plan, STAGES, nodes)
    text = bed.config.read_text()
    bed.config.write_text(text.replace('on_fail = "bad"\n', 'on_fail = "bad"\nliveness = { between = 8 }\n'))
    helper("liveness", "plan", str(bed.folder / "built"))
    return bed


def _make_contestant(bed: Testbed, count: int) -> Contestant:
    def verify() -> None:
        if (found := json.loads(helper("liveness", "answers", str(bed.state)))) != count:
            raise Failed(f"{found} of {count} nodes answered")

    argv = (bed.installation.plabctl, "tick")
    return Contestant(CHECKS, argv, {"PLABCTL_CONFIG": str(bed.config)}, before=bed.renew, after=verify)


def _watch_far(nodes: Nodes, who: Contestant, seconds: list[float]) -> Contestant:
    """Return `who`, of each run of which `seconds` gets the CPU of the nodes' daemons."""
    began: list[float] = []

    def before() -> None:
        who.before()
        began[:] = [_sum_cpu(nodes)]

    def after() -> None:
        nodes.quiet()
        seconds.append(_sum_cpu(nodes) - began[0])
        who.after()

    return Contestant(who.name, who.argv, who.env, before, after)


def _sum_cpu(nodes: Nodes) -> float:
    return sum(found.cpu_s for daemon in nodes.daemons for found in sample(daemon.pid))


def _cpu(taken: Run) -> float:
    return taken.cpu_s


def _format_ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _count_bytes(options: Options, nodes: Nodes) -> int:
    """Return how many bytes one check sends and receives."""
    with _relay(nodes.addresses[0]) as (port, sizes):
        key = " ".join((nodes.folder / "host_key.pub").read_text().split()[:2])
        with Path(nodes.path("known_hosts")).open("a") as known_hosts:
            known_hosts.write(f"[127.0.0.1]:{port} {key}\n")
        plan = Plan([("relayed", {"ssh_host": "127.0.0.1", "ssh_port": str(port)})], 0)
        bed = _make_checked(options, "relayed", nodes, plan)
        alternate([_make_contestant(bed, 1)], 1, warm_up=False)
    return sum(sizes)


@contextlib.contextmanager
def _relay(target: tuple[str, int]) -> Iterator[tuple[int, list[int]]]:
    """Yield a port that leads to `target`, and the sizes of all that passes."""
    sizes: list[int] = []

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sizes.append(len(data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(target)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], sizes
        listener.shutdown(socket.SHUT_RDWR)


def plan(state: Path) -> None:
    """Make a check of each node due, and its test not."""
    from dataclasses import replace

    from plabctl.clock import SystemClock
    from plabctl.core.liveness import Liveness
    from plabctl.core.state import Changes
    from plabctl.store.store import Store

    now = round(time.time(), 3)
    with Store(state, SystemClock()).session() as session:
        known = Liveness(now - 1, 400.0, now - 401)
        members = [replace(member, due_at=now + 3600, liveness=known) for member in session.members()]
        session.apply(Changes(members=tuple(members)))


def answers(state: Path) -> None:
    """Print how many nodes have answered in the last minutes."""
    from plabctl.clock import SystemClock
    from plabctl.store.store import Store

    known = [member.liveness for member in Store(state, SystemClock()).snapshot().members()]
    print(sum(bool(each and each.answered_at and each.answered_at > time.time() - 300) for each in known))


if __name__ == "__main__":
    {"plan": plan, "answers": answers}[sys.argv[1]](Path(sys.argv[2]))
