"""Scheduler and workers that will not do, through whole ticks: each is told by name, blames no node and hangs nothing.

I/O: processes on loopback, with TLS.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.lab.dask_cluster import OTHER_VERSION, Cluster, Monitor, running
from tests.lab.slow_link import slow_link
from tests.lab.wait_until import wait_until
from tests.torture.finding import Finding

LONGEST_S = 90.0
"""A tick that takes longer hangs: what cannot begin is given up after 45 s."""


def run(folder: Path) -> list[Finding]:
    """Play each fault, and return what was told."""
    folder.mkdir()
    with Cluster(folder) as cluster:
        monitor = _make_monitor(cluster, "usual")
        return [
            *_have_no_fit_worker(cluster, monitor),
            *_be_slow(cluster, monitor),
            _fill(cluster, monitor),
            _lack_preload(cluster, monitor),
        ]


def _make_monitor(cluster: Cluster, name: str, *, window: int = 2, port: int | None = None) -> Monitor:
    """Return one whose node is good."""
    more = {} if port is None else {"scheduler": f"tls://127.0.0.1:{port}"}
    monitor = Monitor(cluster, name, window=window, **more)
    monitor.add("north", f"{name}-n1")
    monitor.run("move", f"{name}-n1", "good", "--reason", "it works")
    return monitor


def _play(what: str, monitor: Monitor, reason: str) -> Finding:
    """Return whether a tick ends in time with a test that names the fault, and whether `check` and `doctor` do."""
    seen = len(monitor.history("probe"))
    monitor.run("retest", "*", "--yes")
    began = time.monotonic()
    monitor.run("tick")
    took_s = time.monotonic() - began
    told = monitor.history("probe")[seen:]
    (node,) = monitor.status()
    holds = {
        "the test is unknown": [(each["outcome"], each.get("cause")) for each in told] == [("unknown", "executor")],
        "its reason names the fault": all(reason in each["reason"] for each in told),
        "the node stays good": node["pool"] == "good" and not monitor.history("suspect"),
        "check names it": reason in monitor.run("check", code=2),
        "the tick ends in time": took_s < LONGEST_S,
        "no vnode is made": not _list_made(monitor, node["name"]),
    }
    broken = [name for name, is_so in holds.items() if not is_so]
    said = f"unknown after {took_s:.0f} s"
    return Finding(what, said, reason, not broken, f"not so: {', '.join(broken)}: {told}" if broken else "")


def _list_made(monitor: Monitor, node: str) -> list[str]:
    path = monitor.cluster.folder / "begun"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith(f"{node} ")]


def _have_no_fit_worker(cluster: Cluster, monitor: Monitor) -> list[Finding]:
    """Have only a worker of another version, and one of Dask that knows nothing of plabctl."""
    cluster.start_plain_worker("plain")
    cluster.start_worker("odd", "north", program=OTHER_VERSION)
    assert wait_until(lambda: b"no tests are given" in cluster.log("odd"), within_s=60)
    assert wait_until(lambda: b"Registered to" in cluster.log("plain"), within_s=60), cluster.log("plain")
    reason = "at site 'north' gets no tests: it runs plabctl 9.9, of another version than the scheduler"
    found = _play("only workers that will not do", monitor, reason)
    doctor = monitor.run("doctor", code=1)
    is_told = (
        "it runs plabctl 9.9, of another version" in doctor and "no worker can be used: nothing is tested" in doctor
    )
    return [found, Finding("which doctor tells", str(is_told), "True", is_told, "" if is_told else doctor)]


def _be_slow(cluster: Cluster, monitor: Monitor) -> list[Finding]:
    """Have a monitor and a worker that are far away, and a monitor that is too far away."""
    with slow_link(cluster.port, delay_s=0.25, bytes_per_s=40_000) as far:
        cluster.start_worker("w1", "north", 1, port=far)
        cluster.await_ready("w1")
        distant = _make_monitor(cluster, "distant", port=far)
        distant.run("tick")
        outcomes = [event["outcome"] for event in distant.history("probe")]
        found = Finding("0.5 s there and back, 40 KB/s", " ".join(outcomes), "pass", outcomes == ["pass"])
        cluster.kill("w1")
    cluster.start_worker("w1", "north", 1)
    cluster.await_ready("w1")
    with slow_link(cluster.port, delay_s=4, bytes_per_s=40_000) as farther:
        lost = _make_monitor(cluster, "lost", port=farther)
        return [found, _play("8 s there and back", lost, "cannot be reached: no answer in 5 s")]


def _fill(cluster: Cluster, monitor: Monitor) -> Finding:
    """Have another monitor take the only slot of the only worker of a site."""
    other = _make_monitor(cluster, "greedy", window=1)
    other.configure(sleep=70, seconds="80s")
    with running(other.start("tick")):
        assert wait_until(lambda: len(other.live()) == 1)
        reason = "all slots of the workers at north were taken until it was too late to begin"
        return _play("all slots taken by another monitor", monitor, reason)


def _lack_preload(cluster: Cluster, monitor: Monitor) -> Finding:
    """Have a scheduler that was started without our part."""
    cluster.kill("scheduler")
    cluster.start_scheduler(preload=False)
    reason = "has not loaded plabctl: --preload plabctl.executors.dask.scheduler"
    return _play("a scheduler without plabctl", monitor, reason)
