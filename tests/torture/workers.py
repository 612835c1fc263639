"""Workers, scheduler and ticks are killed, stopped and told to end at random while ticks overlap; vnodes are counted.

I/O: processes on loopback, with TLS. Of a worker that is killed the stages go on, as they would on a node.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.lab.dask_cluster import Cluster, Monitor
from tests.lab.fork_server import Process
from tests.lab.leftover_processes import SHARED
from tests.torture import lost_ways, worker_faults
from tests.torture.finding import Finding, none_of
from tests.torture.options import TortureOptions

SITES = {"w1": "north", "w2": "north", "w3": "south"}
WINDOW = 6
SLEEP = "1.703125"
"""Seconds that a test takes, by which its process is known."""
_POOLS = """\
[flap]
apart = "0s"
[guard]
max_ratio = 1.0
[ssh]
connect_timeout = "1s"
[deadlines]
enabled = false
"""
_MORE = '[pool.{name}]\nrecipe = "folder"\nbackoff = {{ kind = "fixed", base = "2s", jitter = "0s" }}\n'


def run(options: TortureOptions) -> list[Finding]:
    """Do it for some minutes, and return what was not as promised."""
    with Cluster(options.folder) as cluster:
        for name, site in SITES.items():
            cluster.start_worker(name, site, 4)
        cluster.await_ready(*SITES)
        chaos = _Chaos(cluster, options.dice())
        chaos.run(options.count(240, 20))
        found = [*chaos.judge(), *_fall_back(cluster)]
    if options.whole:
        found += worker_faults.run(options.folder / "faults")
        found += lost_ways.run(options.folder / "ways", options.dice("ways"))
    return found


class _Chaos:
    def __init__(self, cluster: Cluster, dice: Random) -> None:
        self._cluster, self._dice = cluster, dice
        self._monitor = Monitor(cluster, "monitor", window=WINDOW)
        self._monitor.configure(sleep=float(SLEEP), seconds="4s", more=_POOLS)
        config = self._monitor.folder / "plabctl.toml"
        text = config.read_text()
        for name in ("good", "bad"):
            text = text.replace(f'[pool.{name}]\nrecipe = "folder"\n', _MORE.format(name=name))
        config.write_text(text)
        for site in ("north", "south"):
            self._monitor.add(site, *(f"{site}{number}" for number in range(12)))
        self._ticks: list[Process] = []
        self._done: dict[str, int] = {}
        self._most = 0
        self._is_over = threading.Event()

    def run(self, seconds: float) -> None:
        """Let it happen for so long, and then all end in peace."""
        watch = threading.Thread(target=self._count, daemon=True)
        watch.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._ticks = [tick for tick in self._ticks if tick.poll() is None]
            if len(self._ticks) < 3:
                self._ticks.append(self._monitor.start("tick"))
                SHARED.add(self._ticks[-1].pid)
            event = self._dice.choice([self._lose_worker, self._stop_worker, self._end_tick, self._restart_scheduler])
            event()
            self._done[event.__name__] = self._done.get(event.__name__, 0) + 1
            time.sleep(self._dice.uniform(0.5, 4))
        for tick in self._ticks:
            tick.terminate()
            tick.wait()
        self._monitor.configure(sleep=0.1)
        self._monitor.run("tick")
        time.sleep(3)
        self._monitor.run("retest", "*", "--yes")
        self._monitor.run("tick")
        self._is_over.set()
        watch.join()

    def judge(self) -> list[Finding]:
        """Return the figures."""
        probes = self._monitor.history("probe")
        failed = [f"{event['node']}: {event['reason']}" for event in probes if event["outcome"] == "fail"]
        unknown = [event for event in probes if event["outcome"] == "unknown"]
        causes = sorted({event["cause"] for event in unknown})
        return [
            Finding("events", ", ".join(f"{count} {name[1:]}" for name, count in sorted(self._done.items()))),
            Finding("tests", str(len(probes)), f"{len(unknown)} unknown: {', '.join(causes)}"),
            Finding("late reports", str(len(self._monitor.history("late")))),
            none_of("vnodes made twice", self._monitor.made_twice().split(), f"{len(probes)}"),
            none_of("vnodes left", self._monitor.live(), f"{len(probes)}"),
            none_of("tests that failed", failed, f"{len(probes)}"),
            none_of("nodes that were suspected", [str(each) for each in self._monitor.history("suspect")], "24"),
            Finding("most at once", str(self._most), f"at most {WINDOW}", self._most <= WINDOW),
        ]

    def _count(self) -> None:
        wanted = f"sleep\0{SLEEP}\0".encode()
        while not self._is_over.wait(0.05):
            running = 0
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    running += path.read_bytes() == wanted
            self._most = max(self._most, running)

    def _lose_worker(self) -> None:
        name = self._dice.choice(list(SITES))
        self._cluster.kill(name, self._dice.choice([signal.SIGKILL, signal.SIGTERM]))
        self._cluster.start_worker(name, SITES[name], 4)

    def _stop_worker(self) -> None:
        name = self._dice.choice(list(SITES))
        self._cluster.signal(name, signal.SIGSTOP)
        time.sleep(self._dice.choice([0.5, 8]))
        self._cluster.signal(name, signal.SIGCONT)

    def _end_tick(self) -> None:
        tick = self._dice.choice(self._ticks)
        tick.send_signal(self._dice.choice([signal.SIGKILL, signal.SIGTERM]))
        tick.wait()

    def _restart_scheduler(self) -> None:
        self._cluster.kill("scheduler")
        self._cluster.start_scheduler()


def _fall_back(cluster: Cluster) -> list[Finding]:
    """Return whether tests are made from here once the scheduler has been unreachable for long enough."""
    lonely = Monitor(cluster, "lonely", scheduler="tcp://127.0.0.1:9", fallback_after="1s")
    lonely.add("north", "n1")
    said = lonely.run("tick")
    told = lonely.run("check", code=2)
    lonely.run("retest", "n1")
    lonely.run("tick")
    first, *others = lonely.history("probe")
    is_made_here = {(event["outcome"], event.get("vantage", "")) for event in others} == {("pass", "")}
    is_told = first["cause"] == "executor" and "refused" in told
    return [
        Finding("without a scheduler", first["cause"], "executor", is_told, "" if is_told else told),
        Finding("what the tick says of it", repr(said), "nothing", not said),
        Finding("after a while, made from here", str(len(others)), "2", is_made_here and len(others) == 2),
    ]
